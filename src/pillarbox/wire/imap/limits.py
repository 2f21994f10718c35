"""How much a client may say at once. All are octets unless the comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection; the defaults suit real clients with room to spare."""

    line: int = 65_536
    """A line with its CRLF. RFC 2683 §3.2.1.5 asks for 8000 at least; UID sets grow long."""
    line_before_login: int = 16_384
    """The same before authentication, long enough for OAuth and Kerberos tokens."""
    literal: int = 262_144
    """One literal that is not a message: a name, a search string, an annotation."""
    literal_before_login: int = 8_192
    command: int = 1_048_576
    """All lines and such literals of one command together."""
    literals: int = 1_000
    """Literals that are not messages in one command (a count)."""
    append: int = 67_108_864
    """One message of APPEND or REPLACE; what APPENDLIMIT announces."""
    messages: int = 1_000
    """Messages in one MULTIAPPEND (a count)."""
    swallow: int = 134_217_728
    """Octets of a refused command that are read and thrown away before giving up with BYE."""
    swallow_before_login: int = 65_536
    pending: int = 1_048_576
    """Octets kept while a gate is shut; a driver stops reading long before."""
    depth: int = 50
    """Nesting of parentheses, NOT and OR (levels)."""
    keys: int = 10_000
    """Search keys in one query (a count)."""
    ranges: int = 20_000
    """Ranges in one number set (a count)."""
    literal_minus: bool = False
    """LITERAL- instead of LITERAL+: non-synchronizing literals up to 4096 only (RFC 7888 §5)."""


DEFAULT = Limits()
