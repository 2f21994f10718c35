"""POP3 over real sockets, with an independent client and by hand."""

from __future__ import annotations

import asyncio
import base64
import poplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.mailbox.intake import whole
from pillarbox.mailbox.pop3 import Maildrop
from pillarbox.model.account import Pop3Mode
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import Appended, Target
from pillarbox.store.memory import MemoryStore
from support.doors import PASSWORD, Rooms, rooms
from support.people import account
from support.wire import Wire

T = TypeVar("T")

ONE = b"Subject: one\r\n\r\nfirst line\r\n.\r\n..two dots\r\nlast line\r\n"
TWO = b"Subject: two\r\n\r\nsecond\r\n"


async def put(house: Rooms, *texts: bytes, to: str = "ann") -> None:
    person = await account(house.store, to)
    box = await house.store.mailbox_by_name(person.id, "INBOX")
    assert box is not None
    for text in texts:
        message = await whole(house.store, text)
        (kept,) = await house.store.accept(message, [Target(person.id, box.id)])
        assert isinstance(kept, Appended)


async def uids(house: Rooms, name: str = "INBOX", *, of: str = "ann") -> list[int]:
    person = await account(house.store, of)
    box = await house.store.mailbox_by_name(person.id, name)
    assert box is not None
    snapshot = await house.store.load(person.id, box.id)
    assert snapshot is not None
    return snapshot.uids.tolist()


@asynccontextmanager
async def opened(
    tmp_path: Path, *texts: bytes, store: MemoryStore | None = None, **options: object
) -> AsyncIterator[tuple[Rooms, int]]:
    async with rooms(tmp_path, "ann", "bob", store=store) as house:
        await put(house, *texts)
        yield house, await house.pop3(**options)  # type: ignore[arg-type]


@asynccontextmanager
async def connected(port: int, *, login: bool = True) -> AsyncIterator[Wire]:
    wire = await Wire.connect(port)
    try:
        assert (await wire.line()).startswith(b"+OK mail.example.test")
        if login:
            assert await log_in(wire) == b"+OK"
        yield wire
    finally:
        wire.close()


async def log_in(wire: Wire, user: str = "ann@example.test", password: str = PASSWORD) -> bytes:
    """USER and PASS in one packet; the status of PASS with its code."""
    await wire.send(f"USER {user}\r\nPASS {password}\r\n".encode())
    await wire.line()
    return b" ".join(w for w in (await wire.line()).split()[:2] if w[:1] in b"+-[")


async def said(wire: Wire, command: bytes) -> bytes:
    """The first line of an answer."""
    await wire.send(command + b"\r\n")
    return await wire.line()


async def with_poplib(house: Rooms, port: int, use: Callable[[poplib.POP3], T]) -> T:
    """Run ``use`` in a thread with a client that has begun TLS and not logged in."""
    context = ssl.create_default_context(cafile=str(house.ca))

    def run() -> T:
        client = poplib.POP3("localhost", port, timeout=10)
        try:
            client.stls(context)
            return use(client)
        finally:
            client.close()

    return await asyncio.to_thread(run)


async def test_the_standard_library_reads_and_removes(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, TWO) as (house, port):

        def use(client: poplib.POP3) -> list[bytes]:
            assert {"USER", "STLS", "UIDL", "TOP"} & client.capa().keys() == {"USER", "UIDL", "TOP"}
            client.user("ann@example.test")
            client.pass_(PASSWORD)
            assert client.stat() == (2, len(ONE) + len(TWO))
            assert client.list()[1] == [b"1 %d" % len(ONE), b"2 %d" % len(TWO)]
            assert b"\r\n".join([*client.retr(1)[1], b""]) == ONE
            assert client.top(1, 1)[1] == [b"Subject: one", b"", b"first line"]
            ids = client.uidl()[1]
            assert client.uidl(2) == b"+OK " + ids[1]
            client.dele(1)
            client.rset()
            client.dele(1)
            assert client.stat() == (1, len(TWO))
            client.quit()
            return ids

        before = await with_poplib(house, port, use)
        assert await uids(house) == [2]

        def again(client: poplib.POP3) -> list[bytes]:
            client.user("ann")  # one domain: the local part will do
            client.pass_(PASSWORD)
            return client.uidl()[1]

        after = await with_poplib(house, port, again)
        assert [row.split()[1] for row in after] == [before[1].split()[1]]


