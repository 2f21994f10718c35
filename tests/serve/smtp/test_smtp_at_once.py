"""What is answered where its octets arrive, and how it keeps its place among the rest."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from pillarbox.auth.sendas import SendAs
from pillarbox.base.signal import Signal
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.route import Router
from pillarbox.mailbox.intake import Intake
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Role
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault
from pillarbox.policy.tarpit import Options as TarpitOptions
from pillarbox.policy.tarpit import Tarpit
from pillarbox.serve.smtp.options import Needs, Options
from pillarbox.serve.smtp.session import Session
from pillarbox.store.memory import MemoryStore
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.options import Options as EngineOptions
from support.doors import PASSWORD, Rooms, rooms
from support.pipe import Pipe

ENVELOPE = b"MAIL FROM:<x@else.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"
MESSAGE = b"Subject: hi\r\n\r\n..dot\r\n.\r\n"
TURNS = 30


class Spoken:
    """One session, as its client has it."""

    def __init__(self, house: Rooms, role: Role, **needs: Any) -> None:
        self.draining = Signal()
        self.conn = Connection(
            server_side=True, connection_id="c", draining=self.draining, tls=house.tls
        )
        self.pipe = Pipe()
        self.conn.connection_made(self.pipe)
        options = Options(EngineOptions("mail.example.test", role, auth_in_clear=("PLAIN",)))
        store = house.store
        made = Needs(
            *(Router(store), Acceptor(store, house.clock), house.authenticator, SendAs(store)),
            lambda expected, binary: Intake(store, expected=expected, binary=binary),
            *(house.clock, house.rng),
            queued=lambda: None,
        )
        self.session = Session(self.conn, options, replace(made, **needs))
        self.task = asyncio.ensure_future(self._served())

    async def _served(self) -> None:
        with contextlib.suppress(NetFault):
            await self.session.run()
        self.conn.flush()

    def send(self, data: bytes) -> list[str]:
        """Octets as the network brings them; what is said before any task has its turn."""
        self.packet(data)
        return self.codes()

    def packet(self, data: bytes) -> None:
        self.conn.get_buffer(len(data))[: len(data)] = data
        self.conn.buffer_updated(len(data))

    def codes(self) -> list[str]:
        """Codes of the replies since the last call."""
        lines, self.pipe.said[:] = bytes(self.pipe.said).decode().splitlines(), b""
        return [line[:3] for line in lines if line[3:4] == " "]

    async def turns(self) -> list[str]:
        """What is said once everybody had their turns."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return self.codes()

    async def say(self, data: bytes) -> list[str]:
        return self.send(data) + await self.turns()

    async def close(self) -> None:
        self.conn.connection_lost(None)
        await self.task


class Secured:
    """The client's side of TLS over a session."""

    def __init__(self, one: Spoken, ca: Path) -> None:
        self._one = one
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(ca))
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")

    async def handshake(self) -> None:
        for _ in range(3):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
            await self._carry()

    async def say(self, data: bytes) -> bytes:
        """What is said to it once everybody had their turns."""
        self._tls.write(data)
        await self._carry()
        return self._tls.read(65_536)

    async def _carry(self) -> None:
        if self._out.pending:
            self._one.packet(self._out.read())
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._in.write(bytes(self._one.pipe.said))
        self._one.pipe.said.clear()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Rooms]:
    async with rooms(tmp_path, "ann", "bob", store=MemoryStore()) as made:
        yield made


async def opened(house: Rooms, role: Role = Role.MX, **needs: Any) -> Spoken:
    """Greeted, and with one message delivered to Ann, so that she is known."""
    one = Spoken(house, role, **needs)
    assert await one.turns() == ["220"]
    hello = b"LHLO x\r\n" if role is Role.LMTP else b"EHLO x\r\n"
    assert one.send(hello) == ([] if role is Role.SUBMISSION else ["250"])
    await one.turns()
    if role is not Role.SUBMISSION:
        assert await one.say(ENVELOPE) == ["250", "250", "354"]
        assert await one.say(MESSAGE) == ["250"]
    return one


