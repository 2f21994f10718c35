"""Listening sockets: bound here, or taken from systemd.

Binding is apart from listening, because it comes before privileges are dropped and everything
else after.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pillarbox.base.errors import Misuse

BACKLOG: Final = 1024

#: systemd passes descriptors from here on. sd_listen_fds(3)
FIRST_FD: Final = 3

#: Words for sets of addresses; whatever else is bound must be an IP address.
_WORDS: Final = {
    "*": ("0.0.0.0", "::"),  # noqa: S104  (asked for by name)
    "localhost": ("127.0.0.1", "::1"),
}


def bind_tcp(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets bound to ``host`` and listening: an address, ``*`` for all, or ``localhost``.

    IPv4 and IPv6 get a socket each, never one that mixes them. ``port`` 0 chooses a free one, the
    same for all. Raises ``Misuse`` if an address is not of this machine, in use or not permitted.
    A machine without IPv6 is served by the IPv4 half of a word. ``shared``: more sockets may be
    bound to the same place (``twin``), and the kernel spreads connections among them.
    """
    bound: list[socket.socket] = []
    try:
        for address in _WORDS.get(host, (host,)):
            try:
                bound.append(_bind(address, port, shared=shared))
            except OSError as error:
                if bound and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                    continue
                raise Misuse(f"cannot listen on {address} port {port}: {error.strerror}") from error
            port = bound[-1].getsockname()[1]
    except BaseException:
        for sock in bound:
            sock.close()
        raise
    return bound


def twin(sock: socket.socket) -> socket.socket:
    """Another socket that listens where ``sock`` does, with a queue of its own; the same one once
    more where it was not bound as shared (a service manager's)."""
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        return sock.dup()
    where = sock.getsockname()
    return _bind(where[0], where[1], shared=True)


def _bind(address: str, port: int, *, shared: bool = False) -> socket.socket:
    try:
        version = ipaddress.ip_address(address).version
    except ValueError as error:
        raise Misuse(
            f"cannot listen on {address!r}: not an IP address",
            hint="Give an address, * for all, or localhost.",
        ) from error
    sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_unix(path: Path | str, *, mode: int = 0o660) -> socket.socket:
    """A unix socket listening at ``path``, replacing one that a dead server left.

    Raises ``Misuse`` if a living server listens there or the place cannot be written.
    """
    path = Path(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o777)  # nobody gets in before the mode is right
    try:
        _remove_stale(path)
        sock.bind(str(path))
        path.chmod(mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise Misuse(f"cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(old)
    return sock


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(errno.EEXIST, "something that is not a socket is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another server listens there")


def inherited(environ: Mapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """Sockets passed by systemd's socket activation, by their ``FileDescriptorName=``.

    Empty if there are none or they are meant for another process. Call once: the sockets are
    taken over. Raises ``Misuse`` for a descriptor that is not a listening stream socket.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return {}
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for index in range(count):
        # Without names systemd says "unknown" for each. sd_listen_fds_with_names(3)
        name = names[index] if index < len(names) and names[index] else "unknown"
        found.setdefault(name, []).append(_adopt(FIRST_FD + index, name))
    return found


def _adopt(fd: int, name: str) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not listens or sock.type != socket.SOCK_STREAM:
            sock.detach()
            raise Misuse(
                f"inherited descriptor {fd} ({name}) is not a listening stream socket",
                hint="The socket unit needs ListenStream= and Accept=no.",
            )
    except OSError as error:
        raise Misuse(f"inherited descriptor {fd} ({name}): {error.strerror}") from error
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock
