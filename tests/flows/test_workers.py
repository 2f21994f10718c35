"""A house of two processes: one store, one writer, and what happens when a process dies."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pillarbox.app.house import House
from support.whole import PASSWORD, whole_house

PATIENCE = 60.0
STARTING = 100.0
_OPEN: list[asyncio.StreamWriter] = []


class Client:
    """Says a line and reads what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        _OPEN.append(writer)

    async def line(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readline()

    async def until(self, *starts: bytes) -> bytes:
        """Lines up to one that begins so; all of them."""
        said = b""
        while not (line := await self.line()).startswith(starts):
            assert line, said
            said += line
        return said + line

    async def say(self, words: bytes, *starts: bytes) -> bytes:
        self.writer.write(words)
        return await self.until(*starts)

    def close(self) -> None:
        self.writer.close()


async def dial(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))


@pytest.fixture(autouse=True)
async def hung_up() -> AsyncIterator[None]:
    """No client stays behind."""
    yield
    for writer in _OPEN:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    _OPEN.clear()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with whole_house(tmp_path, "ann", "bob", server={"workers": 2}) as opened:
        yield opened


def here(house: House, door: str) -> int:
    """Connections that the first process has at a door."""
    return house._listeners[door].connections


async def one_in_each(house: House, door: str, greeting: bytes) -> tuple[Client, Client]:
    """A connection in the first process and one in the worker: the kernel chooses, so try."""
    found: dict[bool, Client] = {}
    while len(found) < 2:
        before = here(house, door)
        client = await dial(house.ports[door])
        assert (await client.line()).startswith(greeting)
        local = here(house, door) > before
        if local in found:
            client.close()
            await eventually(lambda before=before: here(house, door) <= before)  # type: ignore[misc]
        else:
            found[local] = client
    return found[True], found[False]


async def eventually(true: Callable[[], object], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not true():  # noqa: ASYNC110  (other processes set no event here)
            await asyncio.sleep(0.01)


async def imap(client: Client, name: str = "ann") -> Client:
    await client.say(f't LOGIN {name}@example.test "{PASSWORD}"\r\n'.encode(), b"t OK")
    return client


async def deliver(client: Client, text: bytes, to: bytes = b"ann") -> bytes:
    await client.say(b"MAIL FROM:<x@else.test>\r\n", b"250 ")
    await client.say(b"RCPT TO:<%b@example.test>\r\n" % to, b"250 ")
    await client.say(b"DATA\r\n", b"354 ")
    return await client.say(b"Subject: %b\r\n\r\nbody\r\n.\r\n" % text, b"250 ", b"4", b"5")


async def test_both_take_mail_and_both_show_it(house: House) -> None:
    watchers = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    for watcher in watchers:
        await watcher.say(b"t SELECT INBOX\r\n", b"t OK")
        await watcher.say(b"t IDLE\r\n", b"+ ")
    for number, sender in enumerate(await one_in_each(house, "smtp", b"220 "), 1):
        await sender.say(b"HELO else.test\r\n", b"250 ")
        assert (await deliver(sender, b"number %d" % number)).startswith(b"250 ")
        for watcher in watchers:
            await watcher.until(b"* %d EXISTS" % number)
    for watcher in watchers:
        await watcher.say(b"DONE\r\n", b"t OK")
        said = await watcher.say(b"t FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n", b"t OK")
        assert b"number 1" in said
        assert b"number 2" in said


async def test_what_is_changed_in_one_is_seen_in_the_other(house: House) -> None:
    local, afar = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    large = b"Subject: large\r\n\r\n" + b"0123456789\r\n" * 20_000  # a file, not a row
    await afar.say(b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(large), large), b"t OK")
    await afar.say(b"t CREATE Letters\r\n", b"t OK")
    await local.say(b"t SELECT INBOX\r\n", b"t OK")
    await afar.say(b"t SELECT INBOX\r\n", b"t OK")
    await afar.say(b"t STORE 1 +FLAGS (\\Flagged $Work)\r\n", b"t OK")
    assert b"$Work" in await local.say(b"t NOOP\r\n", b"t OK")
    assert b"Letters" in await local.say(b't LIST "" *\r\n', b"t OK")
    await local.say(b"t COPY 1 Letters\r\n", b"t OK")
    assert b"MESSAGES 1" in await afar.say(b"t STATUS Letters (MESSAGES)\r\n", b"t OK")
    said = await local.say(b"t FETCH 1 BODY.PEEK[]\r\n", b"t OK")
    assert large in said
    assert b"* SEARCH 1" in await afar.say(b't SEARCH TEXT "456789"\r\n', b"t OK")
    await afar.say(b"t STORE 1 +FLAGS (\\Deleted)\r\n", b"t OK")
    await afar.say(b"t EXPUNGE\r\n", b"t OK")
    assert b"EXPUNGE" in await local.say(b"t NOOP\r\n", b"t OK")


