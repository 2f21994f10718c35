"""What a store can do, as Protocols by need.

``store.memory`` is the executable meaning of this file and ``tests/contracts`` its test; every
other store must be indistinguishable from it. Three laws hold for all of them:

*Durable before done.* A method that changes something returns after the change would survive a
power cut (the memory store excepted).

*Commit, then publish, then return.* A store is made with a ``publish`` callable. After a commit
and before any waiter of that commit resumes, it is called on the event loop with the changes, in
modseq order, so whoever got an answer can rely on every view having heard of it.

*One modseq an account.* Every transaction that changes mail of an account takes the account's
next modseq (RFC 7162 §3.1.1); everything changed by it carries that number. Numbers are never
reused, UIDs and UIDVALIDITYs neither.

Refusals (``model.refusal``) are returned; a broken disk raises ``Temporary``, corruption
``Permanent``. All methods are coroutines on the loop the store was opened on. No method awaits
anything but the store while a transaction is open.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pillarbox.base.swift import swift
from pillarbox.model.account import Account, Alias, Credentials, Domain, Pop3Mode
from pillarbox.model.change import Change
from pillarbox.model.flags import EVERY_FLAG, NO_FLAGS, FlagScope, FlagSet
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.story import Try
from pillarbox.model.transaction import Envelope
from pillarbox.store.journal import Journal, Telling
from pillarbox.store.learned import Learned
from pillarbox.store.ledger import Auditor
from pillarbox.store.lists import Lists, Senders, Suppressions
from pillarbox.store.notes import Notes
from pillarbox.store.scripts import Mark, Scripts
from pillarbox.store.search import TextIndex
from pillarbox.store.sharing import AccessLists, Annotations

Publish = Callable[[Sequence[Change]], None]

# ---------------------------------------------------------------------------- message bytes


class Content(Protocol):
    """The bytes of one message on their way in: in memory when small, else in a staged file.

    Made by ``Blobs.stage``. Whoever finished a Content calls ``discard`` in the end, also when it
    was handed to ``accept`` and that raised; after a crash the store removes what was left staged.
    """

    @property
    def size(self) -> int:
        """Octets."""
        ...

    def view(self) -> memoryview:
        """All bytes, without copying (a file is mapped). Valid until ``discard``."""
        ...

    def discard(self) -> None:
        """Forget the bytes; does nothing once the store has taken them."""
        ...


class Staging(Protocol):
    """A Content being written."""

    def write(self, chunk: bytes) -> None:
        """Add octets; may spill to a file. Raises Temporary when the disk refuses."""
        ...

    def view(self) -> memoryview:
        """What was written so far, to be looked at before ``finish``."""
        ...

    async def finish(self, front: bytes = b"") -> Content:
        """Close and return the Content (not yet durable: ``accept`` makes it so).

        ``front`` is put before what was written: what is known only at the end of a message and
        belongs into its header. Raises Temporary when the disk refuses.
        """
        ...

    def discard(self) -> None:
        """Give up; remove what was written."""
        ...


@dataclass(slots=True)
class Facts:
    """What the intake found out about a message, encoded once and served many times.

    ``envelope`` and ``bodystructure`` are IMAP wire bytes (RFC 3501 §7.4.2). ``common`` holds the
    raw header fields that clients ask for most, in message order. ``scan`` is the frozen part
    tree. ``keys`` are packed sort and thread keys. ``preview`` is text (RFC 8970 §3).
    """

    envelope: bytes
    bodystructure: bytes
    common: bytes
    scan: bytes
    keys: bytes = b""
    preview: str = ""
    kin: tuple[int, ...] = ()
    """What puts it into a thread (``rules.thread_of``): hashes of Message-IDs, positive, its own
    first (0 when it has none), then those of its ancestors, nearest first, the root last."""
    message_id: str = ""
    """The Message-ID without its brackets, for the journal."""


@dataclass(slots=True)
class NewMessage:
    """A scanned message ready to be kept: once, however many mailboxes it goes to."""

    content: Content
    facts: Facts


@dataclass(slots=True)
class Target:
    """One mailbox that a new message goes to.

    ``internaldate`` is seconds since 1970 UTC. ``zone`` is minutes east of UTC, so that a date
    given by APPEND comes back as it was given.
    """

    account: int
    mailbox: int
    flags: FlagSet = NO_FLAGS
    internaldate: int = 0
    zone: int = 0
    enforce_quota: bool = True
    pair: tuple[int, int] | None = None
    """(recipient, route) within the envelope that this target serves. With a pair, a refusal
    moves the pair into the queue item given to ``accept`` instead of losing it."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """A message that goes as another one comes (RFC 8508). It is retained like an expunged one."""

    account: int
    mailbox: int
    uid: int
    by: str = ""
    """Who replaced it, as for ``expunge``."""


@swift
@dataclass(frozen=True, slots=True)
class Appended:
    """Where one target ended: the answer that APPENDUID and the trace need (RFC 4315 §3)."""

    account: int
    mailbox: int
    uidvalidity: int
    uid: int
    modseq: int
    blob: int


# ---------------------------------------------------------------------------- reading


@dataclass(slots=True)
class Snapshot:
    """A mailbox at one modseq as parallel arrays, UIDs ascending: 20 bytes a message."""

    box: Mailbox
    uids: array[int]
    """Typecode 'I'."""
    modseqs: array[int]
    """Typecode 'Q'."""
    flags: array[int]
    """Typecode 'Q': bits under ``box.keywords``."""


class Column(Enum):
    """What ``rows`` can read of a message. The value is the place in the tuple it documents."""

    UID = "uid"
    SIZE = "size"
    """int, octets."""
    INTERNALDATE = "internaldate"
    """int, seconds since 1970 UTC."""
    ZONE = "zone"
    SAVED = "saved"
    """int, seconds: when it came into this mailbox (RFC 8514)."""
    BLOB = "blob"
    """int: identifies the immutable message; equal for copies (EMAILID, RFC 8474)."""
    ENVELOPE = "envelope"
    BODYSTRUCTURE = "bodystructure"
    COMMON = "common"
    SCAN = "scan"
    KEYS = "keys"
    PREVIEW = "preview"
    THREAD = "thread"
    """int: equal for related messages, never changes (THREADID, RFC 8474)."""
    BODY = "body"
    """bytes of the whole message when it is kept inline, None when ``read`` must fetch it."""
    FOLDED = "folded"
    """``Folded``, or None: the same as it lies there, for who needs it later or perhaps not."""


class Folded(Protocol):
    """The bytes of a message that is kept inline: read, and not yet unpacked."""

    @property
    def size(self) -> int:
        """Octets of the message."""
        ...

    def unfold(self) -> bytes:
        """The message, without waiting. Raises Permanent when it is damaged."""
        ...


class FlagOp(Enum):
    REPLACE = "replace"
    """Spares POP3_HIDDEN, which no client can see."""
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Stored:
    """Result of ``set_flags``: ``modseq`` 0 when nothing changed.

    ``failed`` are the UIDs left alone because they changed after ``unchanged_since``
    (MODIFIED, RFC 7162 §3.1.3).
    """

    modseq: int
    changed: NumSet
    failed: NumSet = field(default_factory=NumSet)


@dataclass(frozen=True, slots=True)
class Copied:
    """Result of ``copy`` and ``move``: ``source[i]`` became ``target[i]`` (COPYUID)."""

    uidvalidity: int
    source: Sequence[int]
    target: Sequence[int]
    modseq: int


@dataclass(frozen=True, slots=True)
class Removed:
    """Result of ``expunge``."""

    modseq: int
    uids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Retained:
    """An expunged message that can still be brought back."""

    account: int
    mailbox: int
    mailbox_name: str
    uid: int
    expunged_at: int
    """Seconds since 1970 UTC."""
    size: int
    blob: int
    envelope: bytes
    by: str = ""
    """Who expunged it, as the caller of ``expunge`` named itself."""


# ---------------------------------------------------------------------------- the queue


@dataclass(frozen=True, slots=True)
class QueueRecipient:
    """One recipient of a queued message: ``number`` counts within the item from 0."""

    number: int
    envelope_index: int
    """Which of ``envelope.recipients`` it belongs to."""
    route_index: int
    attempts: int
    due: float
    """Seconds since 1970 UTC; not before this."""
    state: str
    """'due', 'held', 'done' or 'failed'."""
    last: Reply | None = None
    domain: str = ""
    """Of a remote route, in normal form; '' for a local one. The store fills it in."""
    owed: str = ""
    """What the sender is still to be told: '', 'failed', 'delayed', 'relayed' or 'delivered'."""
    warned: bool = False
    """The sender was told of a delay, or soon will be."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A message waiting for some of its recipients, under a lease while someone works on it."""

    id: int
    envelope: Envelope
    blob: int
    size: int
    created: float
    recipients: tuple[QueueRecipient, ...]
    lease: str = ""
    priority: int = 0
    held: str = ""
    """Why recipients of it were held from the beginning, '' where none was."""
    story: int = 0
    """Where the journal tells of it."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which items: those with all that is said here."""

    sender: str | None = None
    """The envelope's: an address, '@' and a domain, or '' for the null sender."""
    recipient: str = ""
    """An address, or '@' and a domain, of any recipient whose row is kept."""
    domain: str = ""
    """Where any of it goes, in normal form."""
    state: str = ""
    """Of any recipient."""
    before: float | None = None
    """Queued before this time."""


