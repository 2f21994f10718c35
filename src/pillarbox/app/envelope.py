"""A kept IMAP ENVELOPE (RFC 3501 §7.4.2) as words for a list that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pillarbox.message.words import decode

_TOKEN = re.compile(rb'[()]|NIL|"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n', re.DOTALL)
_MOST = 200
"""Characters of a subject or name that a list shows."""


def summary(envelope: bytes) -> tuple[str, str, str]:
    """Date, subject and first sender of an ENVELOPE; empty where there is none."""
    tokens = list(_tokens(envelope))
    # ( date subject ( ( name adl mailbox host ) …
    if len(tokens) < 3 or tokens[0] != b"(":
        return "", "", ""
    date, subject = _text(tokens[1]), _text(tokens[2])
    sender = ""
    if tokens[3:5] == [b"(", b"("] and len(tokens) >= 9:
        name, mailbox, host = _text(tokens[5]), _text(tokens[7]), _text(tokens[8])
        sender = f"{name} <{mailbox}@{host}>" if name else f"{mailbox}@{host}"
    return date, subject, sender


def _tokens(envelope: bytes) -> Iterator[bytes | None]:
    """Parentheses as they are, strings behind a mark that no parenthesis has, None for NIL."""
    at = 0
    while (match := _TOKEN.search(envelope, at)) is not None:
        at = match.end()
        word = match[0]
        if match[1] is not None:
            end = at + int(match[1])
            yield b"=" + envelope[at:end]
            at = end
        elif word.startswith(b'"'):
            yield b"=" + re.sub(rb"\\(.)", rb"\1", word[1:-1])
        else:
            yield None if word == b"NIL" else word


def _text(token: bytes | None) -> str:
    if not token or not token.startswith(b"="):
        return ""
    text = "".join(c if c.isprintable() else " " for c in decode(token[1:]))
    return text if len(text) <= _MOST else text[:_MOST] + "…"
