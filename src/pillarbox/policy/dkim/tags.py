"""Tag lists (RFC 6376 §3.2): how signatures and key records are written."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SPACE = re.compile(r"[ \t\r\n]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")


class Malformed(Exception):
    """The text is not what the RFC describes; the message says where, in words for a log."""


def read_tags(text: bytes) -> Mapping[str, str]:
    """Tags by name, white space around values removed. Raises Malformed.

    UTF-8 may stand in domain names (RFC 8616 §3).
    """
    try:
        fields = text.decode("utf-8").split(";")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if not fields[-1].strip(" \t\r\n"):
        fields.pop()
    tags: dict[str, str] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.match(name):
            raise Malformed("not a tag list")
        if name in tags:
            raise Malformed(f"{name}= occurs twice")
        tags[name] = value.strip(" \t\r\n")
    return tags


def without_space(text: str) -> str:
    """§3.2: folding white space inside base64 and lists means nothing."""
    return _SPACE.sub("", text)


def octets(text: str, tag: str) -> bytes:
    """Base64. Raises Malformed."""
    text = without_space(text)
    try:
        if not _BASE64.match(text):
            raise ValueError("other characters")
        return base64.b64decode(text + "=" * (-len(text.rstrip("=")) % 4), validate=False)
    except (binascii.Error, ValueError):
        raise Malformed(f"{tag}= is not base64") from None


def number(text: str | None, tag: str) -> int | None:
    """Digits only, of a sane length (§3.5). Raises Malformed."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 76:
        raise Malformed(f"{tag}= is not a number")
    return int(text)
