"""What TLS did today is kept by domain, and told tomorrow to those who ask (RFC 8460).

Counts are gathered in memory and written down now and then: a crash costs at most that much of a
statistic. A day is reported once, by mail or HTTPS, some hours after its end; what nobody takes is
tried again for a day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.dns.answers import Kind, Resolver, Status
from pillarbox.message import compose
from pillarbox.model.address import Address, parse_address
from pillarbox.policy import tlsrpt
from pillarbox.policy.tlsrpt import DAY, About, Tally, TlsResult
from pillarbox.store.notes import Notes

log = Logger("tlsrpt")

NOTES = "tls-rpt"
"""The kind of our notes; a key is day and domain."""
SPREAD = 4 * 3600
"""Seconds after midnight (UTC) within which a domain gets its report (§4.1)."""
GIVE_UP = DAY + SPREAD
"""Seconds after the day's end (§5.5)."""
BATCH = 500
"""Domains written down at a time."""
MOST = 50_000
"""Domains in memory."""

Mail = Callable[[bytes, Address, Address], Awaitable[None]]
"""Queues a message of the house: octets, sender, recipient. It is signed, and nobody is told
what became of it."""
Post = Callable[[str, bytes, str], Awaitable[bool]]
"""Octets of a media type to an https URL; whether they were taken."""


@dataclass(frozen=True, slots=True)
class Options:
    """Who reports. ``contact``: whose domain signs; None without such a domain, so no mail."""

    organization: str
    contact: Callable[[], Awaitable[Address | None]]
    enabled: bool = True


class TlsReports:
    """One for a house."""

    def __init__(
        self,
        notes: Notes,
        resolver: Resolver,
        mail: Mail,
        post: Post,
        clock: Clock,
        rng: Rng,
        options: Options,
    ) -> None:
        self._notes = notes
        self._resolver = resolver
        self._mail = mail
        self._post = post
        self._clock = clock
        self._rng = rng
        self._options = options
        self._fresh: dict[str, Tally] = {}

    # ------------------------------------------------------------------ counting

    def count(self, result: TlsResult) -> None:
        """One more try at TLS."""
        key = _key(int(self._clock.now() // DAY), result.domain)
        if key in self._fresh or len(self._fresh) < MOST:
            tlsrpt.count(self._fresh.setdefault(key, {}), result)

    async def flush(self) -> None:
        """Write down what was counted."""
        while self._fresh:
            day, _ = _unkey(next(iter(self._fresh)))
            keys = [key for key in self._fresh if _unkey(key)[0] == day][:BATCH]
            now = self._clock.now()
            values: dict[str, bytes | None] = {}
            for key in keys:
                fresh = self._fresh.pop(key)
                known = (await self._notes.recall(NOTES, prefix=key, now=now)).get(key)
                tally: Tally = json.loads(known) if known else {}
                tlsrpt.merge(tally, fresh)
                values[key] = json.dumps(tally).encode("utf-8")
            until = (day + 1) * DAY + GIVE_UP
            await self._notes.remember(NOTES, values, until=until, now=now)

    # ------------------------------------------------------------------ reporting

    async def work(self) -> None:
        """``run_due`` for who does not count."""
        await self.run_due()

    async def run_due(self) -> int:
        """Report every day that is due; how many reports were taken."""
        await self.flush()
        now = self._clock.now()
        sent = 0
        if not self._options.enabled:
            return sent
        for key, value in (await self._past(now)).items():
            day, domain = _unkey(key)
            if due(day, domain) > now:
                continue
            told = await self._tell(day, domain, json.loads(value))
            if told is not None:
                sent += told
                await self._notes.remember(NOTES, {key: None}, until=now, now=now)
        return sent

    async def _past(self, now: float) -> dict[str, bytes]:
        """What is kept of days that are over."""
        found: dict[str, bytes] = {}
        today = int(now // DAY)
        for day in range(today - 1 - GIVE_UP // DAY, today):
            found |= await self._notes.recall(NOTES, prefix=_key(day, ""), now=now)
        return found

    async def _tell(self, day: int, domain: str, tally: Tally) -> int | None:
        """How many reports were taken; None when it is to be tried again."""
        answer = await self._resolver.ask(f"_smtp._tls.{domain}", Kind.TXT)
        places = tlsrpt.read_record(answer.octets)
        if not places:
            return None if answer.status is Status.FAILED else 0
        contact = await self._options.contact()
        writer = contact or Address("postmaster", self._options.organization)
        ident = f"{self._rng.token(20)}@{writer.domain}"
        about = About(self._options.organization, str(writer), domain, day, ident)
        body = tlsrpt.packed(tlsrpt.report(about, tally))
        for place in places:
            if await self._given(place, about, body, contact):
                log.info("tlsrpt.sent", domain=domain, day=day, to=place)
                return 1
        log.warning("tlsrpt.not-sent", domain=domain, day=day)
        return None

    async def _given(self, place: str, about: About, body: bytes, contact: Address | None) -> bool:
        goal = tlsrpt.mailbox(place)
        if goal is None:
            return await self._post(place, body, "application/tlsrpt+gzip")  # §5.4
        to = parse_address(goal)
        if to is None or contact is None:
            return False  # §3: a report that nobody signed is ignored
        await self._mail(letter(about, goal, body, self._clock.now()), contact, to)
        return True


def due(day: int, domain: str) -> float:
    """When the report of a day goes out: each domain at another moment, the same every day."""
    spread = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:4], "big") % SPREAD
    return float((day + 1) * DAY + spread)


def letter(about: About, to: str, body: bytes, now: float) -> bytes:
    """A report as mail (§5.3). It may go out without TLS: of TLS it speaks."""
    date = datetime.fromtimestamp(about.day * DAY, UTC).strftime("%Y-%m-%d")
    words = (
        f"This is a report by {about.submitter} on TLS connections to the mail hosts of\r\n"
        f"{about.domain} on {date} (UTC).\r\n"
    )
    attached = compose.attachment("application/tlsrpt+gzip", about.filename, body)
    subject = (
        f"Report Domain: {about.domain} Submitter: {about.submitter} Report-ID: <{about.ident}>"
    )
    fields = [
        compose.address_field("From", [("", about.contact)]),
        compose.address_field("To", [("", to)]),
        compose.field("Subject", subject),
        compose.date_field(datetime.fromtimestamp(now, UTC)),
        compose.raw_field("Message-ID", f"<{about.ident}>".encode("ascii", "replace")),
        compose.raw_field("TLS-Report-Domain", about.domain.encode("ascii", "replace")),
        compose.raw_field("TLS-Report-Submitter", about.submitter.encode("ascii", "replace")),
        compose.raw_field("Auto-Submitted", b"auto-generated"),
        compose.raw_field("TLS-Required", b"No"),  # RFC 8689 §5
    ]
    pieces = [compose.text(words), attached]
    content = compose.multipart("report", "tls-report", pieces, "report-type=tlsrpt")
    return compose.message(fields, content)


async def kept(notes: Notes, now: float) -> list[dict[str, Any]]:
    """What is known of every day and domain that is not reported yet."""
    found = []
    for key, value in (await notes.recall(NOTES, now=now)).items():
        day, domain = _unkey(key)
        policies = tlsrpt.report(About("", "", domain, day, ""), json.loads(value))["policies"]
        date = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        found.append({"day": date, "domain": domain, "policies": policies})
    return found


def _key(day: int, domain: str) -> str:
    return f"{day} {domain}"


def _unkey(key: str) -> tuple[int, str]:
    day, _, domain = key.partition(" ")
    return int(day), domain
