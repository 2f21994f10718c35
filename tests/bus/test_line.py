"""The line between two processes, both ends in one."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.bus import line
from pillarbox.bus.line import Line, first_news, news


class End:
    """One end, what it heard, and how it answers."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.lost = asyncio.Event()
        self.line = Line(asked=self.answer, heard=self.heard.append, lost=self.lost.set)

    async def answer(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name == "double":
            self.line.tell("news first")
            return args[0] * kwargs["times"]
        if name == "never":
            await asyncio.Event().wait()
        if name == "fail":
            raise Permanent("it is broken", hint="mend it")
        raise KeyError(name)


async def pair() -> tuple[End, End]:
    ends = (End(), End())
    for end, sock in zip(ends, socket.socketpair(), strict=True):
        sock.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda end=end: end.line, sock=sock)  # type: ignore[misc]
    return ends


async def test_calls_are_answered_and_news_come_before_the_answer() -> None:
    one, other = await pair()
    answer = await one.line.call("double", b"ab" * 100_000, times=2)
    assert answer == b"ab" * 200_000
    assert one.heard == ["news first"]
    assert await asyncio.gather(*[one.line.call("double", n, times=3) for n in range(50)]) == [
        3 * n for n in range(50)
    ]
    one.line.close()
    await other.lost.wait()


async def test_errors_keep_their_kind_and_bugs_are_temporary() -> None:
    one, other = await pair()
    with pytest.raises(Permanent, match="broken"):
        await one.line.call("fail")
    with pytest.raises(Temporary, match="unheard"):
        await one.line.call("unheard")
    other.line.close()
    await one.lost.wait()


async def test_who_waits_hears_that_the_other_end_has_gone() -> None:
    one, other = await pair()
    waiting = asyncio.ensure_future(one.line.call("never"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other.line.close()
    with pytest.raises(Temporary):
        await waiting
    with pytest.raises(Temporary):
        await one.line.call("double", 1, times=1)


async def test_an_end_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST_UNREAD", 1000)
    one, other = await pair()
    assert other.line._transport is not None
    other.line._transport.pause_reading()
    one.line.tell(b"x" * 4_000_000)  # more than the kernel takes
    await one.lost.wait()
    other.line._transport.resume_reading()
    await other.lost.wait()


async def test_frames_may_come_octet_by_octet() -> None:
    end = End()
    for octet in news("one") + news(["two"]):
        end.line.data_received(bytes((octet,)))
    assert end.heard == ["one", ["two"]]


def test_the_first_news_are_waited_for() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(news({"a": 1}) + news("later"))
        assert first_news(other) == {"a": 1}
        one.close()
        other.recv(100)
        with pytest.raises(EOFError):
            first_news(other)
