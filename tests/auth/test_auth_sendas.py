"""Which sender addresses an account may use."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pillarbox.auth.sendas import Options, SendAs
from pillarbox.model.account import Alias, Domain
from pillarbox.model.address import parse_address
from pillarbox.store.memory import MemoryStore
from support import people


@dataclass
class Case:
    sender: str
    allowed: bool
    extra: frozenset[str] = field(default_factory=frozenset)


@pytest.fixture
async def store() -> MemoryStore:
    store = await people.house("ann", "bob")
    await store.set_domain(Domain("caught.test", catchall="ann@example.test"))
    await store.set_domain(Domain("free.test"))
    await people.alias(store, "info", "ann")
    await people.alias(store, "all", "ann", "bob")
    await people.alias(store, "deep", "info")
    await people.alias(store, "loop", "pool")
    await people.alias(store, "pool", "loop")
    await people.alias(store, "filed", "ann+lists@example.test")
    await people.alias(store, "bobs", "bob")
    await people.alias(store, "away", "ann@elsewhere.test")
    assert await store.set_alias(Alias("sales@caught.test", ("bob@example.test",))) is None
    return store


CASES = [
    Case("ann@example.test", True),
    Case("Ann@EXAMPLE.test", True),
    Case("ann+detail@example.test", True),
    Case("bob@example.test", False),
    Case("bob+ann@example.test", False),
    Case("info@example.test", True),
    Case("info+x@example.test", True),
    Case("all@example.test", True),
    Case("deep@example.test", True),
    Case("loop@example.test", False),
    Case("filed@example.test", True),
    Case("bobs@example.test", False),
    Case("away@example.test", False),
    Case("nobody@example.test", False),
    Case("ann@elsewhere.test", False),
    Case("ann@free.test", False),
    Case("anything@caught.test", True),
    Case("sales@caught.test", False),
    Case("me@other.test", True, frozenset({"me@other.test"})),
    Case("me+x@other.test", True, frozenset({"me@other.test"})),
    Case("you@other.test", False, frozenset({"me@other.test"})),
    Case("you@Other.test", True, frozenset({"@other.test"})),
    Case("you@sub.other.test", False, frozenset({"@other.test"})),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sender)
async def test_the_table(store: MemoryStore, case: Case) -> None:
    ann = await people.account(store, "ann")
    room = SendAs(store, Options(extra={"ann@example.test": case.extra}))
    sender = parse_address(case.sender)
    assert sender is not None
    assert await room.allows(ann, sender) is case.allowed


async def test_what_is_anns_is_not_bobs(store: MemoryStore) -> None:
    bob = await people.account(store, "bob")
    room = SendAs(store, Options(extra={"ann@example.test": frozenset({"me@other.test"})}))
    allowed = []
    for case in CASES:
        sender = parse_address(case.sender)
        if await room.allows(bob, sender):
            allowed.append(case.sender)
    assert allowed == [
        "bob@example.test", "bob+ann@example.test", "all@example.test", "bobs@example.test",
        "sales@caught.test",
    ]  # fmt: skip


async def test_the_null_sender_is_everybodys(store: MemoryStore) -> None:
    assert await SendAs(store).allows(await people.account(store, "bob"), None)


async def test_a_long_chain_ends(store: MemoryStore) -> None:
    for n in range(50):
        await people.alias(store, f"c{n}", f"c{n + 1}")
    await people.alias(store, "c50", "ann")
    ann = await people.account(store, "ann")
    first = parse_address("c0@example.test")
    assert await SendAs(store).allows(ann, first)
    assert not await SendAs(store, Options(max_lookups=10)).allows(ann, first)
