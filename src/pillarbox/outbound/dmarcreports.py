"""What came in in a domain's name is counted by day, and told tomorrow to those who ask (RFC 9990).

Counts are gathered in memory and written down every minute: a crash costs at most that much of a
statistic. A day is reported once, by mail, some hours after its end.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.dns.answers import Kind, Resolver, Status
from pillarbox.message import compose
from pillarbox.model.address import Address, parse_address
from pillarbox.model.verdict import Action
from pillarbox.outbound.tlsreports import GIVE_UP, Mail, due
from pillarbox.policy.dmarc import report
from pillarbox.policy.dmarc.evaluate import Verdict, organization
from pillarbox.policy.dmarc.record import read_record
from pillarbox.policy.dmarc.report import About, Tally
from pillarbox.policy.inbound.facts import Facts
from pillarbox.policy.inbound.judge import Judgement
from pillarbox.policy.tlsrpt import DAY
from pillarbox.store.notes import Notes

log = Logger("dmarc")

NOTES = "dmarc"
"""The kind of our notes; a key is day and policy domain."""
MOST = 20_000
"""Domains in memory."""
MOST_PLACES = 5
"""Addresses of one domain that get its report."""
MOST_SIGNATURES = 10
_BECAME = {Action.JUNK: "quarantine", Action.REFUSE: "reject"}


@dataclass(frozen=True, slots=True)
class Options:
    """Who reports. ``contact``: whose domain signs; None without such a domain, so no mail."""

    organization: str
    contact: Callable[[], Awaitable[Address | None]]


class DmarcReports:
    """One for a house."""

    def __init__(
        self,
        notes: Notes,
        resolver: Resolver,
        mail: Mail,
        clock: Clock,
        rng: Rng,
        options: Options,
    ) -> None:
        self._notes = notes
        self._resolver = resolver
        self._mail = mail
        self._clock = clock
        self._rng = rng
        self._options = options
        self._fresh: dict[str, Tally] = {}

    def count(self, facts: Facts, judgement: Judgement) -> None:
        """One more message."""
        for result in facts.dmarc:
            found = result.found
            if found is None or not found.record.rua:
                continue
            if result.verdict not in {Verdict.PASS, Verdict.FAIL} or facts.spf is None:
                continue
            key = f"{int(self._clock.now() // DAY)} {found.domain}"
            if key not in self._fresh and len(self._fresh) >= MOST:
                continue
            signatures = [
                (one.domain, one.selector, one.verdict.value)
                for one in facts.dkim or ()
                if one.domain
            ]
            signatures.sort(key=lambda one: (one[2] != "pass", one[0] != result.author))
            row = report.row(
                result,
                ip=facts.ip,
                disposition=_BECAME.get(judgement.verdict.action, "none"),
                exempt=judgement.exempt,
                spf=(facts.spf.domain, facts.spf.verdict.value),
                signatures=signatures[:MOST_SIGNATURES],
            )
            report.count(self._fresh.setdefault(key, {}), found.record, row)

    async def flush(self) -> None:
        """Write down what was counted."""
        while self._fresh:
            key, fresh = self._fresh.popitem()
            now = self._clock.now()
            known = (await self._notes.recall(NOTES, prefix=key, now=now)).get(key)
            tally: Tally = json.loads(known) if known else {}
            report.merge(tally, fresh)
            until = (int(key.partition(" ")[0]) + 1) * DAY + GIVE_UP
            value = json.dumps(tally).encode("utf-8")
            await self._notes.remember(NOTES, {key: value}, until=until, now=now)

    async def work(self) -> None:
        """``run_due`` for who does not count."""
        await self.run_due()

    async def run_due(self) -> int:
        """Report every day that is due; how many reports went into the queue."""
        await self.flush()
        now, sent = self._clock.now(), 0
        for key, value in (await self._notes.recall(NOTES, now=now)).items():
            day, _, domain = key.partition(" ")
            if due(int(day), domain) > now:
                continue
            told = await self._tell(int(day), domain, json.loads(value))
            if told is not None:
                sent += told
                await self._notes.remember(NOTES, {key: None}, until=now, now=now)
        return sent

    async def _tell(self, day: int, domain: str, tally: Tally) -> int | None:
        """How many reports were queued; None when it is to be tried again."""
        contact = await self._options.contact()
        answer = await self._resolver.ask(f"_dmarc.{domain}", Kind.TXT)
        if answer.status is Status.FAILED:
            return None
        record = read_record(answer.octets)
        if contact is None or record is None:
            return 0
        places = [one for uri in record.rua for one in await self.destinations(domain, uri)]
        ident = f"{day}-{domain}-{self._rng.token(12)}@{contact.domain}"
        who = self._options.organization
        about = About(who, str(contact), domain, day * DAY, (day + 1) * DAY - 1, ident)
        body = gzip.compress(report.write(about, tally), mtime=0)
        goals = list(dict.fromkeys(places))[:MOST_PLACES]
        for to in goals:
            await self._mail(letter(about, str(to), body, self._clock.now()), contact, to)
        log.info("dmarc.reported", domain=domain, day=day, places=len(goals))
        return len(goals)

    async def destinations(self, domain: str, uri: str) -> list[Address]:
        """Where a report on ``domain`` goes for one URI of its rua tag: nowhere unless whoever
        receives it wants it (§4)."""
        to = _mailbox(uri)
        if to is None:
            return []
        host = to.domain
        theirs = await organization(host, self._resolver)
        ours = await organization(domain, self._resolver)
        if theirs is None or ours is None:
            return []
        if theirs == ours:
            return [to]
        name = f"{domain}._report._dmarc.{host}"
        if len(name) > 253:
            return []
        answer = await self._resolver.ask(name, Kind.TXT)
        read = (read_record([text]) for text in answer.octets)
        agreed = [one for one in read if one is not None]
        if not agreed:
            return []
        instead = [uri for one in agreed for uri in one.rua]
        if not instead:
            return [to]
        moved = [_mailbox(one) for one in instead]
        if any(one is None or one.domain != host for one in moved):
            return []  # §4: neither to the one nor to the other
        return [one for one in moved if one is not None]


def _mailbox(uri: str) -> Address | None:
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return None
    return parse_address(unquote(rest.partition("?")[0]))


def letter(about: About, to: str, body: bytes, now: float) -> bytes:
    """A report as mail (§3.5.2)."""
    date = datetime.fromtimestamp(about.begin, UTC).strftime("%Y-%m-%d")
    words = (
        f"This is a DMARC report by {about.organization} on mail that came in in the name of\r\n"
        f"{about.domain} on {date} (UTC).\r\n"
    )
    attached = compose.attachment("application/gzip", about.filename, body)
    fields = [
        compose.address_field("From", [("", about.contact)]),
        compose.address_field("To", [("", to)]),
        compose.field("Subject", about.subject),
        compose.date_field(datetime.fromtimestamp(now, UTC)),
        compose.raw_field("Message-ID", f"<{about.ident}>".encode("ascii", "replace")),
        compose.raw_field("Auto-Submitted", b"auto-generated"),
    ]
    pieces: Sequence[compose.Piece] = [compose.text(words), attached]
    return compose.message(fields, compose.multipart("mixed", "dmarc-report", pieces))
