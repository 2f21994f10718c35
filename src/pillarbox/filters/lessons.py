"""What the owner of an account teaches its filter by what he does to mail.

Into Junk, or marked $Junk: junk. Out of it into INBOX or a folder, marked $NotJunk, or answered:
good mail. Taking the mark away again takes the lesson back; the last word counts. It is learned
behind the command, in order; a crash costs lessons that wait, never mail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

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
from pillarbox.store.learned import Learned

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


class Meaning(Enum):
    """What a message is to its owner; the value is what ``Learned.learn`` takes."""

    JUNK = True
    GOOD = False
    NEITHER = None


class Store(Learned, Mail, Mailboxes, Blobs, Protocol):
    """What of the store is needed."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    cause: str
    account: int
    mailbox: int
    uids: NumSet
    changed: frozenset[str]


class Teacher:
    """One for a process; ``run`` learns what ``happened``."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._lane = lane
        self._waiting: deque[_Lesson] = deque()
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
        if len(self._waiting) >= WAITING:
            log.warning("junk.not-learned", account=account, mailbox=mailbox)
            return
        self._waiting.append(_Lesson(cause, account, mailbox, uids, names))
        self._news.set()

    async def run(self) -> None:
        """Learn for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.drain()

    async def drain(self) -> None:
        """Learn what waits."""
        async with self._one:
            while self._waiting:
                # Taken out once it is learned: whoever stops us may go on.
                lesson = self._waiting[0]
                try:
                    await self._learn(lesson)
                except Exception as error:
                    where = {"account": lesson.account, "mailbox": lesson.mailbox}
                    log.warning("junk.not-learned", error=repr(error), **where)
                self._waiting.popleft()

    async def close(self) -> None:
        """Learn what still waits, as far as that is quick."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await self.drain()
        if self._waiting:
            log.warning("junk.not-learned", commands=len(self._waiting))

    async def _learn(self, lesson: _Lesson) -> None:
        box = await self._store.mailbox(lesson.account, lesson.mailbox)
        if box is None or not _may_mean(lesson.cause, box):
            return
        flags = {} if lesson.cause == "COPY" else await self._flags(box)
        blobs = await _blobs(self._store, box, lesson.uids)
        for uid, blob in blobs[-MOST:]:
            names = frozenset(n.lower() for n in flag_names(flags.get(uid, 0), box.keywords))
            said = meaning(lesson.cause, box, names, lesson.changed)
            if said is not None:
                await self.teach(lesson.account, blob, said.value)

    async def _flags(self, box: Mailbox) -> dict[int, int]:
        loaded = await self._store.load(box.account, box.id)
        return dict(zip(loaded.uids, loaded.flags, strict=True)) if loaded else {}

    async def teach(self, account: int, blob: int, kind: bool | None) -> bool:
        """Learn one message (True: as junk), or unlearn it; False when that changes nothing."""
        known = await self._store.lessons(account, [blob])
        if known.get(blob) == kind:
            return False
        octets = await self._store.read(blob, 0, LOOKED_AT)
        words = await self._lane.run(word_ids, octets)
        return await self._store.learn(account, blob, kind, words)

    async def study(self, box: Mailbox, uids: NumSet, *, junk: bool) -> tuple[int, int]:
        """Learn messages of a mailbox; how many were looked at, and how many were news."""
        looked = news = 0
        for _, blob in await _blobs(self._store, box, uids):
            looked += 1
            try:
                news += await self.teach(box.account, blob, junk)
            except Temporary as error:  # gone meanwhile, or the disk: the next may do
                log.warning("junk.not-learned", error=str(error), account=box.account)
        return looked, news


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


async def _blobs(store: Mail, box: Mailbox, uids: NumSet) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    async for batch in store.rows(box.account, box.id, uids, (Column.UID, Column.BLOB)):
        found += [
            (uid, blob) for uid, blob in batch if isinstance(uid, int) and isinstance(blob, int)
        ]
    return found
