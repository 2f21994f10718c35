"""What NOTIFY asked for, and what has happened since the client was last told (RFC 5465).

The bus calls ``hear`` for every change of the accounts whose mailboxes the user sees; it only
takes notes. What happens to one mailbox many times is one note, and the notes have a bound: beyond
it the client is told that it missed something, and the watch is over (RFC 5465 §5.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from pillarbox.base.signal import Signal
from pillarbox.bus.api import Subscription
from pillarbox.mailbox.access import Place
from pillarbox.model.change import (
    SERVER,
    AccessChanged,
    Added,
    Annotated,
    BoxChanged,
    BoxCreated,
    BoxDeleted,
    Change,
    Expunged,
    Flagged,
)
from pillarbox.model.mailbox import SEPARATOR
from pillarbox.model.rights import ALL
from pillarbox.serve.imap.scopes import covers
from pillarbox.wire.imap.commands import FetchItem
from pillarbox.wire.imap.extensions import EventGroup

NOTES = 1_000
"""Mailboxes with news, and names that changed, that are kept for a client that does not read."""

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = "MessageNew", "MessageExpunge", "FlagChange"
NAME, SUBSCRIPTION = "MailboxName", "SubscriptionChange"
BOX_METADATA, SERVER_METADATA = "MailboxMetadataChange", "ServerMetadataChange"
MESSAGE_EVENTS = frozenset({MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE})
EVENTS = (
    MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE, NAME, SUBSCRIPTION, BOX_METADATA, SERVER_METADATA,
)  # fmt: skip
"""All that there are here; AnnotationChange needs RFC 5257."""

_KINDS = {Added: MESSAGE_NEW, Expunged: MESSAGE_EXPUNGE, Flagged: FLAG_CHANGE}
_SELECTED = ("selected", "selected-delayed")

Key = tuple[int, int]
"""Account and mailbox."""


@dataclass(slots=True)
class News:
    """What is to be told."""

    messages: dict[Key, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Names to be listed, each with the one it had before ('' when it had none)."""
    entries: dict[Key, dict[str, None]] = field(default_factory=dict)
    """Annotations that changed."""
    access: set[Key] = field(default_factory=set)
    """Mailboxes to which others may have other rights now."""
    overflow: bool = False

    def __len__(self) -> int:
        annotated = sum(map(len, self.entries.values()))
        return len(self.messages) + len(self.names) + len(self.access) + annotated


