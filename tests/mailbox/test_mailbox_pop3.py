"""The maildrop of POP3: a listing that stands still and deletions that happen at QUIT."""

from __future__ import annotations

import pytest

from pillarbox.mailbox.pop3 import AHEAD_OCTETS, Maildrop, Maildrops
from pillarbox.model.account import Pop3Mode
from pillarbox.model.flags import POP3_HIDDEN, SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import FlagOp
from support.mailroom import Room, room, simple


async def opened(
    house: Room, drops: Maildrops | None = None, mode: Pop3Mode = Pop3Mode.DELETE
) -> Maildrop:
    drop = await (drops or Maildrops(house.store)).open(house.account, mode)
    assert isinstance(drop, Maildrop)
    return drop


async def test_listing_stands_still() -> None:
    house = await room()
    await house.fill(3)
    drop = await opened(house)
    sizes = [len(simple(n)) for n in (1, 2, 3)]
    await house.fill(1)
    box = await house.box()
    await house.store.expunge(house.account, box.id, NumSet([(1, 1)]), only_deleted=False)
    assert len(drop) == 3
    assert drop.stat() == (3, sum(sizes))
    assert list(drop.listing()) == list(enumerate(sizes, 1))
    assert drop.uidl(2) == f"{box.uidvalidity:08x}00000002"
    assert await drop.read(2) == simple(2)
    gone = await drop.read(1)
    assert isinstance(gone, Refusal)
    assert gone.kind is Kind.STALE


async def test_one_session_at_a_time() -> None:
    house = await room()
    drops = Maildrops(house.store)
    drop = await opened(house, drops)
    refused = await drops.open(house.account, Pop3Mode.DELETE)
    assert isinstance(refused, Refusal)
    assert refused.kind is Kind.IN_USE
    drop.close()
    other = await opened(house, drops)
    drop.close()  # a second time: must not free the other's lock
    assert isinstance(await drops.open(house.account, Pop3Mode.DELETE), Refusal)
    other.close()


async def test_marks_and_reset() -> None:
    house = await room()
    await house.fill(3)
    drop = await opened(house)
    drop.delete(2)
    assert not drop.has(2)
    assert [drop.has(n) for n in (0, 1, 3, 4)] == [False, True, True, False]
    assert drop.stat()[0] == 2
    assert [number for number, _ in drop.listing()] == [1, 3]
    drop.reset()
    assert drop.stat()[0] == 3
    assert await drop.commit() is None
    assert (await house.box()).messages == 3


@pytest.mark.parametrize(
    ("mode", "inbox", "archive", "retained"),
    [
        (Pop3Mode.DELETE, 1, 0, 2),
        (Pop3Mode.KEEP, 3, 0, 0),
        (Pop3Mode.ARCHIVE, 1, 2, 0),
    ],
)
async def test_what_a_deletion_does(
    mode: Pop3Mode, inbox: int, archive: int, retained: int
) -> None:
    house = await room()
    await house.fill(3)
    drops = Maildrops(house.store)
    drop = await opened(house, drops, mode)
    drop.delete(1)
    drop.delete(3)
    assert (await house.box()).messages == 3  # nothing before QUIT
    assert await drop.commit() is None
    drop.close()
    assert (await house.box()).messages == inbox
    assert (await house.box("Archive")).messages == archive
    assert len(await house.store.retained(house.account)) == retained
    again = await opened(house, drops, mode)
    assert [again.uidl(n)[8:] for n, _ in again.listing()] == ["00000002"]


async def test_kept_messages_are_hidden_from_pop3_only() -> None:
    house = await room()
    await house.fill(2)
    drop = await opened(house, mode=Pop3Mode.KEEP)
    drop.delete(1)
    await drop.commit()
    view = await house.view()
    assert view.exists == 2
    assert view.state.flags[0] == POP3_HIDDEN
    await house.ops.store_flags(view, NumSet([(1, 1)]), FlagOp.REPLACE, FlagSet(SEEN))
    assert len(await opened(house)) == 1


async def test_archive_is_made_when_missing() -> None:
    house = await room()
    await house.ops.delete(house.account, "Archive")
    await house.fill(1)
    drop = await opened(house, mode=Pop3Mode.ARCHIVE)
    drop.delete(1)
    assert await drop.commit() is None
    made = await house.box("Archive")
    assert (made.messages, made.special_use) == (1, "\\Archive")


async def test_listing_is_kept_until_something_happens() -> None:
    house = await room()
    await house.fill(2)
    drops = Maildrops(house.store, kept_messages=10)
    loads = 0
    real = house.store.load

    async def counted(account: int, mailbox: int) -> object:
        nonlocal loads
        loads += 1
        return await real(account, mailbox)

    house.store.load = counted  # type: ignore[method-assign, assignment]
    for expected in (1, 1):
        drop = await opened(house, drops)
        drop.close()
        assert loads == expected
    await house.fill(1)
    drop = await opened(house, drops)
    drop.close()
    assert (loads, len(drop)) == (2, 3)
    await house.fill(20)
    (await opened(house, drops)).close()
    assert not drops._listings  # larger than what may be kept


async def test_listing_read_while_something_happened_is_read_again() -> None:
    house = await room()
    await house.fill(3)
    drops = Maildrops(house.store)
    real = house.store.load

    async def racing(account: int, mailbox: int) -> object:
        snapshot = await real(account, mailbox)
        await house.store.expunge(account, mailbox, NumSet([(2, 2)]), only_deleted=False)
        return snapshot

    house.store.load = racing  # type: ignore[method-assign, assignment]
    first = await opened(house, drops)
    first.close()
    house.store.load = real  # type: ignore[method-assign]
    second = await opened(house, drops)
    assert (len(first), len(second)) == (2, 2)
    assert drops._listings[1].modseq == (await house.box()).highest_modseq


async def test_large_messages_come_in_pieces() -> None:
    house = await room(inline_limit=100)
    data = b"Subject: x\r\n\r\n" + b"line\r\n" * 50_000
    await house.put(data)
    drop = await opened(house)
    found = await drop.read(1)
    assert not isinstance(found, (bytes, Refusal))
    assert b"".join([piece async for piece in found]) == data


async def test_no_such_account() -> None:
    house = await room()
    drops = Maildrops(house.store)
    refused = await drops.open(99, Pop3Mode.DELETE)
    assert isinstance(refused, Refusal)
    assert refused.kind is Kind.NONEXISTENT
    assert not drops._open


async def test_one_after_the_other_is_read_ahead() -> None:
    """Seventy messages in order take a handful of reads, and every one is the right one."""
    house = await room()
    await house.fill(70)
    reads = 0
    rows = house.store.rows

    def counted(*words: object) -> object:
        nonlocal reads
        reads += 1
        return rows(*words)  # type: ignore[arg-type]

    house.store.rows = counted  # type: ignore[assignment,method-assign]
    drop = await opened(house)
    reads = 0
    for number in range(1, 71):
        assert await drop.read(number) == simple(number)
    assert reads == 7  # 1, 2, 4, 8, 16, 32 and the last
    reads = 0
    for number in (70, 3, 40, 9):
        assert await drop.read(number) == simple(number)
    assert reads == 4


async def test_read_ahead_is_bounded_in_octets() -> None:
    house = await room()
    for _ in range(8):
        await house.put(b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n")
    drop = await opened(house)
    for number in range(1, 9):
        assert isinstance(await drop.read(number), bytes)
        assert sum(one.size for one in drop._ahead.values()) <= AHEAD_OCTETS
