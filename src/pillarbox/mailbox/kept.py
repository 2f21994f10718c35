"""What messages are sorted, threaded and found by, kept with their mailbox while it is open.

The store keeps these keys since the messages came; reading ten thousand of them again for every
SORT costs more than the sorting. So a mailbox that was sorted keeps the columns that were asked
for, in the order of its UIDs. They never change: arrivals are read and added behind, the expunged
are cut out, flags do not concern them. With them goes the last answer of each kind, which is good
until a message comes or goes.

Texts that a search of bodies had to make are kept as well: who searches once searches again, most
often in the same mail, and finding a word in a text costs a twentieth of making it.

A ``Shelf`` bounds what all mailboxes of the process keep together.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final, NamedTuple, Protocol

from pillarbox.mailbox import common, keys
from pillarbox.mailbox.arrays import missing_indexes
from pillarbox.mailbox.document import field_value
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, Mail

CELLS: Final = 3_000_000
"""Values kept by all mailboxes together: 8 octets each, several times that where it is a text."""
TEXTS: Final = 64 * 1024 * 1024
"""Octets of texts kept by all mailboxes together: some 16,000 messages of 4 KB."""
LONGEST: Final = 256 * 1024
"""Octets of a message whose texts are kept."""
ANSWERS: Final = 8
"""Answers kept of one mailbox."""


class HasUids(Protocol):
    """A mailbox that is open (``state``)."""

    @property
    def uids(self) -> array[int]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """How a column is made: from which columns of the store, and how from their values."""

    needs: tuple[Column, ...]
    make: Callable[..., Any]
    start: Callable[[], Any] = list
    alike: bool = False
    """Many messages have the same value: one object will do."""


def _numbers() -> array[int]:
    return array("q")


def _text(place: int) -> Kind:
    return Kind((Column.KEYS,), lambda column: keys.text(column, place), alike=True)


def _kin(column: bytes) -> tuple[int, ...]:
    """Message-IDs are compared only, and only within one mailbox: 64 bits of Python's own keyed
    hash tell them apart (two of a million are equal once in 40 million mailboxes)."""
    _, _, _, own, above = keys.for_threads(column, 0)
    first = hash(own) if own else 0
    return (first, *map(hash, above.split())) if above else (first,)


UNREAD: Final = 0
"""In a column of header fields: this message must be asked itself."""


def _fields(name: bytes) -> Kind:
    """Folded values of the header fields of a name, joined by NUL, which no search can ask for;
    None where there is none."""
    skip = len(name)

    def values(column: bytes) -> str | int | None:
        found = common.cut(column, (name,))
        if found is None:
            return UNREAD
        return "\0".join([field_value(field[skip:]) for field in found]) if found else None

    return Kind((Column.COMMON,), values, alike=True)


FIELDS: Final = {b"subject": "Subject", b"from": "From", b"to": "To", b"cc": "Cc"}
"""Header fields that are searched again and again, and their columns."""

KINDS: Final[dict[str, Kind]] = {
    "ARRIVAL": Kind((Column.INTERNALDATE,), int, _numbers),
    "SIZE": Kind((Column.SIZE,), int, _numbers),
    "DATE": Kind((Column.KEYS, Column.INTERNALDATE), keys.sent, _numbers),
    "SUBJECT": _text(keys.SUBJECT),
    "FROM": _text(keys.FROM),
    "TO": _text(keys.TO),
    "CC": _text(keys.CC),
    "DISPLAYFROM": _text(keys.DISPLAY_FROM),
    "DISPLAYTO": _text(keys.DISPLAY_TO),
    "REPLY": Kind((Column.KEYS,), keys.is_reply, lambda: array("b")),
    "KIN": Kind((Column.KEYS,), _kin),
    **{column: _fields(name) for name, column in FIELDS.items()},
}
"""Columns by name. KIN is the Message-ID, 0 for none, and those of ancestors, oldest first."""


class Answer(NamedTuple):
    """What a search for a text found out: an octet of 0 or 1 for each of ``uids``, whether it
    surely holds the text, and whether it may."""

    uids: array[int]
    yes: bytes
    maybe: bytes


class Texts:
    """What SEARCH looks into, folded, of some messages of one mailbox: by UID what TEXT reads
    besides (None: not made yet) and what BODY reads, each with its parts joined by NUL. And what
    was found out of late: a message never changes, and clients ask the same again, page by page
    (RFC 9394 §3.1)."""

    __slots__ = ("_answers", "known", "octets")

    def __init__(self) -> None:
        self.known: dict[int, tuple[str | None, str]] = {}
        self._answers: dict[object, Answer] = {}
        self.octets = 0

    def recall(self, question: object, uids: array[int]) -> Answer | None:
        """What is known of messages that are the first of ``uids``."""
        found = self._answers.get(question)
        if found is None or uids[: len(found.uids)] != found.uids:
            return None
        return found

    def remember(self, question: object, answer: Answer) -> None:
        """Keep an answer in place of the one before it, or the oldest."""
        before = self._answers.pop(question, None)
        if before is None and len(self._answers) >= ANSWERS:
            before = self._answers.pop(next(iter(self._answers)))
        self._answers[question] = answer
        self.octets += _octets(answer) - (_octets(before) if before is not None else 0)

    def keep(self, uid: int, headers: Sequence[str] | None, texts: Iterable[str]) -> int:
        """Keep those of a message; the octets that took."""
        before = self.known.get(uid)
        new = (None if headers is None else "\0".join(headers), "\0".join(texts))
        self.known[uid] = new
        more = _weight(new) - (_weight(before) if before is not None else 0)
        self.octets += more
        return more

    def follow(self, uids: array[int]) -> None:
        """Let go of messages that are not among ``uids``, once they are many."""
        if len(self.known) > len(uids):
            there = set(uids)
            self.known = {uid: text for uid, text in self.known.items() if uid in there}
            self.octets = sum(map(_weight, self.known.values()))
            self.octets += sum(map(_octets, self._answers.values()))

    def clear(self) -> None:
        """Let go of all."""
        self.known = {}
        self._answers = {}
        self.octets = 0


def _octets(answer: Answer) -> int:
    return 6 * len(answer.uids)


def _weight(text: tuple[str | None, str]) -> int:
    return 200 + sum([sys.getsizeof(one) for one in text])


class Kept:
    """The columns of one mailbox. ``uids`` says which messages they are about."""

    __slots__ = ("answers", "asked", "columns", "lock", "texts", "uids", "words")

    def __init__(self) -> None:
        self.uids: array[int] = array("I")
        self.columns: dict[str, Any] = {}
        self.words: dict[str, Any] = {}
        """Of columns that were searched, as ``vocabulary`` makes them."""
        self.answers: dict[object, Any] = {}
        self.asked: set[str] = set()
        """Columns that would have been of use before."""
        self.lock = asyncio.Lock()
        self.texts = Texts()

    @property
    def cells(self) -> int:
        """What it weighs: a word as much as three values."""
        count = len(self.uids)
        words = sum([max(count, 3 * len(one)) for one in self.words.values()])
        return count * len(self.columns) + words

    def follow(self, uids: array[int]) -> None:
        """Let go of messages that are not among ``uids``."""
        known = len(self.uids)
        if self.uids == uids[:known]:
            return
        gone = missing_indexes(self.uids, known, uids)
        keep = bytearray(b"\x01") * known
        for index in gone:
            keep[index] = 0
        self.uids = array("I", compress(self.uids, keep))
        for name, values in self.columns.items():
            lacking = KINDS[name].start()
            lacking.extend(compress(values, keep))
            self.columns[name] = lacking
        self.answers.clear()

    async def fill(
        self, store: Mail, box: tuple[int, int], state: HasUids, names: Iterable[str]
    ) -> None:
        """Have these columns of all messages of the mailbox ``box`` (account and number).

        Nothing is awaited between the last look at the mailbox and the return.
        """
        async with self.lock:
            while True:
                self.follow(state.uids)
                lacking = [name for name in names if name not in self.columns]
                if lacking:
                    self.columns.update(await read(store, box, self.uids[:], lacking))
                    continue
                new = state.uids[len(self.uids) :]
                if not new:
                    return
                # New objects: somebody may be at work on the old ones.
                for name, values in (await read(store, box, new, list(self.columns))).items():
                    self.columns[name] = self.columns[name] + values
                self.uids = self.uids + new
                self.answers.clear()

    def remember(self, uids: array[int], question: object, answer: Any) -> None:
        """Keep an answer about the messages ``uids`` until one comes or goes."""
        if uids is self.uids:
            if len(self.answers) >= ANSWERS:
                self.answers.clear()
            self.answers[question] = answer


class Shelf:
    """What the mailboxes of a process keep; the longest unused goes when it is too much."""

    def __init__(self, cells: int = CELLS, texts: int = TEXTS) -> None:
        self._cells = cells
        self._texts = texts
        self._kept: OrderedDict[tuple[int, int], Kept] = OrderedDict()

    def of(self, box: tuple[int, int]) -> Kept:
        """That of a mailbox, by account and number."""
        found = self._kept.get(box)
        if found is None:
            found = self._kept[box] = Kept()
        self._kept.move_to_end(box)
        return found

    def pays(self, kept: Kept, name: str, count: int) -> bool:
        """True when a column is there, or worth reading: the second time that it is of use to a
        mailbox of so many messages, if there is room."""
        if name in kept.columns:
            return True
        again = name in kept.asked
        kept.asked.add(name)
        fits = kept.cells + count <= self._cells  # else all that it has would go for it
        return again and fits and count * (len(kept.columns) + 1) <= self._cells // 2

    def room(self, kept: Kept) -> int:
        """Octets of texts for which ``kept`` has room, others having made way where need be.

        A mailbox that fills all of it keeps what it has: were its own oldest to make way, each
        search of all would find none of what the one before had kept.
        """
        left = self._texts - sum([one.texts.octets for one in self._kept.values()])
        for other in self._kept.values():  # the longest unused first
            if left > 0 or other is kept:
                break
            left += other.texts.octets
            other.texts.clear()
        return left

    def drop(self, box: tuple[int, int]) -> None:
        """The mailbox is no longer open."""
        self._kept.pop(box, None)

    def trim(self) -> None:
        """Back within bounds."""
        total = sum(kept.cells for kept in self._kept.values())
        while total > self._cells:
            _, oldest = self._kept.popitem(last=False)
            total -= oldest.cells


async def read(
    store: Mail,
    box: tuple[int, int],
    uids: array[int],
    names: Sequence[str],
    wanted: NumSet | None = None,
) -> dict[str, Any]:
    """Columns of messages, by UIDs that ascend; ``wanted`` the same as ranges that may span UIDs
    nobody has, None for one such range. A message that has gone reads as one without a header."""
    made = {name: KINDS[name].start() for name in names}
    needs = tuple(dict.fromkeys(column for name in names for column in KINDS[name].needs))
    seen: dict[Any, Any] = {}  # one object for equal texts
    at = 0
    if wanted is None:
        wanted = NumSet([(uids[0], uids[-1])] if uids else ())
    async for batch in store.rows(*box, wanted, (Column.UID, *needs)):
        columns: list[Sequence[Any]] = list(zip(*batch, strict=True))
        end = at + len(batch)
        if end > len(uids) or array("I", columns[0]) != uids[at:end]:
            end = bisect_right(uids, columns[0][-1], at)
            columns = _aligned(uids[at:end], columns, needs)
        at = end
        _extend(made, needs, columns, seen)
    _extend(made, needs, _aligned(uids[at:], [()] * (len(needs) + 1), needs), seen)
    return made


def _extend(
    made: dict[str, Any],
    needs: Sequence[Column],
    columns: Sequence[Sequence[Any]],
    seen: dict[Any, Any],
) -> None:
    for name, values in made.items():
        kind = KINDS[name]
        found = map(kind.make, *[columns[needs.index(one) + 1] for one in kind.needs])
        values.extend([seen.setdefault(v, v) for v in found] if kind.alike else found)


_NONE: Final[dict[Column, Any]] = {
    Column.KEYS: b"",
    Column.COMMON: b"",
    Column.INTERNALDATE: 0,
    Column.SIZE: 0,
}


def _aligned(
    uids: array[int], columns: Sequence[Sequence[Any]], needs: Sequence[Column]
) -> list[Sequence[Any]]:
    """The columns for exactly these UIDs."""
    rows = dict(zip(columns[0], zip(*columns, strict=True), strict=True))
    none = tuple(_NONE[column] for column in needs)
    some = [rows.get(uid, (uid, *none)) for uid in uids]
    return list(zip(*some, strict=True)) if some else [()] * len(columns)
