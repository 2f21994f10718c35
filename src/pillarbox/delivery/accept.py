"""The end of DATA: a whole message and its routed recipients become mail in mailboxes.

One store transaction keeps the message for everybody, so either all of what the reply promises
is on disk or none of it. The outcome is one reply a recipient: LMTP sends them all (RFC 2033
§4.2), SMTP folds them into one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pillarbox.base.clock import Clock
from pillarbox.base.errors import PillarboxError
from pillarbox.base.log import Logger
from pillarbox.delivery.gate import NOTHING, Gate
from pillarbox.delivery.letters import Letter
from pillarbox.delivery.sieve.joining import also, join, said, settled
from pillarbox.delivery.sieve.plan import Plan, Scripted
from pillarbox.model.flags import NO_FLAGS, FlagSet, flag_set
from pillarbox.model.mailbox import INBOX, JUNK_USE, Mailbox
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.story import Event, Noted
from pillarbox.model.transaction import Envelope, Local, Route
from pillarbox.model.verdict import Verdict
from pillarbox.queue.wishes import priority, release
from pillarbox.store.api import (
    Appended,
    Content,
    Mail,
    Mailboxes,
    NewItem,
    NewMessage,
    Parcel,
    Target,
)
from pillarbox.store.journal import Pair, Telling
from pillarbox.store.scripts import Mark

log = Logger("accept")


class Keeper(Mail, Mailboxes, Protocol):
    """What of the store is needed here."""


@dataclass(frozen=True, slots=True)
class Options:
    """How local mail is filed."""

    detail_to_mailbox: bool = True
    """``ann+lists@…`` goes to the mailbox ``lists`` when Ann has one of that name."""
    retry_after: float = 300.0
    """Seconds until a full mailbox is tried again."""
    max_hops: int = 100
    """Received fields from which on a message counts as looping (RFC 5321 §6.3)."""


JUNK = FlagSet(keywords=frozenset({"$Junk"}))
"""RFC 9051 §2.3.2; whoever threw that mailbox away finds the mark in INBOX."""

DELIVERED = Reply(250, "2.1.5", "Delivered")
QUEUED = Reply(250, "2.1.5", "Accepted; delivery will be tried again")
ONCE_ONLY = "the account has it already, by another of the recipients"
TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops: this message is looping")

_REFUSED = {
    Kind.OVER_QUOTA: Reply(452, "4.2.2", "That mailbox is full; try again later"),
    Kind.NONEXISTENT: Reply(450, "4.2.1", "That mailbox is not available; try again later"),
    Kind.TOO_BIG: Reply(552, "5.3.4", "The message is too large for that mailbox"),
}
_NOT_NOW = Reply(451, "4.3.0", "Delivery is not possible right now; try again later")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message: a reply for each recipient and where its copies are."""

    replies: tuple[Reply, ...]
    kept: tuple[Appended, ...]
    queued: int
    """Recipients, and letters of scripts, that went to the queue."""

    def overall(self) -> Reply:
        """One reply for the whole message (RFC 5321 §4.2.5): accepted if anyone was."""
        for reply in self.replies:
            if reply.ok:
                return reply
        return min(self.replies, key=lambda reply: reply.code)


@dataclass(frozen=True, slots=True)
class Again:
    """Mail that waited in the queue: whose story goes on, and the recipients' numbers there."""

    story: int
    numbers: Sequence[int]
    once: Mark | None = None
    """Remembered with the delivery, which is therefore not done twice."""


