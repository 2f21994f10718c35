"""The journal as lists: what ``journal.Journal`` means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.base.clock import Clock
from pillarbox.model.numset import NumSet
from pillarbox.model.story import Entry, Event, Refused, Story
from pillarbox.store import telling
from pillarbox.store.journal import MAX_REFUSED

Named = tuple[int, int, str]
"""Account, mailbox, the mailbox's name."""


@dataclass(slots=True)
class Book:
    """All stories. Entries and deeds are numbered by one counter."""

    clock: Clock
    pages: dict[int, list[tuple[int, Entry]]] = field(default_factory=dict)
    keys: dict[int, list[int]] = field(default_factory=dict)
    deeds: list[telling.Deed] = field(default_factory=list)
    last: int = 0

    def _next(self) -> int:
        self.last += 1
        return self.last

    def begin(self, events: Sequence[Event]) -> int:
        """A new story; its number."""
        story = self._next()
        self.pages[story] = [(story, Entry(self.clock.now(), events[0]))]
        self.add(story, events[1:])
        for event in events:
            for key in telling.keys_of(event):
                found = self.keys.setdefault(key, [])
                if story not in found:
                    found.append(story)
        return story

    def add(self, story: int, events: Sequence[Event]) -> None:
        """More of a story; 0 is none."""
        if story:
            now = self.clock.now()
            self.pages[story] += [(self._next(), Entry(now, event)) for event in events]

    def deed(
        self,
        kind: str,
        where: Named,
        uids: NumSet,
        by: str,
        to: Named = (0, 0, ""),
        first: int = 0,
    ) -> None:
        """What an operation did to messages of a mailbox."""
        number, now = self._next(), self.clock.now()
        self.deeds.append(telling.Deed(number, now, kind, *where, uids, by, *to, first))

    def story(self, number: int) -> Story:
        """A story, with what users did to the mail it led to."""
        told = list(self.pages[number])
        leads = [(place, row) for row, e in told for place in telling.places_of(e.event)]
        while leads:
            (account, mailbox, uid), since = leads.pop()
            for deed in self.deeds:
                there = deed.account == account and deed.mailbox in {mailbox, 0}
                if there and deed.id > since and (not deed.uids or uid in deed.uids):
                    event, place = telling.told(deed, uid)
                    told.append((deed.id, Entry(deed.at, event)))
                    leads += [(place, deed.id)] if place is not None else []
        told.sort(key=lambda pair: pair[0])
        return Story(number, tuple(entry for _, entry in told))

    def forget(self, before: float, queued: set[int]) -> int:
        """Old stories, those not in the queue, and too many refusals."""
        bound = next((n for n, page in self.pages.items() if page[0][1].at >= before), None)
        old = [n for n in self.pages if (bound is None or n < bound) and n not in queued]
        refused = [n for n, page in self.pages.items() if isinstance(page[0][1].event, Refused)]
        gone = set(old) | set(refused[:-MAX_REFUSED])
        for number in gone:
            del self.pages[number]
        for found in self.keys.values():
            found[:] = [number for number in found if number not in gone]
        self.deeds = [deed for deed in self.deeds if deed.at >= before]
        return len(gone)
