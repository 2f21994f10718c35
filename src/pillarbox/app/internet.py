"""The world as a house sees it."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config
from pillarbox.net import dnsclient


@dataclass(frozen=True, slots=True)
class Internet:
    """The world that mail leaves into; tests bring a small one of their own."""

    smtp: int = 25
    https: int = 443
    loopback: bool = False
    """Mail hosts may be on this machine."""
    ca: bytes | None = None
    """PEM of the authorities to trust; None takes the system's."""


THE_INTERNET = Internet()


def dns_options(config: Config) -> dnsclient.Options:
    """Whom to ask. Raises Misuse."""
    try:
        found = dnsclient.servers(config.send.resolvers)
    except ValueError as error:
        raise Misuse(f"send.resolvers: {error}") from error
    return dnsclient.Options(servers=found or dnsclient.system_servers())
