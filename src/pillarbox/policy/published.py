"""Is what the DNS says of a domain what mail needs? Findings, the most harmful first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pillarbox.base.clock import Clock
from pillarbox.dns.answers import Answer, Kind, Mx, Resolver, Srv, Status, Tlsa
from pillarbox.model.address import Address
from pillarbox.policy import dane, iprev, mtasts, tlsrpt
from pillarbox.policy.dmarc import record as dmarc
from pillarbox.policy.publish import Facts, policy_id, records
from pillarbox.policy.spf.check import check as check_spf
from pillarbox.policy.spf.result import Verdict as Spf

_POINTLESS_SPF = re.compile(rb"(?i)(?:^| )[+]?all(?: |$)")


class Harm(IntEnum):
    """What it costs, worst first."""

    LOST = 0
    """Mail to the domain does not arrive."""
    REFUSED = 1
    """Mail from the domain is refused, or taken for a forgery."""
    OPEN = 2
    """Others can read or forge more easily than they should."""
    COMFORT = 3
    """People have to set up by hand what could set itself up."""
    NONE = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """``name``: the record looked at. ``hint``: what to do; '' where nothing is."""

    harm: Harm
    name: str
    text: str
    hint: str = ""


Fetch = Callable[[str], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Inspector:
    """Looks at the live DNS. ``fetch``: the MTA-STS policy file of a domain."""

    facts: Facts
    resolver: Resolver
    clock: Clock
    fetch: Fetch

    async def findings(self) -> list[Finding]:
        """Everything that was looked at, sorted by harm."""
        parts = [self._mx(), self._addresses(), self._tlsa(), self._sts(), self._reports()]
        if self.facts.mail_ends_here:
            parts += [
                self._spf(),
                self._host_spf(),
                *(self._key(*key) for key in self.facts.keys),
                self._dmarc(),
            ]
            parts += [self._services(), self._autoconfig()]
        found = await asyncio.gather(*parts)
        return sorted((one for part in found for one in part), key=lambda one: one.harm)

    # ------------------------------------------------------------------ mail to us

    async def _mx(self) -> list[Finding]:
        name, host = self.facts.domain, self.facts.hostname
        label = f"MX {name}"
        hint = self._line(name, "MX")
        answer = await self.resolver.ask(name, Kind.MX)
        if answer.status is Status.FAILED:
            return [_unanswered(label, answer)]
        if answer.status is Status.NO_NAME:
            return [Finding(Harm.LOST, label, "the domain does not exist in the DNS", hint)]
        found = sorted((one.preference, one.host) for one in answer.records if isinstance(one, Mx))
        if not found:
            return [Finding(Harm.LOST, label, "there is no MX record", hint)]
        if not any(target for _, target in found):
            text = "the domain says that it takes no mail at all"
            return [Finding(Harm.LOST, label, text, f"replace the record: {hint}")]
        ours = [preference for preference, target in found if target == host]
        if not ours:
            others = ", ".join(target for _, target in found)
            return [Finding(Harm.LOST, label, f"mail goes to {others}, not here", hint)]
        if ours[0] > found[0][0] and self.facts.mail_ends_here:
            text = f"{found[0][1]} is asked before {host}"
            return [Finding(Harm.OPEN, label, text, f"fine for a filter in front; else {hint}")]
        return [_fine(label, f"{host} is a mail host of the domain")]

    async def _addresses(self) -> list[Finding]:
        """Of the mail host, there and back (RFC 5321 §5.1, RFC 2181 §10.3)."""
        host = self.facts.hostname
        label = f"A, AAAA {host}"
        alias = await self.resolver.ask(host, Kind.CNAME)
        answers = [await self.resolver.ask(host, kind) for kind in (Kind.A, Kind.AAAA)]
        found = [address for answer in answers for address in answer.texts]
        if not found:
            failed = next((one for one in answers if one.status is Status.FAILED), None)
            if failed is not None:
                return [_unanswered(label, failed)]
            hint = f"publish the address of this machine for {host}"
            return [Finding(Harm.LOST, label, "the mail host has no address", hint)]
        out = [_fine(label, ", ".join(found))]
        if alias:
            text = f"the mail host is an alias of {alias.texts[0]}; some servers refuse that"
            out.append(Finding(Harm.LOST, label, text, "give it A and AAAA records of its own"))
        sources = list(self.facts.sources) or found
        return out + [await self._back(source) for source in sources]

    async def _back(self, address: str) -> Finding:
        label, host = f"PTR {address}", self.facts.hostname
        result = await iprev.check(address, self.resolver)
        hint = f"ask whoever gave you the address to name it {host}"
        if result.verdict is iprev.Verdict.PASS:
            if result.name == host:
                return _fine(label, result.name)
            text = f"the address is called {result.name}, while the server says it is {host}"
            return Finding(Harm.REFUSED, label, text, hint)
        if result.verdict is iprev.Verdict.TEMPERROR:
            return Finding(Harm.REFUSED, label, "the reverse DNS does not answer", "try later")
        text = f"{result.name} does not lead back" if result.name else "the address has no name"
        return Finding(Harm.REFUSED, label, f"{text}; large providers refuse such mail", hint)

    async def _tlsa(self) -> list[Finding]:
        """A record that does not fit is worse than none: who obeys it sends nothing more."""
        name = f"_25._tcp.{self.facts.hostname}"
        label, hint = f"TLSA {name}", self._line(name, "TLSA")
        answer = await self.resolver.ask(name, Kind.TLSA)
        if answer.status is Status.FAILED:
            text = f"the question fails ({answer.detail or 'no answer'}); who obeys DANE waits"
            return [Finding(Harm.LOST, label, text, "mend the DNSSEC of the zone")]
        found = [one for one in answer.records if isinstance(one, Tlsa)]
        if not found:
            return [Finding(Harm.OPEN, label, "no DANE", f"where the zone is signed: {hint}")]
        if not answer.secure:
            text = "the record counts only in a zone signed by DNSSEC, and none was seen to be"
            more = "sign the zone; only a validating resolver on this machine can tell"
            return [Finding(Harm.OPEN, label, text, more)]
        usable = dane.usable(found)
        if not usable:
            text = "none of the records means anything to mail"
            return [Finding(Harm.OPEN, label, text, hint)]
        chain = _chain(self.facts.certificate)
        names = (self.facts.hostname, self.facts.domain)
        now = _datetime(self.clock)
        if dane.judge(usable, chain, names, now) is not dane.Verdict.MATCH:
            text = "no record fits the certificate: servers that obey DANE refuse to send here"
            return [Finding(Harm.LOST, label, text, hint)]
        return [_fine(label, "fits the certificate")]

    async def _sts(self) -> list[Finding]:
        name = f"_mta-sts.{self.facts.domain}"
        label, hint = f"TXT {name}", self._line(name, "TXT")
        answer = await self.resolver.ask(name, Kind.TXT)
        ident = mtasts.read_record(answer.octets)
        if ident is None:
            if self.facts.policy is None and not answer.octets:
                text = "MTA-STS is not used"
                return [Finding(Harm.OPEN, label, text, "set http.mta_sts and open a door https")]
            return [Finding(Harm.OPEN, label, "there is no MTA-STS record that is right", hint)]
        data = await self.fetch(self.facts.domain)
        policy = mtasts.read_policy(data) if data is not None else None
        if policy is None:
            text = f"there is a record, but no policy at https://mta-sts.{self.facts.domain}"
            more = "serve the policy with a certificate for that name, or remove the record"
            return [Finding(Harm.OPEN, label, text, more)]
        if not policy.lists(self.facts.hostname):
            harm = Harm.LOST if policy.mode is mtasts.Mode.ENFORCE else Harm.OPEN
            text = f"the policy does not list {self.facts.hostname}: others may not send here"
            return [Finding(harm, label, text, f"add to the policy: mx: {self.facts.hostname}")]
        wanted = self.facts.policy
        if wanted is not None and policy == wanted and ident != policy_id(wanted):
            text = "the policy may have changed and its id has not; others keep the old one"
            return [Finding(Harm.OPEN, label, text, hint)]
        if policy.mode is not mtasts.Mode.ENFORCE:
            text = f"the policy is {policy.mode.value}: nobody is kept from sending without TLS"
            return [Finding(Harm.OPEN, label, text, 'when reports are clean, set it to "enforce"')]
        return [_fine(label, "enforced, and lists the mail host")]

    async def _reports(self) -> list[Finding]:
        name = f"_smtp._tls.{self.facts.domain}"
        answer = await self.resolver.ask(name, Kind.TXT)
        if tlsrpt.read_record(answer.octets):
            return [_fine(f"TXT {name}", "asks for reports")]
        text = "nobody will tell you when TLS to your mail host fails"
        return [Finding(Harm.OPEN, f"TXT {name}", text, self._line(name, "TXT"))]

    # ------------------------------------------------------------------ mail from us

    async def _spf(self) -> list[Finding]:
        """By asking as a receiver would, for every address that mail leaves from."""
        domain, host = self.facts.domain, self.facts.hostname
        label, hint = f"TXT {domain}", self._line(domain, "TXT")
        answer = await self.resolver.ask(domain, Kind.TXT)
        if answer.status is Status.FAILED:
            return [_unanswered(label, answer)]
        ours = [one for one in answer.octets if re.match(rb"(?i)v=spf1(?: |\Z)", one)]
        if not ours:
            return [Finding(Harm.REFUSED, label, "there is no SPF record", hint)]
        if len(ours) > 1:
            text = "there are several SPF records, which counts as an error"
            return [Finding(Harm.REFUSED, label, text, "keep one of them")]
        out = []
        if _POINTLESS_SPF.search(ours[0]):
            text = "the SPF record allows everybody to send in the domain's name"
            out.append(Finding(Harm.OPEN, label, text, "end it with -all or ~all"))
        sender = Address("postmaster", domain)
        for source in await self._sources():
            result = await check_spf(source, host, sender, self.resolver, self.clock)
            if result.verdict is not Spf.PASS:
                text = f"mail from {source} gets the SPF result {result.verdict.value}"
                out.append(Finding(Harm.REFUSED, label, text, hint))
        return out or [_fine(label, "SPF allows the mail host")]

    async def _host_spf(self) -> list[Finding]:
        """For reports, whose sender is null: receivers ask about the name in the hello."""
        host = self.facts.hostname
        if host == self.facts.domain:
            return []
        label, hint = f"TXT {host}", self._line(host, "TXT")
        for source in await self._sources():
            result = await check_spf(source, host, None, self.resolver, self.clock)
            if result.verdict is not Spf.PASS:
                text = f"reports from {source} get the SPF result {result.verdict.value}"
                return [Finding(Harm.REFUSED, label, text, hint)]
        return [_fine(label, "SPF allows reports of the mail host")]

    async def _sources(self) -> list[str]:
        """Addresses that mail leaves from."""
        if self.facts.sources:
            return list(self.facts.sources)
        kinds = (Kind.A, Kind.AAAA)
        answers = [await self.resolver.ask(self.facts.hostname, kind) for kind in kinds]
        return [address for answer in answers for address in answer.texts]

    async def _key(self, name: str, wanted: str) -> list[Finding]:
        label, hint = f"TXT {name}", self._line(name, "TXT")
        answer = await self.resolver.ask(name, Kind.TXT)
        if answer.status is Status.FAILED:
            return [_unanswered(label, answer)]
        if not answer.octets:
            text = "the key is not published: mail signed with it fails DKIM"
            return [Finding(Harm.REFUSED, label, text, hint)]
        if len(answer.octets) > 1:
            text = "there is more than one record; which one counts is chance"
            return [Finding(Harm.REFUSED, label, text, "keep one of them")]
        if _tags(answer.octets[0].decode("ascii", "replace")).get("p") != _tags(wanted)["p"]:
            text = "the record holds another key: mail signed with ours fails DKIM"
            return [Finding(Harm.REFUSED, label, text, hint)]
        return [_fine(label, "the key is published")]

    async def _dmarc(self) -> list[Finding]:
        name = f"_dmarc.{self.facts.domain}"
        label, hint = f"TXT {name}", self._line(name, "TXT")
        answer = await self.resolver.ask(name, Kind.TXT)
        ours = [one for one in answer.octets if one.startswith(b"v=DMARC1")]
        if not ours:
            text = "there is no DMARC record; large providers want one"
            return [Finding(Harm.REFUSED, label, text, hint)]
        if len(ours) > 1:
            text = "there are several DMARC records, so there is none"
            return [Finding(Harm.REFUSED, label, text, "keep one of them")]
        read = dmarc.read_record(answer.octets)
        if read is None or not read.sound:
            return [Finding(Harm.REFUSED, label, "the DMARC record is not right", hint)]
        if read.p is dmarc.Policy.NONE or read.testing:
            text = "DMARC asks nobody to refuse forgeries"
            return [Finding(Harm.OPEN, label, text, "when reports are clean: p=quarantine")]
        return [_fine(label, f"p={read.p.value if read.p else ''}")]

    # ------------------------------------------------------------------ mail programs

    async def _services(self) -> list[Finding]:
        out = []
        for service in self.facts.services:
            name = f"_{service.name}._tcp.{self.facts.domain}"
            label, hint = f"SRV {name}", self._line(name, "SRV")
            answer = await self.resolver.ask(name, Kind.SRV)
            found = {(one.port, one.target) for one in answer.records if isinstance(one, Srv)}
            wanted = (service.port, self.facts.hostname if service.port else "")
            if not found:
                text = "mail programs do not find the service" if service.port else ""
                out += [Finding(Harm.COMFORT, label, text, hint)] if text else []
            elif wanted not in found:
                port, target = min(found)
                text = f"mail programs are sent to {target or 'nowhere'}, port {port}"
                out.append(Finding(Harm.COMFORT, label, text, hint))
            else:
                out.append(_fine(label, "as it is"))
        return out

    async def _autoconfig(self) -> list[Finding]:
        if not self.facts.web:
            return []
        name = f"autoconfig.{self.facts.domain}"
        for kind in (Kind.A, Kind.AAAA):
            if await self.resolver.ask(name, kind):
                return [_fine(f"CNAME {name}", "is there")]
        text = "mail programs cannot ask how to set up an account"
        return [Finding(Harm.COMFORT, f"CNAME {name}", text, self._line(name, "CNAME"))]

    def _line(self, name: str, kind: str) -> str:
        """What to publish there, '' for nothing."""
        for one in records(self.facts):
            if (one.name, one.kind) == (name, kind):
                return f"publish: {one.name}. {one.kind} {one.value}"
        return ""


def _fine(label: str, text: str) -> Finding:
    return Finding(Harm.NONE, label, text)


def _unanswered(label: str, answer: Answer) -> Finding:
    text = f"the DNS does not answer ({answer.detail or 'it fails'})"
    return Finding(Harm.LOST, label, text, "look at the name servers of the zone and its DNSSEC")


def _tags(text: str) -> dict[str, str]:
    pairs = (field.partition("=") for field in text.split(";"))
    return {name.strip(): re.sub(r"\s", "", value) for name, _, value in pairs}


def _chain(pem: bytes) -> Sequence[bytes]:
    try:
        return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)]
    except ValueError:
        return []


def _datetime(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now(), UTC)
