"""What scripts decide about a message that lies in a mailbox, made into parcels.

Everything is looked up before anything is done: where one action is impossible, none is carried
out and the message stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pillarbox.delivery.sieve import letters, manners
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.message import compose, trace
from pillarbox.model.account import Account
from pillarbox.model.address import Address, parse_address
from pillarbox.model.flags import FlagSet, flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.refusal import Refusal
from pillarbox.model.transaction import Local, Route, Sender
from pillarbox.sieve.actions import Action, FileInto, Keep, Notify, Redirect
from pillarbox.sieve.mailto import mailto
from pillarbox.store.api import Appended, NewItem, Parcel, Target

HEAD = 256 * 1024
"""Octets of a message that are looked at for its header."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a mailbox. ``flags``: their names; ``date`` in seconds since 1970."""

    box: Mailbox
    uid: int
    octets: bytes
    flags: tuple[str, ...]
    date: int


class Impossible(Exception):
    """An action cannot be done; why, for the script's author."""


def changes(before: Sequence[str], after: Sequence[str]) -> tuple[FlagSet, FlagSet]:
    """Flags to add and to take away, so that what others change meanwhile stays."""
    old, new = {one.lower() for one in before}, {one.lower() for one in after}
    added = flag_set(one for one in after if one.lower() not in old)
    return added, flag_set(one for one in before if one.lower() not in new)


def discard(parcels: Sequence[Parcel]) -> None:
    """Parcels that are not kept after all."""
    for one in parcels:
        one.message.content.discard()


def refused(results: Sequence[Sequence[Appended | Refusal] | None]) -> list[Refusal]:
    """Of what the store answered, what it did not keep."""
    return [one for some in results if some for one in some if isinstance(one, Refusal)]


class Deeds:
    """Makes the parcels of one script's decisions about one message, in the name of ``owner``.

    ``event``: the message is kept as it is, whatever the script changed, and a fileinto makes
    another one even where it lies already (RFC 6785 §3.1, §3.3).
    """

    def __init__(
        self, hands: Hands, message: Stored, owner: Account, *, event: bool = False
    ) -> None:
        self._event = event
        self._hands = hands
        self._message = message
        self._owner = owner
        self.keep: Keep | None = None
        """The message stays, with these flags."""
        self.leaving = 0
        """Recipients elsewhere that are written to."""
        self.parcels: list[Parcel] = []
        self.goals: list[Address] = []
        """Whom redirects go to."""

    async def plan(self, actions: Sequence[Action]) -> None:
        """Raises Impossible, with nothing done and nothing held."""
        try:
            for action in actions:
                await self._one(action)
        except BaseException:
            discard(self.parcels)
            raise

    async def _one(self, action: Action) -> None:
        match action:
            case Keep():
                self.keep = action
                if action.message is not None and not self._event:
                    await self._changed(action)
            case FileInto():
                await self._file(action)
            case Redirect():
                await self._redirect(action)
            case Notify():
                await self._notify(action)
            case _:  # discard leaves nothing; the rest answers new mail
                pass

    def _target(self, box: Mailbox, flags: Sequence[str]) -> Target:
        return Target(box.account, box.id, flag_set(flags), self._message.date)

    async def _changed(self, action: Keep) -> None:
        """Messages never change: a changed one is another, and the first is marked."""
        message = self._message
        flags = message.flags if action.flags is None else action.flags
        made = await self._hands.make(action.message or b"")
        self.parcels.append(Parcel(made, [self._target(message.box, flags)]))
        self.keep = None

    async def _file(self, action: FileInto) -> None:
        message = self._message
        box = await self._hands.place(self._owner.id, action, None)
        if box is None:
            raise Impossible(f"mailbox does not exist: {action.mailbox}")
        here = (box.account, box.id) == (message.box.account, message.box.id)
        if here and not self._event:  # as if it were kept
            await self._one(Keep(action.flags, action.message))
            return
        made = await self._hands.make(action.message or message.octets)
        self.parcels.append(Parcel(made, [self._target(box, action.flags or ())]))

    async def _routes(self, address: str) -> tuple[Address, tuple[Route, ...]]:
        goal = parse_address(address)
        routes = await self._hands.route(goal) if goal is not None else ()
        if goal is None or not routes:
            raise Impossible(f"{address} takes no mail")
        return goal, routes

    async def _redirect(self, action: Redirect) -> None:
        """In the owner's name: the message arrived long ago, and whoever wrote it is not to hear
        of it now."""
        goal, routes = await self._routes(action.address)
        owner = parse_address(self._owner.address)
        sender = Sender(owner, ret=action.ret, params={"BY": action.by} if action.by else {})
        notify = frozenset(action.notify.split(",")) if action.notify else frozenset[str]()
        octets = action.message or self._message.octets
        here = tuple(one for one in routes if isinstance(one, Local))
        away = tuple(one for one in routes if not isinstance(one, Local))
        self.goals.append(goal)
        self.leaving += bool(away)
        for some in (here, away):
            if not some:
                continue
            copy = octets
            if some is here and owner is not None:
                copy = compose.prepend(octets, trace.passed_on_by(owner))
            item = self._hands.letter(goal, some, copy, sender)
            # unlike letters of the house, it is somebody's mail: who sends it on hears if it fails
            (to,) = item.envelope.recipients
            item.envelope = replace(item.envelope, recipients=(replace(to, notify=notify),))
            self.parcels.append(Parcel(await self._hands.make(copy), more=[item]))

    async def _notify(self, action: Notify) -> None:
        """RFC 5436 §2.7."""
        sender = parse_address(self._owner.address)
        head = self._message.octets[:HEAD]
        if sender is None or manners.automatic(head):
            return
        target = mailto(action.method)
        action = replace(action, from_=await self._hands.author(action.from_, self._owner.id))
        octets = letters.notice(action, target, head, sender, self._hands.frame())
        items: list[NewItem] = []
        for address in (*target.to, *target.cc):
            try:
                goal, routes = await self._routes(address)
            except Impossible:
                continue
            self.leaving += any(not isinstance(one, Local) for one in routes)
            self.goals.append(goal)
            items.append(self._hands.letter(goal, routes, octets, Sender(sender)))
        if items:
            self.parcels.append(Parcel(await self._hands.make(octets), more=items))