async def test_implicit_tls_and_auth(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, implicit=True) as (house, port):
        context = ssl.create_default_context(cafile=str(house.ca))
        plain = base64.b64encode(b"\0ann@example.test\0" + PASSWORD.encode())

        def use() -> list[str]:
            client = poplib.POP3_SSL("localhost", port, context=context, timeout=10)
            offered = client.capa()["SASL"]
            assert client._shortcmd("AUTH PLAIN " + plain.decode()).startswith(b"+OK 1 ")  # type: ignore[attr-defined]
            assert client.capa()["SASL"] == offered
            client.quit()
            return offered

        assert await asyncio.to_thread(use) == ["SCRAM-SHA-256", "PLAIN", "LOGIN"]


@pytest.mark.parametrize(
    ("mode", "inbox", "archive"),
    [(Pop3Mode.DELETE, [2], []), (Pop3Mode.KEEP, [1, 2], []), (Pop3Mode.ARCHIVE, [2], [1])],
)
async def test_the_mode_of_the_account(
    tmp_path: Path, mode: Pop3Mode, inbox: list[int], archive: list[int]
) -> None:
    async with opened(tmp_path, ONE, TWO) as (house, port):
        person = await account(house.store, "ann")
        await house.store.change_account(replace(person, pop3=mode))
        async with connected(port) as wire:
            assert (await said(wire, b"DELE 1")).startswith(b"+OK")
            assert await said(wire, b"QUIT") == b"+OK Goodbye"
        assert (await uids(house), await uids(house, "Archive")) == (inbox, archive)
        async with connected(port) as wire:
            assert await said(wire, b"STAT") == b"+OK 1 %d" % len(TWO)


@pytest.mark.parametrize("end", ["close", "half-close", "abort"])
async def test_without_quit_nothing_is_removed(tmp_path: Path, end: str) -> None:
    async with opened(tmp_path, ONE, TWO) as (house, port):
        async with connected(port) as wire:
            assert (await said(wire, b"DELE 1")).startswith(b"+OK")
            await wire.send(b"QUIT")  # without its end
            if end == "half-close":
                wire.eof()
                assert await wire.rest() == b""
            elif end == "abort":
                wire.abort()
        await until_free(port)
        assert await uids(house) == [1, 2]


async def until_free(port: int) -> None:
    """Wait until the maildrop of ann is let go of: by logging in until it works."""
    for _ in range(200):
        async with connected(port, login=False) as wire:
            status = await log_in(wire)
            if status == b"+OK":
                await said(wire, b"QUIT")
                return
            assert status == b"-ERR [IN-USE]"
        await asyncio.sleep(0.01)
    raise AssertionError("the maildrop stays locked")


async def test_one_session_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE) as (_, port), connected(port) as first:
        async with connected(port, login=False) as second:
            assert await log_in(second) == b"-ERR [IN-USE]"
            assert await log_in(second, "bob@example.test") == b"+OK"
        assert await said(first, b"QUIT") == b"+OK Goodbye"
        async with connected(port, login=False) as third:  # the answer to QUIT is enough
            assert await log_in(third) == b"+OK"


async def test_time_between_logins(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, login_delay=3599.5) as (_, port):
        async with connected(port) as wire:
            await wire.send(b"CAPA\r\n")
            assert b"LOGIN-DELAY 3600" in await wire.until(b".")
            await said(wire, b"QUIT")
        async with connected(port, login=False) as wire:
            assert await log_in(wire, password="wrong") == b"-ERR [AUTH]"
            assert await log_in(wire) == b"-ERR [LOGIN-DELAY]"
            assert await log_in(wire, "bob@example.test") == b"+OK"


async def test_wrong_passwords_end_the_connection(tmp_path: Path) -> None:
    async with (
        opened(tmp_path, login_failures=2) as (_, port),
        connected(port, login=False) as wire,
    ):
        assert await log_in(wire, password="wrong") == b"-ERR [AUTH]"
        assert await log_in(wire, password="wronger") == b"-ERR [AUTH]"
        assert await wire.rest() == b""


async def test_silence_ends_without_a_word(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, timeout=0.05) as (house, port):
        async with connected(port) as wire:
            await said(wire, b"DELE 1")
            assert await wire.rest() == b""  # RFC 1939 §3
        assert await uids(house) == [1]
    async with (
        opened(tmp_path, login_timeout=0.05) as (_, port),
        connected(port, login=False) as wire,
    ):
        assert await wire.rest() == b""


async def test_keeping_busy_does_not_put_off_the_login(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, login_timeout=0.5) as (_, port):
        async with connected(port, login=False) as wire:
            while await said(wire, b"NOOP"):
                pass
        async with connected(port) as wire:
            await asyncio.sleep(0.6)
            assert (await said(wire, b"NOOP")).startswith(b"+OK")


