"""From what scripts decided to what the store keeps.

Each parcel is remembered under a key made of the message's trace id, so that a delivery tried
again repeats only what is missing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

from pillarbox.base.log import Logger
from pillarbox.delivery.sieve import letters, manners
from pillarbox.delivery.sieve.chain import Verdict
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.keys import key
from pillarbox.delivery.sieve.plan import Plan
from pillarbox.delivery.sieve.stored import discard
from pillarbox.message import compose, header, trace
from pillarbox.message.octets import readable
from pillarbox.model.address import Address, parse_address
from pillarbox.model.flags import NO_FLAGS, flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.story import Noted
from pillarbox.model.transaction import Envelope, Local, Recipient, Remote, Role, Route, Sender
from pillarbox.sieve.actions import (
    Discard,
    FileInto,
    Keep,
    Notify,
    Redirect,
    Reject,
    Remember,
    Vacation,
)
from pillarbox.sieve.mailto import mailto
from pillarbox.store.api import NewItem, NewMessage, Parcel, Target
from pillarbox.store.journal import Telling
from pillarbox.store.scripts import Mark

log = Logger("sieve")

_REMEMBER = 30 * 86_400.0
"""Seconds for which it is known what a delivery did already: longer than mail waits."""
_SENT_AGAIN = 12 * 3600.0
"""Seconds in which a message that comes again as it was is not passed on again: whoever sent it
had no answer, because we or the line broke."""
_NOT_PASSED = frozenset({"HOLDFOR", "HOLDUNTIL", "MT-PRIORITY", "BY", "SIZE"})


@dataclass(frozen=True, slots=True)
class Case:
    """One local recipient of one message. ``inbox``: where a keep files it."""

    envelope: Envelope
    n: int
    route: Local
    message: NewMessage
    inbox: Mailbox | None
    owner: Address

    @property
    def recipient(self) -> Recipient:
        """Of the envelope."""
        return self.envelope.recipients[self.n]

    @property
    def pair(self) -> tuple[int, int]:
        """Its place in the envelope."""
        return self.n, self.recipient.routes.index(self.route)


class Making:
    """Makes one plan."""

    def __init__(self, hands: Hands, case: Case, head: bytes, verdict: Verdict) -> None:
        self._hands = hands
        self._case = case
        self._head = head
        self._verdict = verdict
        self._plan = Plan()
        self._done: list[str] = []
        self._onward = 0
        """Recipients elsewhere that this plan counts already."""

    async def run(self) -> Plan:
        """Each action in turn. What is raised leaves nothing held."""
        try:
            return await self._run()
        except BaseException:
            discard(self._plan.parcels)
            raise

    async def _run(self) -> Plan:
        for text in self._verdict.told:
            self._note(text)
        whole = self._whole()
        if whole is not None:
            case, marks = self._case, [whole.key]
            if await self._hands.store.marked(case.route.account, marks, self._hands.now()):
                self._note("sent again: it is filed and redirected already")
                self._plan.ended = "kept already, when it was sent the first time"
                return self._plan
            self._plan.marks.append(whole)
        for action in self._verdict.actions:
            match action:
                case Keep() | FileInto():
                    await self._file(action)
                case Redirect():
                    await self._redirect(action)
                case Reject():
                    await self._reject(action)
                case Vacation():
                    await self._vacation(action)
                case Notify():
                    await self._notify(action)
                case Remember():
                    self._remember(action)
                case Discard():
                    pass
        if self._done:
            self._plan.ended = ", ".join(self._done)
        return self._plan

    def _note(self, text: str) -> None:
        self._plan.notes.append(Noted("sieve", text, str(self._case.owner)))

    def _once(self, kind: str, *words: str, seconds: float = _REMEMBER) -> Mark:
        """Remembered for this delivery of this message, or for what ``words`` say."""
        case = self._case
        return Mark(case.route.account, key(kind, *words), self._hands.now() + seconds)

    def _whole(self) -> Mark | None:
        """Remembered, with the delivery, of a message that a script redirects: what comes again
        with every octet and its Message-ID is that message (RFC 5322 §3.6.4), whose sender had no
        answer, and is neither redirected nor filed a second time. None where nothing leaves, or
        where nothing tells a second message from the first one sent again."""
        if not any(isinstance(action, Redirect) for action in self._verdict.actions):
            return None
        if not any(one.name == b"message-id" for one in header.fields(self._head)):
            return None
        words = self._identity, str(self._case.owner)
        return self._once("whole", *words, seconds=_SENT_AGAIN)

    @cached_property
    def _identity(self) -> str:
        """What is the same when a sender who had no answer sends the message again: who, to whom,
        and every octet but those that we put in front."""
        case = self._case
        data = readable(case.message.content.view())
        start = 0
        for name, one in zip(
            (b"return-path", b"received"), header.fields(self._head), strict=False
        ):
            if one.name == name:
                start = one.end
        digest = hashlib.blake2b(data[start:], digest_size=16).hexdigest()
        return f"{case.envelope.sender.address} {case.recipient.address} {digest}"

    # ------------------------------------------------------------------ filing

    async def _file(self, action: Keep | FileInto) -> None:
        case = self._case
        box = case.inbox
        if isinstance(action, FileInto):
            box = await self._hands.place(case.route.account, action, case.inbox)
        names = list(action.flags or ())
        if isinstance(action, Keep) and case.envelope.verdict.junk_to(case.route.account):
            names.append("$Junk")  # RFC 9051 §2.3.2; so does mail without a script
        names += case.envelope.verdict.tags
        flags = flag_set(names) if names else NO_FLAGS
        target = Target(
            *(case.route.account, box.id if box else 0, flags),
            internaldate=int(case.envelope.received_at),
        )
        if action.message is None:
            # The first copy waits in the queue if it must; the others are extras.
            target.pair = None if self._plan.targets else case.pair
            self._plan.targets.append(target)
            return
        target.pair = case.pair
        where = box.name if box else "INBOX"
        changed = await self._hands.make(action.message)
        now = self._hands.now()
        self._plan.parcels.append(
            Parcel(
                changed,
                [target],
                NewItem(case.envelope, [], now),
                Telling(case.envelope, places={case.pair: 0}),
                once=self._once("changed", case.envelope.id, str(case.n), where),
            )
        )
        self._done.append(f"a changed copy was filed in {where} by a Sieve script")

    # ------------------------------------------------------------------ sending on

    async def _redirect(self, action: Redirect) -> None:
        case, goal = self._case, parse_address(action.address)
        routes = await self._hands.route(goal) if goal is not None else ()
        came_round = case.owner.normal() in trace.delivered_to(self._head)
        if not routes or came_round:
            why = "it has been here before" if came_round else "that address takes no mail"
            self._note(f"not redirected to {action.address}: {why}")
            if not action.copy:
                await self._file(Keep(message=action.message))
            return
        sent = await self._counted(routes)
        if isinstance(sent, Reply):
            self._note(f"not redirected to {action.address}: {sent.text}")
            if not action.copy:
                await self._file(Keep(message=action.message))
            return
        octets = action.message
        if octets is None:
            octets = bytes(case.message.content.view())
        for kind, some in _by_kind(routes):
            copy = octets
            if kind is Local:  # between servers the transport writes it
                copy = compose.prepend(octets, trace.passed_on_by(case.owner))
            item = NewItem(
                _redirected(case, action, some),
                [(0, r) for r in range(len(some))],
                due=self._hands.now(),
            )
            self._plan.parcels.append(
                Parcel(
                    await self._hands.make(copy),
                    more=[item],
                    sent=sent if kind is Remote else None,
                    once=self._once(
                        *("redirect", self._identity, str(case.owner), action.address),
                        kind.__name__,
                        seconds=_SENT_AGAIN,
                    ),
                )
            )
        self._note(f"redirected to {action.address}")
        self._done.append(f"redirected to {action.address} by a Sieve script")

    async def _counted(self, routes: tuple[Route, ...]) -> Sent | Reply | None:
        """What leaves the house of mail that somebody here wrote counts as theirs."""
        envelope, others = self._case.envelope, sum(isinstance(one, Remote) for one in routes)
        if envelope.role is not Role.SUBMISSION or not envelope.peer.user or not others:
            return None
        found = await self._hands.onward(envelope.peer.user, self._onward + others)
        if isinstance(found, Sent):
            self._onward += others
            return replace(found, recipients=others)
        return found

    # ------------------------------------------------------------------ answering

    async def _vacation(self, action: Vacation) -> None:
        """RFC 5230 §4, §5; RFC 3834."""
        case, sender = self._case, self._case.envelope.sender.address
        given = [one for one in map(parse_address, action.addresses) if one is not None]
        own = {one.normal() for one in (case.owner, case.recipient.address, *given)}
        why = manners.unanswerable(self._head, sender, own)
        why = why or ("it was found to be junk" if self._forged else "")
        routes = await self._hands.route(sender) if sender is not None and not why else ()
        if sender is None or not routes:
            self._note(f"no vacation answer: {why or 'the sender takes no mail'}")
            return
        action = replace(action, from_=await self._hands.author(action.from_, case.route.account))
        octets = letters.vacation(action, self._head, sender, case.owner, self._hands.frame())
        self._plan.parcels.append(
            Parcel(
                await self._hands.make(octets),
                await self._copy(action.fcc),
                more=[self._hands.letter(sender, routes, octets, Sender(None))],
                once=self._once(
                    *("vacation", action.handle, sender.normal()), seconds=action.seconds
                ),
            )
        )

    async def _copy(self, goal: FileInto | None) -> list[Target]:
        """Where the copy of a letter goes (RFC 8580)."""
        if goal is None:
            return []
        case = self._case
        box = await self._hands.place(case.route.account, goal, case.inbox)
        flags = flag_set(goal.flags) if goal.flags else NO_FLAGS
        if box is None:
            return []
        return [Target(case.route.account, box.id, flags, internaldate=int(self._hands.now()))]

    async def _notify(self, action: Notify) -> None:
        """RFC 5436 §2.7."""
        case = self._case
        if manners.automatic(self._head):
            self._note("no notification of what a machine wrote")
            return
        goal = mailto(action.method)
        action = replace(action, from_=await self._hands.author(action.from_, case.route.account))
        octets = letters.notice(action, goal, self._head, case.owner, self._hands.frame())
        sender = Sender(case.owner if case.envelope.sender.address is not None else None)
        items = []
        sent = None
        for address in map(parse_address, (*goal.to, *goal.cc)):
            routes = await self._hands.route(address) if address is not None else ()
            one = await self._counted(routes)
            if isinstance(one, Reply):
                self._note(f"no notification to {address}: {one.text}")
                continue
            if one is not None:
                sent = replace(one, recipients=one.recipients + (sent.recipients if sent else 0))
            if address is not None and routes:
                items.append(self._hands.letter(address, routes, octets, sender))
        if items:
            self._plan.parcels.append(
                Parcel(
                    await self._hands.make(octets),
                    await self._copy(action.fcc),
                    more=items,
                    sent=sent,
                    once=self._once("notify", case.envelope.id, str(case.owner), action.method),
                )
            )

    @property
    def _forged(self) -> bool:
        """Whether nothing may be sent to the sender: whoever wrote junk made him up (RFC 5429
        §2.1, RFC 5230 §4.6)."""
        return self._case.envelope.verdict.junk_to(self._case.route.account)

    async def _reject(self, action: Reject) -> None:
        self._plan.refused = action
        self._plan.refuse = self._refusal
        if self._forged:
            # Said in the dialogue it harms nobody; else the message stays, for no report tells.
            self._plan.refuse = None
            await self._file(Keep())

    def _remember(self, action: Remember) -> None:
        """RFC 7352 §3.3."""
        mark = key("duplicate", action.handle, action.id)
        until = self._hands.now() + action.seconds
        self._plan.marks.append(Mark(self._case.route.account, mark, until))

    async def _refusal(self) -> Parcel | None:
        """RFC 5429 §2.1.2, §2.2.1."""
        case, refused = self._case, self._plan.refused
        sender = case.envelope.sender.address
        routes = await self._hands.route(sender) if sender is not None else ()
        if refused is None or sender is None or not routes:
            log.info("sieve.no-refusal", account=case.route.account, sender=str(sender or "<>"))
            return None
        original = bytes(case.message.content.view())
        frame = self._hands.frame()
        if refused.early:
            octets = letters.bounce(
                *(refused.reason, case.envelope, case.recipient, case.owner, original, frame)
            )
        else:
            octets = letters.refusal(
                *(refused.reason, sender, case.owner, case.recipient, original, frame)
            )
        return Parcel(
            await self._hands.make(octets),
            more=[self._hands.letter(sender, routes, octets, Sender(None))],
            once=self._once("refused", case.envelope.id, str(case.owner)),
        )


def _by_kind(routes: tuple[Route, ...]) -> list[tuple[type[Route], tuple[Route, ...]]]:
    local = tuple(one for one in routes if not isinstance(one, Remote))
    remote = tuple(one for one in routes if isinstance(one, Remote))
    return [(kind, some) for kind, some in ((Local, local), (Remote, remote)) if some]


def _redirected(case: Case, action: Redirect, routes: tuple[Route, ...]) -> Envelope:
    """The envelope of a copy that goes on, as if an alias had led there: the sender stays, and is
    rewritten where it leaves the house. Reports are asked for as the script says (RFC 6009 §5)."""
    before = case.envelope.sender
    params = {name: value for name, value in before.params.items() if name not in _NOT_PASSED}
    if action.by:
        params["BY"] = action.by
    notify = frozenset(action.notify.split(",")) if action.notify else case.recipient.notify
    sender = replace(before, params=params, ret=action.ret or before.ret, size=None)
    recipient = replace(case.recipient, address=case.owner, routes=routes, notify=notify, params={})
    return replace(case.envelope, sender=sender, recipients=(recipient,))
