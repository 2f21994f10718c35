"""What a memory store remembers, and the two steps every change shares: number it, publish it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Permanent
from pillarbox.model.account import Account, Alias, Credentials, Domain
from pillarbox.model.change import Added, Arrived, Change
from pillarbox.model.flags import (
    DELETED,
    EVERY_FLAG,
    SEEN,
    FlagScope,
    FlagSet,
    intern_keywords,
    to_flag_set,
)
from pillarbox.model.lists import MailingList, Member, Suppressed
from pillarbox.model.mailbox import SEPARATOR, Mailbox
from pillarbox.model.numset import MAX_NUMBER
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import Rights
from pillarbox.model.sending import Sending
from pillarbox.store import rules
from pillarbox.store.api import Facts, Publish, QueueItem
from pillarbox.store.memory.book import Book
from pillarbox.store.memory.lore import Lore


@dataclass(slots=True)
class Blob:
    """One immutable message; gone when nothing refers to it."""

    body: bytes
    facts: Facts
    thread: int
    boxed: bool
    """It came into a mailbox; else it only waits in the queue, and nobody searches it."""
    refs: int = 0


@dataclass(slots=True)
class Message:
    """One message in one mailbox."""

    uid: int
    modseq: int
    flags: int
    internaldate: int
    zone: int
    saved: int
    blob: int
    size: int


@dataclass(slots=True)
class Tombstone:
    """One UID that was."""

    modseq: int
    uid: int
    at: float


@dataclass(slots=True)
class Kept:
    """An expunged message within its retention."""

    mailbox: int
    mailbox_name: str
    message: Message
    flags: FlagSet
    at: int
    by: str


@dataclass(slots=True)
class Box:
    """A mailbox and what is in it, by UID in ascending order."""

    id: int
    name: str
    uidvalidity: int
    created_modseq: int
    highest_modseq: int
    special_use: str = ""
    uidnext: int = 1
    recent_uid: int = 1
    floor: int = 0
    keywords: list[str] = field(default_factory=list)
    messages: dict[int, Message] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)


@dataclass(slots=True)
class Home:
    """An account with all that hangs on it."""

    account: Account
    credentials: Credentials
    modseq: int = 0
    used: int = 0
    boxes: dict[int, Box] = field(default_factory=dict)
    subscriptions: set[str] = field(default_factory=set)
    kept: dict[tuple[int, int], Kept] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    """By hash of Message-ID."""

    @property
    def messages(self) -> int:
        """In all mailboxes together."""
        return sum(len(box.messages) for box in self.boxes.values())

    def row(self, box: Box) -> Mailbox:
        """The mailbox as values, counted afresh."""
        messages = box.messages.values()
        return Mailbox(
            account=self.account.id,
            id=box.id,
            name=box.name,
            uidvalidity=box.uidvalidity,
            uidnext=box.uidnext,
            highest_modseq=box.highest_modseq,
            created_modseq=box.created_modseq,
            recent_uid=box.recent_uid,
            messages=len(messages),
            unseen=sum(not m.flags & SEEN for m in messages),
            deleted=sum(bool(m.flags & DELETED) for m in messages),
            size=sum(m.size for m in messages),
            subscribed=box.name in self.subscriptions,
            special_use=box.special_use,
            keywords=tuple(box.keywords),
            object_id=rules.object_id(box.id),
        )

    def next_modseq(self) -> int:
        """Once a transaction."""
        self.modseq += 1
        return self.modseq

    def by_name(self, name: str) -> Box | None:
        return next((box for box in self.boxes.values() if box.name == name), None)

    def no_room(self, size: int, count: int) -> Refusal | None:
        """Why so many octets in so many messages do not fit."""
        account = self.account
        return rules.no_room(
            account.quota, self.used + size, account.max_messages, self.messages + count
        )


@dataclass(slots=True)
class Queued:
    """A queue item and the numbers of its lease."""

    item: QueueItem
    until: float = 0.0
    leases: int = 0


@dataclass(slots=True)
class State:
    """Everything. Ids count up and are never used again."""

    publish: Publish
    clock: Clock
    inline_limit: int
    edition: int = 0
    """Of the directory."""
    domains: dict[str, Domain] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    homes: dict[int, Home] = field(default_factory=dict)
    blobs: dict[int, Blob] = field(default_factory=dict)
    queue: dict[int, Queued] = field(default_factory=dict)
    annotations: dict[tuple[int, int, int], dict[str, bytes]] = field(default_factory=dict)
    """By account, mailbox and user."""
    access: dict[tuple[int, int], dict[str, Rights]] = field(default_factory=dict)
    lists: dict[int, MailingList] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    suppressions: dict[tuple[str, str], Suppressed] = field(default_factory=dict)
    sending: dict[int, Sending] = field(default_factory=dict)
    notes: dict[tuple[str, str], tuple[bytes, float]] = field(default_factory=dict)
    """By kind and key: the value, and when it ends."""
    scripts: dict[int, dict[str, bytes]] = field(default_factory=dict)
    active: dict[int, str] = field(default_factory=dict)
    """Name of the active script by account."""
    marks: dict[tuple[int, bytes], float] = field(default_factory=dict)
    """Until when each is remembered."""
    lore: dict[int, Lore] = field(default_factory=dict)
    """What accounts taught their filters."""
    last_list: int = 0
    last_member: int = 0
    book: Book = field(init=False)
    last_account: int = 0
    last_mailbox: int = 0
    last_blob: int = 0
    last_item: int = 0
    last_uidvalidity: int = 0

    def __post_init__(self) -> None:
        self.book = Book(self.clock)

    def box(self, account: int, mailbox: int) -> tuple[Home, Box] | None:
        home = self.homes.get(account)
        box = home.boxes.get(mailbox) if home else None
        return (home, box) if home and box else None

    def home(self, account: int) -> Home:
        """For methods that cannot refuse: losing a change silently would be worse."""
        home = self.homes.get(account)
        if home is None:
            raise Permanent(f"there is no account {account}")
        return home

    def new_box(self, home: Home, name: str, modseq: int, use: str = "") -> Box:
        self.last_mailbox += 1
        self.last_uidvalidity = rules.next_uidvalidity(self.last_uidvalidity, self.clock.now())
        box = Box(self.last_mailbox, name, self.last_uidvalidity, modseq, modseq, use)
        above = home.by_name(name.rpartition(SEPARATOR)[0])
        if above is not None and (home.account.id, above.id) in self.access:
            # RFC 4314 §4: a new mailbox has the list of its parent
            inherited = dict(self.access[home.account.id, above.id])
            self.access[home.account.id, box.id] = inherited
        home.boxes[box.id] = box
        return box

    def forget_box(self, account: int, mailbox: int) -> None:
        """Drop what hangs on a mailbox that is gone."""
        self.access.pop((account, mailbox), None)
        for key in [key for key in self.annotations if key[:2] == (account, mailbox)]:
            del self.annotations[key]

    def taken(self, address: str) -> bool:
        """Some account, alias or list has this address."""
        homes = (home.account.address for home in self.homes.values())
        lists = (one.address for one in self.lists.values())
        return address in self.aliases or address in homes or address in lists

    def forget_owner(self, address: str) -> None:
        """Drop the suppressions of an account or list that is gone."""
        for key in [key for key in self.suppressions if key[0] == address]:
            del self.suppressions[key]

    def forget_account(self, account: int, address: str) -> None:
        """Drop what hangs on an account that is gone, and its name from the lists of others."""
        self.forget_owner(address)
        self.sending.pop(account, None)
        self.scripts.pop(account, None)
        self.active.pop(account, None)
        self.lore.pop(account, None)
        for mark in [mark for mark in self.marks if mark[0] == account]:
            del self.marks[mark]
        for key in [key for key in self.annotations if account in (key[0], key[2])]:
            del self.annotations[key]
        for place, entries in list(self.access.items()):
            for identifier in (address, "-" + address):
                entries.pop(identifier, None)
            if place[0] == account or not entries:
                del self.access[place]

    def commit(self, changes: Sequence[Change]) -> None:
        """A commit is nothing here; the publishing is as everywhere."""
        if changes:
            self.publish(changes)

    def keep(self, body: bytes, facts: Facts, homes: Sequence[Home]) -> int:
        """A new blob, which goes to these accounts."""
        self.last_blob += 1
        known: dict[int, int] = {}
        for home in reversed(homes):
            known |= {one: home.threads[one] for one in facts.kin if one in home.threads}
        thread = rules.thread_of(facts.kin, known, self.last_blob)
        for home in homes:
            for one in facts.kin:
                if one:
                    home.threads.setdefault(one, thread)
        self.blobs[self.last_blob] = Blob(body, facts, thread, bool(homes))
        return self.last_blob

    def release(self, blob: int) -> int:
        """Drop one reference; octets freed by it."""
        kept = self.blobs[blob]
        kept.refs -= 1
        if kept.refs:
            return 0
        del self.blobs[blob]
        return len(kept.body)

    def room(self, box: Box, count: int) -> Refusal | None:
        """UIDs end at 2^32-1 (RFC 9051 §2.3.1.1)."""
        return rules.NO_UIDS if box.uidnext + count - 1 > MAX_NUMBER else None

    def put(self, home: Home, box: Box, message: Message, flags: FlagSet, modseq: int) -> Message:
        """Give a message the next UID of a mailbox. Keywords without room are left out:
        a delivery or copy must not fail for them."""
        message.uid, message.modseq = box.uidnext, modseq
        message.flags = flags.system | intern_keywords(flags.keywords, box.keywords)
        message.saved = int(self.clock.now())
        box.uidnext += 1
        box.highest_modseq = modseq
        box.messages[message.uid] = message
        home.used += message.size
        self.blobs[message.blob].refs += 1
        return message

    def duplicate(
        self,
        box: Box,
        olds: Sequence[Message],
        to_home: Home,
        to_box: Box,
        modseq: int,
        scope: FlagScope = EVERY_FLAG,
    ) -> list[Message]:
        """The same messages in another mailbox; its keywords learn theirs in one go."""
        flags = [scope.cut(to_flag_set(old.flags, box.keywords)) for old in olds]
        intern_keywords({name for some in flags for name in some.keywords}, to_box.keywords)
        return [
            self.put(
                to_home,
                to_box,
                Message(0, 0, 0, old.internaldate, old.zone, 0, old.blob, old.size),
                its,
                modseq,
            )
            for old, its in zip(olds, flags, strict=True)
        ]

    def added(
        self, home: Home, box: Box, modseq: int, messages: Sequence[Message], *, fresh: bool = False
    ) -> Added:
        """``fresh``: they come from outside, and what was found out about them goes along."""
        arrived = [Arrived(m.uid, m.flags) for m in messages]
        facts = [self.blobs[message.blob].facts for message in messages] if fresh else ()
        return Added(home.account.id, box.id, modseq, arrived, tuple(box.keywords), facts)

    def take(self, home: Home, box: Box, messages: Sequence[Message], modseq: int) -> None:
        """Out of the mailbox, leaving tombstones; the reference goes to the caller."""
        at = self.clock.now()
        for message in messages:
            del box.messages[message.uid]
            box.tombstones.append(Tombstone(modseq, message.uid, at))
            home.used -= message.size
        box.highest_modseq = modseq
