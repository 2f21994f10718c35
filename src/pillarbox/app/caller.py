"""Reaching a house: the running one through its socket, else the store itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pillarbox.app import frames
from pillarbox.app.admin import perform
from pillarbox.app.admin.rooms import Call, Rooms
from pillarbox.app.channel import PIECE, Caller, NoBody, Sink, StreamBody, nowhere
from pillarbox.app.datadir import PATIENCE, DataDir, Lock
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse, Temporary

OpenRooms = Callable[[], AbstractAsyncContextManager[Rooms]]
"""Opens the store for a command that found no server."""


class LocalCaller:
    """Performs operations in this process."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def call(
        self,
        operation: str,
        arguments: dict[str, Any],
        *,
        body: AsyncIterator[bytes] | None = None,
        size: int = 0,
        sink: Sink = nowhere,
    ) -> dict[str, Any]:
        """See ``channel.Caller``."""
        octets = StreamBody(body) if body is not None else NoBody()
        return await perform(Call(self._rooms, octets, sink), operation, arguments)


class RemoteCaller:
    """Performs operations in the running server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def call(
        self,
        operation: str,
        arguments: dict[str, Any],
        *,
        body: AsyncIterator[bytes] | None = None,
        size: int = 0,
        sink: Sink = nowhere,
    ) -> dict[str, Any]:
        """See ``channel.Caller``."""
        request = {
            "protocol": frames.PROTOCOL,
            "operation": operation,
            "arguments": arguments,
            "octets": size,
        }
        try:
            self._writer.write(frames.encode(request))
            if body is not None:
                async for piece in body:
                    self._writer.write(piece)
                    await self._writer.drain()
            await self._writer.drain()
            return await self._answer(sink)
        except ConnectionError as error:
            raise Temporary(
                f"the server went away during {operation}", hint="its log says why"
            ) from error

    async def _answer(self, sink: Sink) -> dict[str, Any]:
        while (frame := await frames.receive(self._reader)) is not None:
            if frame.get("kind") == "error":
                raise frames.raised(frame)
            if frame.get("kind") == "result":
                value = frame.get("value")
                return value if isinstance(value, dict) else {}
            left = frames.octets(frame)
            while left:
                data = await self._reader.read(min(left, PIECE))
                if not data:
                    raise ConnectionError("the answer was cut off")
                left -= len(data)
                await sink(data)
        raise ConnectionError("no answer")


@asynccontextmanager
async def reach(place: DataDir, open_rooms: OpenRooms, clock: Clock) -> AsyncIterator[Caller]:
    """A caller for the house in ``place``, whether its server runs or not.

    Raises Misuse where it is in use and does not answer, or is not ours to use.
    """
    if not place.path.is_dir():
        raise Misuse(
            f"there is no data directory {place.path}", hint="make it with: pillarbox init"
        )
    deadline = clock.monotonic() + PATIENCE
    while True:
        streams = await _connect(place)
        if streams is not None:
            reader, writer = streams
            try:
                yield RemoteCaller(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            return
        place.become_owner()
        lock = place.try_lock()
        if lock is not None:
            async with _alone(lock, open_rooms) as caller:
                yield caller
            return
        if clock.monotonic() >= deadline:
            raise Misuse(
                f"{place.path} is in use by {place.holder()}, which does not answer",
                hint="it may be starting, stopping or busy with another command: try again",
            )
        await clock.sleep(0.05)


async def _connect(
    place: DataDir,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """The socket of the running server, None where none answers."""
    try:
        with place.control_name() as name:
            return await asyncio.open_unix_connection(str(name))
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        owner = place.path.stat().st_uid
        raise Misuse(
            f"you may not control the server of {place.path}",
            hint=f"do it as root, or as the user with uid {owner} (you are {os.geteuid()})",
        ) from error


@asynccontextmanager
async def _alone(lock: Lock, open_rooms: OpenRooms) -> AsyncIterator[Caller]:
    try:
        async with open_rooms() as rooms:
            yield LocalCaller(rooms)
    finally:
        lock.release()