@dataclass(slots=True)
class NewItem:
    """To be queued along with (or instead of) local targets. Pairs are (recipient, route)."""

    envelope: Envelope
    pairs: Sequence[tuple[int, int]]
    due: float
    priority: int = 0
    """-9 to 9, higher first (RFC 6710 §3)."""
    held: Collection[tuple[int, int]] = ()
    """Pairs that wait until somebody releases them."""
    why_held: str = ""
    """For people."""


@dataclass(slots=True)
class Parcel:
    """One message of several that are kept in one transaction, as for ``Mail.accept``.

    ``more``: further queue items of the same message, each with an envelope of its own. ``once``:
    it is kept only if that is not remembered yet, and remembered once it was kept.
    """

    message: NewMessage
    targets: Sequence[Target] = ()
    queued: NewItem | None = None
    telling: Telling | None = None
    more: Sequence[NewItem] = ()
    once: Mark | None = None
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one recipient after an attempt."""

    number: int
    state: str
    due: float
    reply: Reply | None
    owed: str = ""
    warned: bool = False
    """Both as in QueueRecipient; '' and False change nothing."""
    by: str = ""
    """Name of the server that said ``reply``, for the journal, as what follows."""
    tls: str = ""
    maybe: bool = False
    """The message was sent and the answer lost."""
    tries: tuple[Try, ...] = ()


# ---------------------------------------------------------------------------- protocols


class Blobs(Protocol):
    """Message bytes by number."""

    def stage(self, expected: int = 0) -> Staging:
        """Begin a message of about ``expected`` octets (0: unknown)."""
        ...

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        """A slice of a message. Raises Permanent when there is no such blob."""
        ...

    def stream(self, blob: int, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of bounded size."""
        ...


