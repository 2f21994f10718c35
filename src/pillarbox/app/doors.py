"""The doors: what each speaks, and where it is bound."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Listen, Tls
from pillarbox.net.contexts import KeyPair, ServerTls
from pillarbox.net.sockets import bind_tcp, twin
from pillarbox.serve.http.door import TOO_BUSY as HTTP_BUSY
from pillarbox.serve.managesieve.door import TOO_BUSY as SIEVE_BUSY
from pillarbox.serve.pop3.door import TOO_BUSY

Sockets = dict[str, list[socket.socket]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a door speaks. ``implicit``: TLS from the first byte. ``too_busy``: what a client
    hears when there are too many."""

    protocol: str
    implicit: bool = False
    too_busy: bytes = b""


_SMTP_BUSY = b"421 4.7.0 Too many connections, try again later\r\n"
_IMAP_BUSY = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"

KINDS: Mapping[str, Kind] = {
    "smtp": Kind("smtp", too_busy=_SMTP_BUSY),
    "submission": Kind("smtp", too_busy=_SMTP_BUSY),
    "smtps": Kind("smtp", implicit=True),
    "lmtp": Kind("smtp", too_busy=_SMTP_BUSY),
    "imap": Kind("imap", too_busy=_IMAP_BUSY),
    "imaps": Kind("imap", implicit=True),
    "pop3": Kind("pop3", too_busy=TOO_BUSY),
    "pop3s": Kind("pop3", implicit=True),
    "sieve": Kind("managesieve", too_busy=SIEVE_BUSY),
    "http": Kind("http", too_busy=HTTP_BUSY),
    "https": Kind("http", implicit=True),
}
"""By the names that the configuration and systemd's socket units use."""


def bind(
    listen: Listen, given: Mapping[str, list[socket.socket]], *, shared: bool = False
) -> Sockets:
    """Sockets for every door: those ``given`` by the service manager, else bound as configured,
    ``shared`` when other processes are to have some too.

    Raises Misuse for a socket of no door, and for a place that cannot be had; then nothing stays
    bound.
    """
    unknown = [name for name in given if name not in KINDS]
    if unknown:
        raise Misuse(
            f"socket activation gave a socket for {unknown[0]!r}, which is no door",
            hint=f"set FileDescriptorName= to one of {', '.join(KINDS)}",
        )
    bound: Sockets = {}
    try:
        for name in KINDS:
            bound[name] = list(given.get(name, ()))
            if name not in given:
                for place in getattr(listen, name):
                    bound[name] += _bind(name, place.host, place.port, shared=shared)
    except BaseException:
        close(bound)
        raise
    return bound


ONE_PROCESS = frozenset({"pop3", "pop3s"})
"""Doors that only the process with the store opens: one session at a time may have a maildrop
(RFC 1939 §3), and it is that process which sees to it."""


def twins(sockets: Sockets) -> Sockets:
    """Sockets of a worker's own, where ``sockets`` listen."""
    made: Sockets = {}
    try:
        for name, bound in sockets.items():
            if name not in ONE_PROCESS and bound:
                made[name] = []
                for sock in bound:
                    made[name].append(twin(sock))
    except BaseException:
        close(made)
        raise
    return made


def _bind(name: str, host: str, port: int, *, shared: bool) -> list[socket.socket]:
    try:
        return bind_tcp(host, port, shared=shared)
    except Misuse as error:
        hint = "see: pillarbox check"
        if 0 < port < 1024 and "ermission" in str(error):
            hint = "ports below 1024 need socket activation, the systemd unit, or a start as root"
        raise Misuse(f"listen.{name}: {error}", hint=error.hint or hint) from error


def close(sockets: Mapping[str, list[socket.socket]]) -> None:
    """Give sockets back that nobody served."""
    for bound in sockets.values():
        for sock in bound:
            sock.close()


class Certificates:
    """The certificates shown to the next connection: what the doors ask for a context."""

    def __init__(self, pair: KeyPair) -> None:
        """Raises Misuse for files that cannot be used."""
        self._source = ServerTls([pair])

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection; see ``net.driver.TlsSource``."""
        return self._source.context

    def reload(self, pair: KeyPair) -> None:
        """Read the files again, or others. Raises Misuse and changes nothing if they are not
        good."""
        self._source = ServerTls([pair])


def pair_of(tls: Tls) -> KeyPair | None:
    """The files that the configuration names, if it does."""
    if tls.certificate is None or tls.key is None:
        return None
    return KeyPair(tls.certificate, tls.key)
