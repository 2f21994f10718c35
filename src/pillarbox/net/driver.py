"""One connection, driven by one task: bytes in, bytes out, back-pressure both ways.

A ``Connection`` is an ``asyncio`` protocol, not a pair of streams: measured at about a third of
the cost when commands come pipelined. A handler is one coroutine that reads, works and writes:

    while data := await conn.read():
        for event in engine.feed(data):
            conn.write(answer(event))
        del data  # or it stays in memory while the peer is silent

What the handler writes is gathered and leaves as one packet when it next waits for the peer.
Nothing the peer does makes memory grow: not sending without end (reading pauses), not refusing to
take our answers (no more of its commands are handed out, and in the end it is cut off).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from pillarbox.base.signal import Signal
from pillarbox.net.faults import IdleTimeout, NetFault, PeerGone, SlowPeer, TlsFailed
from pillarbox.net.options import DEFAULTS, ConnectionOptions, Peer, peer_of
from pillarbox.net.tls import TlsInfo, TlsLayer, TlsSource
from pillarbox.net.tuning import SCRATCH, no_delay, reset_on_close
from pillarbox.net.waiter import Waiter
from pillarbox.net.wakes import Wake, attach, is_up


class Connection(asyncio.BufferedProtocol):
    """A stream to one peer. All methods belong to the one task that handles it."""

    __slots__ = (
        *("_closing", "_congested", "_eof", "_fault", "_held", "_inbox", "_layer", "_linger"),
        *("_loop", "_lost", "_on_made", "_options", "_out", "_out_size", "_paused"),
        *("_server_side", "_tls_source", "_transport", "_view", "_waiter"),
        *("draining", "id", "local", "on_lost", "peer", "timeout", "tls"),
    )

    def __init__(
        self,
        *,
        server_side: bool,
        connection_id: str = "",
        options: ConnectionOptions = DEFAULTS,
        draining: Signal | None = None,
        tls: TlsSource | None = None,
        on_made: Callable[[Connection], None] | None = None,
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
        #: Called once the connection is gone for good.
        self.on_lost: Callable[[Connection], object] | None = None
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._view = SCRATCH.view
        self._inbox: list[bytes] = []
        self._held = 0
        self._out: list[bytes] = []
        self._out_size = 0
        self._layer: TlsLayer | None = None
        self._waiter = Waiter(self._loop)
        self._linger: asyncio.TimerHandle | None = None
        self._fault: NetFault | None = None
        self._eof = self._lost = self._closing = self._paused = self._congested = False

    # What a handler calls.

    async def read(self) -> bytes:
        """All bytes that are here, waiting for some if there are none; ``b""`` at the end.

        What was written leaves before the wait. Raises ``IdleTimeout`` after ``timeout`` of
        silence, ``SlowPeer`` if the peer does not take our answers. A lost connection is an end.
        """
        if self._congested:
            await self._room()
        while not self._inbox and not self._at_end():
            if self._out:
                self.flush()
            if not await self._waiter.wait(self.timeout):
                raise IdleTimeout(f"nothing from the peer for {self.timeout} s")
        return self._take()

    async def read_or(self, *wakes: Wake) -> bytes | None:
        """Like ``read``, but None as soon as one of ``wakes`` is up and no bytes are here.

        Bytes come first, so a peer that never pauses hides a wake: look at it now and then. A
        ``Signal`` costs least (IDLE, draining); a plain ``asyncio.Event`` costs a task a call.
        """
        if self._congested:
            await self._room()
        if self._inbox or self._at_end():
            return self._take()
        if any([is_up(wake) for wake in wakes]):  # noqa: C419  (a generator costs twice as much)
            return None
        waiter, asked, undo = self._waiter, False, []
        waiter.knocked = False
        for wake in wakes:
            if wake is self.draining:  # every door waits for it: watched once and for all
                asked = True
                wake.watch(waiter.wake)
            else:
                undo.append(attach(wake, waiter.knock))
        try:
            while not waiter.knocked and not self._inbox and not self._at_end():
                if asked and self.draining.is_set():
                    break
                if self._out:
                    self.flush()
                if not await waiter.wait(self.timeout):
                    raise IdleTimeout(f"nothing from the peer for {self.timeout} s")
        finally:
            for detach in undo:
                detach()
        return self._take() if self._inbox or self._at_end() else None

    def write(self, data: bytes) -> None:
        """Add ``data`` to what leaves next. After a long answer, ``await drain()``.

        Never raises: on a lost connection the data is dropped, and ``drain`` or ``read`` tells.
        """
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > self._options.outbox:
            self.flush()

    def flush(self) -> None:
        """Hand what was written to the transport now, as one piece."""
        out = self._out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_size = 0
        if self._lost or self._closing:
            return
        if self._layer is not None:
            try:
                data = self._layer.encrypt(data)
            except TlsFailed as fault:
                self._break(fault)
                return
        self._transport.write(data)

    async def drain(self) -> None:
        """Flush, and wait until little enough is on its way that more may be written.

        Always lets other connections have a turn, so a long answer written in batches starves
        nobody. Raises ``SlowPeer`` when the peer takes too long, ``PeerGone`` when it left.
        """
        self.flush()
        if self._congested:
            await self._room()
        else:
            await asyncio.sleep(0)
        if self._lost or self._fault is not None:
            raise self._fault or PeerGone("connection lost")

    async def start_tls(
        self,
        source: TlsSource | ssl.SSLContext | None = None,
        *,
        server_hostname: str | None = None,
    ) -> int:
        """Put TLS under the connection; return how many plaintext octets were thrown away.

        Servers: write the go-ahead and call this with no await in between; without ``source``
        the listener's certificates are used. Bytes that are here already came before the
        go-ahead left, so no honest client sent them: they are dropped, and the caller must empty
        its engine too (RFC 3207 §4.2). Anything but 0 is worth a line in the log. Raises
        ``TlsFailed``, and then the connection is gone.
        """
        source = source if source is not None else self._tls_source
        if source is None or self._layer is not None:
            raise RuntimeError("no TLS context to start with, or TLS is on already")
        injected = len(self._take())
        self.flush()
        self.begin_tls(source, server_hostname=server_hostname)
        await self.handshake()
        return injected

    def begin_tls(
        self, source: TlsSource | ssl.SSLContext, *, server_hostname: str | None = None
    ) -> None:
        """Take all that arrives from now on as TLS; ``handshake`` waits for it to be done.

        For implicit TLS the listener calls this before the loop can read the first byte.
        """
        self._layer = TlsLayer(
            source if isinstance(source, ssl.SSLContext) else source.context,
            server_side=self._server_side,
            server_hostname=server_hostname,
        )
        self._handshake()

    async def handshake(self) -> None:
        """Wait until TLS is established. Raises ``TlsFailed``; then the connection is gone."""
        deadline = self._loop.time() + self._options.handshake_timeout
        while self.tls is None and not self._at_end():
            if not await self._waiter.wait(deadline - self._loop.time()):
                self._fault = TlsFailed("the handshake took too long")
                self.abort()
        if self.tls is None:
            raise self._fault or TlsFailed("the peer left during the handshake")

    def close(self) -> None:
        """Send what was written and say goodbye; the connection ends when the peer does too.

        Returns at once. A peer that does not end its side is cut off after the linger time, one
        that does not even take what is on its way after the write time-out.
        """
        self.flush()
        if self._lost or self._closing:
            return
        if self._layer is not None:
            self._transport.write(self._layer.close())
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
    def can_start_tls(self) -> bool:
        """Whether ``start_tls`` would work without arguments: what EHLO and CAPABILITY ask."""
        return self._tls_source is not None and self._layer is None

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
        if self._paused:
            self._paused = False
            if not self._lost:
                self._transport.resume_reading()
        return data

    async def _room(self) -> None:
        """Wait until the peer has taken enough of what is on its way."""
        deadline = self._loop.time() + self._options.write_timeout
        while self._congested and not self._lost:
            if not await self._waiter.wait(deadline - self._loop.time()):
                self._fault = SlowPeer("the peer does not take our answers")
                self.abort()
                raise self._fault

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
        if self.peer.ip:
            no_delay(transport)
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
        self._transport.write(layer.pending())
        if done:
            self.tls = layer.info()
            self._waiter.wake()
        return done

    def _decrypt(self, data: memoryview | bytes) -> bytes:
        layer = cast("TlsLayer", self._layer)
        if self.tls is None:
            if not self._handshake(data):
                return b""
            data = b""  # the peer's first words may have come along
        try:
            plain = layer.decrypt(data)
        except TlsFailed as fault:
            self._break(fault)
            return b""
        answer = layer.pending()
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
        """The TLS layer is broken: send its alert, and close."""
        self._fault = fault
        self._out.clear()
        self.close()