class Directory(Protocol):
    """Domains, accounts, aliases. Addresses are in normal form (``Address.normal``)."""

    def edition(self) -> int:
        """Another number once any answer about domains, accounts, aliases or lists may differ,
        but for what accounts use. Asks nothing of the disk, so that
        whoever remembers what follows from several answers can look each time."""
        ...

    async def domains(self) -> list[Domain]: ...

    async def set_domain(self, domain: Domain) -> None:
        """Add it or change its catch-all."""
        ...

    async def remove_domain(self, name: str) -> Refusal | None:
        """Refused (IN_USE) while accounts or aliases live there."""
        ...

    async def domain(self, name: str) -> Domain | None: ...

    async def accounts(self, after: str = "", limit: int | None = None) -> list[Account]:
        """By address: those behind ``after``, ``limit`` at most (None: all)."""
        ...

    async def account(self, account: int) -> Account | None: ...

    async def account_by_address(self, address: str) -> Account | None:
        """By login address only; aliases are not followed."""
        ...

    async def add_account(
        self,
        address: str,
        credentials: Credentials,
        *,
        quota: int = 0,
        pop3: Pop3Mode = Pop3Mode.DELETE,
        display_name: str = "",
    ) -> Account | Refusal:
        """With the default mailboxes, subscribed. Refused when the address or domain is not free
        or not there."""
        ...

    async def add_accounts(
        self, accounts: Iterable[tuple[str, Credentials]]
    ) -> list[Account | Refusal]:
        """Many in one transaction."""
        ...

    async def change_account(self, account: Account) -> Refusal | None:
        """Write every changeable field (not id, address, used)."""
        ...

    async def remove_account(self, account: int) -> Refusal | None:
        """With its mailboxes and mail, at once and for good."""
        ...

    async def credentials(self, account: int) -> Credentials | None: ...

    async def set_credentials(self, account: int, credentials: Credentials) -> None:
        """Raises Permanent for an account that is not there."""
        ...

    async def aliases(self) -> list[Alias]: ...

    async def alias(self, address: str) -> Alias | None: ...

    async def set_alias(self, alias: Alias) -> Refusal | None: ...

    async def remove_alias(self, address: str) -> Refusal | None: ...


