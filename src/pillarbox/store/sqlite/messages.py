"""Changes to many messages at once, as few statements: flags, copy, move, expunge."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pillarbox.model.change import Added, Arrivals, Expunged, Flagged
from pillarbox.model.flags import (
    DELETED,
    EVERY_FLAG,
    SEEN,
    SYSTEM_MASK,
    FlagScope,
    FlagSet,
    flag_names,
    intern_keywords,
    keyword_bit,
)
from pillarbox.model.numset import MAX_NUMBER, NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.api import Copied, FlagOp, Removed, Stored
from pillarbox.store.sqlite import journal, packed
from pillarbox.store.sqlite.picks import Pick, pick
from pillarbox.store.sqlite.tx import Box, Home, Tx

_THERE = "m.account = :account AND m.mailbox = :mailbox"
_SUMS = (
    "count(*), min(m.uid), max(m.uid), sum(m.size),"
    f" sum(m.flags & {SEEN} = 0), sum(m.flags & {DELETED} <> 0)"
)
Values = Mapping[str, Any]
_NOTHING: Values = {}
_NEW_FLAGS = {
    FlagOp.ADD: "m.flags | :bits",
    FlagOp.REMOVE: "m.flags & ~:bits",
    FlagOp.REPLACE: ":bits | (m.flags & :spared)",
}


@dataclass(slots=True)
class Found:
    """Messages an operation is about. A mailbox of ten thousand is told in one row: what there is
    one of a message is read only where messages differ."""

    uids: Sequence[int]
    """Ascending; a ``range`` where there are no holes."""
    size: int = 0
    unseen: int = 0
    deleted: int = 0
    flags: Sequence[int] | None = None
    """Of each: an array where all have the same, None where they differ and were not read."""


def find(
    tx: Tx,
    box: Box,
    uids: NumSet | None,
    extra: str = "",
    values: Values = _NOTHING,
    flags: str = "m.flags",
) -> Found:
    """Those of ``uids`` that are there; ``extra``: and for which this holds; ``flags``: what is
    wanted of their flags, in SQL."""
    chosen = pick(uids)
    values = {"account": box.account, "mailbox": box.id, **chosen.values, **values}
    # Who walks through a set of numbers reads all at once; else there are likely no holes.
    listed = f"json_group_array(m.uid), json_group_array({flags})" if chosen.source else "'', ''"
    row = tx.one(
        f"SELECT {_SUMS}, min({flags}), max({flags}), {listed}"
        f" FROM {chosen.source} msg m WHERE {_THERE} {chosen.where} {extra}",
        values,
    )
    if row is None or not row[0]:
        return Found(())
    count, low, high, size, unseen, deleted, least, most, numbers, each = row
    if high - low + 1 == count:
        there: Sequence[int] = range(low, high + 1)
    else:
        there = json.loads(numbers) if numbers else _column(tx, "m.uid", chosen, extra, values)
    if least == most:
        return Found(there, size, unseen, deleted, array("Q", (least,)) * count)
    return Found(there, size, unseen, deleted, json.loads(each) if each else None)


def _column(tx: Tx, expression: str, chosen: Pick, extra: str, values: Values) -> list[int]:
    """A number of each message, by UID. As one text: a row each takes Python twice as long."""
    row = tx.one(
        f"SELECT json_group_array(n) FROM (SELECT {expression} AS n FROM {chosen.source} msg m"
        f" WHERE {_THERE} {chosen.where} {extra} {chosen.order})",
        values,
    )
    numbers: list[int] = json.loads(row[0]) if row is not None else []
    return numbers


def set_flags(
    tx: Tx,
    account: int,
    mailbox: int,
    uids: NumSet,
    op: FlagOp,
    flags: FlagSet,
    unchanged_since: int | None,
    origin: str,
    scope: FlagScope = EVERY_FLAG,
) -> Stored | Refusal:
    """``Mail.set_flags`` inside a transaction."""
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    bits = rules.flag_bits(op, scope.cut(flags), box.keywords)
    if bits is None:
        return rules.TOO_MANY_KEYWORDS
    chosen = pick(uids)
    since = MAX_MODSEQ if unchanged_since is None else unchanged_since
    values: dict[str, Any] = {
        "account": account, "mailbox": mailbox, "bits": bits, "since": since, **chosen.values
    }  # fmt: skip
    if op is FlagOp.REPLACE:
        values["spared"] = rules.HOUSE_FLAGS | scope.spared
    failed = NumSet()
    if unchanged_since is not None:
        failed = NumSet.of(uid for (uid,) in tx.db.execute(
            f"SELECT m.uid FROM {chosen.source} msg m"
            f" WHERE {_THERE} {chosen.where} AND m.modseq > :since",
            values,
        ))  # fmt: skip
    new = _NEW_FLAGS[op]
    others = f"AND m.modseq <= :since AND m.flags <> ({new})"
    found = find(tx, box, uids, others, values, new)
    if not found.uids:
        return Stored(0, NumSet(), failed)
    news = _column(tx, new, chosen, others, values) if found.flags is None else found.flags
    modseq = home.stamp()
    target = new.replace("m.flags", "flags")
    tx.db.execute(
        f"UPDATE msg SET flags = {target}, modseq = :modseq"
        f" WHERE account = :account AND mailbox = :mailbox {chosen.chosen}"
        f" AND modseq <= :since AND flags <> ({target})",
        {**values, "modseq": modseq},
    )
    box.unseen += len(news) - _having(SEEN, news) - found.unseen
    box.deleted += _having(DELETED, news) - found.deleted
    box.highest_modseq = modseq
    tx.save(home, box)
    names = tuple(box.keywords)
    tx.changes.append(Flagged(account, mailbox, modseq, found.uids, news, names, origin))
    changed = NumSet.of(found.uids)
    packed.note(tx, account, mailbox, changed)
    return Stored(modseq, changed, failed)


MAX_MODSEQ = (1 << 63) - 1


def _having(bit: int, flags: Sequence[int]) -> int:
    """How many have the bit."""
    if isinstance(flags, array):  # all alike
        return len(flags) if flags[0] & bit else 0
    return sum([bits & bit for bits in flags]) // bit


def copy(
    tx: Tx,
    source: tuple[int, int],
    uids: NumSet,
    target: tuple[int, int],
    scope: FlagScope,
    by: str = "",
    *,
    move: bool,
) -> Copied | Refusal:
    """``Mail.copy`` and ``Mail.move`` inside a transaction."""
    account, mailbox = source
    to_account, to_mailbox = target
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    same = (account, mailbox) == (to_account, to_mailbox)
    to_home, to_box = tx.home(to_account), box if same else tx.box(to_account, to_mailbox)
    if to_home is None or to_box is None:
        return rules.NO_TARGET
    found = find(tx, box, uids)
    if not found.uids:
        return Copied(to_box.uidvalidity, (), (), 0)
    counted = not (move and home is to_home)
    refused = to_home.no_room(found.size, len(found.uids)) if counted else None
    if refused is not None:
        return refused
    if to_box.uidnext + len(found.uids) - 1 > MAX_NUMBER:
        return rules.NO_UIDS
    # Exactly those found: a range may also cover UIDs that the copies are about to get.
    exact = pick(NumSet.of(found.uids))
    targets = transfer(tx, box, to_home, to_box, found, exact, scope)
    kind = "moved" if move else "copied"
    journal.deed(tx, kind, box, NumSet.of(found.uids), by, to_box, targets[0])
    if move:
        take(tx, home, box, found, exact)
        modseq = home.stamp()
        box.highest_modseq = modseq
        tx.changes.append(Expunged(account, mailbox, modseq, found.uids))
        tx.save(home, box)
    else:
        share(tx, box, found, exact)
    return Copied(to_box.uidvalidity, found.uids, targets, to_home.modseq)


def transfer(
    tx: Tx,
    box: Box,
    to_home: Home,
    to_box: Box,
    found: Found,
    exact: Pick,
    scope: FlagScope = EVERY_FLAG,
) -> Sequence[int]:
    """Rows in the target for messages of the source, and the change; their new UIDs."""
    modseq = to_home.stamp()
    used = _used_keywords(tx, box, exact) if scope.keywords else []
    intern_keywords(used, to_box.keywords)
    expression = _mapping(used, box.keywords, to_box.keywords, scope.system)
    values: dict[str, Any] = {"account": box.account, "mailbox": box.id, **exact.values}
    flags = found.flags
    if flags is None or used or scope != EVERY_FLAG:
        flags = _column(tx, expression, exact, "", values)
    first = to_box.uidnext
    # Numbering rows costs as much as inserting them, and most often there are no holes.
    solid = found.uids[-1] - found.uids[0] + 1 == len(found.uids)
    number = "m.uid + :shift" if solid else ":first + row_number() OVER (ORDER BY m.uid) - 1"
    tx.db.execute(
        f"INSERT INTO msg SELECT :to_account, :to_mailbox, {number}, :modseq,"
        f" {expression}, m.internaldate, m.zone, :saved, m.size, m.blob"
        f" FROM {exact.source} msg m WHERE {_THERE} {exact.where} ORDER BY m.uid",
        {
            **values, "to_account": to_box.account, "to_mailbox": to_box.id,
            "first": first, "shift": first - found.uids[0],
            "modseq": modseq, "saved": int(tx.now),
        },
    )  # fmt: skip
    targets = range(first, first + len(found.uids))
    to_box.uidnext += len(targets)
    to_box.highest_modseq = modseq
    to_box.messages += len(targets)
    to_box.unseen += found.unseen if scope.system & SEEN else len(targets)
    to_box.deleted += found.deleted if scope.system & DELETED else 0
    to_box.size += found.size
    to_home.used += found.size
    to_home.messages += len(targets)
    tx.save(to_home, to_box)
    names = tuple(to_box.keywords)
    arrived = Arrivals(targets, flags)
    tx.changes.append(Added(to_box.account, to_box.id, modseq, arrived, names))
    return targets


MANY = 64
"""Messages from which on their numbers are looked at before they are counted."""


def share(tx: Tx, box: Box, found: Found, exact: Pick) -> None:
    """One more reference for each message of ``exact``, which are those found."""
    of = f"FROM {exact.source} msg m WHERE {_THERE} {exact.where}"
    values = {"account": box.account, "mailbox": box.id, **exact.values}
    if len(found.uids) >= MANY:
        blobs = NumSet.of(_column(tx, "m.blob", exact, "", values))
        # What came one after the other is numbered so: ranges cost a third of looking for each.
        if len(blobs) == len(found.uids) > 8 * len(blobs.ranges):
            more = "UPDATE blob SET refs = refs + 1 WHERE id BETWEEN ? AND ?"
            tx.db.executemany(more, blobs.ranges)
            return
    tx.db.execute(f"UPDATE blob SET refs = refs + 1 WHERE id IN (SELECT m.blob {of})", values)
    if tx.db.changes() == len(found.uids):
        return
    tx.db.execute(  # some are there twice
        f"UPDATE blob SET refs = refs + n - 1 FROM (SELECT m.blob, count(*) AS n {of}"
        " GROUP BY m.blob HAVING count(*) > 1) AS more WHERE id = more.blob",
        values,
    )


def take(tx: Tx, home: Home, box: Box, found: Found, exact: Pick) -> None:
    """Out of the mailbox, with tombstones; the references are the caller's. Not saved yet."""
    tx.db.execute(
        f"DELETE FROM msg WHERE account = :account AND mailbox = :mailbox {exact.chosen}",
        {"account": box.account, "mailbox": box.id, **exact.values},
    )
    modseq = home.stamp()
    uids = NumSet.of(found.uids)
    tx.bury(box, modseq, uids.ranges)
    packed.note(tx, box.account, box.id, uids)
    box.highest_modseq = modseq
    box.messages -= len(found.uids)
    box.unseen -= found.unseen
    box.deleted -= found.deleted
    box.size -= found.size
    home.used -= found.size
    home.messages -= len(found.uids)


