"""One HTTP/1.1 connection after another, on the house's own sockets and TLS.

The library h11 judges the protocol and this file carries octets between it and the connection,
so that limits, certificates, time-outs and draining are those of every other door
(docs/decisions/0070-http-door.md). The library is loaded by the first connection, not before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.net.driver import Connection
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.values import TEXT, Answer, Request

log = Logger("http")

TOO_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""For ``net.listen.Door``: what a client over the limits is told."""
TOO_LARGE = Answer(413, b"That is too much.\n", TEXT)
TOO_SLOW = Answer(408, b"That took too long.\n", TEXT)
NO_HOST = Answer(400, b"Which host?\n", TEXT)


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds of a connection. Times in seconds, sizes in octets."""

    timeout: float = 30.0
    """Until a request is whole, the pause before it included."""
    max_header: int = 16 * 1024
    max_body: int = 64 * 1024
    requests: int = 100
    """Of one connection."""
    proxied: bool = False
    """Who comes without TLS is a proxy that speaks TLS with the world."""


class _Broken(Exception):
    """The request cannot be gone on with; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def http_door(
    site: Site, options: Options, clock: Clock
) -> Callable[[Connection], Awaitable[None]]:
    """The handler of connections that ``net.listen`` wants."""

    async def serve(conn: Connection) -> None:
        import h11

        await _Exchange(conn, site, options, clock, h11).run()

    return serve


class _Exchange:
    """One connection."""

    def __init__(
        self, conn: Connection, site: Site, options: Options, clock: Clock, h11: Any
    ) -> None:
        self._conn = conn
        self._site = site
        self._options = options
        self._clock = clock
        self._h11 = h11
        self._engine = h11.Connection(h11.SERVER, max_incomplete_event_size=options.max_header)

    async def run(self) -> None:
        """Until the client leaves, or there is a reason not to go on."""
        for _ in range(self._options.requests):
            try:
                request = await self._within_time()
            except _Broken as broken:
                self._write("GET", broken.answer, last=True)
                return
            if request is None:
                return
            answer = await self._site.answer(request)
            self._log(request, answer)
            self._write(request.method, answer)
            await self._conn.drain()
            if self._engine.our_state is not self._h11.DONE:
                return
            if self._engine.their_state is not self._h11.DONE:
                return
            self._engine.start_next_cycle()

    async def _within_time(self) -> Request | None:
        try:
            async with asyncio.timeout(self._options.timeout):
                return await self._request()
        except TimeoutError:
            idle = self._engine.their_state is self._h11.IDLE
            if idle and not self._engine.trailing_data[0]:
                return None
            raise _Broken(TOO_SLOW) from None

    async def _request(self) -> Request | None:
        """The next request with its body; None when there is none."""
        head = await self._event()
        if not isinstance(head, self._h11.Request):
            return None
        body = bytearray()
        while isinstance(event := await self._event(), self._h11.Data):
            body += event.data
            if len(body) > self._options.max_body:
                raise _Broken(TOO_LARGE)
        headers = {name: value.decode("latin-1") for name, value in head.headers}
        host, target = headers.get(b"host", ""), head.target.decode("latin-1")
        if target.lower().startswith(("http://", "https://")):  # RFC 9112 §3.2.2
            host, slash, rest = target.partition("://")[2].partition("/")
            target = slash + rest or "/"
        path, _, query = target.partition("?")
        if not path.startswith("/"):
            raise _Broken(NO_HOST)
        return Request(
            head.method.decode("latin-1"),
            _host(host),
            unquote(path, errors="replace"),
            query,
            headers.get(b"content-type", ""),
            bytes(body),
            self._conn.tls is not None or self._options.proxied,
        )

    async def _event(self) -> Any:
        """What the client says next."""
        engine, h11 = self._engine, self._h11
        while True:
            try:
                event = engine.next_event()
            except h11.RemoteProtocolError as error:
                text = b"That is no HTTP request.\n"
                raise _Broken(Answer(error.error_status_hint, text, TEXT)) from None
            if event is not h11.NEED_DATA:
                return event
            if engine.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._conn.write(engine.send(go_on))
            if engine.their_state is h11.IDLE:
                data = await self._conn.read_or(self._conn.draining)
                if data is None:
                    return None
            else:
                data = await self._conn.read()
            engine.receive_data(data)

    def _write(self, method: str, answer: Answer, *, last: bool = False) -> None:
        engine, h11 = self._engine, self._h11
        if engine.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        when = format_datetime(datetime.fromtimestamp(self._clock.now(), UTC), usegmt=True)
        headers = [
            ("date", when),
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
            *answer.headers,
        ]
        if last or engine.their_state is not h11.DONE:
            headers.append(("connection", "close"))
        out = engine.send(h11.Response(status_code=answer.status, headers=headers))
        if answer.body and method != "HEAD":
            out += engine.send(h11.Data(data=answer.body))
        self._conn.write(out + (engine.send(h11.EndOfMessage()) or b""))

    def _log(self, request: Request, answer: Answer) -> None:
        page = request.path.strip("/").split("/")[0]  # what is behind it may be a secret
        log.info(
            "http.answer",
            ip=self._conn.peer.ip,
            conn=self._conn.id,
            method=request.method,
            page=page,
            status=answer.status,
        )


def _host(value: str) -> str:
    """Without port, in lower case; '' for what is no name."""
    name = value.rpartition(":")[0] if value.rpartition(":")[2].isdigit() else value
    name = name.strip().rstrip(".").lower()
    return name if all(c.isalnum() or c in "-.[]:" for c in name) and name.isascii() else ""
