"""The transport that ends at a list: one message in, one for all its members out.

What goes out is one queue item that is made in the transaction that settles what came in, so a list
sends everything once or not yet. Each copy gets its way out and its own sender when it leaves
(``marks``), and the list's signature then covers it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.delivery.lists import copies, posting
from pillarbox.delivery.lists.subscriptions import LEAVE, Subscriptions
from pillarbox.message import bounce, compose, header
from pillarbox.message.address import parse as parse_people
from pillarbox.model.address import Address, parse_address
from pillarbox.model.lists import Cause, MailingList, Member, RewriteFrom, Suppressed
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Listed, Part, Peer, Recipient, Role, Route, Sender
from pillarbox.queue.jobs import route_of
from pillarbox.queue.report import Report
from pillarbox.store.api import Blobs, NewItem, NewMessage, QueueItem, QueueRecipient
from pillarbox.store.lists import Lists, Suppressions

log = Logger("lists")

GONE = Reply(550, "5.1.1", "There is no such list any more")
NOT_A_LIST = Reply(550, "5.3.5", "That is no list")
NOT_ON_IT = Reply(550, "5.1.1", "Your address is not on that list")
AUTOMATIC = Reply(550, "5.7.1", "Only people can leave a list")
BAD_TOKEN = Reply(550, "5.7.1", "That address was not made by this list")
LEFT = Reply(250, "2.0.0", "Taken off the list")
ASKED = Reply(250, "2.0.0", "The member was asked")
NOTED = Reply(250, "2.0.0", "The report was noted")
NOBODY = Reply(250, "2.0.0", "The list has nobody to send it to")

ASK_AGAIN = 600.0
"""Seconds for which one question about leaving is enough: anybody can make a list ask."""
_MOST_ASKED = 10_000

_NEVER = frozenset({"NEVER"})
_FAILURE = frozenset({"FAILURE"})

RouteTo = Callable[[Address], Awaitable[tuple[Route, ...] | Reply]]
MakeMessage = Callable[[bytes], Awaitable[NewMessage]]
Strict = Callable[[str], Awaitable[bool]]
"""Whether a domain wants mail refused or set aside that it cannot vouch for (DMARC)."""


class Store(Blobs, Lists, Suppressions, Protocol):
    """What of the store is needed here."""


@dataclass(frozen=True, slots=True)
class Options:
    """``url``: of the web pages, '' without. ``suppress_for``: seconds for which an address that
    bounced gets nothing more."""

    hostname: str
    url: str = ""
    suppress_for: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class ListTransport:
    """Implements ``queue.attempt.Transport`` for ``Listed`` routes."""

    store: Store
    subscriptions: Subscriptions
    route: RouteTo
    make_message: MakeMessage
    strict: Strict
    clock: Clock
    rng: Rng
    options: Options
    asked: dict[int, float] = field(default_factory=dict)
    """When each member was last asked, by his number."""

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Report]:
        """One report a row, in order."""
        reports = []
        for row in recipients:
            route = route_of(item, row)
            if not isinstance(route, Listed):
                reports.append(Report(NOT_A_LIST))
                continue
            one = await self.store.list_at(route.address)
            data = await self.store.read(item.blob)
            does = {Part.UNSUBSCRIBE: self._leave, Part.BOUNCES: self._bounce}.get(route.part)
            if one is None:
                reports.append(Report(GONE))
            elif does is not None:
                reports.append(await does(item, one, route.token, data))
            else:
                reports.append(await self._post(item, one, data))
        return reports

    # ------------------------------------------------------------------ mail to members

    async def _post(self, item: QueueItem, one: MailingList, data: bytes) -> Report:
        members = await self.store.members(one.id)
        head = header.top(data)
        envelope = item.envelope
        verdict = posting.judge(
            one, members, envelope.sender.address, posting.facts(head), envelope.verdict
        )
        if verdict is posting.NOT_NOW:
            verdict = posting.UNPROVEN  # what was found at the door stays as it is
        if isinstance(verdict, Reply):
            return Report(verdict)
        recipients = await self._recipients(one, members)
        if not recipients:
            return Report(NOBODY)
        rewrite = copies.rewrites(one, head, strict=await self._strict(one, head))
        copy = copies.for_members(data, one, rewrite=rewrite)
        bounces = copies.part_address(one, Part.BOUNCES)
        was = item.envelope.sender
        sender = Sender(bounces, body=was.body, smtputf8=was.smtputf8)
        new = self._item(sender, recipients, one.address)
        log.info(
            "list.post",
            list=one.address,
            id=item.envelope.id,
            out=new.envelope.id,
            members=len(members),
            sent=len(recipients),
        )
        left = len(members) - len(recipients)
        but = f", {left} get nothing (pillarbox list members {one.address})" if left else ""
        text = f"Passed on to {len(recipients)} members as {new.envelope.id}{but}"
        said = Reply(250, "2.0.0", text)
        return Report(said, onward=(await self.make_message(copy), new))

    async def _strict(self, one: MailingList, head: bytes) -> bool:
        domain = copies.author_domain(head)
        return one.rewrite_from is RewriteFrom.AUTO and bool(domain) and await self.strict(domain)

    async def _recipients(self, one: MailingList, members: Sequence[Member]) -> list[Recipient]:
        """Whoever is to get it, with their routes; those who cannot are in the log."""
        now = self.clock.now()
        entries = await self.store.suppressions(one.address)
        off = {entry.address for entry in entries if self._counts(entry, now)}
        found = []
        for member in members:
            address = parse_address(member.address)
            if address is None or member.address in off:
                continue
            routes = await self.route(address)
            if isinstance(routes, Reply):
                log.warning(
                    "list.unreachable", list=one.address, member=member.address, reply=str(routes)
                )
                continue
            found.append(Recipient(address, routes, notify=_FAILURE, member=member.id))
        return found

    def _counts(self, entry: Suppressed, now: float) -> bool:
        return entry.cause is not Cause.BOUNCE or entry.at > now - self.options.suppress_for

    # ------------------------------------------------------------------ mail about membership

    async def _leave(self, item: QueueItem, one: MailingList, token: str, data: bytes) -> Report:
        """With a token at once; without one the member is asked, for anybody can write a From."""
        if token:
            return Report(LEFT if await self.subscriptions.leave(token, "by mail") else BAD_TOKEN)
        head = header.top(data)
        found = posting.facts(head)
        if found.automatic or item.envelope.sender.address is None:
            return Report(AUTOMATIC)
        people = parse_people(header.first(head, b"from") or b"", 1)
        names = {Address(_text(p.mailbox), _text(p.host)).normal() for p in people if p.host}
        members = await self.store.members(one.id)
        member = next((member for member in members if member.address in names), None)
        address = parse_address(member.address) if member is not None else None
        if member is None or address is None:
            return Report(NOT_ON_IT)
        routes = await self.route(address)
        if isinstance(routes, Reply):
            return Report(routes)
        if not self._may_ask(member):
            return Report(ASKED)
        to = Recipient(address, routes, notify=_NEVER)
        return Report(ASKED, onward=await self._question(one, member, to))

    def _may_ask(self, member: Member) -> bool:
        now = self.clock.now()
        if self.asked.get(member.id, 0.0) > now - ASK_AGAIN:
            return False
        if len(self.asked) >= _MOST_ASKED:
            self.asked.clear()
        self.asked[member.id] = now
        return True

    async def _question(
        self, one: MailingList, member: Member, to: Recipient
    ) -> tuple[NewMessage, NewItem]:
        token = self.subscriptions.tokens.make(LEAVE, member.id)
        page = f"{self.options.url}/u/{token}" if self.options.url else ""
        lines = [
            f"Somebody, you we hope, asked to take {member.address} off the list {one.address}.",
            "",
            "To leave the list, answer this message, or write to:",
            "",
            f"    {copies.part_address(one, Part.UNSUBSCRIBE, token)}",
            *(["", "or open this page:", "", f"    {page}"] if page else []),
            "",
            "If it was not you, do nothing, and nothing changes.",
            "",
        ]
        leave = copies.part_address(one, Part.UNSUBSCRIBE, token)
        fields = [
            compose.address_field("From", [(one.title, str(leave))]),
            compose.address_field("To", [("", member.address)]),
            compose.field("Subject", f"Leave the list {one.address}?"),
            compose.date_field(datetime.fromtimestamp(self.clock.now(), UTC)),
            compose.raw_field(
                "Message-ID", f"<{self.rng.token(20)}@{self.options.hostname}>".encode()
            ),
            compose.raw_field("Auto-Submitted", b"auto-replied"),  # RFC 3834 §5
        ]
        raw = compose.message(fields, compose.text("\r\n".join(lines)))
        sender = Sender(None, smtputf8=not (raw.isascii() and to.address.is_ascii))
        return await self.make_message(raw), self._item(sender, [to], "")

    async def _bounce(
        self,
        item: QueueItem,
        one: MailingList,
        token: str,
        data: bytes,
    ) -> Report:
        if item.envelope.sender.address is not None:
            return Report(BAD_TOKEN)
        known = await self.subscriptions.bounced(token, bounce.failures(data))
        return Report(NOTED if known else BAD_TOKEN)

    def _item(self, sender: Sender, recipients: Sequence[Recipient], one: str) -> NewItem:
        now, hostname = self.clock.now(), self.options.hostname
        envelope = Envelope(
            sender,
            tuple(recipients),
            Role.LOCAL,
            Peer("", helo=hostname, protocol="LOCAL"),
            now,
            id=self.rng.token(16),
            list=one,
        )
        pairs = [(n, r) for n, to in enumerate(recipients) for r in range(len(to.routes))]
        return NewItem(envelope, pairs, due=now)


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode("utf-8", "replace")