class Mailboxes(Protocol):
    """The tree of mailboxes of an account."""

    async def mailboxes(self, account: int) -> list[Mailbox]:
        """All of them, by name, INBOX first."""
        ...

    async def mailbox(self, account: int, mailbox: int) -> Mailbox | None: ...

    async def mailbox_by_name(self, account: int, name: str) -> Mailbox | None: ...

    async def mailbox_at(self, account: int, name: str) -> Mailbox | None:
        """The same for whoever asks which mailbox has the name: what mail changes (UIDs, counts,
        keywords) may be that of an earlier moment."""
        ...

    async def create_mailbox(
        self, account: int, name: str, special_use: str = ""
    ) -> Mailbox | Refusal:
        """Missing parents are created too (RFC 9051 §6.3.4). A special use is for one mailbox of
        an account: IN_USE."""
        ...

    async def delete_mailbox(self, account: int, mailbox: int, by: str = "") -> Refusal | None:
        """Its messages are retained like expunged ones. Children stay."""
        ...

    async def rename_mailbox(self, account: int, mailbox: int, name: str) -> Refusal | None:
        """With its children and their subscriptions, in one transaction; missing parents are
        created. INBOX: its messages move, it stays empty (RFC 9051 §6.3.6)."""
        ...

    async def rename_children(self, account: int, old: str, new: str) -> Refusal | None:
        """The same of a name that is no mailbox but has children."""
        ...

    async def subscribe(self, account: int, name: str, subscribed: bool) -> None:
        """Any name can be subscribed, also one without mailbox (RFC 9051 §6.3.7). Raises
        Permanent for an account that is not there."""
        ...

    async def subscriptions(self, account: int) -> list[str]: ...

    async def set_special_use(self, account: int, mailbox: int, use: str) -> Refusal | None: ...

    async def claim_recent(self, account: int, mailbox: int) -> int:
        """First UID that is \\Recent for the caller; later callers get a higher one. 0 without
        such a mailbox."""
        ...


