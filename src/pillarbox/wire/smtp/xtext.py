"""The two escapes of ESMTP parameters: xtext (RFC 3461 §4) and unitext (RFC 6533 §3)."""

from __future__ import annotations

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_XTEXT_NEEDS = re.compile(r"[^!-*,-<>-~]")

_POINT = r"\\x\{(?:[0-9A-F]{2,6})\}"
_UNITEXT = re.compile(rf"(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|{_POINT})+\Z")
_UNITEXT_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_UNITEXT_NEEDS = re.compile(r"[^!-*,-<>-\[\]-~\x80-\U0010ffff]")
_UNITEXT_NEEDS_ASCII = re.compile(r"[^!-*,-<>-\[\]-~]")


def decode(text: str) -> str | None:
    """xtext to what it stands for; None when it is not xtext or not ASCII inside."""
    if _XTEXT.match(text) is None:
        return None
    if "+" not in text:
        return text
    plain = _HEXCHAR.sub(lambda m: chr(int(m[1], 16)), text)
    return plain if plain.isascii() else None


def encode(text: str) -> str:
    """Printable ASCII as xtext; anything beyond ASCII becomes ``?`` (it has no xtext form)."""
    return _XTEXT_NEEDS.sub(lambda m: f"+{ord(m[0]):02X}" if m[0] < "\x80" else "?", text)


def decode_unitext(text: str) -> str | None:
    """utf-8-enc-addr to what it stands for; None when malformed."""
    if _UNITEXT.match(text) is None:
        return None
    points = [int(p, 16) for p in _UNITEXT_POINT.findall(text)]
    if any(p > 0x10FFFF or 0xD800 <= p < 0xE000 for p in points):
        return None
    return _UNITEXT_POINT.sub(lambda m: chr(int(m[1], 16)), text)


def encode_unitext(text: str, *, utf8: bool) -> str:
    """utf-8-addr-unitext when the peer takes UTF-8, else the 7-bit utf-8-addr-xtext."""
    needs = _UNITEXT_NEEDS if utf8 else _UNITEXT_NEEDS_ASCII
    return needs.sub(lambda m: f"\\x{{{ord(m[0]):02X}}}", text)
