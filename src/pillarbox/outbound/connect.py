"""The bytes' way to another server: a connection, and TLS on it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.ids import Rng
from pillarbox.model.reply import Reply
from pillarbox.net.contexts import ClientTls
from pillarbox.net.dial import dial, dial_unix
from pillarbox.net.driver import Connection
from pillarbox.net.faults import DialFailed, TlsFailed
from pillarbox.outbound.options import Level, Options, Way


class Refused(Temporary):
    """No session came about. ``by``: the server that said ``reply``, '' if nobody did.

    ``tls``: it was for TLS, as an RFC 8460 §4.3 result type; '' for any other reason.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        by: str = "",
        tls: str = "",
        reached: bool = True,
        source: str = "",
    ) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.by = by
        self.tls = tls
        self.source = source
        """Our own address, where it was for TLS."""
        self.reached = reached
        """False when there was no connection at all."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every session needs."""

    options: Options
    tls: ClientTls
    clock: Clock
    rng: Rng


async def connect(way: Way, tools: Tools) -> Connection:
    """Over TCP or a unix socket, with TLS from the first byte where the way has it.

    Raises Refused.
    """
    options = tools.options
    try:
        if way.address.startswith("/"):
            return await dial_unix(way.address, timeout=options.connect_timeout)
        conn = await dial(
            way.address, way.port, timeout=options.connect_timeout, source=way.source or None
        )
    except DialFailed as fault:
        raise Refused(Reply(451, "4.4.1", str(fault)), reached=False) from fault
    if way.implicit_tls:
        await handshake(conn, way, tools)
    return conn


async def handshake(conn: Connection, way: Way, tools: Tools) -> None:
    """TLS with SNI (RFC 7672 §8.1, RFC 8461 §4). Raises Refused, and the connection is gone."""
    checked = way.demand.level is Level.VERIFIED
    context = tools.tls.checked if checked else tools.tls.unchecked
    name = None if _is_address(way.host) and not checked else way.host
    try:
        await conn.start_tls(context, server_hostname=name)
    except TlsFailed as fault:
        conn.abort()
        raise Refused(
            Reply(451, "4.7.5", f"No TLS with {way.host}: {fault}"),
            tls=_result_type(str(fault)),
            source=conn.local.ip,
        ) from fault


def _result_type(words: str) -> str:
    """RFC 8460 §4.3, from what the TLS library says."""
    if "match" in words:
        return "certificate-host-mismatch"
    if "expired" in words:
        return "certificate-expired"
    return "certificate-not-trusted" if "certificate" in words else "validation-failure"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True
