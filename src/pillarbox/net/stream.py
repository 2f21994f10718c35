"""What lies under a connection: the transport, and the layers that bytes pass on their way.

From the peer: decrypted, then unpacked; to the peer: packed, then encrypted (RFC 4978 §3). What the
event loop calls is here, and how a connection ends; ``driver`` has what a handler calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

from pillarbox.base.signal import Signal
from pillarbox.net.deflate import DeflateLayer
from pillarbox.net.faults import DeflateFailed, NetFault, PeerGone, SlowPeer, TlsFailed
from pillarbox.net.options import DEFAULTS, ConnectionOptions, Peer, peer_of
from pillarbox.net.tls import TlsInfo, TlsLayer, TlsSource
from pillarbox.net.tuning import SCRATCH, reset_on_close
from pillarbox.net.waiter import Waiter


class Stream(asyncio.BufferedProtocol):
    """Bytes from and to one peer."""

    __slots__ = (
        *("_closing", "_congested", "_eof", "_fault", "_held", "_inbox", "_layer", "_linger"),
        *("_loop", "_lost", "_on_made", "_options", "_out", "_out_size", "_paused"),
        *("_packed", "_server_side", "_tls_source", "_transport", "_view", "_waiter"),
        *("at_once", "draining", "id", "local", "on_lost", "peer", "timeout", "tls"),
    )

    def __init__(
        self,
        *,
        server_side: bool,
        connection_id: str = "",
        options: ConnectionOptions = DEFAULTS,
        draining: Signal | None = None,
        tls: TlsSource | None = None,
        on_made: Callable[[Any], None] | None = None,
    ) -> None:
        self.id = connection_id
        #: The two ends, once connected.
        self.peer = self.local = Peer("", 0)
        #: Facts of the TLS layer, None while there is none.
        self.tls: TlsInfo | None = None
        #: Longest silence ``read`` bears, in seconds; None for any. A handler may change it.
        self.timeout: float | None = options.timeout
        #: Up when the server wants to stop: say goodbye at the next good moment.
        self.draining = draining if draining is not None else Signal()
        self._options = options
        self._server_side = server_side
        self._tls_source = tls
        self._on_made = on_made
        #: Offered what arrives before ``read`` is woken for it; True where it has dealt with it.
        #: It runs in the loop's callback: no waiting, no raising. None: all is for ``read``.
        self.at_once: Callable[[bytes], bool] | None = None
        #: Called once the connection is gone for good.
        self.on_lost: Callable[[Any], object] | None = None
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._view = SCRATCH.view
        self._inbox: list[bytes] = []
        self._held = 0
        self._out: list[bytes] = []
        self._out_size = 0
        self._layer: TlsLayer | None = None
        self._packed: DeflateLayer | None = None
        self._waiter = Waiter(self._loop)
        self._linger: asyncio.TimerHandle | None = None
        self._fault: NetFault | None = None
        self._eof = self._lost = self._closing = self._paused = self._congested = False

    def flush(self) -> None:
        """Hand what was written to the transport now, as one piece."""
        if self._out:
            data = self._wrapped()
            if not (self._lost or self._closing):
                self._transport.write(data)

    def _wrapped(self) -> bytes:
        """What was written and has not left, as it is to leave; nothing where that is too late."""
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_size = 0
        if self._lost or self._closing:
            return b""
        if data and self._packed is not None:
            data = self._packed.pack(data)  # RFC 4978 §3: compressed first, then encrypted
        if self._layer is not None:
            try:
                data = self._layer.encrypt(data)
            except TlsFailed as fault:
                self._break(fault)
                return b""
        return data

    def close(self) -> None:
        """Send what was written and say goodbye; the connection ends when the peer does too.

        Returns at once. A peer that does not end its side is cut off after the linger time, one
        that does not even take what is on its way after the write time-out.
        """
        last = self._wrapped() if self._out else b""
        if self._lost or self._closing:
            return
        if self._layer is not None:
            last += self._layer.close()
        if last:
            self._transport.write(last)
        self._closing = True
        self._take()  # also resumes reading, to see the peer's end
        self._waiter.wake()
        if self._eof:
            self._transport.close()
        else:
            # Half-close and read on: closing with unread data in the kernel sends a reset, which
            # can destroy our last words before the peer has read them.
            with contextlib.suppress(OSError, RuntimeError):
                self._transport.write_eof()
        self._waiter.stop()
        deadline = self._loop.time() + self._options.write_timeout
        self._linger = self._loop.call_later(self._options.linger, self._linger_ends, deadline)

    def abort(self) -> None:
        """Drop the connection and all that is on its way, in the kernel too (by a reset)."""
        if not self._lost:
            self._closing = True
            reset_on_close(self._transport)
            self._transport.abort()
            self._waiter.wake()

    @property
    def fault(self) -> NetFault | None:
        """Why the connection broke, if it did; for the log."""
        return self._fault

    @property
    def lost(self) -> bool:
        """The connection is gone for good, with a ``fault`` or without: nothing leaves any more."""
        return self._lost

    # Waiting.

    def _at_end(self) -> bool:
        return self._eof or self._lost or self._closing

    def _take(self) -> bytes:
        inbox = self._inbox
        if not inbox:
            return b""
        data = inbox[0] if len(inbox) == 1 else b"".join(inbox)
        inbox.clear()
        self._held = 0
        if self._packed is not None and self._packed.waiting and not self._closing:
            self._arrived(b"")  # there is more in what came; not all of it was unpacked at once
        if self._paused and self._held < self._options.inbox:
            self._paused = False
            if not self._lost:
                self._transport.resume_reading()
        return data

    def _linger_ends(self, deadline: float) -> None:
        if not self._transport.get_write_buffer_size():
            # All of it is the kernel's, which goes on delivering: no reset here.
            self._transport.abort()
        elif self._loop.time() < deadline:
            self._linger = self._loop.call_later(self._options.linger, self._linger_ends, deadline)
        else:
            self.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._options.outbox)
        self.peer = peer_of(transport.get_extra_info("peername"))
        self.local = peer_of(transport.get_extra_info("sockname"))
        if self._on_made is not None:
            self._on_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        if self._layer is None:
            data = bytes(self._view[:nbytes])
        else:
            data = self._decrypt(self._view[:nbytes])
            if not data:
                return
        self._arrived(data)

    def _arrived(self, data: bytes) -> None:
        """Octets of the peer, decrypted: unpack them and put them where ``read`` finds them."""
        if self._packed is not None:
            try:
                data = self._packed.unpack(data)
            except DeflateFailed as fault:
                self._break(fault)
                return
            if self._packed.ended:
                self._eof = True
                self._waiter.wake()
        if not data:
            return
        at_once = self.at_once
        if (
            at_once is not None
            and not self._inbox
            and not self._congested
            and self._packed is None  # what is unpacked piece by piece is taken by ``read``
            and at_once(data)
        ):
            self._waiter.prolong(self.timeout)
            return
        self._inbox.append(data)
        self._held += len(data)
        if self._held >= self._options.inbox and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._waiter.wake()

    def eof_received(self) -> bool:
        self._eof = True
        self._waiter.wake()
        return not self._closing  # half-closed: we may still answer

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._waiter.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._congested = False
        if exc is not None and self._fault is None:
            self._fault = PeerGone(str(exc))
        self._waiter.stop()
        self.draining.unwatch(self._waiter.wake)
        if self._linger is not None:
            self._linger.cancel()
        self._out.clear()
        self._waiter.wake()
        if self.on_lost is not None:
            self.on_lost(self)

    # The TLS layer.

    def _handshake(self, data: memoryview | bytes = b"") -> bool:
        """Go on with the handshake; True when it is done just now."""
        layer = cast("TlsLayer", self._layer)
        try:
            done = layer.handshake(data)
        except TlsFailed as fault:
            self._break(fault)
            return False
        if done:
            self.tls = layer.info()
            self._waiter.wake()
        if done and self._server_side:
            self._out.append(b"")  # a session ticket leaves with our first words, or as we wait
        else:
            self._transport.write(layer.pending())
        return done

    def _decrypt(self, data: memoryview | bytes) -> bytes:
        layer = cast("TlsLayer", self._layer)
        fresh = self.tls is None
        if fresh:
            if not self._handshake(data):
                return b""
            data = b""  # the peer's first words may have come along
        try:
            plain = layer.decrypt(data)
        except TlsFailed as fault:
            self._break(fault)
            return b""
        answer = b"" if fresh else layer.pending()
        if answer:
            if self._congested:
                self._fault = SlowPeer("key updates without end")
                self.abort()
                return b""
            self._transport.write(answer)
        if layer.peer_closed:
            self._eof = True
            self._waiter.wake()
        return plain

    def _break(self, fault: NetFault) -> None:
        """A layer is broken: send what it says of that, and close."""
        self._fault = fault
        self._out.clear()
        self.close()
