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
COMPRESSIONACTIVE = "COMPRESSIONACTIVE"  # RFC 4978 §3
NOTIFICATIONOVERFLOW = "NOTIFICATIONOVERFLOW"  # RFC 5465 §5
METADATA_TOOMANY = "METADATA TOOMANY"  # RFC 5464 §4.3
METADATA_NOPRIVATE = "METADATA NOPRIVATE"
UIDREQUIRED = "UIDREQUIRED"  # RFC 9586 §3
TOOFEW = "TOOFEW"  # RFC 10022: batches smaller than the server makes
TOOMANY = "TOOMANY"


def capability(names: Iterable[str]) -> str:
    """The capability list, in the greeting and after log-in (RFC 9051 §7.1)."""
    return "CAPABILITY " + " ".join(names)


def permanentflags(names: Iterable[str], *, more: bool) -> str:
    """``more``: new keywords can be made (``\\*``)."""
    return "PERMANENTFLAGS (" + " ".join((*names, *(("\\*",) if more else ()))) + ")"


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


def mailboxid(object_id: str) -> str:
    """On SELECT and CREATE (RFC 8474 §4.1, §4.2)."""
    return f"MAILBOXID ({object_id})"


def objectid(ids: Iterable[tuple[str, str]]) -> str:
    """Identifiers under their names (draft-ietf-mailmaint-imap-objectid-bis §3)."""
    return "OBJECTID (" + " ".join(f"{key} {value}" for key, value in ids) + ")"


def metadata_longentries(longest: int) -> str:
    """Values beyond MAXSIZE were left out, the longest of so many octets (RFC 5464 §4.2.1)."""
    return f"METADATA LONGENTRIES {longest}"


def metadata_maxsize(octets: int) -> str:
    """A value is too long to be kept (RFC 5464 §4.3)."""
    return f"METADATA MAXSIZE {octets}"


def badevent(events: Iterable[str]) -> str:
    """NOTIFY asked for an event that is not among these (RFC 5465 §5)."""
    return "BADEVENT (" + " ".join(events) + ")"


def noupdate(tag: str) -> str:
    """The search's result will not be kept up to date (RFC 5267 §4.3.1)."""
    return f'NOUPDATE "{tag}"'


def badurl(url: str) -> str:
    """The URL of CATENATE that could not be resolved, with nothing that ends the code."""
    return "BADURL " + "".join(c for c in url if c.isprintable() and c not in "]\\")


def undefined_filter(name: str) -> str:
    """RFC 5466 §3.1."""
    return f"UNDEFINED-FILTER {name}"


def messagelimit(limit: int, lowest_uid: int | None = None) -> str:
    """No more than ``limit`` messages at once; the last one dealt with (RFC 9738 §3.1)."""
    return f"MESSAGELIMIT {limit}" + ("" if lowest_uid is None else f" {lowest_uid}")


def inprogress(tag: str, done: int | None = None, goal: int | None = None) -> str:
    """For untagged OKs while a command runs (RFC 9585 §4): so many of so many items."""
    said = "NIL" if done is None else str(done)
    of = "NIL" if done is None or goal is None else str(goal)
    shown = "NIL" if "]" in tag else f'"{tag}"'  # a tag may hold what ends the code
    return f"INPROGRESS ({shown} {said} {of})"
