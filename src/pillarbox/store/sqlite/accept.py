"""The one way in: a message to its mailboxes and to the queue, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pillarbox.base.lanes import Lane
from pillarbox.model import story as model
from pillarbox.model.change import Added, Arrived, Expunged
from pillarbox.model.flags import DELETED, SEEN, intern_keywords
from pillarbox.model.numset import MAX_NUMBER, NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Sent
from pillarbox.store import rules
from pillarbox.store import telling as words
from pillarbox.store.api import (
    Appended,
    Content,
    Facts,
    NewItem,
    QueueRecipient,
    Replaces,
    Target,
)
from pillarbox.store.blobs import codec
from pillarbox.store.blobs.files import FileBodies, FileContent
from pillarbox.store.journal import Telling
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.envelope import freeze
from pillarbox.store.sqlite.lists import count_sent
from pillarbox.store.sqlite.messages import Found, find, retain
from pillarbox.store.sqlite.tx import Box, Home, Tx

_PACK_ON_LOOP = 32 * 1024
"""Larger bodies are compressed in a thread: their tenth of a millisecond is worth the trip."""
_KNOWN = "SELECT thread FROM thread WHERE account = ? AND message = ?"
Row = tuple[int, ...]
MSG = "INSERT INTO msg VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class Body:
    """A message's bytes on the way to their row; ``prepare`` fills in how they will lie there."""

    content: Content
    codec: int = codec.PLAIN
    data: bytes = b""
    file: str = ""
    own: bool = False
    """The content is the store's own copy of one that came from elsewhere."""

    @property
    def size(self) -> int:
        """Octets of the message."""
        return self.content.size

    def hold(self) -> None:
        """From now on the transaction decides about the bytes."""
        if isinstance(self.content, FileContent):
            self.content.hold()

    def settle(self, taken: bool) -> None:
        """It has decided."""
        if isinstance(self.content, FileContent):
            self.content.settle(taken)
            if self.own:
                self.content.discard()


async def prepare(body: Body, files: FileBodies, limit: int, lane: Lane) -> None:
    """Compress, or make the file durable, before the transaction: it should only write rows."""
    content = body.content
    if not isinstance(content, FileContent) and content.size > limit:
        staging = files.stage(content.size)
        staging.write(bytes(content.view()))
        body.content, body.own = await staging.finish(), True
        body.hold()
        content = body.content
    if isinstance(content, FileContent):
        body.file = await lane.run(files.place, content)
    elif content.size > _PACK_ON_LOOP:
        body.codec, body.data = await lane.run(codec.encode, content.view())
    else:
        body.codec, body.data = codec.encode(content.view())


def keep(tx: Tx, body: Body, facts: Facts, refs: int, accounts: Iterable[int]) -> int:
    """The rows of a new blob, which goes to these accounts. Without any it only waits in the
    queue, and nobody asks for its facts."""
    tx.kept.append(body)
    blob = tx.ids.take(tx.db, "blob")
    homes = list(accounts)
    thread = _thread(tx, facts.kin, blob, homes)
    tx.db.execute(
        "INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?)",
        (blob, refs, body.size, body.codec, body.file, thread),
    )
    if homes:
        tx.db.execute(
            "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                blob,
                facts.envelope,
                facts.bodystructure,
                facts.common,
                facts.scan,
                facts.keys,
                facts.preview.encode("utf-8", "replace"),
            ),
        )
    if not body.file:
        tx.db.execute("INSERT INTO body VALUES (?, ?)", (blob, body.data))
    return blob


def _thread(tx: Tx, kin: Sequence[int], blob: int, accounts: Sequence[int]) -> int:
    """The thread of a new message, which the accounts it goes to remember."""
    known: dict[int, int] = {}
    for account in accounts:
        for one in kin:
            if one and one not in known:
                row = tx.one(_KNOWN, (account, one))
                if row is not None:
                    known[one] = row[0]
    thread = rules.thread_of(kin, known, blob)
    new = [(account, one, thread) for account in accounts for one in kin if one]
    if new:
        tx.db.executemany("INSERT OR IGNORE INTO thread VALUES (?, ?, ?)", new)
    return thread