async def test_a_server_that_goes_down_lets_work_be_finished(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, TWO, last_words=5.0) as (house, port):
        async with connected(port, login=False) as idle, connected(port) as busy:
            await said(busy, b"DELE 1")
            closing = asyncio.create_task(house.listeners[0].close(grace=5))
            assert (await idle.line()).startswith(b"-ERR [SYS/TEMP] The server")
            assert await idle.rest() == b""
            assert (await said(busy, b"DELE 2")).startswith(b"+OK")
            assert await said(busy, b"QUIT") == b"+OK Goodbye"
            await closing
        assert await uids(house) == []


async def test_a_server_that_goes_down_does_not_wait_for_ever(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, last_words=0.05) as (house, port):
        async with connected(port) as wire:
            await said(wire, b"DELE 1")
            await house.listeners[0].close(grace=5)
            assert (await wire.line()).startswith(b"-ERR [SYS/TEMP] The server")
            assert await wire.rest() == b""
        assert await uids(house) == [1]


LARGE = b"Subject: large\r\n\r\n" + (b"." + b"x" * 900 + b"\r\n") * 8_000


class Counted(MemoryStore):
    """Counts the octets that were asked for."""

    streamed = 0

    async def stream(
        self, blob: int, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        async for piece in super().stream(blob, start, length):
            self.streamed += len(piece)
            yield piece


async def test_a_large_message_waits_for_its_reader(tmp_path: Path) -> None:
    """Several large answers asked for at once: the server does not run ahead of the client."""
    store = Counted(inline_limit=1000)
    async with (
        opened(tmp_path, LARGE, ONE, store=store) as (_, port),
        connected(port) as wire,
        connected_as_bob(port) as other,
    ):
        await wire.send(b"RETR 1\r\n" * 4 + b"TOP 1 1\r\nRETR 2\r\n")
        for _ in range(50):  # others are served meanwhile
            assert await said(other, b"STAT") == b"+OK 0 0"
        assert store.streamed < 3 * len(LARGE)
        for _ in range(4):
            assert await wire.line() == b"+OK %d octets" % len(LARGE)
            assert await wire.message() == LARGE
        assert store.streamed < 5 * len(LARGE)  # TOP reads no more than it shows
        assert await wire.line() == b"+OK Top of message follows"
        assert await wire.message() == LARGE[: LARGE.index(b"x\r\n") + 3]
        assert await wire.line() == b"+OK %d octets" % len(ONE)
        assert await wire.message() == ONE


@asynccontextmanager
async def connected_as_bob(port: int) -> AsyncIterator[Wire]:
    async with connected(port, login=False) as wire:
        assert await log_in(wire, "bob@example.test") == b"+OK"
        yield wire


@pytest.mark.parametrize("inline", [1_000_000, 10], ids=["whole", "in pieces"])
async def test_utf8_outside_utf8_mode(tmp_path: Path, inline: int) -> None:
    subject = "Subject: grün\r\nTo: ö <a@bücher.test>\r\n\r\nKäse\r\n".encode()
    latin = b"Subject: gr\xfcn\r\n\r\nK\xe4se\r\n"
    mailbox = "From: jörg@example.test\r\n\r\nbody\r\n".encode()
    store = MemoryStore(inline_limit=inline)
    async with opened(tmp_path, subject, latin, mailbox, store=store) as (_, port):
        async with connected(port) as wire:
            first = await said(wire, b"RETR 1")
            got = await wire.message()
            assert first == b"+OK %d octets" % len(got)
            header, _, body = got.partition(b"\r\n\r\n")
            assert header.isascii()
            assert b"a@xn--bcher-kva.test" in header
            assert body == "Käse\r\n".encode()
            await said(wire, b"TOP 1 0")
            assert await wire.message() == header + b"\r\n\r\n"
            assert await said(wire, b"RETR 2") == b"+OK %d octets" % len(latin)
            assert await wire.message() == latin
            for command in (b"RETR 3", b"TOP 3 0"):
                assert (await said(wire, command)).startswith(b"-ERR [UTF8] ")
            await said(wire, b"QUIT")
        async with connected(port, login=False) as wire:
            await said(wire, b"UTF8")
            await log_in(wire)
            for number, text in enumerate((subject, latin, mailbox), 1):
                assert await said(wire, b"RETR %d" % number) == b"+OK %d octets" % len(text)
                assert await wire.message() == text


async def test_a_header_too_long_to_be_held(tmp_path: Path) -> None:
    long = "Subject: grün\r\n".encode() + b"X: y\r\n" * 20_000 + b"\r\nbody\r\n"
    ascii_only = b"Subject: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\nbody\r\n"
    async with (
        opened(tmp_path, long, ascii_only, max_header=100) as (_, port),
        connected(port) as wire,
    ):
        assert (await said(wire, b"RETR 1")).startswith(b"-ERR [UTF8] ")
        await said(wire, b"RETR 2")
        assert await wire.message() == ascii_only


async def test_a_message_that_another_program_removed(tmp_path: Path) -> None:
    async with opened(tmp_path, ONE, TWO) as (house, port):
        async with connected(port) as wire:
            person = await account(house.store, "ann")
            box = await house.store.mailbox_by_name(person.id, "INBOX")
            assert box is not None
            one = NumSet([(1, 1)])
            await house.store.expunge(person.id, box.id, one, only_deleted=False)
            assert await said(wire, b"STAT") == b"+OK 2 %d" % len(ONE + TWO)
            assert await said(wire, b"RETR 1") == b"-ERR No such message"
            assert (await said(wire, b"DELE 1")).startswith(b"+OK")
            assert await said(wire, b"QUIT") == b"+OK Goodbye"
        assert await uids(house) == [2]


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Temporary("disk full"), b"-ERR [SYS/TEMP] "),
        (Permanent("rubbish"), b"-ERR [SYS/PERM] "),
        (ValueError("a bug"), b"-ERR [SYS/TEMP] "),
        (Refusal(Kind.CANNOT, "no archive"), b"-ERR [SYS/PERM] "),
    ],
    ids=["temporary", "permanent", "bug", "refusal"],
)
async def test_what_could_not_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Exception | Refusal, answer: bytes
) -> None:
    async def commit(_drop: Maildrop) -> Refusal | None:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with opened(tmp_path, ONE) as (house, port):
        monkeypatch.setattr(Maildrop, "commit", commit)
        async with connected(port) as wire:
            await said(wire, b"DELE 1")
            assert (await said(wire, b"QUIT")).startswith(answer + b"Some deleted messages")
            assert await wire.rest() == b""
        await until_free(port)
        assert await uids(house) == [1]


