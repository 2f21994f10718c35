"""What it means that a client did something to a message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pillarbox.base.lanes import Lane
from pillarbox.filters import lessons
from pillarbox.filters.lessons import Meaning, Teacher, meaning
from pillarbox.model.account import Account
from pillarbox.model.flags import FlagSet
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.store.api import FlagOp
from pillarbox.store.learned import Taught
from support.mailroom import Room, room

J, G, N = Meaning.JUNK, Meaning.GOOD, Meaning.NEITHER


def box(name: str, use: str) -> Mailbox:
    return Mailbox(1, 1, name, 1, 1, 1, 1, 1, special_use=use)


@pytest.mark.parametrize(
    ("cause", "name", "use", "flags", "changed", "said"),
    [
        ("COPY", "Junk", "\\Junk", "", "", J),
        ("COPY", "Old/Spam", "", "", "", J),
        ("COPY", "INBOX", "", "$junk", "", G),  # the place is the last word
        ("COPY", "Work", "", "", "", G),
        ("COPY", "Archive", "\\Archive", "", "", G),
        ("COPY", "Trash", "\\Trash", "", "", None),
        ("COPY", "Sent", "\\Sent", "", "", None),
        ("APPEND", "Junk", "\\Junk", "", "", J),
        ("APPEND", "INBOX", "", "", "", None),
        ("APPEND", "INBOX", "", "$notjunk", "", G),
        ("FLAG", "INBOX", "", "$junk", "$junk", J),
        ("FLAG", "INBOX", "", "junk", "junk nonjunk", J),  # Thunderbird
        ("FLAG", "INBOX", "", "nonjunk", "junk", G),
        ("FLAG", "Junk", "\\Junk", "$notjunk", "$notjunk", G),
        ("FLAG", "INBOX", "", "", "$junk", N),
        ("FLAG", "INBOX", "", "\\answered", "\\answered", G),
        ("FLAG", "Junk", "\\Junk", "\\answered", "\\answered", None),
        ("FLAG", "INBOX", "", "$junk \\answered", "\\answered", None),
        ("FLAG", "INBOX", "", "\\seen $junk", "\\seen", None),
    ],
)
def test_meaning(
    cause: str, name: str, use: str, flags: str, changed: str, said: Meaning | None
) -> None:
    assert meaning(cause, box(name, use), flags.split(), changed.split()) is said


# ---------------------------------------------------------------------------- when it is learned


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    made = Lane("words")
    yield made
    await made.close()


async def junked(house: Room, count: int) -> tuple[Account, Mailbox]:
    """A mailbox for junk with so many messages."""
    await house.fill(count, "Junk")
    owner = await house.store.account(house.account)
    assert owner is not None
    return owner, await house.box("Junk")


async def test_a_command_is_learned_in_steps_a_while_after_it(lane: Lane) -> None:
    house = await room()
    owner, junk = await junked(house, lessons.STEP + 2)
    teacher = Teacher(house.store, lane, house.clock)
    at_work = asyncio.ensure_future(teacher.run())

    async def learned(count: int) -> None:
        for _ in range(500):
            if (await house.store.taught(house.account)).junk == count:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(await house.store.taught(house.account))

    await teacher.happened("COPY", house.account, junk.id, NumSet([(1, 99)]), owner)
    await asyncio.sleep(0.01)
    await house.clock.advance(lessons.SETTLE / 2)
    await asyncio.sleep(0.01)
    assert await house.store.taught(house.account) == Taught()
    await house.clock.advance(lessons.SETTLE / 2)
    await learned(lessons.STEP)
    await house.clock.advance(0)  # a clock that stands still: the step took no time
    await learned(lessons.STEP + 2)
    at_work.cancel()
    await asyncio.gather(at_work, return_exceptions=True)


async def test_steps_are_followed_by_rests(lane: Lane) -> None:
    house = await room()
    owner, junk = await junked(house, 2 * lessons.STEP + 1)
    naps: list[float] = []

    class Slow:
        """A clock on which every look costs a second."""

        time = 0.0

        def now(self) -> float:
            return self.time

        def monotonic(self) -> float:
            self.time += 1
            return self.time

        async def sleep(self, seconds: float) -> None:
            naps.append(seconds)

    teacher = Teacher(house.store, lane, Slow())
    await teacher.happened("COPY", house.account, junk.id, NumSet([(1, 99)]), owner)
    await teacher.drain(3.0)
    assert naps == [3.0] * 3
    assert (await house.store.taught(house.account)).junk == 2 * lessons.STEP + 1


async def test_what_waits_is_learned_at_the_end_without_rests(lane: Lane) -> None:
    house = await room()
    owner, junk = await junked(house, 3)
    await house.store.expunge(house.account, junk.id, NumSet([(2, 2)]), only_deleted=False)
    teacher = Teacher(house.store, lane, house.clock)
    await teacher.happened("COPY", house.account, junk.id, NumSet([(1, 3)]), owner)
    await teacher.close()
    assert (await house.store.taught(house.account)).junk == 2


async def test_of_many_the_newest_are_learned(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "MOST", 3)
    house = await room()
    owner, junk = await junked(house, 7)
    teacher = Teacher(house.store, lane, house.clock)
    await teacher.happened("COPY", house.account, junk.id, NumSet([(1, 2), (5, 7)]), owner)
    await teacher.drain()
    rows = house.store.rows(house.account, junk.id, NumSet([(1, 7)]), (lessons.Column.BLOB,))
    blobs = [int(str(blob)) async for batch in rows for (blob,) in batch]
    assert set(await house.store.lessons(house.account, blobs)) == set(blobs[4:])


@pytest.mark.parametrize("most", [2, 500])
async def test_commands_that_do_the_same_wait_as_one(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(lessons, "MOST", most)
    monkeypatch.setattr(lessons, "WAITING", 6)  # of ten commands
    house = await room()
    owner, junk = await junked(house, 10)
    teacher = Teacher(house.store, lane, house.clock)
    for uid in (3, 1, 2, 9, 8, 7, 4, 5, 6, 10):
        await teacher.happened("COPY", house.account, junk.id, NumSet([(uid, uid)]), owner)
    await teacher.drain()
    assert (await house.store.taught(house.account)).junk == 10


async def test_the_last_word_counts(lane: Lane) -> None:
    house = await room()
    owner, junk = await junked(house, 4)
    teacher = Teacher(house.store, lane, house.clock)
    good = FlagSet(0, frozenset({"$NotJunk"}))
    await house.store.set_flags(house.account, junk.id, NumSet([(2, 4)]), FlagOp.ADD, good)
    for uid in range(1, 5):
        await teacher.happened("COPY", house.account, junk.id, NumSet([(uid, uid)]), owner)
    for uid in range(2, 5):
        one = NumSet([(uid, uid)])
        await teacher.happened("FLAG", house.account, junk.id, one, owner, ["$NotJunk"])
    await teacher.drain()
    taught = await house.store.taught(house.account)
    assert (taught.junk, taught.good) == (1, 3)