async def test_each_kind_has_its_place(house: Rooms) -> None:
    session = Spoken(house, Role.MX).session
    prompt, later = session._prompt.keys(), session._handlers.keys()
    assert prompt | later == set(get_args(events.Event))
    assert prompt & later == {events.Mail, events.Rcpt}  # those may have to ask


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
async def test_an_envelope_needs_no_turn_of_the_loop(house: Rooms, role: Role) -> None:
    one = await opened(house, role)
    assert one.send(ENVELOPE) == ["250", "250", "354"]
    assert await one.say(MESSAGE) == ["250"]
    assert one.send(b"NOOP\r\nVRFY x\r\nNONSENSE\r\nRSET\r\nNO") == ["250", "252", "500", "250"]
    assert one.send(b"OP\r\n") == ["250"]
    assert one.send(b"QUIT\r\n") == ["221"]
    await one.turns()
    assert one.task.done()


async def test_the_order_is_that_of_the_commands(house: Rooms) -> None:
    one = await opened(house)
    known, unknown = b"RCPT TO:<ann@example.test>\r\n", b"RCPT TO:<nobody@example.test>\r\n"
    new = b"RCPT TO:<bob@example.test>\r\n"
    begun = one.send(b"MAIL FROM:<>\r\n" + known + unknown + known + b"DATA\r\n" + MESSAGE[:9])
    assert begun == []
    for octet in MESSAGE[9:]:  # while the task has not seen yet what was left to it
        assert one.send(bytes([octet])) == []
    assert one.send(b"MAIL FROM:<>\r\n" + new) == []
    assert await one.turns() == ["250", "250", "550", "250", "354", "250", "250", "250"]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
async def test_packets_make_no_difference(house: Rooms, size: int) -> None:
    one = await opened(house)
    whole = ENVELOPE + MESSAGE + b"NOOP\r\n" + ENVELOPE + MESSAGE + b"RSET\r\nQUIT\r\n"
    said = []
    for at in range(0, len(whole), size):
        said += one.send(whole[at : at + size])
        if at % 3 == 0:
            said += await one.turns()
    said += await one.turns()
    message = ["250", "250", "354", "250"]
    assert said == [*message, "250", *message, "250", "221"]


async def test_who_has_a_say_is_asked(house: Rooms) -> None:
    asked: list[str] = []

    async def greylist(ip: str, sender: object, to: object) -> Reply | None:
        asked.append(str(to))
        return Reply(451, "4.7.1", "Come again") if len(asked) > 1 else None

    one = await opened(house, greylist=greylist)
    assert one.send(ENVELOPE) == []
    assert await one.turns() == ["250", "451", "503"]
    assert asked == ["ann@example.test"] * 2


async def test_a_nuisance_waits(house: Rooms) -> None:
    tarpit = Tarpit(house.clock, TarpitOptions(delay=0.05, after=1))
    one = await opened(house, tarpit=tarpit)
    assert one.send(b"NOOP\r\n") == ["250"]
    tarpit.blame(one.conn.peer.ip)
    assert await one.say(b"NOOP\r\n") == []
    await asyncio.sleep(0.6)
    assert one.codes() == ["250"]


async def test_submission_looks_at_nothing_before_the_login(house: Rooms) -> None:
    one = await opened(house, Role.SUBMISSION)
    assert one.send(b"NOOP\r\n") == []
    assert await one.turns() == ["250"]
    secret = base64.b64encode(f"\0ann@example.test\0{PASSWORD}".encode())
    one.send(b"AUTH PLAIN " + secret + b"\r\n")
    one.pipe.news.clear()
    await asyncio.wait_for(one.pipe.news.wait(), 10)  # passwords are looked at in a thread
    assert one.codes() == ["235"]
    own = b"MAIL FROM:<ann+x@example.test>\r\n"
    assert one.send(own + b"RSET\r\n") == ["250", "250"]
    assert one.send(b"MAIL FROM:<bob@example.test>\r\n") == []
    assert await one.turns() == ["553"]
    one.send(b"MAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nRSET\r\n")
    assert await one.turns() == ["250", "250", "250"]
    assert one.send(own + b"RCPT TO:<ann@example.test>\r\nDATA\r\n") == ["250", "250", "354"]


