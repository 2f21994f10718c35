"""Where a program beside the server listens: a unix socket's path, or host and port."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.net.dial import dial, dial_unix
from pillarbox.net.driver import Connection


@dataclass(frozen=True, slots=True)
class Place:
    """``path`` or ``host`` is set."""

    host: str = ""
    port: int = 0
    path: str = ""

    async def dial(self, timeout: float) -> Connection:  # noqa: ASYNC109
        """Connect; raises ``DialFailed``."""
        if self.path:
            return await dial_unix(self.path, timeout=timeout)
        return await dial(self.host, self.port, timeout=timeout)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def place(text: str) -> Place:
    """``/run/x.sock``, ``unix:/run/x.sock``, ``127.0.0.1:11333``, ``[::1]:11333``, or
    ``inet:8891@127.0.0.1`` as milters write it. Raises ValueError."""
    kind, colon, rest = text.partition(":")
    if kind in {"unix", "local"} and colon:
        text = rest
    elif kind in {"inet", "inet6"} and "@" in rest:
        port, _, host = rest.partition("@")
        text = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
    if text.startswith("/"):
        return Place(path=text)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not host or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is neither a path nor host:port")
    return Place(host.strip("[]"), int(port))