async def test_a_new_account_is_known_in_the_worker_at_once(house: House) -> None:
    local, afar = await one_in_each(house, "smtp", b"220 ")
    await afar.say(b"HELO else.test\r\n", b"250 ")
    await afar.say(b"MAIL FROM:<x@else.test>\r\n", b"250 ")
    await afar.say(b"RCPT TO:<new@example.test>\r\n", b"550 ")
    arguments = {"address": "new@example.test", "password": PASSWORD}
    await house.admin.call("account.add", arguments)
    await afar.say(b"RCPT TO:<new@example.test>\r\n", b"250 ")
    local.close()


async def test_a_worker_that_is_killed_takes_only_its_connections_along(house: House) -> None:
    local, afar = await one_in_each(house, "smtp", b"220 ")
    for sender in (local, afar):
        await sender.say(b"HELO else.test\r\n", b"250 ")
        assert (await deliver(sender, b"kept")).startswith(b"250 ")
    _, pid = house.pids
    os.kill(pid, signal.SIGKILL)
    assert await afar.line() == b""
    assert (await deliver(local, b"still here")).startswith(b"250 ")
    await eventually(lambda: house.pids[1:] not in ([], [pid]))
    for client in await one_in_each(house, "imap", b"* OK"):
        said = await (await imap(client)).say(b"t STATUS INBOX (MESSAGES)\r\n", b"t OK")
        assert b"MESSAGES 3" in said


async def test_a_worker_that_is_killed_under_load_harms_nobody_else(house: House) -> None:
    local, afar = await one_in_each(house, "smtp", b"220 ")
    watcher, _ = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    await watcher.say(b"t SELECT INBOX\r\n", b"t OK")
    await watcher.say(b"t IDLE\r\n", b"+ ")
    kept: list[bytes] = []
    over = False

    async def send(sender: Client, name: bytes) -> None:
        await sender.say(b"HELO else.test\r\n", b"250 ")
        while not over:
            text = b"%b %d" % (name, len(kept))
            assert (await deliver(sender, text)).startswith(b"250 ")
            kept.append(text)

    async def send_until_it_dies(sender: Client) -> None:
        with pytest.raises((AssertionError, ConnectionError)):  # the end comes within an answer
            await send(sender, b"afar")

    async with asyncio.TaskGroup() as group:
        group.create_task(send(local, b"local"))
        dying = group.create_task(send_until_it_dies(afar))
        await eventually(lambda: sum(text.startswith(b"afar") for text in kept) > 20)
        _, pid = house.pids
        os.kill(pid, signal.SIGKILL)
        await dying
        before = len(kept)
        await eventually(lambda: len(kept) > before + 20 and house.pids[1:] not in ([], [pid]))
        over = True
    await watcher.say(b"DONE\r\n", b"t OK")
    said = await watcher.say(b"t FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n", b"t OK")
    found = Counter(re.findall(rb"Subject: (\w+ \d+)\r\n", said))
    assert set(kept) <= set(found)
    assert len(set(found) - set(kept)) <= 1  # kept, and its answer died with the worker
    assert max(found.values()) == 1