async def test_a_transaction_may_end_before_the_server_does(house: Rooms) -> None:
    busy, idle, reset = await opened(house), await opened(house), await opened(house)
    assert busy.send(ENVELOPE) == ["250", "250", "354"]
    assert reset.send(b"MAIL FROM:<>\r\n") == ["250"]
    for one in (busy, idle, reset):
        one.draining.set()
    assert await idle.turns() == ["421"]
    assert idle.task.done()
    assert await busy.say(MESSAGE[:9]) == await reset.turns() == []
    assert await busy.say(MESSAGE[9:]) == ["250", "421"]
    assert await reset.say(b"RSET\r\n") == ["250", "421"]


async def test_a_bug_costs_one_command(house: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_event: events.Noop) -> bytes:
        raise RuntimeError("a bug")

    one = await opened(house)
    monkeypatch.setitem(one.session._prompt, events.Noop, broken)
    assert one.send(b"NOOP\r\nRSET\r\n") == ["451", "250"]


async def test_no_word_follows_the_last_one(house: Rooms) -> None:
    one = await opened(house)
    assert one.send(b"QUIT\r\n") == ["221"]
    one.draining.set()
    assert await one.turns() == []
    assert one.task.done()


@pytest.mark.parametrize("cut", [45, 50, 57])
async def test_an_end_that_comes_behind_what_was_left(house: Rooms, cut: int) -> None:
    one = await opened(house)
    said = b"MAIL FROM:<>\r\nRCPT TO:<nobody@example.test>\r\nRSET\r\nNOOP\r\n"
    for packet in (said[:cut], said[cut:]):
        if packet:
            assert one.send(packet) == []
    one.conn.eof_received()
    assert await one.turns() == ["250", "550", "250", "250"]
    assert one.task.done()


async def test_content_that_is_cut_off_is_forgotten(house: Rooms) -> None:
    one = await opened(house)
    one.send(ENVELOPE + MESSAGE[:20])
    await one.close()
    box = await house.store.mailbox_by_name(1, "INBOX")
    assert box is not None
    assert box.messages == 1


async def test_starttls_leaves_nothing_for_the_callback(house: Rooms) -> None:
    """Commands that stand behind it in the clear are never answered (RFC 3207 §4.2)."""
    one = Spoken(house, Role.MX)
    await one.close()
    port = await house.smtp(Role.MX)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO x\r\n")
    while (await reader.readline())[3:4] != b" ":
        pass
    writer.write(b"NOOP\r\nSTARTTLS\r\n" + ENVELOPE)
    assert (await reader.readline()).startswith(b"250")
    assert (await reader.readline()).startswith(b"220")
    writer.write_eof()
    assert not (await asyncio.wait_for(reader.read(), 10)).startswith(b"2")
    writer.close()


async def test_what_came_in_the_clear_is_not_obeyed_under_tls(house: Rooms) -> None:
    """A packet behind that with STARTTLS, before the task had its turn (RFC 3207 §4.2)."""
    one = Spoken(house, Role.MX)
    assert await one.turns() == ["220"]
    assert one.send(b"EHLO x\r\n") == ["250"]
    assert one.send(b"STARTTLS\r\n") == one.send(b"VRFY x\r\n") == []
    assert await one.turns() == ["220"]
    assert one.session._engine.plaintext_injected
    client = Secured(one, house.ca)
    await client.handshake()
    assert await client.say(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"
