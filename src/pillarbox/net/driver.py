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
import ssl
from collections.abc import Callable

from pillarbox.net.deflate import DeflateLayer
from pillarbox.net.faults import IdleTimeout, PeerGone, SlowPeer, TlsFailed
from pillarbox.net.stream import Stream
from pillarbox.net.tls import TlsLayer, TlsSource
from pillarbox.net.wakes import Wake, attach, is_up


class Connection(Stream):
    """A stream to one peer. What waits belongs to the one task that handles it; ``write``,
    ``flush``, ``soon`` and ``knock`` may also be called in the loop's callbacks, as ``at_once`` is,
    while that task waits."""

    __slots__ = ()

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
        waiter, asked, undo = self._waiter, False, []
        waiter.knocked = False  # from here on: a knock may come while the peer makes room
        if self._congested:
            await self._room()
        if self._inbox or self._at_end():
            return self._take()
        if any([is_up(wake) for wake in wakes]):  # noqa: C419  (a generator costs twice as much)
            return None
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

    @property
    def congested(self) -> bool:
        """So much is on its way that no more should be written before ``drain`` or ``read``."""
        return self._congested

    def soon(self, call: Callable[[], object]) -> None:
        """Have ``call`` called in the next turn of the loop."""
        self._loop.call_soon(call)

    def knock(self) -> None:
        """End the wait of ``read_or``, with None where no bytes are here: there is something to do.

        For the loop's callbacks; the task itself has no wait to end.
        """
        self._waiter.knock()

    def write(self, data: bytes) -> None:
        """Add ``data`` to what leaves next. After a long answer, ``await drain()``.

        Never raises: on a lost connection the data is dropped, and ``drain`` or ``read`` tells.
        """
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > self._options.outbox:
            self.flush()

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

    async def gone(self, seconds: float) -> None:
        """Wait until a closed connection has ended; after ``seconds`` drop it."""
        while not self._lost:
            if not await self._waiter.wait(seconds):
                self.abort()
                return

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

    @property
    def can_compress(self) -> bool:
        """Whether ``start_compress`` would work."""
        return self._packed is None

    def start_compress(self, leftover: bytes = b"") -> None:
        """Take all that arrives from now on as compressed, and compress what is written.

        What was written before leaves as it is. ``leftover`` are octets that were read already
        but came behind the peer's last plain word: ``read`` gives what they mean.
        """
        if self._packed is not None:
            raise RuntimeError("the connection is compressed already")
        self.flush()
        packed = leftover + self._take()
        self._packed = DeflateLayer(self._options.inbox)
        self._arrived(packed)

    @property
    def can_start_tls(self) -> bool:
        """Whether ``start_tls`` would work without arguments: what EHLO and CAPABILITY ask."""
        return self._tls_source is not None and self._layer is None and self._packed is None

    async def _room(self) -> None:
        """Wait until the peer has taken enough of what is on its way."""
        deadline = self._loop.time() + self._options.write_timeout
        while self._congested and not self._lost:
            if not await self._waiter.wait(deadline - self._loop.time()):
                self._fault = SlowPeer("the peer does not take our answers")
                self.abort()
                raise self._fault
