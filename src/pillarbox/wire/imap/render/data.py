"""Untagged data: mailboxes, counts, search results (RFC 9051 §7.2 to §7.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pillarbox.model.mailbox import SEPARATOR
from pillarbox.model.numset import NumSet
from pillarbox.wire.imap.render.text import mailbox, nstring, parenthesized, string

# --- the session


def capability(listed: str) -> bytes:
    """RFC 9051 §7.2.2; ``listed`` as ``codes.capability`` spells it."""
    return f"* {listed}\r\n".encode("ascii")


def enabled(names: Iterable[str]) -> bytes:
    """Sent even when nothing was enabled (RFC 9051 §6.3.1)."""
    return " ".join(("* ENABLED", *names)).encode("ascii") + b"\r\n"


def id_(fields: Mapping[str, str | None] | None) -> bytes:
    """RFC 2971 §3.2."""
    if not fields:
        return b"* ID NIL\r\n"
    pairs = [
        string(key.encode()) + b" " + nstring(None if value is None else value.encode())
        for key, value in fields.items()
    ]
    return b"* ID (" + b" ".join(pairs) + b")\r\n"


def namespace(
    personal: Sequence[str],
    other: Sequence[str] = (),
    shared: Sequence[str] = (),
    *,
    utf8: bool = False,
    translated: Mapping[str, str] | None = None,
) -> bytes:
    """Prefixes of the three kinds (RFC 2342 §5).

    ``translated``: prefixes in the language the client chose (RFC 5255 §3.4).
    """
    kinds = []
    for prefixes in (personal, other, shared):
        described = []
        for prefix in prefixes:
            row = _prefix(prefix, utf8) + b" " + _separator(SEPARATOR)
            if translated and prefix in translated:
                row += b' "TRANSLATION" (%b)' % _prefix(translated[prefix], utf8)
            described.append(b"(" + row + b")")
        kinds.append(b"(" + b"".join(described) + b")" if described else b"NIL")
    return b"* NAMESPACE " + b" ".join(kinds) + b"\r\n"


def _prefix(prefix: str, utf8: bool) -> bytes:
    return mailbox(prefix, utf8=utf8) if prefix else b'""'


def _separator(separator: str) -> bytes:
    return string(separator.encode("ascii")) if separator else b"NIL"


# --- mailboxes


def list_(
    attributes: Iterable[str],
    name: str,
    *,
    utf8: bool = False,
    separator: str = SEPARATOR,
    childinfo: Sequence[str] = (),
    old_name: str = "",
    extended: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """LIST; ``separator`` '' is NIL (a name outside any hierarchy).

    ``childinfo``: selection options that children match (RFC 5258 §5); ``old_name``: what the
    client knows the mailbox by (RFC 9051 §6.3.9.7); ``extended``: further items, as wire bytes.
    """
    items = list(extended)
    if childinfo:
        quoted = b" ".join(string(option.encode("ascii")) for option in childinfo)
        items.append(("CHILDINFO", b"(" + quoted + b")"))
    if old_name:
        items.append(("OLDNAME", b"(" + mailbox(old_name, utf8=utf8) + b")"))
    tail = b""
    if items:
        spelt = [string(tag.encode("ascii")) + b" " + value for tag, value in items]
        tail = b" (" + b" ".join(spelt) + b")"
    shown = mailbox(name, utf8=utf8) if name else b'""'
    return b"* LIST %b %b %b%b\r\n" % (
        parenthesized(attributes), _separator(separator), shown, tail
    )  # fmt: skip


def lsub(attributes: Iterable[str], name: str, *, utf8: bool = False) -> bytes:
    """RFC 3501 §7.2.3."""
    return b"* LSUB %b %b %b\r\n" % (
        parenthesized(attributes), _separator(SEPARATOR), mailbox(name, utf8=utf8)
    )  # fmt: skip


def status(
    name: str, values: Sequence[tuple[str, int | str | None]], *, utf8: bool = False
) -> bytes:
    """STATUS; a number, an object id, or None for NIL (no APPENDLIMIT)."""
    pairs = []
    for item, value in values:
        spelt = "NIL" if value is None else f"({value})" if isinstance(value, str) else str(value)
        pairs.append(f"{item} {spelt}")
    return b"* STATUS %b (%b)\r\n" % (mailbox(name, utf8=utf8), " ".join(pairs).encode("ascii"))


def flags(names: Iterable[str]) -> bytes:
    """The flags a mailbox has in use (RFC 9051 §7.3.5)."""
    return b"* FLAGS " + parenthesized(names) + b"\r\n"


def exists(count: int) -> bytes:
    """RFC 9051 §7.4.1."""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """RFC 3501 §7.3.2; clients that enabled IMAP4rev2 do not get it."""
    return b"* %d RECENT\r\n" % count


_NUMBERS = (
    b"* OK [UIDVALIDITY %d] UIDs valid\r\n"
    b"* OK [UIDNEXT %d] Predicted next UID\r\n"
    b"* OK [HIGHESTMODSEQ %d] Highest\r\n"
)


def numbers(uidvalidity: int, uidnext: int, highestmodseq: int) -> bytes:
    """What SELECT tells beside counts, all at once (RFC 9051 §6.3.2, RFC 7162 §3.1.2.1)."""
    return _NUMBERS % (uidvalidity, uidnext, highestmodseq)


def expunges(numbers: Sequence[int]) -> bytes:
    """EXPUNGE, one line a message. Each number counts after the ones before it took effect, so
    for messages given by their old numbers send them in descending order (RFC 9051 §7.5.1)."""
    if isinstance(numbers, range) and numbers.step == -1:
        return _countdown(numbers)
    return (b"* %d EXPUNGE\r\n" * len(numbers)) % tuple(numbers)


_THOUSAND: Final = b"".join([b"* #%03d EXPUNGE\r\n" % n for n in range(999, -1, -1)])


def _countdown(numbers: range) -> bytes:
    """The same for numbers without holes. A thousand lines differ from the thousand before in
    what leads their numbers; to put that in costs a hundredth of formatting each."""
    top = (numbers.start + 1) // 1000 - 1
    low = max(1, numbers.stop // 1000 + 1)
    if top < low:
        return (b"* %d EXPUNGE\r\n" * len(numbers)) % tuple(numbers)
    above = range(numbers.start, 1000 * top + 999, -1)
    below = range(1000 * low - 1, numbers.stop, -1)
    thousands = [_THOUSAND.replace(b"#", b"%d" % n) for n in range(top, low - 1, -1)]
    return b"".join([expunges(list(above)), *thousands, expunges(list(below))])


def vanished(uids: NumSet, *, earlier: bool = False) -> bytes:
    """RFC 7162 §3.2.10; nothing for an empty set, which has no spelling."""
    if not uids:
        return b""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", str(uids).encode("ascii"))


# --- search results


def search(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """SEARCH; ``modseq``: highest of the messages found (RFC 7162 §3.1.5), only if any was."""
    found = " ".join(map(str, numbers))
    tail = f" (MODSEQ {modseq})" if modseq is not None and found else ""
    return f"* SEARCH{' ' if found else ''}{found}{tail}\r\n".encode("ascii")


def esearch(
    tag: str,
    *,
    uid: bool,
    low: int | None = None,
    high: int | None = None,
    found: NumSet | str | None = None,
    count: int | None = None,
    partial: tuple[int, int] | None = None,
    window: NumSet | str | None = None,
    modseq: int | None = None,
    relevancy: Sequence[int] = (),
    added: Sequence[tuple[int, str]] = (),
    removed: Sequence[tuple[int, str]] = (),
    box: tuple[str, int] | None = None,
    utf8: bool = False,
) -> bytes:
    """ESEARCH (RFC 9051 §7.3.4); ``low`` and ``high`` are MIN and MAX.

    Give only what was asked for: MIN, MAX and ALL are left out when nothing matched (RFC 4731
    §3.1), so None and the empty set say nothing. ``partial`` is echoed with its ``window`` of
    the result, NIL when that is empty (RFC 9394 §3.1). Sorted results are strings, spelt by
    ``extra.ordered``.

    ``relevancy``: scores of 1 to 100 in the order of ``found`` (RFC 6203 §4); ``added`` and
    ``removed``: position, 0 where there is none, and set (RFC 5267 §4.3); ``box``: mailbox and
    UIDVALIDITY of results from several (RFC 7377 §2.1).
    """
    correlator = b"TAG " + string(tag.encode("ascii", "replace"))
    if box is not None:
        correlator += b" MAILBOX %b UIDVALIDITY %d" % (mailbox(box[0], utf8=utf8), box[1])
    parts = [b"* ESEARCH (%b)" % correlator]
    if uid:
        parts.append(b"UID")
    for name, value in (("MIN", low), ("MAX", high), ("COUNT", count)):
        if value is not None:
            parts.append(f"{name} {value}".encode("ascii"))
    if found:
        parts.append(b"ALL " + str(found).encode("ascii"))
    if partial is not None:
        inside = str(window) if window else "NIL"
        parts.append(f"PARTIAL ({partial[0]}:{partial[1]} {inside})".encode("ascii"))
    if modseq is not None:
        parts.append(b"MODSEQ %d" % modseq)
    if relevancy:
        parts.append(b"RELEVANCY (%b)" % " ".join(map(str, relevancy)).encode("ascii"))
    for name, changes in (("ADDTO", added), ("REMOVEFROM", removed)):
        if changes:
            spelt = " ".join(f"{position} {numbers}" for position, numbers in changes)
            parts.append(f"{name} ({spelt})".encode("ascii"))
    return b" ".join(parts) + b"\r\n"