async def test_broken_hands_cost_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(_drop: Maildrop, _number: int) -> bytes:
        raise outcome

    async with opened(tmp_path, ONE) as (_, port):
        monkeypatch.setattr(Maildrop, "read", read)
        async with connected(port) as wire:
            outcome: Exception = Temporary("disk full")
            assert (await said(wire, b"RETR 1")).startswith(b"-ERR [SYS/TEMP] ")
            outcome = Permanent("rubbish")
            assert (await said(wire, b"RETR 1")).startswith(b"-ERR [SYS/PERM] ")
            assert await said(wire, b"NOOP") == b"+OK"


async def test_a_login_that_fails_inside_opens_its_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ONE) as (house, port):

        async def broken(_account: int, _mode: Pop3Mode) -> Maildrop:
            raise Temporary("the disk sleeps")

        with monkeypatch.context() as patch:
            patch.setattr(house.maildrops, "open", broken)
            async with connected(port, login=False) as wire:
                assert await log_in(wire) == b"-ERR [SYS/TEMP]"
                patch.undo()
                assert await log_in(wire) == b"+OK"


async def test_a_message_that_breaks_off_has_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield ONE
        raise Temporary("a block cannot be read")

    async def read(_drop: Maildrop, _number: int) -> AsyncIterator[bytes]:
        return pieces()

    async with opened(tmp_path, ONE) as (_, port):
        monkeypatch.setattr(Maildrop, "read", read)
        async with connected(port) as wire:
            assert (await said(wire, b"RETR 1")).startswith(b"+OK")
            rest = await wire.rest()
            assert rest.startswith(b"Subject: one\r\n")
            assert b"\r\n.\r\n" not in rest


async def test_no_password_in_the_clear_from_afar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer is this machine, which may; so the policy is told that it may not."""
    async with opened(tmp_path, ONE) as (house, port):
        options = replace(house.authenticator.options, cleartext_on_loopback=False)
        monkeypatch.setattr(house.authenticator, "options", options)
        async with connected(port, login=False) as wire:
            assert await said(wire, b"USER ann") == b"-ERR Use STLS before logging in"
            assert await said(wire, b"AUTH PLAIN") == b"-ERR Use STLS before logging in"
            await wire.send(b"CAPA\r\n")
            listed = await wire.until(b".")
            assert b"STLS" in listed
            assert not [row for row in listed if row.startswith((b"USER", b"SASL"))]
