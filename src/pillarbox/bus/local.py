"""The bus inside one process: plain callbacks on the loop, found by account and mailbox.

Publishing a change costs three dictionary look-ups plus one call a listener, so a mailbox nobody
looks at costs nothing and one that hundreds look at costs hundreds of calls, no tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.base.log import Logger
from pillarbox.bus.api import Listener, Subscription
from pillarbox.model.change import BoxChanged, BoxCreated, Change

log = Logger("bus")

_Topic = tuple[int, int]
_ANY = 0
"""Stands for any account or any mailbox in a topic; ids begin at 1."""


class _Place:
    """One subscription; its identity is its key, so a listener may subscribe twice."""

    __slots__ = ("_bus", "listener", "topic")

    def __init__(self, bus: LocalBus, topic: _Topic, listener: Listener) -> None:
        self._bus = bus
        self.topic = topic
        self.listener: Listener | None = listener

    def close(self) -> None:
        self.listener = None  # also silences it within a publish that is under way
        self._bus.forget(self)


class LocalBus:
    """A ``Bus`` for one event loop. Call it from that loop's thread only."""

    def __init__(self) -> None:
        self._topics: dict[_Topic, dict[_Place, None]] = {}

    def subscribe(
        self, listener: Listener, *, account: int | None = None, mailbox: int | None = None
    ) -> Subscription:
        if account is None and mailbox is not None:
            raise ValueError("a mailbox is listened to together with its account")
        topic = (account or _ANY, mailbox or _ANY)
        place = _Place(self, topic, listener)
        self._topics.setdefault(topic, {})[place] = None
        return place

    def publish(self, changes: Sequence[Change]) -> None:
        for change in changes:
            account, mailbox = change.account, mailbox_of(change)
            topics = ((account, mailbox), (account, _ANY), (_ANY, _ANY))
            for topic in topics if mailbox else topics[1:]:  # 0: of the account as a whole
                places = self._topics.get(topic)
                if places:
                    _tell(tuple(places), change)

    def forget(self, place: _Place) -> None:
        """Remove a closed subscription."""
        places = self._topics.get(place.topic)
        if places is not None:
            places.pop(place, None)
            if not places:
                del self._topics[place.topic]


def mailbox_of(change: Change) -> int:
    """The mailbox that a change is about."""
    if isinstance(change, (BoxCreated, BoxChanged)):
        return change.box.id
    return change.mailbox


def _tell(places: tuple[_Place, ...], change: Change) -> None:
    for place in places:
        listener = place.listener
        if listener is None:
            continue
        try:
            listener(change)
        except Exception as error:  # the publisher has committed: a listener's bug is not its own
            log.error("bus.listener_failed", exc=error, change=type(change).__name__)
