"""Response codes: the bracketed word a program reads (RFC 9051 §7.1, RFC 5530 and others).

Constants are codes without arguments; functions build the ones that have some. All are given
to ``text.ok``, ``text.no`` and ``text.bad`` without their brackets.
"""

from __future__ import annotations

from collections.abc import Iterable

from pillarbox.model.numset import NumSet

ALERT = "ALERT"
PARSE = "PARSE"
READ_ONLY = "READ-ONLY"
READ_WRITE = "READ-WRITE"
TRYCREATE = "TRYCREATE"
CLOSED = "CLOSED"
NOMODSEQ = "NOMODSEQ"
UIDNOTSTICKY = "UIDNOTSTICKY"
# RFC 5530 §3
UNAVAILABLE = "UNAVAILABLE"
AUTHENTICATIONFAILED = "AUTHENTICATIONFAILED"
AUTHORIZATIONFAILED = "AUTHORIZATIONFAILED"
EXPIRED = "EXPIRED"
PRIVACYREQUIRED = "PRIVACYREQUIRED"
CONTACTADMIN = "CONTACTADMIN"
NOPERM = "NOPERM"
INUSE = "INUSE"
EXPUNGEISSUED = "EXPUNGEISSUED"
CORRUPTION = "CORRUPTION"
SERVERBUG = "SERVERBUG"
CLIENTBUG = "CLIENTBUG"
CANNOT = "CANNOT"
LIMIT = "LIMIT"
OVERQUOTA = "OVERQUOTA"
ALREADYEXISTS = "ALREADYEXISTS"
NONEXISTENT = "NONEXISTENT"
NOTSAVED = "NOTSAVED"  # RFC 5182 §2.1
HASCHILDREN = "HASCHILDREN"  # RFC 9051 §7.1
UNKNOWN_CTE = "UNKNOWN-CTE"  # RFC 3516 §4.3
TOOBIG = "TOOBIG"  # RFC 4469 §4, RFC 7889 §4
USEATTR = "USEATTR"  # RFC 6154 §3


def capability(names: Iterable[str]) -> str:
    """The capability list, in the greeting and after log-in (RFC 9051 §7.1)."""
    return "CAPABILITY " + " ".join(names)


def permanentflags(names: Iterable[str], *, more: bool) -> str:
    """``more``: new keywords can be made (``\\*``)."""
    return "PERMANENTFLAGS (" + " ".join((*names, *(("\\*",) if more else ()))) + ")"


def uidvalidity(value: int) -> str:
    """On SELECT (RFC 9051 §6.3.2)."""
    return f"UIDVALIDITY {value}"


def uidnext(value: int) -> str:
    """On SELECT (RFC 9051 §6.3.2)."""
    return f"UIDNEXT {value}"


def unseen(number: int) -> str:
    """The first unseen message; IMAP4rev1 only, and only if there is one (RFC 3501 §6.3.1)."""
    return f"UNSEEN {number}"


def highestmodseq(value: int) -> str:
    """On SELECT, and after changes (RFC 7162 §3.1.2.1)."""
    return f"HIGHESTMODSEQ {value}"


def modified(numbers: NumSet) -> str:
    """Messages a conditional STORE left alone (RFC 7162 §3.1.3)."""
    return f"MODIFIED {numbers}"


def appenduid(validity: int, uids: NumSet) -> str:
    """RFC 4315 §3."""
    return f"APPENDUID {validity} {uids}"


def copyuid(validity: int, source: NumSet, target: NumSet) -> str:
    """RFC 4315 §3. Both ascend: the n-th UID of one became the n-th of the other."""
    return f"COPYUID {validity} {source} {target}"


def badcharset(names: Iterable[str]) -> str:
    """With the charsets that SEARCH understands (RFC 9051 §7.1)."""
    return "BADCHARSET (" + " ".join(names) + ")"
