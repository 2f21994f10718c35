"""The rooms behind mail that leaves: resolver, TLS, connections, keys, and the transport."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from pathlib import Path

from pillarbox.app.core import Core
from pillarbox.app.internet import THE_INTERNET, Internet
from pillarbox.app.web import url as page_url
from pillarbox.base.errors import Misuse
from pillarbox.base.log import Logger
from pillarbox.config.checks import SendRoute
from pillarbox.config.schema import Config
from pillarbox.delivery.lists.marks import ListMarks
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.dns.answers import Resolver
from pillarbox.model.account import DomainKind
from pillarbox.model.address import Address, parse_address
from pillarbox.net.contexts import ClientTls
from pillarbox.net.https import Fetcher
from pillarbox.outbound import dmarcreports, tlsreports
from pillarbox.outbound.connect import Tools
from pillarbox.outbound.dmarcreports import DmarcReports
from pillarbox.outbound.options import Level, Login, Options, Relay
from pillarbox.outbound.paths import Finder
from pillarbox.outbound.pool import Pool
from pillarbox.outbound.relays import read_relay
from pillarbox.outbound.remote import Onward, RemoteTransport
from pillarbox.outbound.signing import Signer
from pillarbox.outbound.tlsreports import Mail, TlsReports
from pillarbox.policy.dmarc.evaluate import evaluate
from pillarbox.policy.dmarc.record import Policy as DmarcPolicy
from pillarbox.policy.mtasts import Policies
from pillarbox.policy.srs import Srs
from pillarbox.policy.tlsrpt import TlsResult
from pillarbox.store.api import Directory

log = Logger("sending")

_LEVELS = {
    "verified": Level.VERIFIED,
    "implicit": Level.VERIFIED,
    "encrypted": Level.MUST,
    "opportunistic": Level.MAY,
    "none": Level.NONE,
}


RELAY_HINT = "such as smtp.example.org:587, smtps://smtp.example.org or lmtp://127.0.0.1:24"


class Sending:
    """One for a house. Nothing is asked or dialled before there is mail."""

    def __init__(
        self,
        config: Config,
        core: Core,
        resolver: Resolver,
        secret: bytes,
        mail: Mail,
        internet: Internet = THE_INTERNET,
    ) -> None:
        """``secret``: the house's own key. ``mail``: sends a message of the house. Raises Misuse
        for a source or smarthost that cannot be."""
        options = replace(send_options(config), port=internet.smtp, loopback=internet.loopback)
        self._resolver = resolver
        tls = ClientTls(ca=internet.ca)
        self._srs, self._clock = Srs(secret), core.clock
        self._pool = Pool(Tools(options, tls, core.clock, core.rng))
        web = Fetcher(resolver, tls, internet.https, private=internet.loopback)
        policies = Policies(resolver, web.policy, core.clock, core.store, trouble=self._no_policy)
        self.tls_reports = TlsReports(
            *(core.store, resolver, mail, web.post, core.clock, core.rng),
            tlsreports.Options(
                config.server.hostname,
                lambda: signing_postmaster(config, core),
                config.send.tls_reports,
            ),
        )
        self.dmarc_reports: DmarcReports | None = None
        if config.checks.reports and config.checks.enabled:
            self.dmarc_reports = DmarcReports(
                *(core.store, resolver, mail, core.clock, core.rng),
                dmarcreports.Options(
                    config.server.hostname, lambda: signing_postmaster(config, core)
                ),
            )
        self.transport = RemoteTransport(
            core.store,
            Finder(options, resolver, core.rng, policies),
            self._pool,
            sign=Signer(core.keys.signing, core.clock, config.server.hostname, core.scan),
            tally=self._noted,
            forward=lambda sender, here: self._srs.forward(sender, here, core.clock.now()),
            onward=lambda domain: _onward(core.store, domain),
            marks=ListMarks(Tokens(secret), page_url(config)),
        )

    async def strict(self, domain: str) -> bool:
        """Whether a domain wants mail refused or set aside that it cannot vouch for (DMARC)."""
        found = await evaluate(domain, (), self._resolver)
        return found.applied in {DmarcPolicy.QUARANTINE, DmarcPolicy.REJECT}

    def back(self, address: Address) -> Address | None:
        """Where mail to a sender that was rewritten here goes."""
        return self._srs.back(address, self._clock.now())

    async def close(self) -> None:
        """Say goodbye on connections that wait for more mail; write down what TLS did."""
        await self._pool.close()
        await self.tls_reports.flush()
        if self.dmarc_reports is not None:
            await self.dmarc_reports.flush()

    def _no_policy(self, domain: str, result: str) -> None:
        self._noted(TlsResult(domain, "sts", f"mta-sts.{domain}", "", result))

    def _noted(self, result: TlsResult) -> None:
        """TLS that failed, in the words of RFC 8460 §4.3, and the count of all."""
        self.tls_reports.count(result)
        if result.result:
            log.warning(
                "tls.failed",
                domain=result.domain,
                policy=result.policy,
                host=result.host,
                result=result.result,
            )


async def _onward(directory: Directory, name: str) -> Onward | None:
    """Where mail of a domain that we only stand in front of goes."""
    domain = await directory.domain(name)
    if domain is None or domain.kind is DomainKind.LOCAL:
        return None
    return Onward(read_relay(domain.hop) if domain.hop else None)


async def signing_postmaster(config: Config, core: Core) -> Address | None:
    """Who writes to other postmasters: of a domain whose mail is signed; None without one."""
    chosen = parse_address(config.server.postmaster)
    if chosen is not None and core.keys.signing(chosen.domain):
        return chosen
    for domain in await core.store.domains():
        if domain.kind is DomainKind.LOCAL and core.keys.signing(domain.name):
            return Address("postmaster", domain.name)
    return None


def send_options(config: Config) -> Options:
    """How mail leaves. Raises Misuse."""
    send = config.send
    try:
        for source in send.sources:
            ipaddress.ip_address(source)
    except ValueError as error:
        raise Misuse(f"send.sources: {error}") from error
    relay = smarthost(config)
    relays: dict[str, Relay | None] = {"*": relay}
    sender_relays: dict[str, Relay | None] = {}
    sources = {"*": send.sources} if send.sources else {}
    for route in send.routes:
        sources |= dict.fromkeys(route.senders, route.sources) if route.sources else {}
        if route.relay:
            hop = _hop(route)
            relays |= dict.fromkeys(route.domains, hop)
            sender_relays |= dict.fromkeys(route.senders, hop)
    return Options(
        config.server.hostname,
        ipv6=send.ipv6,
        relays=relays,
        sender_relays=sender_relays,
        sources=sources,
        dane=send.dane,
        mta_sts=send.mta_sts,
    )


def smarthost(config: Config) -> Relay | None:
    """Where all mail goes, None for the hosts of each domain. Raises Misuse."""
    send = config.send
    if not send.smarthost:
        return None
    if not send.smarthost.startswith("/") and not re.search(r":[0-9]+\Z", send.smarthost):
        raise Misuse("send.smarthost is not host:port", hint='such as "smtp.example.org:587"')
    relay = _relay(
        "send.smarthost",
        send.smarthost,
        _LEVELS[send.smarthost_tls],
        _login("send.smarthost", send.smarthost_user, send.smarthost_password),
    )
    return replace(relay, implicit_tls=send.smarthost_tls == "implicit")


def _hop(route: SendRoute) -> Relay | None:
    """Where a route of the configuration leads, None to the hosts of each domain."""
    if route.relay == "direct":
        return None
    login = _login("send.routes", route.user, route.password)
    return _relay("send.routes", route.relay, Level.VERIFIED if login else None, login)


def _relay(key: str, text: str, level: Level | None, login: Login | None) -> Relay:
    try:
        return read_relay(text, level=level, login=login)
    except ValueError as error:
        raise Misuse(f"{key}: {error}", hint=RELAY_HINT) from error


def _login(key: str, user: str, path: Path | None) -> Login | None:
    if not user:
        return None
    if path is None:
        raise Misuse(f"{key}: a user needs the file of a password")
    try:
        return Login(user, path.read_text("utf-8").partition("\n")[0].strip("\r"))
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{key}: {error}") from error
