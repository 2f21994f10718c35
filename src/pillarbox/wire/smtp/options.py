"""How one listener speaks: its role, what it offers, and where its patience ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.transaction import Role


class Extension(Enum):
    """Service extensions that take no value; the value is the EHLO keyword."""

    PIPELINING = "PIPELINING"  # RFC 2920
    EIGHTBITMIME = "8BITMIME"  # RFC 6152
    SMTPUTF8 = "SMTPUTF8"  # RFC 6531
    CHUNKING = "CHUNKING"  # RFC 3030 §2
    BINARYMIME = "BINARYMIME"  # RFC 3030 §3
    ENHANCEDSTATUSCODES = "ENHANCEDSTATUSCODES"  # RFC 2034
    DSN = "DSN"  # RFC 3461
    STARTTLS = "STARTTLS"  # RFC 3207; only offered until TLS is active
    REQUIRETLS = "REQUIRETLS"  # RFC 8689; only offered once TLS is active
    LIMITS = "LIMITS"  # RFC 9422; offered as RCPTMAX with ``max_recipients``
    HELP = "HELP"  # RFC 5321 §4.1.1.1 wants commands beyond the minimum listed


DEFAULT_EXTENSIONS = frozenset(
    {
        Extension.PIPELINING,
        Extension.EIGHTBITMIME,
        Extension.SMTPUTF8,
        Extension.CHUNKING,
        Extension.BINARYMIME,
        Extension.ENHANCEDSTATUSCODES,
        Extension.DSN,
        Extension.LIMITS,
        Extension.HELP,
    }
)


class BareNewline(Enum):
    """What to do with content that has a CR or LF alone (docs/decisions/0010)."""

    REFUSE = "refuse"
    """Refuse the message with a permanent reply that says why."""
    NORMALISE = "normalise"
    """Turn each into CRLF. The end of data is still CRLF.CRLF and nothing else."""


@dataclass(frozen=True, slots=True)
class Options:
    """One listener's way of speaking; shared by all its connections."""

    hostname: str
    """Our own name, in the greeting and in the answer to EHLO."""
    role: Role = Role.MX
    """MX, SUBMISSION or LMTP."""
    banner: str = "ESMTP"
    """Text behind the host name in the greeting."""
    extensions: frozenset[Extension] = DEFAULT_EXTENSIONS
    auth: tuple[str, ...] = ()
    """SASL mechanisms offered while TLS is active, in order of preference; upper case."""
    auth_in_clear: tuple[str, ...] = ()
    """SASL mechanisms offered without TLS (RFC 4954 §4: no plain passwords here)."""
    bare_newline: BareNewline | None = None
    """None is REFUSE for MX and NORMALISE for submission and LMTP."""
    deliverby: int | None = None
    """Shortest by-time in seconds, 0 for none stated; None does not offer it (RFC 2852)."""
    futurerelease: tuple[int, str] | None = None
    """Longest hold in seconds and as latest date-time; None does not offer it (RFC 4865)."""
    mt_priority: str | None = None
    """Name of the priority policy, '' for unnamed; None does not offer it (RFC 6710)."""

    max_size: int = 50 * 1024 * 1024
    """Octets of a message (RFC 1870); 0 is no limit."""
    max_recipients: int = 1000
    """Accepted in one transaction; RFC 5321 §4.5.3.1.8 asks for at least 100."""
    max_line: int = 2048
    """Octets of a command line with its CRLF: 512 (RFC 5321 §4.5.3.1.4) and what the extensions
    add: SIZE 26, BODY 16, SMTPUTF8 10, DSN 524, AUTH 500, BY 17, HOLDUNTIL 34, priority 15."""
    max_auth_line: int = 12288
    """Octets of an AUTH command or answer (RFC 4954 §4)."""
    max_path: int = 512
    """Octets between the angle brackets; at least 254 (RFC 5321 §4.5.3.1.3)."""
    max_bad_commands: int = 20
    """Faults and unknown commands before the connection is given up."""
    max_kept: int = 1024 * 1024
    """Octets kept while an answer is awaited; a driver that stops reading never gets near."""
    max_discard: int = 1024 * 1024 * 1024
    """Octets of refused content swallowed before the connection is given up."""

    @property
    def newline(self) -> BareNewline:
        """The bare newline rule in force."""
        if self.bare_newline is not None:
            return self.bare_newline
        return BareNewline.REFUSE if self.role is Role.MX else BareNewline.NORMALISE
