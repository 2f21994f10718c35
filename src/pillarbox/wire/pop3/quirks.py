"""Tolerances for clients, each with its reason.

Everything else in this room is as strict as the RFCs allow.
"""

from __future__ import annotations

import re

from pillarbox.wire.pop3 import events

_HTTP = re.compile(rb"(?:GET|POST|HEAD|PUT|OPTIONS|CONNECT|DELETE|PATCH|TRACE|PRI) \S+ HTTP/\d")
TLS_RECORD = b"\x16\x03"
"""How a TLS ClientHello starts (RFC 8446 §5.1: handshake, legacy version 3.x)."""


def bare_auth() -> events.Event:
    """AUTH without argument lists the mechanisms.

    RFC 1734 and 5034 know no such form; Microsoft's clients from Outlook Express on ask this way
    before they learned CAPA.
    """
    return events.Mechanisms()


def trimmed(text: str) -> str:
    """Arguments without spaces at their end: hand-written clients send ``STAT `` and ``RETR 1 ``.

    Not for USER and PASS, where a space may be meant.
    """
    return text.rstrip(" ")


def is_http(line: bytes) -> bool:
    """A browser made to talk to us (cross-protocol attack): hang up at its first line.

    Otherwise its header lines would be tried as commands one by one.
    """
    return _HTTP.match(line) is not None
