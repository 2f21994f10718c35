"""What is answered where its octets arrive, and how it keeps its place among the rest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from pillarbox.auth.login import Authenticator
from pillarbox.auth.passwords import CHEAP, Passwords
from pillarbox.base.clock import SystemClock
from pillarbox.base.errors import Permanent
from pillarbox.base.ids import SystemRng
from pillarbox.base.lanes import Lane
from pillarbox.mailbox.pop3 import Maildrop, Maildrops
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault
from pillarbox.serve.pop3 import general
from pillarbox.serve.pop3.door import at_once, handlers
from pillarbox.serve.pop3.options import Needs
from pillarbox.serve.pop3.pace import Pace
from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3.commands import State
from pillarbox.wire.pop3.server import Engine
from support.mailroom import Room, room, simple
from support.pipe import Pipe

TURNS = 12


class Spoken:
    """A session that is logged in, as its client has it."""

    def __init__(self, session: Session, pipe: Pipe) -> None:
        self.session = session
        self._pipe = pipe
        self.task = asyncio.ensure_future(self._served())

    async def _served(self) -> None:
        with contextlib.suppress(NetFault):
            await self.session.run()
        self.session.conn.flush()

    def send(self, data: bytes) -> None:
        conn = self.session.conn
        conn.get_buffer(len(data))[: len(data)] = data
        conn.buffer_updated(len(data))

    def said(self) -> bytes:
        """All that was said since the last call."""
        said = bytes(self._pipe.said)
        self._pipe.said.clear()
        return said

    async def hears(self, data: bytes) -> bytes:
        """What is said to this, with turns of the loop."""
        self.send(data)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return self.said()


class Doorway:
    def __init__(self, house: Room, lane: Lane) -> None:
        self._house = house
        clock, rng = SystemClock(), SystemRng()
        authenticator = Authenticator(
            house.store, Passwords(lane, rng, CHEAP), clock=clock, rng=rng, secret=rng.bytes(32)
        )
        self._needs = Needs(Maildrops(house.store), authenticator, clock)

    async def open(self) -> Spoken:
        conn, pipe = Connection(server_side=True), Pipe()
        conn.connection_made(pipe)
        session = Session(conn, self._needs, Pace(self._needs.clock, 0), handlers(), at_once())
        account = await self._house.store.account(self._house.account)
        assert account is not None
        drop = await self._needs.maildrops.open(account.id, account.pop3)
        assert isinstance(drop, Maildrop)
        session.maildrop = drop
        session.engine.state = State.TRANSACTION
        conn.timeout = None
        spoken = Spoken(session, pipe)
        assert (await spoken.hears(b"")).startswith(b"+OK ")
        return spoken


@pytest.fixture
async def house() -> Room:
    found = await room()
    await found.fill(9)
    return found


@pytest.fixture
async def door(house: Room) -> AsyncIterator[Doorway]:
    lane = Lane("crypto")
    yield Doorway(house, lane)
    await lane.close()


def answer(number: int) -> bytes:
    message = simple(number)
    return b"+OK %d octets\r\n%b.\r\n" % (len(message), message)


async def test_no_turn_of_the_loop_is_needed(door: Doorway) -> None:
    one = await door.open()
    sizes = [len(simple(n)) for n in range(1, 10)]
    one.send(b"NOOP\r\nSTAT\r\nLIST 2\r\nUIDL 2\r\nDELE 2\r\nLIST 2\r\nSTAT\r\nRSET\r\nSTAT\r\nDE")
    assert one.said().split(b"\r\n") == [
        b"+OK",
        b"+OK 9 %d" % sum(sizes),
        b"+OK 2 %d" % sizes[1],
        b"+OK 2 %b" % one.session.drop.uidl(2).encode(),
        b"+OK Message 2 will be deleted",
        b"-ERR Message 2 is marked deleted",
        b"+OK 8 %d" % (sum(sizes) - sizes[1]),
        b"+OK 9 messages (%d octets)" % sum(sizes),
        b"+OK 9 %d" % sum(sizes),
        b"",
    ]
    one.send(b"LE 9\r\n")
    assert one.said() == b"+OK Message 9 will be deleted\r\n"


async def test_what_was_read_ahead_needs_none_either(door: Doorway) -> None:
    one = await door.open()
    assert await one.hears(b"RETR 1\r\n") == answer(1)
    assert await one.hears(b"RETR 2\r\n") == answer(2)  # and 3 along with it
    one.send(b"RETR 3\r\n")
    assert one.said() == answer(3)
    assert await one.hears(b"RETR 4\r\nDELE 4\r\nRETR 5\r\n") == (
        answer(4) + b"+OK Message 4 will be deleted\r\n" + answer(5)
    )
    one.send(b"TOP 6 0\r\nRETR 6\r\nRETR 7\r\n")
    said = one.said()
    assert said.startswith(b"+OK Top of message follows\r\n")
    assert said.endswith(b"\r\n\r\n.\r\n" + answer(6) + answer(7))
    assert one.session.fetched == 7


async def test_the_next_answer_is_made_while_the_client_is_busy(
    door: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await door.open()
    await one.hears(b"RETR 1\r\nRETR 2\r\n")
    await one.hears(b"LANG de\r\n")  # what was made is in English
    one.send(b"RETR 3\r\n")
    assert one.said().startswith(b"+OK %d Oktette\r\n" % len(simple(3)))
    await one.hears(b"LANG en\r\nRETR 4\r\n")
    one.send(b"DELE 5\r\nRETR 5\r\n")
    assert one.said().split(b"\r\n")[1] == b"-ERR Message 5 is marked deleted"
    one.send(b"RSET\r\n")
    one.said()
    monkeypatch.setattr(Maildrop, "at_hand", None)
    one.send(b"RETR 5\r\n")
    assert one.said() == answer(5)


async def test_the_order_is_that_of_the_commands(door: Doorway) -> None:
    one = await door.open()
    one.send(b"NOOP\r\nUIDL\r\nLIST 1\r\nCAPA\r\n")
    one.send(b"DELE 1\r\nNO")  # while the task has not yet seen what was left to it
    one.send(b"OP\r\n")
    lines = (await one.hears(b"STAT\r\nQUIT\r\nNOOP\r\n")).split(b"\r\n")
    assert [line for line in lines if line.startswith(b"+OK")] == [
        b"+OK",
        b"+OK Unique ids follow",
        b"+OK 1 %d" % len(simple(1)),
        b"+OK Capability list follows",
        b"+OK Message 1 will be deleted",
        b"+OK",
        b"+OK 8 %d" % sum(len(simple(n)) for n in range(2, 10)),
        b"+OK Goodbye",
    ]
    assert one.task.done()


async def test_many_answers_at_once_let_others_have_their_turn(house: Room, door: Doorway) -> None:
    long = b"Subject: long\r\n\r\n" + b"x" * 20_000 + b"\r\n"
    for _ in range(9):
        await house.put(long)
    one = await door.open()
    await one.hears(b"".join(b"RETR %d\r\n" % number for number in range(1, 12)))
    one.send(b"".join(b"RETR %d\r\n" % number for number in range(12, 19)))
    assert one.said() == b""  # more than what may be said in one go: left to the task
    said = await one.hears(b"NOOP\r\n")
    assert said.count(b"Subject: long") == 7
    assert said.endswith(b"\r\n.\r\n+OK\r\n")


async def test_a_bug_is_answered(door: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_session: Session, _event: object) -> bool:
        raise RuntimeError("a bug")

    one = await door.open()
    monkeypatch.setitem(one.session._prompt, next(iter(general.AT_ONCE)), broken)  # type: ignore[index]
    one.send(b"NOOP\r\nDELE 1\r\n")
    first, second = one.said().splitlines()
    assert first.startswith(b"-ERR [SYS/TEMP] ")
    assert second.startswith(b"+OK ")


async def test_a_damaged_message_costs_one_command(
    door: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Maildrop.at_hand

    def damaged(drop: Maildrop, number: int, octets: int) -> bytes | None:
        if number == 3:
            raise Permanent("damaged body")
        return real(drop, number, octets)

    one = await door.open()
    await one.hears(b"RETR 1\r\n")
    monkeypatch.setattr(Maildrop, "at_hand", damaged)
    assert await one.hears(b"RETR 2\r\n") == answer(2)
    one.send(b"RETR 3\r\n")
    assert one.said().startswith(b"-ERR [SYS/PERM] ")
    assert await one.hears(b"RETR 4\r\n") == answer(4)


async def test_silence_counts_from_the_last_command(door: Doorway) -> None:
    one = await door.open()
    one.session.conn.timeout = 0.2
    await one.hears(b"RETR 1\r\n")  # the wait that begins now has the limit
    for _ in range(8):
        await asyncio.sleep(0.05)
        one.send(b"NOOP\r\n")
        assert one.said() == b"+OK\r\n"
    await asyncio.wait_for(one.task, 10)
    assert one.said() == b""


async def test_nothing_is_answered_at_once_before_the_login(door: Doorway) -> None:
    one = await door.open()
    one.session.maildrop, drop = None, one.session.maildrop
    one.session.engine = Engine()
    one.send(b"NOOP\r\n")
    assert one.said() == b""
    assert drop is not None