class Mail(Protocol):
    """Messages in mailboxes."""

    async def accept(
        self,
        message: NewMessage,
        targets: Sequence[Target],
        queued: NewItem | None = None,
        telling: Telling | None = None,
        *,
        sent: Sent | None = None,
    ) -> list[Appended | Refusal]:
        """Keep a message: one transaction for all targets and the queue item, one blob.

        ``sent`` is counted (``Senders``) in the same transaction, if anything is kept.

        A target's refusal (OVER_QUOTA, NONEXISTENT) does not touch the others. Refused targets
        that name a ``pair`` have it added to ``queued`` (which may start with no pairs) in the
        same transaction; an item that ends with no pairs is not made. With every target refused
        and nothing queued, nothing is kept, and the content stays the caller's, as it does when
        something is raised. Keywords that a mailbox has no room for are left out, here and in
        copies: mail matters more. With ``telling`` the journal tells of it, also where everybody's
        copy was discarded.
        """
        ...

    async def accept_each(
        self, parcels: Sequence[Parcel], marks: Sequence[Mark] = ()
    ) -> list[list[Appended | Refusal] | None]:
        """Several messages, all in one transaction, each as by ``accept``; None for one whose
        ``once`` was remembered already. ``marks`` are remembered with them, for the longer of two
        times. Contents of which nothing was kept stay the caller's."""
        ...

    async def append_many(
        self,
        messages: Sequence[tuple[NewMessage, Target]],
        *,
        replaces: Replaces | None = None,
        by: str = "",
    ) -> list[Appended] | Refusal:
        """All into one mailbox or none (RFC 3502 §6.3.11).

        ``replaces``: this message is expunged in the same transaction, whatever its flags, and
        its room counts as free if the account is the same (RFC 8508 §3.4); what came is told
        before what went. NONEXISTENT when its mailbox is gone, STALE when it is gone itself.
        """
        ...

    async def load(self, account: int, mailbox: int) -> Snapshot | None: ...

    def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        """Batches of tuples in the order of ``columns``, UIDs ascending, missing ones left out.
        Batches are bounded in rows and octets."""
        ...

    async def set_flags(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        op: FlagOp,
        flags: FlagSet,
        *,
        unchanged_since: int | None = None,
        origin: str = "",
        scope: FlagScope = EVERY_FLAG,
    ) -> Stored | Refusal:
        """One transaction. A message whose flags are already so keeps its modseq. LIMIT when the
        mailbox has no room for another keyword. Flags out of ``scope`` stay as they are."""
        ...

    async def copy(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        """All or none (RFC 9051 §6.4.7); flags within ``scope`` and internal date go along."""
        ...

    async def move(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        """Copy and expunge in one transaction (RFC 6851 §3.3); not counted against quota within
        an account, and nothing is retained: the message is still there."""
        ...

    async def expunge(
        self, account: int, mailbox: int, uids: NumSet | None, *, only_deleted: bool, by: str = ""
    ) -> Removed | Refusal:
        """``uids`` None means all. ``only_deleted`` spares what lacks \\Deleted."""
        ...

    async def expunged_since(self, account: int, mailbox: int, modseq: int) -> tuple[NumSet, int]:
        """UIDs expunged after ``modseq``, and the modseq from which on that is known exactly
        (tombstones older than it were pruned)."""
        ...

    async def retained(self, account: int, mailbox: int | None = None) -> list[Retained]: ...

    async def undelete(
        self, account: int, entries: Sequence[Retained], to_mailbox: int, by: str = ""
    ) -> Copied | Refusal:
        """Bring messages back under new UIDs, in the order given, without \\Deleted. Entries no
        longer retained are passed over."""
        ...

    async def purge(self, before: float, tombstones_before: float) -> int:
        """Forget what was expunged before a time (seconds since 1970); octets freed."""
        ...


class Spool(Protocol):
    """The queue's rows. Work is taken by lease, so there is no owner process."""

    async def lease(
        self, owner: str, now: float, until: float, limit: int, *, busy: Collection[str] = ()
    ) -> list[QueueItem]:
        """Items with due recipients whose lease is free or over.

        Higher priority first; then senders take turns, so that nobody's thousand messages stand
        before somebody's one; then oldest due first. Recipients at ``busy`` domains do not count.
        An item that has nobody due but still owes its sender a notice is due too.
        """
        ...

    async def reclaim(self) -> int:
        """Free all leases, how many: for who knows that nobody else is at work, after a crash."""
        ...

    async def states(self, item: int, lease: str) -> tuple[str, ...] | None:
        """The states of its recipients, in order; None where this lease is not its own (any more).
        For who has had an item for a while, and is about to begin."""
        ...

    async def settle(
        self,
        item: int,
        lease: str,
        results: Sequence[Settled],
        notice: NewMessage | None = None,
        notice_item: NewItem | None = None,
        notice_targets: Sequence[Target] = (),
        *,
        keep_until: float | None = None,
        owing: bool = False,
    ) -> Refusal | None:
        """Write the results and free the lease; an item without due or held recipients goes away.

        With ``keep_until`` the lease goes on until then instead: results are safe while others
        are still awaited. When the lease is freed, what was owed counts as paid, by the notice
        (DSN) that is kept in the same transaction, unless ``owing``: then the debts stay, and an
        item with debts does not go away. STALE when the lease was lost.
        """
        ...

    async def next_due(self) -> float | None:
        """When the next recipient falls due, leased ones at the lease's end."""
        ...

    async def queue_items(
        self, limit: int = 1000, after: int = 0, where: QueueFilter | None = None
    ) -> list[QueueItem]:
        """By number, those above ``after``; fewer than ``limit`` only where there are no more."""
        ...

    async def hold(self, item: int, held: bool, by: str = "") -> Refusal | None:
        """Recipients that are due wait until they are let go, and go on where they were."""
        ...

    async def retry(self, item: int, due: float, by: str = "") -> Refusal | None:
        """Let its due recipients be due at ``due`` instead; held ones stay held."""
        ...

    async def expire(self, item: int, results: Sequence[Settled], by: str = "") -> Refusal | None:
        """Write results that no attempt led to. What they say is owed to the sender makes the
        item due once more. IN_USE while somebody has the lease."""
        ...

    async def drop(self, item: int, by: str = "") -> Refusal | None:
        """Forget it; nobody is told but the journal."""
        ...


class Store(
    Blobs,
    Directory,
    Mailboxes,
    Mail,
    Spool,
    TextIndex,
    Annotations,
    AccessLists,
    Lists,
    Suppressions,
    Senders,
    Journal,
    Auditor,
    Notes,
    Learned,
    Scripts,
    Protocol,
):
    """Everything, as ``app`` opens it. Rooms should ask for the narrowest Protocol they need."""

    async def close(self) -> None:
        """Finish what was begun; later calls raise Temporary."""
        ...