def accept(
    tx: Tx,
    body: Body,
    facts: Facts,
    targets: Sequence[Target],
    queued: NewItem | None,
    telling: Telling | None = None,
    sent: Sent | None = None,
    more: Sequence[NewItem] = (),
) -> list[Appended | Refusal]:
    """``Mail.accept`` inside a transaction."""
    boxes: dict[tuple[int, int], Box] = {}
    places = [_place(tx, boxes, target, body.size) for target in targets]
    pairs = list(queued.pairs) if queued is not None else []
    fitting = 0
    for target, place in zip(targets, places, strict=True):
        if place is None:
            fitting += 1
        elif queued is not None and target.pair is not None:
            pairs.append(target.pair)
    if not fitting and not pairs and not more:
        refused: list[Appended | Refusal] = [place for place in places if place is not None]
        if telling is not None and telling.discarded:
            _tell(tx, telling, facts, body.size, 0, (), refused, boxes)
        return refused
    refs = fitting + bool(pairs) + len(more)
    blob = keep(tx, body, facts, refs, dict.fromkeys(key[0] for key in boxes))
    results: list[Appended | Refusal] = []
    arrived: dict[tuple[int, int], list[Arrived]] = {}
    new_rows: list[Row] = []
    for target, place in zip(targets, places, strict=True):
        if place is not None:
            results.append(place)
            continue
        key = (target.account, target.mailbox)
        box, home = boxes[key], tx.home(target.account)
        assert home is not None  # noqa: S101  (_place found it)
        appended, new, row = put(tx, home, box, target, blob, body.size)
        results.append(appended)
        new_rows.append(row)
        arrived.setdefault(key, []).append(new)
    tx.db.executemany(MSG, new_rows)
    tx.save_each([(tx.home(account), boxes[account, mailbox]) for account, mailbox in arrived])
    for (account, mailbox), new_ones in arrived.items():
        home, box = tx.home(account), boxes[account, mailbox]
        assert home is not None  # noqa: S101
        known = [facts] * len(new_ones)
        tx.changes.append(
            Added(account, mailbox, home.modseq, new_ones, tuple(box.keywords), known)
        )
    rows: Sequence[QueueRecipient] = ()
    item = story = 0
    if queued is not None and pairs:
        item, rows = tx.ids.take(tx.db, "item"), rules.queue_rows(queued, pairs)
    if telling is not None:
        story = _tell(tx, telling, facts, body.size, blob, rows, results, boxes, item)
        if rows:
            journal.add(tx, story, words.held(queued, item, rows))
    if queued is not None and pairs:
        _enqueue(tx, item, queued, rows, blob, body.size, story)
    for other in more:
        number = tx.ids.take(tx.db, "item")
        _enqueue(tx, number, other, rules.queue_rows(other, other.pairs), blob, body.size, story)
    if sent is not None:
        count_sent(tx, sent)
    return results


def _tell(
    tx: Tx,
    telling: Telling,
    facts: Facts,
    size: int,
    blob: int,
    rows: Sequence[QueueRecipient],
    results: Sequence[Appended | Refusal],
    boxes: Mapping[tuple[int, int], Box],
    item: int = 0,
) -> int:
    """Into the journal; the number of the story."""
    names = {key: box.name for key, box in boxes.items()}
    ended = words.ways(telling, results, names, rows)
    if telling.story:
        journal.add(tx, telling.story, (*telling.notes, model.Delivered(ended)))
        return telling.story
    event = words.accepted(
        telling, ended, size=size, blob=blob, item=item, message_id=facts.message_id
    )
    return journal.begin(tx, (*telling.notes, event))


def _place(tx: Tx, boxes: dict[tuple[int, int], Box], target: Target, size: int) -> Refusal | None:
    """Reserve a target's room in the numbers held in memory; nothing is written yet."""
    key = (target.account, target.mailbox)
    home, box = tx.home(target.account), boxes.get(key) or tx.box(*key)
    if home is None or box is None:
        return rules.NO_TARGET
    if target.enforce_quota and (refused := home.no_room(size, 1)) is not None:
        return refused
    reserved = box.uidnext + box.reserved
    if reserved > MAX_NUMBER:
        return rules.NO_UIDS
    boxes[key] = box
    box.reserved += 1
    home.used += size
    home.messages += 1
    return None