def retain(tx: Tx, home: Home, box: Box, found: Found, by: str, kind: str = "expunged") -> None:
    """Expunge so that it can be undone: the references go to the retained rows."""
    uids = NumSet.of(found.uids)
    number = journal.deed(tx, kind, box, uids, by)
    keywords = " ".join(box.keywords)
    tx.db.execute(
        "INSERT INTO removal VALUES (?, ?, ?, ?, ?, ?, ?)",
        (box.account, box.id, number, box.name, keywords, int(tx.now), by),
    )
    exact = pick(uids)
    tx.db.execute(
        "INSERT INTO retained SELECT :removal, m.uid, m.flags, m.internaldate, m.zone, m.size,"
        f" m.blob FROM {exact.source} msg m WHERE {_THERE} {exact.where}",
        {"account": box.account, "mailbox": box.id, "removal": number, **exact.values},
    )
    take(tx, home, box, found, exact)


def expunge(
    tx: Tx, account: int, mailbox: int, uids: NumSet | None, only_deleted: bool, by: str
) -> Removed | Refusal:
    """``Mail.expunge`` inside a transaction."""
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    found = find(tx, box, uids, f"AND m.flags & {DELETED}" if only_deleted else "")
    if not found.uids:
        return Removed(0, ())
    retain(tx, home, box, found, by)
    tx.save(home, box)
    tx.changes.append(Expunged(account, mailbox, home.modseq, found.uids))
    return Removed(home.modseq, found.uids)


def _used_keywords(tx: Tx, box: Box, exact: Pick) -> list[str]:
    """Keywords that any of the messages has, sorted."""
    if not box.keywords:
        return []
    rows = tx.db.execute(
        f"SELECT DISTINCT m.flags & ~{SYSTEM_MASK} FROM {exact.source} msg m"
        f" WHERE {_THERE} {exact.where}",
        {"account": box.account, "mailbox": box.id, **exact.values},
    )
    bits = 0
    for (some,) in rows:
        bits |= some
    return sorted(flag_names(bits, box.keywords))


def _mapping(used: Sequence[str], source: Sequence[str], target: Sequence[str], system: int) -> str:
    """Flags of the source under the target's keywords, as an SQL expression of ``m.flags``.
    Keywords the target has no room for are left out; ``system``: the system flags that go
    along."""
    pairs = [
        (keyword_bit(name, source), bit) for name in used if (bit := keyword_bit(name, target))
    ]
    terms = [f"(m.flags & {system})"]
    terms += [f"iif(m.flags & {old}, {new}, 0)" for old, new in pairs]
    return " | ".join(terms)
