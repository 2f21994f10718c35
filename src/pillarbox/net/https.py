"""One GET over HTTPS, as strict as MTA-STS wants it (RFC 8461 §3.3), one POST, and nothing else.

No redirects, no caching, no cookies, no proxies: a body of bounded size from a server with a good
certificate, or None.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pillarbox.base.log import Logger
from pillarbox.dns.answers import Kind, Resolver
from pillarbox.net.contexts import ClientTls
from pillarbox.net.dial import dial
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault

log = Logger("https")

MAX_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Times in seconds, sizes in octets."""

    resolver: Resolver
    tls: ClientTls
    port: int = 443
    timeout: float = 60.0
    largest: int = 64 * 1024
    addresses: int = 3
    """Tried before giving up."""
    private: bool = False
    """Others may lead us to addresses that are not of the whole internet."""

    async def get(self, host: str, path: str) -> bytes | None:
        """The body of a 200 answer of type text/plain; None for everything else."""
        try:
            async with asyncio.timeout(self.timeout):
                for kind in (Kind.AAAA, Kind.A):
                    for address in await self._found(host, kind):
                        try:
                            return await self._get(address, host, path)
                        except NetFault as fault:
                            log.info("https.failed", host=host, address=address, error=str(fault))
        except TimeoutError:
            log.info("https.failed", host=host, error="no answer in time")
        return None

    async def post(self, url: str, body: bytes, media: str) -> bool:
        """Whether the server at an https URL took the octets (any 2xx).

        Raises nothing.
        """
        target = _target(url)
        if target is None:
            return False
        host, port, path = target
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self.timeout):
                for kind in (Kind.AAAA, Kind.A):
                    for address in await self._found(host, kind):
                        try:
                            return await self._post(
                                address, port or self.port, host, head.encode("ascii") + body
                            )
                        except NetFault as fault:
                            log.info("https.failed", host=host, address=address, error=str(fault))
        except TimeoutError:
            log.info("https.failed", host=host, error="no answer in time")
        return False

    async def _post(self, address: str, port: int, host: str, request: bytes) -> bool:
        conn = await dial(
            address, port, timeout=self.timeout, tls=self.tls.checked, server_hostname=host
        )
        try:
            conn.write(request)
            await conn.drain()
            data = b""
            while b"\r\n" not in data and len(data) < MAX_HEAD:
                more = await conn.read()
                if not more:
                    break
                data += more
            return re.match(rb"HTTP/1\.[01] 2[0-9][0-9](?: |\r)", data) is not None
        finally:
            conn.abort()

    async def _found(self, host: str, kind: Kind) -> list[str]:
        """Addresses to try. The name is somebody else's: it shall not make us knock at the doors
        of our own network."""
        texts = (await self.resolver.ask(host, kind)).texts
        usable = [one for one in texts if self.private or ipaddress.ip_address(one).is_global]
        return usable[: self.addresses]

    async def policy(self, domain: str) -> bytes | None:
        """The MTA-STS policy of a domain: what ``policy.mtasts`` calls ``Fetch``."""
        return await self.get(f"mta-sts.{domain}", "/.well-known/mta-sts.txt")

    async def _get(self, address: str, host: str, path: str) -> bytes | None:
        conn = await dial(
            address, self.port, timeout=self.timeout, tls=self.tls.checked, server_hostname=host
        )
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\n"
            conn.write((request + "Connection: close\r\n\r\n").encode("ascii"))
            return await self._answer(conn)
        finally:
            conn.abort()

    async def _answer(self, conn: Connection) -> bytes | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = await conn.read()
            data += more
            if not more or len(data) > MAX_HEAD + self.largest:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1\.[01] 200(?: |\r|\Z)", head):
            return None
        fields = _fields(head)
        media = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"text/plain" or b"content-encoding" in fields:
            return None
        chunked = fields.get(b"transfer-encoding", b"").strip().lower() == b"chunked"
        length = fields.get(b"content-length", b"")
        want = int(length) if length.isdigit() and len(length) < 10 and not chunked else None
        if want is not None and want > self.largest:
            return None
        while want is None or len(body) < want:
            more = await conn.read()
            if not more:
                break
            body += more
            if len(body) > 2 * self.largest:
                return None
        if chunked:
            return _unchunked(body, self.largest)
        return body[:want] if want is None or len(body) >= want else None


def _target(url: str) -> tuple[str, int | None, str] | None:
    """Host, port and path of an https URL; None for another one."""
    if not re.fullmatch(r"https://[\x21-\x7e]+", url, re.IGNORECASE):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.username is not None:
        return None
    return parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _fields(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _unchunked(data: bytes, largest: int) -> bytes | None:
    """RFC 9112 §7.1; None when it is cut short or too long."""
    out = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        size = re.match(rb"[0-9A-Fa-f]{1,6}(?=;|\Z| )", line)
        if not found or size is None:
            return None
        length = int(size[0], 16)
        if length == 0:
            return out
        if len(data) < length + 2 or len(out) + length > largest:
            return None
        out, data = out + data[:length], data[length + 2 :]
