"""Values about connections: where the ends are, and what bounds hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

#: Octets taken from the kernel at once.
RECEIVE: Final = 65536


class Peer(NamedTuple):
    """An end of a connection; for a unix socket ``("", 0)``."""

    ip: str
    port: int


def peer_of(name: object) -> Peer:
    """What ``getpeername`` and ``getsockname`` give, as a ``Peer``.

    An IPv4-mapped IPv6 address becomes the IPv4 address it is, so that limits, logs and block
    lists see one form; unix sockets have no address.
    """
    if not isinstance(name, tuple):
        return Peer("", 0)
    ip, port = str(name[0]), int(name[1])
    if ip.startswith("::ffff:") and "." in ip:
        ip = ip[7:]
    return Peer(ip, port)


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Bounds of a connection. Times in seconds, sizes in octets."""

    #: What ``Connection.timeout`` starts as.
    timeout: float = 300.0
    #: How long the peer may take to make room for what we write.
    write_timeout: float = 300.0
    handshake_timeout: float = 30.0
    #: How long a closing connection waits for the peer's side to close too.
    linger: float = 2.0
    #: Reading pauses while at least this much waits for the handler. ``Connection.read`` never
    #: returns more than this and ``RECEIVE`` together.
    inbox: int = 65536
    #: ``drain`` and ``read`` wait while more than this is on its way to the peer.
    outbox: int = 65536


DEFAULTS: Final = ConnectionOptions()
