"""A store of either kind with a clock moved by hand and everything it published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pillarbox.base.ids import SystemRng
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.address import Address
from pillarbox.model.change import Change
from pillarbox.model.flags import FlagSet, flag_set, to_flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.transaction import Envelope, Local, Peer, Recipient, Remote, Role, Sender
from pillarbox.store.api import (
    Appended,
    Column,
    Facts,
    NewItem,
    NewMessage,
    Store,
    Target,
)
from pillarbox.store.journal import Telling
from pillarbox.store.memory import MemoryStore
from pillarbox.store.sqlite import Options, open_store
from support.apart import open_apart

DOMAIN = "example.org"
SECRET = Credentials("$argon2id$x", b"salt", 4096, b"stored", b"server")
INLINE = 4096
"""Small, so that tests reach bodies in files."""


class HandClock:
    """Time as the test says."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Kit:
    """A store and shorthand for what nearly every test does."""

    store: Store
    clock: HandClock
    changes: list[Change] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    async def account(self, name: str = "ann", quota: int = 0) -> Account:
        if await self.store.domain(DOMAIN) is None:
            await self.store.set_domain(Domain(DOMAIN))
        made = await self.store.add_account(f"{name}@{DOMAIN}", SECRET, quota=quota)
        assert isinstance(made, Account)
        return made

    async def box(self, account: Account, name: str = "INBOX") -> Mailbox:
        found = await self.store.mailbox_by_name(account.id, name)
        if found is None:
            made = await self.store.create_mailbox(account.id, name)
            assert isinstance(made, Mailbox)
            return made
        return found

    async def box_of(self, account: int, name: str) -> Mailbox:
        """A mailbox of an account known by number."""
        owner = await self.store.account(account)
        assert owner is not None
        return await self.box(owner, name)

    async def again(self, box: Mailbox) -> Mailbox:
        """The mailbox as it is now."""
        found = await self.store.mailbox(box.account, box.id)
        assert found is not None
        return found

    async def message(
        self, body: bytes = b"Subject: hi\r\n\r\nhello\r\n", kin: tuple[int, ...] = ()
    ) -> NewMessage:
        staging = self.store.stage(len(body))
        staging.write(body)
        facts = Facts(b"env" + body[:9], b"bs", b"common", b"scan", b"keys", "pré", kin)
        return NewMessage(await staging.finish(), facts)

    async def put(self, box: Mailbox, *flags: str, body: bytes = b"x" * 100) -> Appended:
        """One message that must be taken."""
        target = Target(box.account, box.id, flag_set(flags), 1_600_000_000, 120)
        (result,) = await self.store.accept(await self.message(body), [target])
        assert isinstance(result, Appended), result
        return result

    async def uids(self, box: Mailbox) -> list[int]:
        loaded = await self.store.load(box.account, box.id)
        assert loaded is not None
        return list(loaded.uids)

    async def flags(self, box: Mailbox) -> dict[int, FlagSet]:
        loaded = await self.store.load(box.account, box.id)
        assert loaded is not None
        words = loaded.box.keywords
        return {
            uid: to_flag_set(bits, words)
            for uid, bits in zip(loaded.uids, loaded.flags, strict=True)
        }

    async def column(self, box: Mailbox, column: Column) -> list[object]:
        out = []
        async for batch in self.store.rows(box.account, box.id, ALL, [column]):
            out += [row[0] for row in batch]
        return out

    async def queue(
        self, *recipients: str, due: float | None = None, sender: str = "ann", priority: int = 0
    ) -> int:
        """One message in the queue; its item's number."""
        due = self.clock.time if due is None else due
        whole = replace(envelope(*recipients), peer=Peer("192.0.2.1", 2525, "helo", "", sender))
        whole = envelope(*recipients) if sender == "ann" else whole
        pairs = [(n, 0) for n in range(len(recipients))]
        item = NewItem(whole, pairs, due, priority)
        await self.store.accept(await self.message(), [], item)
        return (await self.store.queue_items(10_000))[-1].id

    async def promise(self, trace: str = "t", local: int = 0) -> int:
        """One message in the queue that the journal knows of, to Bob or into an account."""
        route = Local(local, "ann@example.org") if local else Remote("bob@x.example")
        to = Recipient(Address("bob", "x.example"), (route,))
        whole = replace(envelope(), recipients=(to,), id=trace)
        item = NewItem(whole, [(0, 0)], self.clock.time)
        await self.store.accept(await self.message(), [], item, Telling(whole))
        return (await self.store.queue_items())[-1].id

    def taken(self) -> list[Change]:
        """What was published since the last call."""
        out, self.changes[:] = list(self.changes), []
        return out

    def publish(self, changes: Sequence[Change]) -> None:
        self.changes += changes
        self.batches.append(len(changes))


ALL = NumSet([(1, 0xFFFFFFFF)])


def some(*numbers: int) -> NumSet:
    return NumSet.of(numbers)


def envelope(*recipients: str) -> Envelope:
    return Envelope(
        sender=Sender(Address("ann", DOMAIN), size=10, envid="x+y", params={"MT": "1", "Z": None}),
        recipients=tuple(
            Recipient(
                Address(*name.split("@")), (Remote(name),), frozenset({"NEVER"}), f"rfc822;{name}"
            )
            for name in recipients
        ),
        role=Role.SUBMISSION,
        peer=Peer("192.0.2.1", 2525, "helo", "TLSv1.3", "ann"),
        received_at=1.5,
        id="trace",
    )


def refused(answer: object, kind: Kind) -> bool:
    assert isinstance(answer, Refusal), answer
    assert answer.text
    return answer.kind is kind


async def open_kit(kind: str, directory: Path, options: Options | None = None) -> Kit:
    clock = HandClock()
    changes: list[Change] = []
    batches: list[int] = []
    box: list[Kit] = []

    def publish(some: Sequence[Change]) -> None:
        box[0].publish(some)

    options = options or Options(inline_limit=INLINE, switch_interval=None)
    if kind == "memory":
        store: Store = MemoryStore(publish, clock, inline_limit=INLINE)
    elif kind == "apart":
        store = await open_apart(directory, publish, clock, options)
    else:
        store = await open_store(
            directory, publish=publish, clock=clock, options=options, rng=SystemRng()
        )
    box.append(Kit(store, clock, changes, batches))
    return box[0]