class Watch:
    """One session's."""

    __slots__ = (
        "_mine", "_news", "_places", "_renamed", "_selected", "_subscriptions", "_user",
        "arrived", "groups", "signal",
    )  # fmt: skip

    def __init__(
        self,
        groups: Sequence[EventGroup],
        user: int,
        *,
        selected: Callable[[], Key],
        mine: Callable[[Change], bool],
    ) -> None:
        """``selected`` gives account and id of the selected mailbox, zeros for none; ``mine`` is
        True for changes that this session is making."""
        self.groups = tuple(groups)
        self.signal = Signal()
        """Up when there is news."""
        self.arrived: list[int] = []
        """UIDs in the selected mailbox whose ``items`` are to be sent."""
        self._user = user
        self._selected = selected
        self._mine = mine
        self._places: dict[Key, Place] = {}
        self._news = News()
        self._renamed: tuple[int, str, str] = (0, "", "")
        self._subscriptions: list[Subscription] = []

    def begin(self, subscriptions: Iterable[Subscription]) -> None:
        """Changes are heard from now on."""
        self._subscriptions += subscriptions

    def know(self, places: Iterable[Place]) -> None:
        """The mailboxes there are; what was heard of before is newer and stays."""
        for place in places:
            self._places.setdefault((place.box.account, place.box.id), place)

    def close(self) -> None:
        """Hear no more."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()

    # ------------------------------------------------------------------ the selected mailbox

    def _of_selected(self) -> EventGroup | None:
        groups = [group for group in self.groups if group.mailboxes.kind in _SELECTED]
        return groups[0] if groups else None

    def hears(self, event: str) -> bool:
        """True when this event of the selected mailbox is to be told (RFC 5465 §3.1)."""
        group = self._of_selected()
        return group is not None and event in group.events

    @property
    def delays_expunges(self) -> bool:
        """Expunges wait for a command that may tell them (RFC 5465 §6.1.2)."""
        group = self._of_selected()
        return group is not None and group.mailboxes.kind == "selected-delayed"

    @property
    def items(self) -> tuple[FetchItem, ...]:
        """What to fetch of each arrival in the selected mailbox."""
        group = self._of_selected()
        return group.items if group is not None else ()

    # ------------------------------------------------------------------ others

    def wants(self, event: str, name: str, *, own: bool = True, subscribed: bool = False) -> bool:
        """True when this event of a mailbox that is not selected is to be told."""
        return any(
            event in group.events
            and covers(group.mailboxes, name, own=own, subscribed=subscribed, selected=False)
            for group in self.groups
        )

    def wants_of(self, event: str, place: Place) -> bool:
        """The same for a mailbox that is there."""
        subscribed = place.own and place.box.subscribed
        return self.wants(event, place.name, own=place.own, subscribed=subscribed)

    def wanted(self, place: Place) -> frozenset[str]:
        """The message events of a mailbox that are to be told."""
        return frozenset(event for event in MESSAGE_EVENTS if self.wants_of(event, place))

    def replaced(self, key: Key, place: Place | None) -> Place | None:
        """Note what a mailbox is to the user now, None for nothing; gives what it was."""
        known = self._places.pop(key, None)
        if place is not None:
            self._places[key] = place
        return known

    def hear(self, change: Change) -> None:
        """Note a change; called by the bus."""
        if self._news.overflow or not self.groups:
            return
        match change:
            case Added() | Expunged() | Flagged():
                self._message(_KINDS[type(change)], (change.account, change.mailbox))
            case BoxCreated(box=box):
                if change.account == self._user:
                    self.know([Place(box, box.name, ALL)])
                    self._named(change, box.name, subscribed=box.subscribed)
            case BoxDeleted():
                gone = self._places.pop((change.account, change.mailbox), None)
                if gone is not None:
                    self._named(change, gone.name, own=gone.own, subscribed=gone.box.subscribed)
            case BoxChanged():
                self._changed(change)
            case Annotated():
                self._annotated(change)
            case AccessChanged():
                if change.account != self._user:
                    self._news.access.add((change.account, change.mailbox))
                    self.signal.set()
        if len(self._news) > NOTES:
            self._news = News(overflow=True)
            self.signal.set()

    def _message(self, event: str, key: Key) -> None:
        place = self._places.get(key)
        if place is None or key == self._selected() or not self.wants_of(event, place):
            return
        self._news.messages.setdefault(key, set()).add(event)
        self.signal.set()

    def _changed(self, change: BoxChanged) -> None:
        key = (change.account, change.box.id)
        known = self._places.get(key)
        if known is None:
            return
        name = known.name.removesuffix(known.box.name) + change.box.name
        self._places[key] = replace(known, box=change.box, name=name)
        if change.old_name:
            self._rename(change, known, name)
        elif known.own and known.box.subscribed != change.box.subscribed:
            self._note(SUBSCRIPTION, change, name, subscribed=True)

    def _annotated(self, change: Annotated) -> None:
        """RFC 5465 §5.6, §5.7. Private entries of others are nobody's business."""
        if change.user not in (0, self._user) or self._mine(change):
            return
        key = (change.account, change.mailbox)
        if change.mailbox:
            place = self._places.get(key)
            wanted = place is not None and self.wants_of(BOX_METADATA, place)
        else:
            wanted = change.account in (SERVER, self._user) and any(
                SERVER_METADATA in group.events for group in self.groups
            )
        if wanted:
            self._news.entries.setdefault(key, {}).update(dict.fromkeys(change.entries))
            self.signal.set()

    def _named(self, change: Change, name: str, *, own: bool = True, subscribed: bool) -> None:
        """A mailbox came or went; its parent is affected too (RFC 5465 §5.4)."""
        self._note(NAME, change, name, own=own, subscribed=subscribed)
        parent = name.rpartition(SEPARATOR)[0]
        if parent and own:
            self._note(NAME, change, parent)

    def _rename(self, change: BoxChanged, known: Place, name: str) -> None:
        """Children go along without a word (RFC 5465 §5.4)."""
        modseq, old, new = self._renamed
        rest = known.name.removeprefix(old + SEPARATOR)
        along = modseq == change.modseq and rest != known.name
        if along and name == new + SEPARATOR + rest:
            return
        self._renamed = (change.modseq, known.name, name)
        wanted = self.wants_of(NAME, known) or self.wants_of(NAME, replace(known, name=name))
        if wanted and not self._mine(change):
            self._news.names[name] = known.name
            self.signal.set()

    def _note(
        self, event: str, change: Change, name: str, *, own: bool = True, subscribed: bool = False
    ) -> None:
        if self._mine(change):  # RFC 5465 §5: not what this client did itself
            return
        if self.wants(event, name, own=own, subscribed=subscribed):
            self._news.names.setdefault(name, "")
            self.signal.set()

    def take(self) -> News:
        """What is new; it counts as told."""
        self.signal.clear()
        news, self._news = self._news, News()
        return news


def shows(place: Place | None) -> bool:
    """True when the user may know of the mailbox (RFC 4314 §4)."""
    return place is not None and "l" in place.rights
