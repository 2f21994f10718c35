"""The control socket of a living house, and commands that find no server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.app import control, frames
from pillarbox.app.caller import LocalCaller, RemoteCaller
from pillarbox.app.core import reach_house
from pillarbox.app.datadir import DataDir
from pillarbox.app.reading import Messages
from pillarbox.base.errors import Misuse, Permanent, Temporary
from pillarbox.base.ids import SeededRng
from pillarbox.testing.clock import FakeClock
from support.whole import PASSWORD, configuration, memory_store, whole_house

ANN = "ann@example.test"


async def octets(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Taker:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def begin(self, note: dict[str, object]) -> None:
        self.bodies.append(b"")

    def write(self, data: bytes) -> None:
        self.bodies[-1] += data

    def end(self) -> None:
        pass


async def test_commands_reach_the_running_server(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann") as house:
        async with reach_house(house.config) as caller:
            assert isinstance(caller, RemoteCaller)
            state = await caller.call("status", {})
            assert (state["running"], state["pid"], state["accounts"]) == (True, os.getpid(), 1)
            assert {door["name"] for door in state["doors"]} == set(house.ports)
            await caller.call("account.add", {"address": "bob@example.test", "password": "x y"})
            with pytest.raises(Misuse, match="carol") as caught:
                await caller.call("account.remove", {"address": "carol@example.test"})
            assert caught.value.hint
            assert len((await caller.call("account.list", {}))["accounts"]) == 2
        _, writer = streams = await asyncio.open_connection("127.0.0.1", house.ports["imap"])
        writer.write(b'a LOGIN bob@example.test "x y"\r\n')
        answer = b""
        while not answer.startswith(b"a "):
            answer = await streams[0].readline()
        assert answer.startswith(b"a OK")
        await close(writer)


async def test_without_server_the_store_is_opened(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    config.server.data.mkdir()
    async with reach_house(config) as caller:
        assert isinstance(caller, LocalCaller)
        await caller.call("domain.add", {"name": "Example.TEST"})
        await caller.call("account.add", {"address": ANN, "password": PASSWORD})
        assert (await caller.call("status", {}))["running"] is False
    async with whole_house(tmp_path) as house:
        (account,) = (await house.admin.call("account.list", {}))["accounts"]
        assert account["address"] == ANN
    async with reach_house(config) as caller:
        assert isinstance(caller, LocalCaller)


async def test_large_mail_goes_both_ways(tmp_path: Path) -> None:
    messages = [
        b"Subject: %d\r\n\r\n" % n + bytes([65 + n]) * (700_000 * n) + b"\r\n" for n in range(4)
    ]
    async with whole_house(tmp_path, "ann") as house, reach_house(house.config) as caller:
        notes = [{"size": len(message), "flags": ["\\Seen"]} for message in messages]
        arguments = {"account": ANN, "mailbox": "Archive", "messages": notes}
        size = sum(map(len, messages))
        done = await caller.call("mail.append", arguments, body=octets(*messages), size=size)
        assert done == {"mailbox": "Archive", "uids": [1, 2, 3, 4]}
        taker = Taker()
        read = {"account": ANN, "mailbox": "Archive"}
        assert (await caller.call("mail.read", read, sink=Messages(taker).feed))["messages"] == 4
        assert taker.bodies == messages
        lines: list[bytes] = []

        async def sink(data: bytes) -> None:
            lines.append(data)

        await caller.call("mail.digests", read, sink=sink)
        sizes = [json.loads(line)["size"] for line in b"".join(lines).splitlines()]
        assert sizes == [len(message) for message in messages]


async def test_an_operation_that_fails_leaves_the_connection_in_step(tmp_path: Path) -> None:
    async with (
        whole_house(tmp_path, "ann", opener=memory_store) as house,
        reach_house(house.config) as caller,
    ):
        body = b"x" * 300_000
        arguments = {"account": "no@example.test", "mailbox": "INBOX", "messages": []}
        with pytest.raises(Misuse, match="no account"):
            await caller.call("mail.append", arguments, body=octets(body), size=len(body))
        short = {"account": ANN, "mailbox": "INBOX", "messages": [{"size": 10}]}
        with pytest.raises(Misuse, match="octets"):
            await caller.call("mail.append", short, body=octets(b"123"), size=3)
        for name, given in (("no.such", {}), ("status", {"more": 1}), ("domain.add", {})):
            with pytest.raises(Misuse) as caught:
                await caller.call(name, given)
            assert "version" in caught.value.hint
        with pytest.raises(Temporary, match="server failed"):
            await caller.call("domain.add", {"name": 5})
        assert (await caller.call("status", {}))["accounts"] == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05nope!",
        b"\x00\x00\x00\x02[]",
        b'\x00\x00\x00\x10{"octets": -1}xx'[:20],
        frames.encode({"protocol": 1, "operation": "status", "octets": 50}) + b"short",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_costs_only_its_own_connection(garbage: bytes, tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", opener=memory_store) as house:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "data" / "control"))
        writer.write(garbage)
        writer.write_eof()
        assert await reader.read() == b""
        await close(writer)
        async with reach_house(house.config) as caller:
            assert (await caller.call("status", {}))["accounts"] == 1


async def test_another_version_is_told_so(tmp_path: Path) -> None:
    async with whole_house(tmp_path, opener=memory_store):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "data" / "control"))
        writer.write(frames.encode({"protocol": 99, "operation": "status"}))
        answer = await frames.receive(reader)
        assert answer is not None
        error = frames.raised(answer)
        assert "version" in str(error)
        assert "restart" in error.hint
        await close(writer)


async def test_strangers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with whole_house(tmp_path, opener=memory_store) as house:
        mode = (tmp_path / "data" / "control").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        monkeypatch.setattr(control, "_peer_uid", lambda _: 12345)
        async with reach_house(house.config) as caller:
            with pytest.raises(Misuse, match="may not"):
                await caller.call("status", {})


async def test_the_kernel_says_who_is_there(tmp_path: Path) -> None:
    seen: list[int] = []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(control._peer_uid(writer))
        await close(writer)

    async with await asyncio.start_unix_server(look, str(tmp_path / "s")):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        await reader.read()
        await close(writer)
    assert seen == [os.geteuid()]


async def test_a_deep_directory_has_a_socket_too(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["deep" * 10] * 4)
    async with whole_house(deep, opener=memory_store) as house, reach_house(house.config) as caller:
        assert isinstance(caller, RemoteCaller)
        assert (await caller.call("status", {}))["running"]
    assert not (deep / "data" / "control").exists()


async def test_a_socket_that_a_crash_left_is_no_hindrance(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    place = DataDir(config.server.data)
    place.prepare()
    server = await asyncio.start_unix_server(lambda *_: None, str(place.control))
    server.close()
    if not place.control.exists():
        place.control.touch()
        place.control.unlink()
    async with reach_house(config) as caller:
        assert isinstance(caller, LocalCaller)
    async with whole_house(tmp_path), reach_house(config) as caller:
        assert isinstance(caller, RemoteCaller)


async def test_a_server_that_goes_away_is_temporary(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await frames.receive(reader)
        await close(writer)

    async with await asyncio.start_unix_server(rude, str(tmp_path / "s")):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        with pytest.raises(Temporary, match="went away"):
            await RemoteCaller(reader, writer).call("status", {})
        await close(writer)


def test_errors_cross_the_socket_with_their_kind() -> None:
    for error in (Misuse("a", hint="b"), Temporary("c"), Permanent("d", hint="e")):
        back = frames.raised(frames.error_frame(error))
        assert (type(back), str(back), back.hint) == (type(error), str(error), error.hint)
    back = frames.raised(frames.error_frame(KeyError("x")))
    assert isinstance(back, Temporary)
    assert "KeyError" in str(back)


async def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    place = DataDir(tmp_path / "data")
    place.prepare()
    lock = place.try_lock()
    assert lock is not None
    assert place.try_lock() is None
    assert place.holder() == f"process {os.getpid()}"
    clock = FakeClock()
    waiting = asyncio.create_task(place.lock(clock))
    await clock.advance(1)
    assert not waiting.done()
    lock.release()
    lock.release()
    await clock.advance(1)
    (await waiting).release()


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    place = DataDir(tmp_path)
    first = place.secret(SeededRng(1))
    assert len(first) == 32
    assert place.secret(SeededRng(2)) == first
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    (tmp_path / "secret").write_bytes(b"torn")
    assert place.secret(SeededRng(2)) != first


async def test_what_is_no_data_directory_is_refused(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    with pytest.raises(Misuse, match="no data directory"):
        async with reach_house(config):
            pass
    config.server.data.write_text("a file")
    with pytest.raises(Misuse, match="cannot use"):
        DataDir(config.server.data).prepare()


async def test_a_holder_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(tmp_path)
    place = DataDir(config.server.data)
    place.prepare()
    lock = place.try_lock()
    assert lock is not None
    monkeypatch.setattr("pillarbox.app.caller.PATIENCE", 0.1)
    with pytest.raises(Misuse, match=f"process {os.getpid()}"):
        async with reach_house(config):
            pass
    lock.release()
