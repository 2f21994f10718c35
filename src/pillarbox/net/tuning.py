"""What the event loops leave to us: a receive buffer and some socket options."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import Final

from pillarbox.net.options import RECEIVE


class Scratch(threading.local):
    """The buffer the loop receives into, one a thread: what arrives is copied out at once.

    Receiving into a buffer of our own spares asyncio a 256 KB allocation for every packet, which
    is half of what a short command costs.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECEIVE))


SCRATCH: Final = Scratch()

_NO_LINGER: Final = struct.pack("ii", 1, 0)


def no_delay(listening: socket.socket) -> None:
    """Have every connection of a listener send each flush at once: what belongs together is
    gathered here already.

    Accepted sockets inherit it. uvloop would set it for each of them, asyncio only where the
    listener was made with an explicit protocol number; both do it for connections that we open.
    """
    if listening.family != socket.AF_UNIX:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Have the kernel drop what it still holds when the socket closes.

    Otherwise a peer that takes nothing would bind its megabytes for minutes after we are gone.
    """
    sock = transport.get_extra_info("socket")
    # Closed already, or not TCP: nothing to tune.
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