async def test_what_pop3_deletes_is_gone_in_both(house: House) -> None:
    sender, _ = await one_in_each(house, "smtp", b"220 ")
    await sender.say(b"HELO else.test\r\n", b"250 ")
    for number in range(2):
        await deliver(sender, b"number %d" % number)
    watchers = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    for watcher in watchers:
        assert b"* 2 EXISTS" in await watcher.say(b"t SELECT INBOX\r\n", b"t OK")
        await watcher.say(b"t IDLE\r\n", b"+ ")
    pop3 = await dial(house.ports["pop3"])
    await pop3.line()
    await pop3.say(b"USER ann@example.test\r\n", b"+OK")
    await pop3.say(b"PASS %b\r\n" % PASSWORD.encode(), b"+OK")
    await pop3.say(b"DELE 1\r\n", b"+OK")
    await pop3.say(b"QUIT\r\n", b"+OK")
    for watcher in watchers:
        await watcher.until(b"* 1 EXPUNGE")


async def test_a_script_put_in_one_holds_in_the_other_at_once(house: House) -> None:
    senders = await one_in_each(house, "smtp", b"220 ")
    for sender in senders:
        await sender.say(b"HELO else.test\r\n", b"250 ")
    login = base64.b64encode(b"\0ann@example.test\0" + PASSWORD.encode())
    for number, editor in enumerate(await one_in_each(house, "sieve", b'"IMPLEMENTATION"')):
        await editor.until(b"OK")
        await editor.say(b'AUTHENTICATE "PLAIN" "%b"\r\n' % login, b"OK")
        box = b"Sent" if number else b"Archive"
        script = b'require "fileinto"; fileinto "%b";' % box
        await editor.say(b'PUTSCRIPT "s" {%d+}\r\n%b\r\n' % (len(script), script), b"OK")
        await editor.say(b'SETACTIVE "s"\r\n', b"OK")
        for sender in senders:
            await deliver(sender, b"filed")
        reader = await imap(await dial(house.ports["imap"]))
        said = await reader.say(b"t STATUS %b (MESSAGES)\r\n" % box, b"t OK")
        assert b"MESSAGES 2" in said


