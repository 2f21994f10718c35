"""The transport to other servers: from queue rows to one report a recipient.

For each destination the ways are tried in order until every recipient has an answer that is
final, or the ways or the tries run out. After a message whose answer was lost nothing more is
tried in this attempt: whoever took it may have kept it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from pillarbox.base.errors import is_permanent
from pillarbox.base.log import Logger
from pillarbox.model.address import Address, normal_domain, parse_address
from pillarbox.model.reply import Reply
from pillarbox.model.story import Try
from pillarbox.model.transaction import Recipient, Remote, Role
from pillarbox.outbound.connect import Refused
from pillarbox.outbound.letter import Letters, Sign, unsigned
from pillarbox.outbound.options import Demand, Level, Options, Relay, Way
from pillarbox.outbound.paths import Blocked, Finder, Wish
from pillarbox.outbound.pool import Pool
from pillarbox.outbound.session import Session
from pillarbox.policy.tlsrpt import TlsResult
from pillarbox.queue.jobs import route_of
from pillarbox.queue.marks import Mark, Marks, forwarded
from pillarbox.queue.report import Report
from pillarbox.queue.wishes import passed_notify
from pillarbox.store.api import Blobs, QueueItem, QueueRecipient

log = Logger("outbound")

_OF_OTHERS = frozenset({Role.MX, Role.LMTP})
"""Doors through which mail of strangers comes."""
_TOLD = 20
"""Tries of one attempt that the journal hears of."""
NO_WAY = Reply(451, "4.4.4", "No mail host of the domain could be tried")
LOOPING = Reply(554, "5.4.6", "This address sends the message on in a circle")
NOT_AN_ADDRESS = Reply(553, "5.1.3", "That is not a mail address")


@dataclass(frozen=True, slots=True)
class Onward:
    """A domain of ours whose mail ends elsewhere: at ``relay``, or at its better mail hosts."""

    relay: Relay | None = None


async def nowhere(domain: str) -> Onward | None:  # noqa: ARG001
    """For a house whose own domains all end in it."""
    return None


Tally = Callable[[TlsResult], None]
OnwardOf = Callable[[str], Awaitable[Onward | None]]
"""By domain; None where it is not ours, or ends here."""
Forward = Callable[[Address, str], Address]
"""The sender under which a domain of ours passes mail on (``policy.srs``)."""


@dataclass(slots=True)
class _Group:
    """Recipients of one destination, and what is known of each so far."""

    domain: str
    relay: Relay | None
    mark: Mark
    places: list[int] = field(default_factory=list)
    """Places in the rows that were given to ``attempt``."""
    recipients: list[Recipient] = field(default_factory=list)


class RemoteTransport:
    """Implements ``queue.attempt.Transport`` for ``Remote`` routes."""

    def __init__(
        self,
        blobs: Blobs,
        finder: Finder,
        pool: Pool,
        *,
        sign: Sign = unsigned,
        tally: Tally = lambda result: None,  # noqa: ARG005
        forward: Forward = lambda sender, here: sender,  # noqa: ARG005
        marks: Marks = forwarded,
        onward: OnwardOf = nowhere,
    ) -> None:
        self._blobs = blobs
        self._finder = finder
        self._pool = pool
        self._options = finder.options
        self._sign = sign
        self._tally = tally
        self._forward = forward
        self._marks = marks
        self._onward = onward

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Report]:
        """One report a row, in order. Never more than one message to a recipient."""
        reports = [Report(NOT_AN_ADDRESS)] * len(recipients)
        for group in await self._groups(item, recipients):
            own = _under(item, group.mark.sender)
            front = group.mark.front
            letters = Letters(own, self._blobs, self._sign, now=self._pool.now(), front=front)
            if await letters.came_round():
                answers = [Report(LOOPING)] * len(group.places)
            else:
                attempt = _Attempt(self._finder, self._pool, self._tally, own, letters, group)
                answers = await attempt.run()
            for place, report in zip(group.places, answers, strict=True):
                reports[place] = report
        return reports

    def _mark(self, item: QueueItem, row: QueueRecipient) -> Mark:
        """Mail of others that is forwarded goes on under a sender of ours, of the domain that
        forwards it; reports that we write still go to who sent it. What we only stand in front
        of stays as it came."""
        mark = self._marks(item, row)
        envelope = item.envelope
        sender = envelope.sender.address
        if envelope.role not in _OF_OTHERS or sender is None or mark.sender is not None:
            return mark
        original = envelope.recipients[row.envelope_index].address
        if str(original) == route_of(item, row).address:
            return mark
        # <postmaster> has no domain (RFC 5321 §4.5.1)
        here = original.domain or self._options.hostname
        return replace(mark, sender=self._forward(sender, normal_domain(here)))

    def destination(self, item: QueueItem, recipient: QueueRecipient) -> str:
        """What concurrency is counted by: a domain, or a relay."""
        route = route_of(item, recipient)
        domain = normal_domain(route.domain) if isinstance(route, Remote) else ""
        relay = relay_for(self._options, _sender(item), domain)
        return relay.key if relay else domain

    async def _groups(self, item: QueueItem, rows: Sequence[QueueRecipient]) -> list[_Group]:
        groups: dict[tuple[str, Mark], _Group] = {}
        sender = _sender(item)
        for place, row in enumerate(rows):
            original = item.envelope.recipients[row.envelope_index]
            goal, address = route_of(item, row).address, original.address
            if goal != str(address):
                there = parse_address(goal)
                if there is None:
                    continue
                address = there
            domain = normal_domain(address.domain)
            onward = await self._onward(domain)
            relay = onward.relay if onward else relay_for(self._options, sender, domain)
            mark = self._mark(item, row)
            key = (relay.key if relay else domain, mark)
            group = groups.setdefault(key, _Group(domain, relay, mark))
            orcpt = original.orcpt
            if not orcpt and address != original.address:  # RFC 3461 §5.2.1
                kind = "rfc822" if original.address.is_ascii else "utf-8"
                orcpt = f"{kind};{original.address}"
            group.places.append(place)
            notify = passed_notify(original)
            group.recipients.append(
                replace(original, address=address, orcpt=orcpt, notify=notify, routes=())
            )
        return list(groups.values())


class _Attempt:
    """One destination of one message."""

    def __init__(
        self,
        finder: Finder,
        pool: Pool,
        tally: Tally,
        item: QueueItem,
        letters: Letters,
        group: _Group,
    ) -> None:
        self._finder = finder
        self._pool = pool
        self._tally = tally
        self._item = item
        self._letters = letters
        self._group = group
        self._reports: list[Report | None] = [None] * len(group.recipients)
        self._open = list(range(len(group.recipients)))  # without a final answer
        self._lost = False
        self._tries: list[Try] = []
        self._wish = Wish.USUAL
        self._left: list[int] = []
        """Not offered yet, because a server wanted another connection first (RFC 9422)."""

    async def run(self) -> list[Report]:
        """A report for each recipient of the group, also where a bug or a failing disk ends it:
        who has the message by then must not get it again."""
        fault = Report(NO_WAY)
        try:
            await self._run()
        except Exception as error:
            log.error("outbound.attempt", item=self._item.id, exc=error)
            code, enhanced = (550, "5.3.0") if is_permanent(error) else (451, "4.3.0")
            fault = Report(Reply(code, enhanced, f"Local error: {error}"))
        reports = [report or fault for report in self._reports]
        return [replace(report, tries=tuple(self._tries)) for report in reports]

    async def _run(self) -> None:
        tries = 0
        self._wish = await self._letters.wish()
        async for way in self._ways():
            if isinstance(way, Blocked):
                self._say(Report(way.reply))
                self._tried(Try(way.host, "", "", str(way.reply), said=False))
                if way.result:
                    self._count(way.demand, way.host, "", way.result, way.reply.text)
                continue
            if tries >= self._finder.options.hosts:
                break
            tries += 1
            await self._try(way)
            if self._lost or not self._open:
                break

    def _ways(self) -> AsyncIterator[Way | Blocked]:
        group, sender = self._group, _sender(self._item)
        if group.relay is not None:
            return self._finder.relayed(group.relay, sender, self._wish)
        return self._finder.direct(group.domain, sender, self._wish)

    async def _try(self, way: Way) -> None:
        """Send by this way, or by what its demand allows in its place."""
        demand: Demand | None = way.demand
        ruled = way.demand.policy  # RFC 8460 §4: what follows in its place is not counted
        while demand is not None:
            if demand is not way.demand:
                way = replace(way, demand=demand)
            try:
                kept = self._pool.idle(way)
                if kept is not None and await self._send(kept) and not self._left:
                    return
                # none was kept, or it had gone away meanwhile, or takes no more
                session = await self._opened(way, counted=demand.policy == ruled)
            except Refused as refused:
                reply = refused.reply
                if refused.tls and self._wish is Wish.REQUIRED:  # RFC 8689 §4.2.1
                    reply = Reply(550, "5.7.10", f"REQUIRETLS: {reply.text}")
                self._say(Report(reply, by=refused.by))
                said = bool(refused.by)
                self._tried(Try(way.host, way.address, "", str(refused.reply), said=said))
                log.info(
                    "outbound.refused",
                    item=self._item.id,
                    host=way.host,
                    address=way.address,
                    tls=demand.level.value,
                    reply=str(refused.reply),
                )
                demand = demand.else_ if refused.tls else None
                continue
            await self._send(session)
            if not self._left:
                return

    async def _opened(self, way: Way, *, counted: bool) -> Session:
        demand = way.demand
        wanted = counted and demand.level is not Level.NONE
        try:
            session = await self._pool.open(way)
        except Refused as refused:
            if wanted and refused.tls:
                words = refused.reply.text
                self._count(demand, way.host, way.address, refused.tls, words, refused.source)
            raise
        if wanted:
            missing = "" if session.tls_words else "starttls-not-supported"
            self._count(demand, way.host, way.address, missing, source=session.source)
        return session

    async def _send(self, session: Session) -> bool:
        """All open recipients over one session, in as many transactions as the server wants.
        False when the server had left before it heard of any."""
        answered = False
        try:
            waiting, self._left = self._left or list(self._open), []
            while waiting:
                some, waiting = self._share(session, waiting)
                if not some:
                    break
                recipients = [self._group.recipients[n] for n in some]
                reports = await session.send(self._letters, recipients)
                for n, report in zip(some, reports, strict=True):
                    self._settle(n, report)
                if session.answered or session.used <= 1:  # not one that had gone while it waited
                    way = session.way
                    reply = str(reports[0].reply)
                    self._tried(Try(way.host, way.address, session.tls_words, reply))
                answered = answered or session.answered
                if not session.ready:
                    break
            self._left = waiting if session.alive and answered else []
        except BaseException:
            session.abort()
            raise
        self._pool.give_back(session)
        return answered

    def _share(self, session: Session, waiting: list[int]) -> tuple[list[int], list[int]]:
        most = self._finder.options.recipients
        most = min(most, session.most_recipients or most)
        some = [n for n in waiting if session.takes(self._group.recipients[n].address.domain)]
        return some[:most], [n for n in waiting if n not in some[:most]]

    def _settle(self, n: int, report: Report) -> None:
        self._reports[n] = report
        self._lost = self._lost or report.maybe
        if report.reply.permanent and not report.by:
            return  # what this host cannot do, another may
        if not report.reply.temporary:
            self._open.remove(n)

    def _tried(self, one: Try) -> None:
        if len(self._tries) < _TOLD:
            self._tries.append(one)

    def _say(self, report: Report) -> None:
        """Of every recipient that is still open. The words of a server are worth more than ours,
        and what is temporary anywhere is temporary."""
        for n in self._open:
            before = self._reports[n]
            if before is None or (report.reply.temporary and (report.by or not before.by)):
                self._reports[n] = report

    def _count(
        self,
        demand: Demand,
        host: str,
        address: str,
        result: str,
        reason: str = "",
        source: str = "",
    ) -> None:
        """Not for relays, nor for mail to which TLS does not matter: reports are such (RFC 8460
        §3)."""
        if self._group.relay is None and self._wish is not Wish.OPTIONAL:
            self._tally(
                TlsResult(
                    *(self._group.domain, demand.policy, host, address, result),
                    *(demand.rule, demand.patterns, reason, source),
                )
            )


def relay_for(options: Options, sender: str, domain: str) -> Relay | None:
    """Who takes this mail in the place of the domain's own hosts."""
    by_sender = options.sender_relays
    if by_sender and sender:
        for name in (sender, sender.rpartition("@")[2]):
            if name in by_sender:
                return by_sender[name]
    return options.relays[domain] if domain in options.relays else options.relays.get("*")


def _under(item: QueueItem, sender: Address | None) -> QueueItem:
    """The item as ``sender`` sends it, None for as it is."""
    if sender is None:
        return item
    own = replace(item.envelope.sender, address=sender)
    return replace(item, envelope=replace(item.envelope, sender=own))


def _sender(item: QueueItem) -> str:
    """In normal form; '' for the null sender."""
    address = item.envelope.sender.address
    return address.normal() if address else ""
