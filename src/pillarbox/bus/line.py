"""A line between two processes of one house: calls with answers, and news, in order.

What one end writes, the other hears in the same order, so news of a commit that were told before
the answer to a call are heard before it. What is written within one turn of the loop leaves as one
packet.

Values are pickled. That is safe because both ends are processes that one house started, over a
socket pair that has no name: whoever could write to it could as well write to our memory.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from pillarbox.base.errors import PillarboxError, Temporary
from pillarbox.base.log import Logger

log = Logger("bus")

_LENGTH: Final = struct.Struct("<Q")
_CALL, _ANSWER, _ERROR, _NEWS = range(4)

MOST_UNREAD: Final = 256 * 1024 * 1024
"""Octets that an end may leave unread. One that hangs is cut off, so that what it does not hear
does not fill the memory of the other."""

Asked = Callable[[str, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]
"""Answers a call of the other end: a name, arguments by place and by name."""


def packed(kind: int, *values: object) -> bytes:
    """A frame."""
    body = pickle.dumps((kind, *values), pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def news(value: object) -> bytes:
    """A frame of news, for ``Line.send``: packed once, sent to many."""
    return packed(_NEWS, value)


def first_news(sock: socket.socket) -> Any:
    """Wait for the first frame, before there is a loop. Raises EOFError when there is none."""
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    kind, value = pickle.loads(_exactly(sock, length))  # noqa: S301
    if kind != _NEWS:
        raise EOFError("not what a line begins with")
    return value


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError("the other end has gone")
        data += more
    return data


class Line(asyncio.Protocol):
    """One end. ``asked`` answers calls, ``heard`` gets news, ``lost`` is called when the other
    end has gone. All of them run on the loop; ``heard`` must be quick."""

    def __init__(
        self, *, asked: Asked, heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> None:
        self._asked = asked
        self._heard = heard
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._in = bytearray()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """What the other end answers, or raises. Temporary when it has gone."""
        if self._transport is None:
            raise Temporary("the line to the other process is cut")
        number = self._number = self._number + 1
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self.send(packed(_CALL, number, name, args, kwargs))
            return await answer
        finally:
            self._waiting.pop(number, None)

    def tell(self, value: object) -> None:
        """News for the other end."""
        self.send(news(value))

    def send(self, frame: bytes) -> None:
        """A frame, with whatever else this turn of the loop has to say."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def close(self) -> None:
        """Send what is left and hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
            if self._transport.get_write_buffer_size() > MOST_UNREAD:
                log.error("bus.deaf", octets=self._transport.get_write_buffer_size())
                self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Temporary("the other process has gone"))
        for task in self._tasks:
            task.cancel()
        self._lost()

    def data_received(self, data: bytes) -> None:
        held = self._in
        held += data
        at = 0
        while len(held) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held, at)
            begin = at + _LENGTH.size
            if len(held) < begin + length:
                break
            at = begin + length
            with memoryview(held) as view:
                frame = pickle.loads(view[begin:at])  # noqa: S301
            self._take(frame)
        del held[:at]

    def _take(self, frame: tuple[Any, ...]) -> None:
        kind = frame[0]
        if kind == _NEWS:
            self._heard(frame[1])
        elif kind == _CALL:
            task = self._loop.create_task(self._answer(*frame[1:]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            answer = self._waiting.get(frame[1])
            if answer is None or answer.done():
                return  # whoever asked was cancelled
            if kind == _ANSWER:
                answer.set_result(frame[2])
            else:
                answer.set_exception(frame[2])

    async def _answer(
        self, number: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            frame = packed(_ANSWER, number, await self._asked(name, args, kwargs))
        except PillarboxError as error:
            frame = packed(_ERROR, number, error)
        except Exception as error:
            log.error("bus.call-failed", exc=error, call=name)
            frame = packed(_ERROR, number, Temporary(f"{name}: {error!r}"))
        self.send(frame)
