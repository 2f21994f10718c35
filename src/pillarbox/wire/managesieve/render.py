"""Answers of a ManageSieve server as bytes (RFC 5804 §1.2, §1.3, §4)."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_QUOTED = 1024
_UNQUOTABLE = frozenset(b"\r\n\0")


def string(value: str | bytes) -> bytes:
    """Quoted where it can be, else a literal."""
    octets = value.encode("utf-8", "replace") if isinstance(value, str) else value
    if len(octets) <= _MAX_QUOTED and not _UNQUOTABLE.intersection(octets) and _is_utf8(octets):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(octets) + octets


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def line(word: str, text: str = "", code: str = "") -> bytes:
    """``OK``, ``NO`` or ``BYE`` with a response code and words for a person."""
    parts = [word.encode("ascii")]
    if code:
        parts.append(b"(" + code.encode("utf-8") + b")")
    if text:
        parts.append(string(text))
    return b" ".join(parts) + b"\r\n"


def capabilities(values: Iterable[tuple[str, str | None]]) -> bytes:
    """One line each (§1.7); None for those without a value."""
    return b"".join(
        [
            string(name) + (b"" if value is None else b" " + string(value)) + b"\r\n"
            for name, value in values
        ]
    )
