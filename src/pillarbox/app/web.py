"""The pages of the house: which there are, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.config.schema import Config
from pillarbox.delivery.lists.subscriptions import Subscriptions
from pillarbox.policy.mtasts import Mode, Policy
from pillarbox.serve.http import door
from pillarbox.serve.http.discovery import Discovery, Service
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.unsubscribe import Unsubscribe
from pillarbox.store.api import Directory

_SERVICES = (  # best first, which is the order in which programs try them
    ("imap", "imaps", True),
    ("imap", "imap", False),
    ("pop3", "pop3s", True),
    ("pop3", "pop3", False),
    ("smtp", "smtps", True),
    ("smtp", "submission", False),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What of the configuration the pages and their doors need. ``url``: where the pages are
    reached, '' where nobody reaches them."""

    door: door.Options
    url: str
    hostname: str
    services: Sequence[Service]
    policy: Policy | None


def facts(config: Config) -> Facts:
    """From the configuration."""
    return Facts(
        door.Options(proxied=config.http.proxied),
        url(config),
        config.server.hostname,
        services(config),
        sts_policy(config),
    )


def site(facts: Facts, directory: Directory, subscriptions: Subscriptions) -> Site:
    """Every page there is."""

    async def serves(domain: str) -> bool:
        return await directory.domain(domain) is not None

    found = Discovery(facts.hostname, facts.services, facts.policy, serves)
    return Site([*Unsubscribe(subscriptions).pages(), *found.pages()], facts.url)


def url(config: Config) -> str:
    """Where the pages are reached from outside."""
    if config.http.url:
        return config.http.url.rstrip("/")
    return f"https://{config.server.hostname}" if config.listen.https else ""


def services(config: Config) -> Sequence[Service]:
    """The doors that mail programs may use, as configured."""
    return [
        Service(kind, places[0].port, implicit)
        for kind, name, implicit in _SERVICES
        if (places := getattr(config.listen, name))
        and (implicit or config.tls.certificate is not None)
    ]


def sts_policy(config: Config) -> Policy | None:
    """What is said about TLS to the mail hosts of every domain; None for nothing."""
    http = config.http
    if http.mta_sts == "none":
        return None
    mx = http.mta_sts_mx or (config.server.hostname,)
    return Policy(Mode(http.mta_sts), int(http.mta_sts_max_age), tuple(mx))
