"""What the optional extensions say: SORT, THREAD, METADATA, ACL, QUOTA and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pillarbox.wire.imap.render.text import astring, mailbox, nstring, string


def sort(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """SORT in the sorted order (RFC 5256 §4); ``modseq`` as in ``search``."""
    found = " ".join(map(str, numbers))
    tail = f" (MODSEQ {modseq})" if modseq is not None and found else ""
    return f"* SORT{' ' if found else ''}{found}{tail}\r\n".encode("ascii")


def thread(roots: Sequence[int], below: Mapping[int, Sequence[int]], spelt: Sequence[str]) -> bytes:
    """THREAD (RFC 5256 §4): ``(2)(3 6 (4 23)(44 7 96))``. Threads may be of any depth.

    Nodes are places in ``spelt``, the numbers of messages; one beyond its end is a parent that is
    missing. ``below``: the answers of those that have any.
    """
    out: list[str] = []
    count = len(spelt)
    for root in roots:
        if root in below:
            _tree(root, below, spelt, out)
        elif root < count:
            out.append(f"({spelt[root]})")
    found = "".join(out)
    return f"* THREAD{' ' if found else ''}{found}\r\n".encode("ascii")


def _tree(
    root: int, below: Mapping[int, Sequence[int]], spelt: Sequence[str], out: list[str]
) -> None:
    count = len(spelt)
    stack: list[int] = [root]  # what is still to be written, the next last; ~node: in parentheses
    out.append("(")
    while stack:
        node = stack.pop()
        if node == _CLOSE:
            out.append(")")
            continue
        if node < 0:
            node = ~node
            out.append("(")
            stack.append(_CLOSE)
        if node < count:
            out.append(spelt[node])
        answers = below.get(node)
        if answers is None:
            continue
        if node < count:
            out.append(" ")
        if len(answers) == 1:
            stack.append(answers[0])
        else:
            stack += [~answer for answer in reversed(answers)]
    out.append(")")


_CLOSE = -(1 << 62)


def ordered(numbers: Sequence[int]) -> str:
    """A set in the given order, as ESEARCH answers SORT (RFC 5267 §3.1): ``5,10:12,1``."""
    out: list[str] = []
    start = last = 0
    for number in (*numbers, 0):
        if last and number == last + 1:
            last = number
            continue
        if last:
            out.append(f"{start}:{last}" if last > start else str(start))
        start = last = number
    return ",".join(out)


def uid_batches(tag: str, batches: Sequence[tuple[int, int]]) -> bytes:
    """RFC 10022: ranges from the newest down, each (highest, lowest)."""
    spelt = ",".join(f"{high}:{low}" for high, low in batches).encode("ascii")
    shown = string(tag.encode("ascii", "replace"))
    return b"* UIDBATCHES (TAG %b)%b%b\r\n" % (shown, b" " if spelt else b"", spelt)


# --- FILTER (draft-bosch-imap-filter-sieve §3.3, §3.4)


def filtered(
    number: int,
    tag: str,
    *,
    uid: int = 0,
    warnings: Sequence[str] = (),
    errors: Sequence[str] = (),
    utf8: bool = False,
) -> bytes:
    """What a filter made of one message. ``uid``: said where it is not 0."""
    shown = b" UID %d" % uid if uid else b""
    result = _problem(warnings, errors, utf8) or b"OK"
    return b"* %d FILTERED (TAG %b)%b %b\r\n" % (number, _who(tag), shown, result)


def filter_problem(
    tag: str, *, warnings: Sequence[str] = (), errors: Sequence[str] = (), utf8: bool = False
) -> bytes:
    """What is wrong with a filter whatever the message."""
    return b"* FILTER (TAG %b) %b\r\n" % (_who(tag), _problem(warnings, errors, utf8))


def _problem(warnings: Sequence[str], errors: Sequence[str], utf8: bool) -> bytes:
    """Errors say all, where there are some."""
    if not (warnings or errors):
        return b""
    text = "\r\n".join(errors or warnings).encode("utf-8", "replace")
    return (b"ERRORS " if errors else b"WARNINGS ") + string(text, utf8=utf8)


# --- METADATA (RFC 5464 §4.4)


def metadata(name: str, values: Sequence[tuple[str, bytes | None]], *, utf8: bool = False) -> bytes:
    """Entries with their values; ``name`` '' is the server. Octets with NUL go as literal8."""
    pairs = [
        astring(entry) + b" " + nstring(value, utf8=utf8, binary=True) for entry, value in values
    ]
    return b"* METADATA %b (%b)\r\n" % (_box(name, utf8), b" ".join(pairs))


def metadata_changed(name: str, entries: Sequence[str], *, utf8: bool = False) -> bytes:
    """Unasked: these entries have changed (RFC 5464 §4.4.2)."""
    spelt = b" ".join(map(astring, entries))
    return b"* METADATA %b %b\r\n" % (_box(name, utf8), spelt)


def _box(name: str, utf8: bool) -> bytes:
    return mailbox(name, utf8=utf8) if name else b'""'


# --- ACL (RFC 4314 §3)


def acl(name: str, rights: Sequence[tuple[str, str]], *, utf8: bool = False) -> bytes:
    """Identifiers and their rights."""
    pairs = b"".join(b" %b %b" % (_who(who), astring(what)) for who, what in rights)
    return b"* ACL %b%b\r\n" % (_box(name, utf8), pairs)


def list_rights(
    name: str, identifier: str, always: str, optional: Sequence[str], *, utf8: bool = False
) -> bytes:
    """``always``: rights granted in any case; ``optional``: the groups that go together."""
    spelt = b"".join(b" " + astring(group) for group in (always, *optional))
    return b"* LISTRIGHTS %b %b%b\r\n" % (_box(name, utf8), _who(identifier), spelt)


def my_rights(name: str, rights: str, *, utf8: bool = False) -> bytes:
    """The session's own rights."""
    return b"* MYRIGHTS %b %b\r\n" % (_box(name, utf8), astring(rights))


def _who(identifier: str) -> bytes:
    return string(identifier.encode("utf-8", "replace"))


# --- QUOTA (RFC 9208 §5)


def quota(root: str, resources: Sequence[tuple[str, int, int]]) -> bytes:
    """Resource, usage and limit of each; STORAGE counts units of 1024 octets (§5.1)."""
    spelt = " ".join(f"{name} {usage} {limit}" for name, usage, limit in resources)
    return b"* QUOTA %b (%b)\r\n" % (_who(root), spelt.encode("ascii"))


def quota_root(name: str, roots: Sequence[str], *, utf8: bool = False) -> bytes:
    """The quota roots of a mailbox."""
    return b"* QUOTAROOT %b%b\r\n" % (_box(name, utf8), b"".join(b" " + _who(r) for r in roots))


# --- the connection


def language(tags: Sequence[str]) -> bytes:
    """One tag: the language in use from here on; several: what there is (RFC 5255 §3.3)."""
    return b"* LANGUAGE (" + b" ".join(astring(tag) for tag in tags) + b")\r\n"


def jmap_access(url: str) -> bytes:
    """Where the JMAP session resource is (RFC 9698 §4)."""
    return b"* JMAPACCESS " + string(url.encode("ascii", "replace")) + b"\r\n"