def put(
    tx: Tx, home: Home, box: Box, target: Target, blob: int, size: int
) -> tuple[Appended, Arrived, Row]:
    """A row for a mailbox; ``home`` has counted the message already. The caller writes the row
    and saves both.

    Keywords without room are left out: a delivery must not fail for them.
    """
    modseq = home.stamp()
    flags = target.flags.system
    if target.flags.keywords:
        flags |= intern_keywords(target.flags.keywords, box.keywords)
    uid = box.uidnext
    row = (
        box.account, box.id, uid, modseq, flags, target.internaldate, target.zone, int(tx.now),
        size, blob,
    )  # fmt: skip
    box.uidnext += 1
    box.highest_modseq = modseq
    box.messages += 1
    box.unseen += not flags & SEEN
    box.deleted += bool(flags & DELETED)
    box.size += size
    answer = Appended(box.account, box.id, box.uidvalidity, uid, modseq, blob)
    return answer, Arrived(uid, flags), row


def append_many(
    tx: Tx,
    messages: Sequence[tuple[Body, Facts, Target]],
    replaces: Replaces | None = None,
    by: str = "",
) -> list[Appended] | Refusal:
    """``Mail.append_many`` inside a transaction; all targets are the same mailbox."""
    target = messages[0][2]
    home, box = tx.home(target.account), tx.box(target.account, target.mailbox)
    if home is None or box is None:
        return rules.NO_TARGET
    old = _old(tx, box, replaces) if replaces is not None else None
    if isinstance(old, Refusal):
        return old
    counted = [body.size for body, _, goal in messages if goal.enforce_quota]
    size, count = sum(counted), len(counted)
    if old is not None and old.home is home:
        size, count = size - old.found.size, count - 1
    if (size > 0 or count > 0) and (refused := home.no_room(size, count)) is not None:
        return refused
    if box.uidnext + len(messages) - 1 > MAX_NUMBER:
        return rules.NO_UIDS
    if old is not None and replaces is not None:
        retain(tx, old.home, old.box, old.found, replaces.by)
        tx.save(old.home, old.box)
    done = []
    for body, facts, goal in messages:
        home.used += body.size
        home.messages += 1
        blob = keep(tx, body, facts, 1, (home.id,))
        done.append(put(tx, home, box, goal, blob, body.size))
        uid, octets = done[-1][0].uid, body.size
        place = (box.account, box.id, box.name, uid)
        told = model.Appended(*place, octets, blob, facts.message_id, by)
        journal.begin(tx, (told,))
    tx.db.executemany(MSG, [row for _, _, row in done])
    tx.save(home, box)
    new = [arrived for _, arrived, _ in done]
    known = [facts for _, facts, _ in messages]
    tx.changes.append(Added(box.account, box.id, home.modseq, new, tuple(box.keywords), known))
    if old is not None:
        there = old.box
        tx.changes.append(Expunged(there.account, there.id, old.home.modseq, old.found.uids))
    return [appended for appended, _, _ in done]


@dataclass(slots=True)
class _Old:
    """The message that is replaced."""

    home: Home
    box: Box
    found: Found


def _old(tx: Tx, target: Box, replaces: Replaces) -> _Old | Refusal:
    same = (target.account, target.id) == (replaces.account, replaces.mailbox)
    home = tx.home(replaces.account)
    box = target if same else tx.box(replaces.account, replaces.mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    found = find(tx, box, NumSet([(replaces.uid, replaces.uid)]))
    return _Old(home, box, found) if found.uids else rules.NO_MESSAGE


def _enqueue(
    tx: Tx,
    item: int,
    queued: NewItem,
    rows: Sequence[QueueRecipient],
    blob: int,
    size: int,
    story: int,
) -> None:
    tx.db.execute(
        "INSERT INTO queue VALUES (?, ?, ?, ?, ?, '', 0, 0, ?, ?, ?)",
        (
            *(item, blob, size, tx.now, freeze(queued.envelope)),
            *(queued.priority, queued.why_held, story),
        ),
    )
    sender = rules.queue_sender(queued.envelope)
    tx.db.executemany(
        "INSERT INTO recipient VALUES (?, ?, ?, ?, 0, ?, ?, '', ?, '', 0, ?, ?)",
        [
            (
                *(item, row.number, row.envelope_index, row.route_index),
                *(row.due, row.state, row.domain, sender, queued.priority),
            )
            for row in rows
        ],
    )
