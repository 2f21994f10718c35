"""What programs look for: how to set up an account, whether to insist on TLS.

The account document is what Thunderbird, K-9 and others read ("autoconfig"); the policy is that of
MTA-STS (RFC 8461 §3.2, §3.3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from pillarbox.model.address import normal_domain, parse_address
from pillarbox.policy.mtasts import Policy, write_policy
from pillarbox.serve.http.site import NOT_FOUND
from pillarbox.serve.http.values import TEXT, XML, Answer, Page, Request

_STS = "mta-sts."
_AUTOCONFIG = "autoconfig."


@dataclass(frozen=True, slots=True)
class Service:
    """One way for a mail program to reach us. ``kind``: imap, pop3 or smtp."""

    kind: str
    port: int
    implicit_tls: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """``serves``: whether a domain, in normal form, lives here."""

    hostname: str
    services: Sequence[Service]
    policy: Policy | None
    serves: Callable[[str], Awaitable[bool]]

    def pages(self) -> Sequence[Page]:
        """Both documents."""
        account: Mapping[str, Callable[[Request], Awaitable[Answer]]] = {"GET": self._account}
        return (
            Page("/.well-known/mta-sts.txt", {"GET": self._sts}),
            Page("/mail/config-v1.1.xml", account),
            Page("/.well-known/autoconfig/mail/config-v1.1.xml", account),
        )

    async def _sts(self, request: Request) -> Answer:
        domain = request.host.removeprefix(_STS)
        if self.policy is None or domain == request.host or not await self.serves(domain):
            return NOT_FOUND
        return Answer(200, write_policy(self.policy), TEXT)

    async def _account(self, request: Request) -> Answer:
        address = parse_address(request.asked().get("emailaddress", ""))
        asked = address.domain if address else request.host.removeprefix(_AUTOCONFIG)
        domain = normal_domain(asked)
        if not domain or not await self.serves(domain):
            return NOT_FOUND
        return Answer(200, _document(domain, self.hostname, self.services), XML)


def _document(domain: str, hostname: str, services: Sequence[Service]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<clientConfig version="1.1">',
        f'  <emailProvider id="{escape(domain)}">',
        f"    <domain>{escape(domain)}</domain>",
        f"    <displayName>{escape(domain)}</displayName>",
    ]
    for service in services:
        side = "outgoing" if service.kind == "smtp" else "incoming"
        lines += [
            f'    <{side}Server type="{service.kind}">',
            f"      <hostname>{escape(hostname)}</hostname>",
            f"      <port>{service.port}</port>",
            f"      <socketType>{'SSL' if service.implicit_tls else 'STARTTLS'}</socketType>",
            "      <username>%EMAILADDRESS%</username>",
            "      <authentication>password-cleartext</authentication>",
            f"    </{side}Server>",
        ]
    lines += ["  </emailProvider>", "</clientConfig>", ""]
    return "\n".join(lines).encode()
