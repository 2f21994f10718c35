"""What the owner of an account teaches its filter by what he does to mail.

Into Junk, or marked $Junk: junk. Out of it into INBOX or a folder, marked $NotJunk, or answered:
good mail. Taking the mark away again takes the lesson back; the last word counts. It is learned
behind the command, in order, a few messages at a time with rests between, so that the commands
that follow do not feel it; a crash costs lessons that wait, never mail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.filters.personal import word_ids
from pillarbox.message.tokens import LOOKED_AT
from pillarbox.model.account import Account
from pillarbox.model.flags import flag_names
from pillarbox.model.mailbox import SEPARATOR, Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Blobs, Column, Mail, Mailboxes
from pillarbox.store.learned import Learned, Lesson

log = Logger("filters")

JUNK_USE: Final = "\\Junk"
JUNK_NAMES: Final = frozenset({"junk", "spam", "junk mail", "junk e-mail", "bulk mail"})
GOOD_USES: Final = frozenset({"", "\\Archive", "\\Flagged", "\\Important"})
"""Mailboxes where people file mail that they want; Trash, Sent and Drafts say nothing."""
JUNK_MARKS: Final = frozenset({"$junk", "junk"})
"""RFC 9051 §2.3.2, and what Thunderbird sets."""
GOOD_MARKS: Final = frozenset({"$notjunk", "notjunk", "nonjunk"})
ANSWERED: Final = "\\answered"
WAITING: Final = 1000
"""Commands that wait to be learned from."""
LAST: Final = 3.0
"""Seconds for learning while the server goes down."""
MOST: Final = 500
"""Messages of one command that are learned, the newest."""
STEP: Final = 8
"""Messages learned in one transaction: a commit of mail may wait for it, some milliseconds."""
SETTLE: Final = 1.0
"""Seconds after a command until it is learned from: commands come together."""
REST: Final = 4.0
"""Times as long as a step took until the next."""


class Meaning(Enum):
    """What a message is to its owner; the value is what ``Learned.learn`` takes."""

    JUNK = True
    GOOD = False
    NEITHER = None


class Store(Learned, Mail, Mailboxes, Blobs, Protocol):
    """What of the store is needed."""


What = tuple[str, int, int, frozenset[str]]
"""Cause, account, mailbox, and the names of flags that changed."""


@dataclass(slots=True)
class _Deed:
    """A command, and those that followed it and did the same to other messages."""

    what: What
    uids: list[tuple[int, int]]
    count: int


class Teacher:
    """One for a process; ``run`` learns what ``happened``."""

    def __init__(self, store: Store, lane: Lane, clock: Clock) -> None:
        self._store = store
        self._lane = lane
        self._clock = clock
        self._waiting: deque[_Deed] = deque()
        self._news = asyncio.Event()
        self._one = asyncio.Lock()

    async def happened(
        self,
        cause: str,
        account: int,
        mailbox: int,
        uids: NumSet,
        by: Account,
        changed: Collection[str] = (),
    ) -> None:
        """Note what a client did (``serve.imap.options.Events``); quick."""
        names = frozenset(name.lower() for name in changed)
        if cause == "FLAG" and not names & (JUNK_MARKS | GOOD_MARKS | {ANSWERED}):
            return
        what, count = (cause, account, mailbox, names), len(uids)
        last = self._waiting[-1] if len(self._waiting) > 1 else None  # the first is being learned
        if last is not None and last.what == what and last.count + count <= MOST:
            last.uids += uids.ranges
            last.count += count
            return
        if len(self._waiting) >= WAITING:
            log.warning("junk.not-learned", account=account, mailbox=mailbox)
            return
        self._waiting.append(_Deed(what, [*uids.ranges], count))
        self._news.set()

    async def run(self) -> None:
        """Learn for ever, resting more than it works."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._clock.sleep(SETTLE)
            await self.drain(REST)

    async def drain(self, rest: float = 0.0) -> None:
        """Learn what waits; ``rest``: times as long as it worked, after each step."""
        async with self._one:
            while self._waiting:
                # Taken out once it is learned: whoever stops us may go on.
                deed = self._waiting[0]
                try:
                    await self._learn(deed, rest)
                except Exception as error:
                    _, account, mailbox, _ = deed.what
                    log.warning(
                        "junk.not-learned", error=repr(error), account=account, mailbox=mailbox
                    )
                self._waiting.popleft()

    async def close(self) -> None:
        """Learn what still waits, as far as that is quick."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await self.drain()
        if self._waiting:
            log.warning("junk.not-learned", commands=len(self._waiting))

    async def _learn(self, deed: _Deed, rest: float) -> None:
        cause, account, mailbox, changed = deed.what
        box = await self._store.mailbox(account, mailbox)
        if box is None or not _may_mean(cause, box):
            return
        flags = {} if cause == "COPY" else await self._flags(box)
        said: list[tuple[int, bool | None]] = []
        for uid, blob in await _blobs(self._store, box, _newest(NumSet.merge(deed.uids))):
            names = frozenset(n.lower() for n in flag_names(flags.get(uid, 0), box.keywords))
            meant = meaning(cause, box, names, changed)
            if meant is not None:
                said.append((blob, meant.value))
        for at in range(0, len(said), STEP):
            began = self._clock.monotonic()
            await self._teach(account, said[at : at + STEP])
            if rest:
                await self._clock.sleep(rest * (self._clock.monotonic() - began))

    async def _flags(self, box: Mailbox) -> dict[int, int]:
        loaded = await self._store.load(box.account, box.id)
        return dict(zip(loaded.uids, loaded.flags, strict=True)) if loaded else {}

    async def _teach(self, account: int, said: Sequence[tuple[int, bool | None]]) -> int:
        """Learn messages (True: as junk), or unlearn them; how many were news."""
        known = await self._store.lessons(account, [blob for blob, _ in said])
        lessons = []
        for blob, kind in said:
            if known.get(blob) == kind:
                continue
            try:
                octets = await self._store.read(blob, 0, LOOKED_AT)
            except Temporary as error:  # gone meanwhile, or the disk: the next may do
                log.warning("junk.not-learned", error=str(error), account=account)
                continue
            lessons.append(Lesson(blob, kind, await self._lane.run(word_ids, octets)))
        return await self._store.learn(account, lessons) if lessons else 0

    async def study(self, box: Mailbox, uids: NumSet, *, junk: bool) -> tuple[int, int]:
        """Learn messages of a mailbox; how many were looked at, and how many were news."""
        said = [(blob, junk) for _, blob in await _blobs(self._store, box, uids)]
        steps = range(0, len(said), STEP)
        news = [await self._teach(box.account, said[at : at + STEP]) for at in steps]
        return len(said), sum(news)


def meaning(
    cause: str, box: Mailbox, flags: Collection[str], changed: Collection[str]
) -> Meaning | None:
    """What a client said about a message by what it did; None: nothing. ``box``: where it is now;
    names of flags in lower case."""
    junk, good = JUNK_MARKS.intersection(flags), GOOD_MARKS.intersection(flags)
    if cause == "COPY":  # a move too; the place is the last word, marks may be old ones of ours
        if is_junk(box):
            return Meaning.JUNK
        return Meaning.GOOD if box.special_use in GOOD_USES else None
    if cause == "APPEND":
        return Meaning.JUNK if junk or is_junk(box) else Meaning.GOOD if good else None
    if (JUNK_MARKS | GOOD_MARKS).intersection(changed):
        return Meaning.JUNK if junk else Meaning.GOOD if good else Meaning.NEITHER
    answered = ANSWERED in flags and ANSWERED in changed
    return Meaning.GOOD if answered and not junk and not is_junk(box) else None


def _may_mean(cause: str, box: Mailbox) -> bool:
    """Whether ``meaning`` may find anything, which spares most APPENDs a look at all flags."""
    marked = (JUNK_MARKS | GOOD_MARKS).intersection(name.lower() for name in box.keywords)
    return cause != "APPEND" or bool(marked) or is_junk(box)


def is_junk(box: Mailbox) -> bool:
    """By its use, or by the name that clients of old gave it."""
    last = box.name.rpartition(SEPARATOR)[2].casefold()
    return box.special_use == JUNK_USE or (not box.special_use and last in JUNK_NAMES)


def _newest(uids: NumSet) -> NumSet:
    """The last ``MOST`` of them."""
    kept: list[tuple[int, int]] = []
    room = MOST
    for low, high in reversed(uids.ranges):
        if room <= 0:
            break
        kept.append((max(low, high - room + 1), high))
        room -= high - low + 1
    return NumSet(kept[::-1])


async def _blobs(store: Mail, box: Mailbox, uids: NumSet) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    async for batch in store.rows(box.account, box.id, uids, (Column.UID, Column.BLOB)):
        found += [
            (uid, blob) for uid, blob in batch if isinstance(uid, int) and isinstance(blob, int)
        ]
    return found
