"""The client side of a connection: to a next hop, a remote mailbox, or our own server in tests."""

from __future__ import annotations

import asyncio
import ssl

from pillarbox.net.driver import Connection
from pillarbox.net.faults import DialFailed, NetFault
from pillarbox.net.options import DEFAULTS, ConnectionOptions


async def dial(
    host: str,
    port: int,
    *,
    timeout: float = 30.0,  # noqa: ASYNC109
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    source: str | None = None,
    options: ConnectionOptions = DEFAULTS,
    connection_id: str = "",
) -> Connection:
    """Connect to ``host`` and ``port``; with ``tls`` also shake hands (implicit TLS).

    ``host`` should be an IP address: who looks names up decides about MX, DANE and order, and
    that is not here. A name is given to the system's resolver, for ``localhost`` and the like.
    ``timeout``: seconds for all of it. ``server_hostname``: what the certificate must be for and
    what SNI asks, ``host`` by default; for STARTTLS give it to ``Connection.start_tls``.
    ``source``: local address to come from.

    Raises ``DialFailed``, or ``TlsFailed`` if there is a connection but no TLS.
    """
    loop = asyncio.get_running_loop()
    connection: Connection | None = None

    def factory() -> Connection:
        return Connection(server_side=False, options=options, connection_id=connection_id)

    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(
                factory, host, port, local_addr=(source, 0) if source else None
            )
            if tls is not None:
                await connection.start_tls(tls, server_hostname=server_hostname or host)
    except TimeoutError as error:
        _drop(connection)
        raise DialFailed(f"{host}:{port}: no answer within {timeout:g} s") from error
    except NetFault:
        raise
    except OSError as error:
        raise DialFailed(f"{host}:{port}: {error.strerror or error}") from error
    except BaseException:  # cancelled: nobody else knows of the connection
        _drop(connection)
        raise
    return connection


async def dial_unix(
    path: str,
    *,
    timeout: float = 30.0,  # noqa: ASYNC109
    options: ConnectionOptions = DEFAULTS,
) -> Connection:
    """Connect to the unix socket at ``path``, as LMTP does. Raises ``DialFailed``."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_unix_connection(
                lambda: Connection(server_side=False, options=options), path
            )
    except (TimeoutError, OSError) as error:
        raise DialFailed(f"{path}: {error}") from error
    return connection


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        connection.abort()
