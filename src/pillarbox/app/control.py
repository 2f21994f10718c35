"""The control socket of a running house.

The socket lies in the data directory with mode 0600, and the kernel is asked who is at the other
end: root and the server's own user may give orders, nobody else.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from pillarbox.app import frames
from pillarbox.app.admin import perform
from pillarbox.app.admin.rooms import Call, Rooms
from pillarbox.app.channel import PIECE
from pillarbox.app.datadir import DataDir
from pillarbox.base.errors import Misuse
from pillarbox.base.log import Logger
from pillarbox.net.sockets import bind_unix

log = Logger("control")

_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class Control:
    """Serves operations until closed."""

    def __init__(self, place: DataDir, rooms: Rooms) -> None:
        self._place = place
        self._rooms = rooms
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises Misuse where the socket cannot be made."""
        with self._place.control_name() as name:
            sock = bind_unix(name, mode=0o600)
            # asyncio may look at the name too, so it has to hold until then
            self._server = await asyncio.start_unix_server(self._serve, sock=sock)

    async def close(self) -> None:
        """Take no more calls, cut those under way, remove the socket. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._place.control.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            uid = _peer_uid(writer)
            if uid not in {0, os.geteuid()}:
                log.warning("control.refused", uid=uid)
                no = Misuse(
                    "you may not control this server",
                    hint="do it as root, or as the user the server runs as",
                )
                writer.write(frames.encode(frames.error_frame(no)))
                await writer.drain()
                return
            while (request := await frames.receive(reader)) is not None:
                await self._answer(request, reader, writer, uid)
        except ConnectionError as error:
            log.info("control.cut", reason=str(error))
        except asyncio.CancelledError:
            pass  # the house is closing; the caller sees the end
        finally:
            writer.close()

    async def _answer(
        self,
        request: frames.Frame,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        uid: int,
    ) -> None:
        body = _SocketBody(reader, frames.octets(request))
        operation = str(request.get("operation"))

        async def sink(data: bytes) -> None:
            writer.write(frames.encode({"kind": "data", "octets": len(data)}))
            writer.write(data)
            await writer.drain()

        try:
            if request.get("protocol") != frames.PROTOCOL:
                raise Misuse(
                    "the command and the running server are of different versions",
                    hint="restart the server",
                )
            call = Call(self._rooms, body, sink)
            value = await perform(call, operation, request.get("arguments") or {})
            answer: frames.Frame = {"kind": "result", "value": value}
            log.info("control.done", operation=operation, uid=uid)
        except ConnectionError:
            raise
        except Exception as error:
            if not isinstance(error, Misuse):
                log.error("control.failed", exc=error, operation=operation, uid=uid)
            answer = frames.error_frame(error)
        await body.skip()
        writer.write(frames.encode(answer))
        await writer.drain()


class _SocketBody:
    """The octets behind a request."""

    def __init__(self, reader: asyncio.StreamReader, left: int) -> None:
        self._reader = reader
        self._left = left

    async def read(self, most: int) -> bytes:
        if not self._left:
            return b""
        data = await self._reader.read(min(most, self._left))
        if not data:
            raise ConnectionError("the caller left in the middle of a call")
        self._left -= len(data)
        return data

    async def skip(self) -> None:
        """Read what the operation did not want, so that the next call begins where it should."""
        while self._left:
            await self.read(PIECE)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    if sock is None:
        return -1
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(packed)
    return int(uid)
