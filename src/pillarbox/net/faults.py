"""What can go wrong with a peer, as exceptions: all temporary, none of them a bug.

A handler need not catch them. The listener logs them in one line and closes the connection; the
queue, which dials out, counts them as a reason to try later.
"""

from __future__ import annotations

from pillarbox.base.errors import Temporary


class NetFault(Temporary):
    """Root of what the network does to us."""


class IdleTimeout(NetFault, TimeoutError):
    """The peer sent nothing for as long as the connection's ``timeout``.

    The connection still works: a handler may say goodbye (421, BYE) before it closes.
    """


class SlowPeer(NetFault, TimeoutError):
    """The peer did not take what we wrote in time. The connection is gone."""


class PeerGone(NetFault, ConnectionError):
    """The connection is lost; what was written may not have arrived."""


class TlsFailed(NetFault):
    """The handshake failed, or the peer broke the record layer. The connection is gone."""


class DeflateFailed(NetFault):
    """The peer's compressed stream is none. The connection is gone."""


class DialFailed(NetFault):
    """No connection came about: refused, unreachable, or no answer in time."""
