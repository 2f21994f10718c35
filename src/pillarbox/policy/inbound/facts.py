"""All that the checks brought for one message, and how Authentication-Results tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.message import address
from pillarbox.model.address import normal_domain
from pillarbox.model.verdict import Finding
from pillarbox.policy.arc.verify import ArcResult
from pillarbox.policy.arc.verify import Verdict as Arc
from pillarbox.policy.dkim.canon import Head
from pillarbox.policy.dkim.verify import DkimResult
from pillarbox.policy.dkim.verify import Verdict as Dkim
from pillarbox.policy.dmarc.evaluate import DmarcResult, Identifier, Method
from pillarbox.policy.dmarc.evaluate import Verdict as Dmarc
from pillarbox.policy.dnsxl import Listed
from pillarbox.policy.iprev import IprevResult
from pillarbox.policy.iprev import Verdict as Iprev
from pillarbox.policy.spf.result import SpfResult
from pillarbox.policy.spf.result import Verdict as Spf

MOST_AUTHORS = 5
"""Domains of From that are looked at (RFC 9989 §11.5)."""
_LIST_FIELDS = (b"list-id", b"list-post", b"list-unsubscribe")


@dataclass(slots=True)
class Facts:
    """None, and for ``dmarc`` (), is what has not become known."""

    ip: str
    authors: tuple[str, ...] = ()
    """The domains in From, A-labels, each once."""
    envelope: str = ""
    """The domain that SPF is asked about."""
    signers: tuple[str, ...] = ()
    """Whose signatures it bears, whether they hold or not."""
    listed: bool = False
    """It says that it comes by a mailing list."""
    spf: SpfResult | None = None
    helo: SpfResult | None = None
    iprev: IprevResult | None = None
    listed_by: Listed | None = None
    dkim: tuple[DkimResult, ...] | None = None
    arc: ArcResult | None = None
    dmarc: tuple[DmarcResult, ...] = ()

    @property
    def identifiers(self) -> list[Identifier]:
        """The domains that stand behind the message, by SPF or DKIM."""
        found = []
        if self.spf is not None and self.spf.verdict is Spf.PASS:
            found.append(Identifier(Method.SPF, self.spf.domain))
        signed = (one.domain for one in self.dkim or () if one.verdict is Dkim.PASS)
        return found + [Identifier(Method.DKIM, domain) for domain in signed]

    @property
    def open(self) -> list[Identifier]:
        """The domains that may stand behind it, had the DNS answered."""
        found = []
        if self.spf is None or self.spf.verdict is Spf.TEMPERROR:
            found.append(Identifier(Method.SPF, self.envelope))
        if self.dkim is None:
            return found + [Identifier(Method.DKIM, domain) for domain in self.signers]
        silent = (one.domain for one in self.dkim if one.verdict is Dkim.TEMPERROR)
        return found + [Identifier(Method.DKIM, domain) for domain in silent]

    @property
    def dmarc_passed(self) -> bool:
        """Every author is who the message says."""
        return bool(self.dmarc) and all(one.verdict is Dmarc.PASS for one in self.dmarc)

    @property
    def unsure(self) -> bool:
        """Something could not be learned now, so that nothing follows from a fail of SPF."""
        unknown = self.spf is None or self.spf.verdict is Spf.TEMPERROR or self.dkim is None
        return unknown or any(one.verdict is Dkim.TEMPERROR for one in self.dkim or ())

    def findings(self) -> tuple[Finding, ...]:
        """In the order in which they are written."""
        return tuple(self._findings())

    def _findings(self) -> Iterator[Finding]:
        late = "not known in time"
        if self.iprev is not None:
            yield _iprev(self.iprev)
        if self.listed_by is not None and self.listed_by.zones:
            yield _dnsbl(self.listed_by)
        if self.helo is not None and self.helo.verdict is not Spf.NONE:
            yield self.helo.finding()
        yield self.spf.finding() if self.spf is not None else Finding("spf", "temperror", late)
        if self.dkim is None:
            yield Finding("dkim", "temperror", late)
        elif not self.dkim:
            yield Finding("dkim", "none")
        for one in self.dkim or ():
            yield _dkim(one)
        if self.arc is not None and self.arc.verdict is not Arc.NONE:
            yield _arc(self.arc, self.ip)
        for result in self.dmarc:
            yield _dmarc(result)
        if not self.authors:
            yield Finding("dmarc", "permerror", "no domain in From")
        elif not self.dmarc:
            yield Finding("dmarc", "temperror", late, (("header.from", self.authors[0]),))


def authors(head: Head) -> tuple[str, ...]:
    """The domains of every From field: an attack has several."""
    found: dict[str, None] = {}
    for place in head.places(b"from"):
        for one in address.parse(head.value(place), MOST_AUTHORS * 10):
            if one.host:
                found[normal_domain(one.host.decode("utf-8", "replace"))] = None
    return tuple(found)


def is_listed(head: Head) -> bool:
    """Whether a message says that it comes by a mailing list (RFC 2369, RFC 2919)."""
    return any(head.places(name) for name in _LIST_FIELDS)


def _iprev(result: IprevResult) -> Finding:
    shown = {Iprev.PASS: f"{result.ip} is {result.name}"}.get(result.verdict, "")
    return Finding("iprev", result.verdict.value, shown, (("policy.iprev", result.ip),))


def _dnsbl(listed: Listed) -> Finding:
    result = "pass" if listed.score < 0 else "fail" if listed.score > 0 else "neutral"
    return Finding("dnsbl", result, f"{', '.join(listed.zones)} ({listed.score:+d})")


def _dkim(result: DkimResult) -> Finding:
    named = (
        ("header.d", result.domain),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
        ("header.b", result.start),
    )
    properties = tuple((name, value) for name, value in named if value)
    return Finding("dkim", result.verdict.value, result.problem, properties)


def _arc(result: ArcResult, ip: str) -> Finding:
    properties: tuple[tuple[str, str], ...] = (("smtp.remote-ip", ip),)
    if result.verdict is Arc.PASS:  # RFC 8617 §6
        properties += (("header.oldest-pass", str(result.oldest_pass)),)
    return Finding("arc", result.verdict.value, result.problem, properties)


def _dmarc(result: DmarcResult) -> Finding:
    asked = f"p={result.policy.value}" if result.found is not None else ""
    reason = result.problem or asked
    return Finding("dmarc", result.verdict.value, reason, (("header.from", result.author),))