class Acceptor:
    """Turns a finished transaction into mail at rest."""

    def __init__(
        self,
        store: Keeper,
        clock: Clock,
        options: Options | None = None,
        scripted: Scripted | None = None,
        gate: Gate | None = None,
    ) -> None:
        """``scripted``: what recipients' scripts make of their mail; without, nobody has any.
        ``gate``: what is asked about a message before it is taken."""
        self._scripted = scripted
        self._gate = gate or Gate()
        self._store = store
        self._clock = clock
        self._options = options or Options()

    async def accept(
        self,
        envelope: Envelope,
        message: NewMessage,
        *,
        hops: int = 0,
        queue: bool = True,
        notes: Sequence[Event] = (),
        again: Again | None = None,
    ) -> Result:
        """Keep ``message`` for every recipient of ``envelope``; returns once it is durable. In the
        end its content is the store's or discarded, also when something was raised.

        ``hops`` is the number of Received fields it came with. What fails for now goes to the
        queue, except with ``queue`` False (LMTP, where each recipient has a reply of its own):
        then a recipient that reached nobody is told so, and tries again by itself. ``notes`` go
        into the message's story before its acceptance; ``again`` is for mail out of the queue.
        """
        if hops > self._options.max_hops:
            message.content.discard()
            return Result((TOO_MANY_HOPS,) * len(envelope.recipients), (), 0)
        held = [message.content]
        try:
            return await self._accept(envelope, message, held, queue, notes, again)
        finally:
            for content in held:
                content.discard()  # does nothing to what was taken

    async def _accept(
        self,
        envelope: Envelope,
        message: NewMessage,
        held: list[Content],
        queue: bool,
        notes: Sequence[Event],
        again: Again | None,
    ) -> Result:
        """See ``accept``. What else is made to be kept is added to ``held`` as it is made."""
        ruling = await self._gate(envelope, message) if again is None else NOTHING
        held += [letter.content for letter, _ in ruling.letters]
        no, pairs = ruling.refused, _pairs(envelope)
        if no and pairs.keys() <= no.keys():
            replies = tuple(no[n, 0] for n in range(len(envelope.recipients)))
            return Result(replies, (), 0)
        now = self._clock.now()
        later = _later(envelope, pairs, now) if queue else _remote(pairs) - no.keys()
        later.update(ruling.held)
        boxes = {
            pair: await self._box(route, junk=envelope.verdict.junk_to(route.account))
            for pair, route in pairs.items()
            if isinstance(route, Local) and pair not in later
        }
        plans = await self._plans(envelope, message, boxes, held)
        targets, place = _targets(envelope, boxes, plans, queue=queue)
        due = max(now + (0.0 if later else self._options.retry_after), release(envelope))
        item = NewItem(
            *(envelope, sorted(later), due, priority(envelope)),
            held=ruling.held,
            why_held=ruling.why,
        )
        if ruling.why:
            notes = [*notes, Noted("hold", ruling.why)]
        telling = Telling(envelope, places=place, notes=notes)
        if again is not None:
            telling.story, telling.numbers = again.story, again.numbers
        if not queue:
            telling.refused = no
        spoken: Mapping[Pair, Reply] = {}
        lacking: Mapping[Pair, Refusal] = {}
        letters = 0
        if plans or (again is not None and again.once is not None):
            spoken = said(envelope, plans, queue=queue, again=again is not None)
            for pair, plan in plans.items():
                waits = queue or (again is None and bool(plan.parcels))
                join(plan, pair, targets, place, telling, spoken, waits=waits)
            once = again.once if again else None
            parcels = [Parcel(message, targets, item, telling, once=once, sent=ruling.sent)]
            later_on = None if again else self._clock.now() + self._options.retry_after
            parcels += await also(plans, spoken, later_on)
            held += [parcel.message.content for parcel in parcels]
            letters = sum(len(parcel.more) for parcel in parcels)
            marks = [mark for plan in plans.values() for mark in plan.marks]
            done = await self._store.accept_each(parcels, marks)
            results, lacking = settled(parcels, done, targets)
        else:
            results = await self._store.accept(message, targets, item, telling, sent=ruling.sent)
        await self._write(ruling.letters)
        outcome = _outcome(place, targets, results)
        if plans:
            outcome |= {pair: DELIVERED for pair in plans if pair not in outcome} | dict(spoken)
            outcome |= {pair: _reply(refusal) for pair, refusal in lacking.items()}
        if not queue:
            outcome |= no
        replies = tuple([_one_reply(envelope, n, outcome) for n in range(len(envelope.recipients))])
        kept = tuple([result for result in results if isinstance(result, Appended)])
        return Result(replies, kept, queued=letters + replies.count(QUEUED))

    async def _write(self, letters: Sequence[Letter]) -> None:
        """The message itself is kept: who sent it must not send it again because of these."""
        for message, item in letters:
            try:
                await self._store.accept(message, [], item, Telling(item.envelope))
            except PillarboxError as error:
                log.warning("accept.letter-lost", id=item.envelope.id, error=str(error))

    async def _plans(
        self,
        envelope: Envelope,
        message: NewMessage,
        boxes: Mapping[Pair, Mailbox | None],
        held: list[Content],
    ) -> dict[Pair, Plan]:
        """What scripts make of it, for those local recipients that have some."""
        plans: dict[Pair, Plan] = {}
        if self._scripted is None:
            return plans
        first: dict[int, Plan] = {}
        for pair, inbox in boxes.items():
            route = _local(envelope, pair)
            # An account gets a message once, by whatever addresses it was sent there.
            if route.account in first:
                plans[pair] = Plan(ended=ONCE_ONLY, refused=first[route.account].refused)
                continue
            plan = await self._scripted.plan(envelope, pair[0], route, message, inbox)
            if plan is not None:
                plans[pair] = first[route.account] = plan
                held += [parcel.message.content for parcel in plan.parcels]
        return plans

    async def _box(self, route: Local, *, junk: bool) -> Mailbox | None:
        """Where a copy goes that no script files: the mailbox for junk, the named one, that of the
        detail, or INBOX.

        A detail comes from strangers, so it never reaches a mailbox with a special use: nobody
        shall plant mail in Sent or hide it in Trash.
        """
        if junk:
            boxes = await self._store.mailboxes(route.account)
            box = next((one for one in boxes if one.special_use == JUNK_USE), None)
            if box is not None:
                return box
        if route.mailbox:
            box = await self._store.mailbox_at(route.account, route.mailbox)
            if box is not None:
                return box
        if route.detail and self._options.detail_to_mailbox:
            box = await self._store.mailbox_at(route.account, route.detail)
            if box is not None and not box.special_use:
                return box
        return await self._store.mailbox_at(route.account, INBOX)


