"""What is answered where its octets arrive, and how it keeps its place among the rest."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.lanes import Lane
from pillarbox.bus.local import LocalBus
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.serve.imap import general
from pillarbox.serve.imap.door import at_once, handlers
from pillarbox.serve.imap.features import LOOKS
from pillarbox.serve.imap.session import ROOM, Session
from pillarbox.store.memory import MemoryStore
from pillarbox.wire.imap import commands
from support.imappipe import Doorway

ANN = "ann@example.test"


@pytest.fixture
async def door() -> AsyncIterator[Doorway]:
    bus, clock, lane = LocalBus(), SystemClock(), Lane("crypto")
    store = MemoryStore(bus.publish, clock)
    await store.set_domain(Domain("example.test"))
    assert isinstance(await store.add_account(ANN, Credentials("")), Account)
    yield Doorway(store, bus, clock, lane)
    await lane.close()


def test_each_kind_has_one_place() -> None:
    assert not at_once().keys() & handlers().keys()
    assert not at_once().keys() & LOOKS.keys()  # nothing that the log has to hear of


async def test_no_turn_of_the_loop_is_needed(door: Doorway) -> None:
    one = await door.open(ANN)
    one.send(b"a NOOP\r\nb CAPABILITY\r\nc NONSENSE\r\nd NO")
    lines = one.lines()
    assert lines[0] == "a OK Done"
    assert lines[1].startswith("* CAPABILITY ")
    assert [line[:4] for line in lines[2:]] == ["b OK", "c BA"]
    one.send(b"OP\r\n")
    assert one.lines() == ["d OK Done"]


async def test_the_order_is_that_of_the_commands(door: Doorway) -> None:
    one = await door.open(ANN)
    one.send(b"a NOOP\r\nb SELECT INBOX\r\nc NOOP\r\nd STATUS INBOX (UIDNEXT)\r\n")
    one.send(b"e NOOP\r\nf NO")  # while the task has not yet seen what was left to it
    one.send(b"OP\r\n")
    await one.turns()
    one.send(b"g NOOP\r\n")
    tagged = [line[0] for line in await one.hear("g OK") if not line.startswith("*")]
    assert "".join(tagged) == "abcdefg"


async def test_news_come_with_it(door: Doorway) -> None:
    one, other = await door.open(ANN), await door.open(ANN)
    await one.say("SELECT INBOX")
    other.send(b"a APPEND INBOX {5+}\r\nA: b\n\r\n")
    await other.hear("a OK")
    one.send(b"n NOOP\r\n")
    lines = one.lines()
    assert "* 1 EXISTS" in lines
    assert lines[-1] == "n OK Done"


async def test_idlers_hear_of_it_once_and_go_on(door: Doorway) -> None:
    idlers = [await door.open(ANN) for _ in range(3)]
    for one in idlers:
        await one.say("SELECT INBOX")
        await one.say("IDLE", "+")
    other = await door.open(ANN)
    for number in (1, 2):
        other.send(b"a APPEND INBOX {5+}\r\nA: b\n {5+}\r\nA: c\n\r\n")
        await other.hear("a OK")
        for one in idlers:
            assert await one.hear("* ") == [f"* {2 * number} EXISTS", f"* {2 * number} RECENT"]
    await other.say("DELETE Nothing")
    assert [await one.done() for one in idlers] == [["t2 OK Idle ended"]] * 3


async def test_a_mailbox_that_goes_while_idle(door: Doorway) -> None:
    one, other = await door.open(ANN), await door.open(ANN)
    await other.say("CREATE X")
    await one.say("SELECT X")
    await one.say("IDLE", "+")
    await other.say("DELETE X")
    assert (await one.hear("* BYE"))[-1].startswith("* BYE")
    await one.turns()
    assert one.over


async def test_a_mailbox_that_is_gone_ends_the_session(door: Doorway) -> None:
    one, other = await door.open(ANN), await door.open(ANN)
    await other.say("CREATE X")
    await one.say("SELECT X")
    await other.say("DELETE X")
    one.send(b"n NOOP\r\nm NOOP\r\n")
    assert [line[:5] for line in await one.hear("* BYE")] == ["* BYE", "n OK "]
    await one.turns()
    assert one.over
    assert not one.lines()


async def test_a_bug_is_answered(door: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_session: Session, _command: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(general.AT_ONCE, commands.Noop, broken)
    again = Doorway(door.store, door.bus, door.clock, door.lane)
    one = await again.open(ANN)
    one.send(b"a NOOP\r\nb CHECK\r\nc CAPABILITY\r\n")
    lines = await one.hear("c OK")
    assert lines[0].startswith("a NO [SERVERBUG]")


async def test_long_answers_wait_for_room(door: Doorway) -> None:
    one = await door.open(ANN)
    each = sum(map(len, await one.say("CAPABILITY")))
    count = ROOM // each * 3
    one.send(b"".join(b"a%d CAPABILITY\r\n" % number for number in range(count)))
    assert sum(map(len, one.lines())) < ROOM + 2 * each
    lines = await one.hear(f"a{count - 1} OK")
    assert lines[-1].startswith(f"a{count - 1} OK")


async def test_a_literal_in_pieces(door: Doorway) -> None:
    one = await door.open(ANN)
    one.send(b"a APPEND INBOX {40}\r\n")
    assert (await one.hear("+ "))[-1].startswith("+ ")
    for octet in b"Subject: piecemeal\r\n\r\n123456789012345678":
        one.send(bytes([octet]))
    one.send(b"\r\nb NOOP\r\n")
    lines = await one.hear("b OK")
    assert lines[-2].startswith("a OK [APPENDUID ")


async def test_what_comes_behind_compress_is_compressed(door: Doorway) -> None:
    """In a packet of its own, before the task had its turn (RFC 4978 §3)."""
    one = await door.open(ANN)
    pack, unpack = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    one.send(b"a COMPRESS DEFLATE\r\n")
    one.send(pack.compress(b"b NOOP\r\n") + pack.flush(zlib.Z_SYNC_FLUSH))
    await one.turns()
    plain, _, packed = bytes(one._pipe.said).partition(b"\r\n")
    assert plain.startswith(b"a OK ")
    assert unpack.decompress(packed) == b"b OK Done\r\n"


async def test_an_idler_that_did_not_read_for_a_while_hears_all(door: Doorway) -> None:
    one, other = await door.open(ANN), await door.open(ANN)
    await one.say("SELECT INBOX")
    await one.say("IDLE", "+")
    one.stall()
    for _ in range(2):  # the first is written and waits for room, the second comes meanwhile
        other.send(b"a APPEND INBOX {5+}\r\nA: b\n\r\n")
        await other.hear("a OK")
        await one.turns()
    assert one.lines() == []
    one.recover()
    await one.turns()
    lines = one.lines()
    assert "* 1 EXISTS" in lines
    assert "* 2 EXISTS" in lines
    assert await one.done() == ["t2 OK Idle ended"]


async def test_a_command_that_comes_with_the_room_for_its_answer(door: Doorway) -> None:
    one = await door.open(ANN)
    one.stall()
    one.send(b"a NOOP\r\n")
    await one.turns()
    one.recover()
    one.send(b"b SELECT INBOX\r\n")  # before the task has seen that there is room
    lines = await one.hear("b OK ")
    assert lines[0] == "a OK Done"
    assert lines[-1].startswith("b OK ")


async def test_nothing_follows_the_answer_to_logout(door: Doorway) -> None:
    one = await door.open(ANN)
    one.send(b"a LOGOUT\r\n")
    one.drain()
    await one.turns()
    assert [line[:5] for line in one.lines()] == ["* BYE", "a OK "]
    assert one.over