async def test_what_is_submitted_in_a_worker_is_sent_by_the_first(tmp_path: Path) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            writer.write(b"354 go on\r\n" if verb == b"DATA" else b"250 ok\r\n")
            if verb == b"DATA":
                arrived.put_nowait(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
        writer.close()

    sink = await asyncio.start_server(take, "127.0.0.1")
    port = sink.sockets[0].getsockname()[1]
    send = {"enabled": True, "smarthost": f"127.0.0.1:{port}", "smarthost_tls": "none"}
    two = {"workers": 2}
    async with sink, whole_house(tmp_path, "ann", server=two, send=send) as house:
        login = base64.b64encode(b"\0ann@example.test\0" + PASSWORD.encode())
        for number, client in enumerate(await one_in_each(house, "submission", b"220 ")):
            await client.say(b"EHLO here.test\r\n", b"250 ")
            await client.say(b"AUTH PLAIN %b\r\n" % login, b"235 ")
            await client.say(b"MAIL FROM:<ann@example.test>\r\n", b"250 ")
            await client.say(b"RCPT TO:<bob@else.test>\r\n", b"250 ")
            await client.say(b"DATA\r\n", b"354 ")
            text = b"From: <ann@example.test>\r\nSubject: out %d\r\n\r\nbody\r\n.\r\n" % number
            await client.say(text, b"250 ")
            async with asyncio.timeout(PATIENCE):
                assert b"Subject: out %d\r\n" % number in await arrived.get()


async def test_draining_says_goodbye_in_both(house: House) -> None:
    local, afar = await one_in_each(house, "imap", b"* OK")
    _, pid = house.pids
    await house.__aexit__(None, None, None)
    for client in (local, afar):
        assert b"* BYE" in await client.until(b"* BYE")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def gone(pid: int) -> bool:
    """Not there, or waiting for somebody to notice that it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_does_not_outlive_the_process_that_writes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pillarbox", "demo", "--users", "1", "--workers", "2"]
    command += ["--dir", str(tmp_path), "--ready-file", str(tmp_path / "ready")]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        asyncio.run(eventually((tmp_path / "ready").exists, STARTING))
        pid, below = json.loads((tmp_path / "ready").read_text())["pids"]
        assert pid == first.pid
    finally:
        first.kill()
        first.wait()
    asyncio.run(eventually(lambda: gone(below)))


async def test_a_changed_password_ends_sessions_in_both(house: House) -> None:
    anns = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    bobs = [await imap(one, "bob") for one in await one_in_each(house, "imap", b"* OK")]
    await house.admin.call("account.passwd", {"address": "ann@example.test", "password": "another"})
    for ann in anns:
        with contextlib.suppress(ConnectionError):
            assert await ann.line() == b""
    for bob in bobs:
        await bob.say(b"t NOOP\r\n", b"t OK")


async def test_wrong_passwords_count_in_all_processes(tmp_path: Path) -> None:
    two = {"workers": 2}
    async with whole_house(tmp_path, "ann", server=two, auth={"failures": 4}) as house:
        clients = await one_in_each(house, "imap", b"* OK")
        for number in range(4):
            guess = b't LOGIN ann@example.test "guess %d"\r\n' % number
            said = await clients[number % 2].say(guess, b"t NO")
            assert b"[AUTHENTICATIONFAILED]" in said
        lockout = house._counts.lockout
        await eventually(lambda: lockout.verdict("ann@example.test", "127.0.0.1").why == "pair")
        await house.admin.call("status", {})  # what the worker answers comes after what it heard
        right = f't LOGIN ann@example.test "{PASSWORD}"\r\n'.encode()
        for client in clients:
            assert b"[UNAVAILABLE]" in await client.say(right, b"t ")


async def test_connections_count_in_all_processes(tmp_path: Path) -> None:
    limits = {"connections_per_address": 4}
    async with whole_house(tmp_path, "ann", server={"workers": 2}, limits=limits) as house:
        await one_in_each(house, "smtp", b"220 ")
        for _ in range(2):
            assert (await (await dial(house.ports["smtp"])).line()).startswith(b"220 ")
        doors = {door["name"]: door for door in (await house.admin.call("status", {}))["doors"]}
        assert doors["smtp"]["connections"] == 4
        async with asyncio.timeout(PATIENCE):
            while True:
                refused = [await (await dial(house.ports["smtp"])).line() for _ in range(6)]
                if all(line.startswith(b"421 ") for line in refused):
                    break


async def test_reloading_under_load_loses_no_connection_and_no_message(house: House) -> None:
    senders = await one_in_each(house, "smtp", b"220 ")
    watchers = [await imap(one) for one in await one_in_each(house, "imap", b"* OK")]
    for watcher in watchers:
        await watcher.say(b"t SELECT INBOX\r\n", b"t OK")
        await watcher.say(b"t IDLE\r\n", b"+ ")
    over, taken = False, 0

    async def send(sender: Client) -> None:
        nonlocal taken
        await sender.say(b"HELO else.test\r\n", b"250 ")
        while not over:
            assert (await deliver(sender, b"under load")).startswith(b"250 ")
            taken += 1

    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(send(sender))
        for number in range(1, 6):
            before = taken
            await eventually(lambda before=before: taken >= before + 10)  # type: ignore[misc]
            limits = dataclasses.replace(house.config.limits, connections=1000 + number)
            house.reload(dataclasses.replace(house.config, limits=limits))
        over = True
    for watcher in watchers:
        await watcher.until(b"* %d EXISTS" % taken)
        await watcher.say(b"DONE\r\n", b"t OK")