def _targets(
    envelope: Envelope,
    boxes: Mapping[Pair, Mailbox | None],
    plans: Collection[Pair],
    *,
    queue: bool,
) -> tuple[list[Target], dict[Pair, int]]:
    """A target for each mailbox that is reached without ``plans``, however many recipients lead
    there, and which target serves which pair."""
    targets: list[Target] = []
    order: dict[tuple[int, int], int] = {}
    place: dict[Pair, int] = {}
    for pair, box in boxes.items():
        if pair in plans:
            continue
        account = _local(envelope, pair).account
        key = (account, box.id if box else 0)
        if key not in order:
            order[key] = len(targets)
            may_wait = queue or len(envelope.recipients[pair[0]].routes) > 1
            targets.append(
                Target(
                    *key,
                    marks(envelope.verdict, account),
                    internaldate=int(envelope.received_at),
                    pair=pair if may_wait else None,
                )
            )
        place[pair] = order[key]
    return targets, place


def marks(verdict: Verdict, account: int) -> FlagSet:
    """The flags of a new message in an account."""
    flags = JUNK if verdict.junk_to(account) else NO_FLAGS
    if not verdict.tags:
        return flags
    return FlagSet(flags.system, flags.keywords | flag_set(verdict.tags).keywords)


def _pairs(envelope: Envelope) -> dict[Pair, Route]:
    """Every route of every recipient by its place."""
    return {
        (n, r): route
        for n, recipient in enumerate(envelope.recipients)
        for r, route in enumerate(recipient.routes)
    }


def _local(envelope: Envelope, pair: Pair) -> Local:
    """A route that is known to lead to an account."""
    return cast("Local", envelope.recipients[pair[0]].routes[pair[1]])


def _remote(pairs: Mapping[Pair, Route]) -> set[Pair]:
    return {pair for pair, route in pairs.items() if not isinstance(route, Local)}


def _later(envelope: Envelope, pairs: Mapping[Pair, Route], now: float) -> set[Pair]:
    """The routes that go by the queue: to other servers; all of them when the sender wants
    the message held (RFC 4865); those to be reported on (RFC 3461 §5.2.4), because the queue
    writes the reports."""
    if release(envelope) > now:
        return set(pairs)
    if envelope.sender.address is None:
        return _remote(pairs)
    return _remote(pairs) | {(n, r) for n, r in pairs if "SUCCESS" in envelope.recipients[n].notify}


def _outcome(
    place: Mapping[Pair, int], targets: Sequence[Target], results: Sequence[Appended | Refusal]
) -> dict[Pair, Reply]:
    """What became of the pairs that a target serves."""
    return {
        pair: QUEUED
        if isinstance(result := results[index], Refusal) and targets[index].pair
        else _reply(result)
        for pair, index in place.items()
    }


def _reply(result: Appended | Refusal) -> Reply:
    return _REFUSED.get(result.kind, _NOT_NOW) if isinstance(result, Refusal) else DELIVERED


def _one_reply(envelope: Envelope, n: int, outcome: Mapping[tuple[int, int], Reply]) -> Reply:
    """The reply for recipient ``n``: refused only when no route of it was taken; a route that
    waits (remote ones are not in ``outcome``) makes it QUEUED."""
    replies = [outcome.get((n, r), QUEUED) for r in range(len(envelope.recipients[n].routes))]
    if replies == [DELIVERED]:
        return DELIVERED
    taken = [reply for reply in replies if reply.ok]
    if not taken:
        return replies[0] if replies else _NOT_NOW
    return QUEUED if QUEUED in taken else DELIVERED
