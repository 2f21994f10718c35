"""From a name to a mailbox and the rights to it."""

from __future__ import annotations

import pytest

from pillarbox.mailbox.access import Access, Ground, Place, shared_name
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.rights import ALL, effective, letters, parse, scope, spelt
from pillarbox.store.memory import MemoryStore
from pillarbox.store.sharing import AccessOp
from support.people import account, house


@pytest.fixture
async def shared() -> tuple[MemoryStore, Access, Account]:
    """Bob, to whom ann's Team is shared by its list."""
    store = await house("ann", "bob", "eve")
    ann = await account(store, "ann")
    await store.create_mailbox(ann.id, "Team")
    return store, Access(store), await account(store, "bob")


async def grant(store: MemoryStore, who: str, text: str, name: str = "Team") -> None:
    ann = await account(store, "ann")
    box = await store.mailbox_by_name(ann.id, name)
    assert box is not None
    rights = frozenset(text)
    assert await store.change_access(ann.id, box.id, who, AccessOp.REPLACE, rights) is None


def kind(found: object) -> Kind:
    assert isinstance(found, Refusal), found
    return found.kind


class Forgetful(MemoryStore):
    """Remembers that there are no mailboxes, as before another process made them."""

    async def mailbox_at(self, account: int, name: str) -> Mailbox | None:
        return None


async def test_what_is_remembered_not_to_be_there_is_looked_up() -> None:
    store = Forgetful()
    await store.set_domain(Domain("example.test"))
    ann = await store.add_account("ann@example.test", Credentials(""))
    assert isinstance(ann, Account)
    found = await Access(store).find(ann, "INBOX", "r", counts=False)
    assert isinstance(found, Place)
    assert kind(await Access(store).find(ann, "Nothing", "r", counts=False)) is Kind.NONEXISTENT


TEAM = "Other Users/ann@example.test/Team"


async def test_what_it_takes_to_find_one(shared: tuple[MemoryStore, Access, Account]) -> None:
    store, access, bob = shared
    assert kind(await access.find(bob, TEAM)) is Kind.NONEXISTENT
    await grant(store, "bob@example.test", "r")
    assert isinstance(await access.find(bob, TEAM, "r"), Place)
    assert kind(await access.find(bob, TEAM, "w")) is Kind.NONEXISTENT  # it has no l to know of it
    await grant(store, "bob@example.test", "lr")
    assert kind(await access.find(bob, TEAM, "rw")) is Kind.NO_PERMISSION
    assert kind(await access.find(bob, TEAM, "l", "iw")) is Kind.NO_PERMISSION
    found = await access.find(bob, "Other Users/Ann@Example.TEST/Team", "l", "wr")
    assert isinstance(found, Place)
    assert (found.name, found.box.name, letters(found.rights), found.own) == (
        TEAM, "Team", "lr", False,
    )  # fmt: skip
    for name in ("Other Users/eve@example.test/Team", "Other Users/x", "Other Users/x/y", "Team"):
        assert kind(await access.find(bob, name)) is Kind.NONEXISTENT
    own = await access.find(bob, "Other Users/bob@example.test/inbox", "a")
    assert isinstance(own, Place)
    assert own.own


async def test_where_one_could_be_made(shared: tuple[MemoryStore, Access, Account]) -> None:
    store, access, bob = shared
    ann = await account(store, "ann")
    assert await access.ground(bob, "new/one") == Ground(bob.id, "new/one")
    assert kind(await access.ground(bob, TEAM + "/x")) is Kind.NO_PERMISSION
    await grant(store, "bob@example.test", "k")
    assert await access.ground(bob, TEAM + "/x/y") == Ground(ann.id, "Team/x/y")
    for name in ("Other Users/ann@example.test/x", "Other Users/nobody@example.test/x/y"):
        assert kind(await access.ground(bob, name)) is Kind.NO_PERMISSION
    assert kind(await access.ground(bob, "Other Users")) is Kind.CANNOT


async def test_what_is_listed(shared: tuple[MemoryStore, Access, Account]) -> None:
    store, access, bob = shared
    own = len(await access.visible(bob))
    await grant(store, "anyone", "lr", "Sent")
    await grant(store, "bob@example.test", "r")
    await grant(store, "-bob@example.test", "r", "Sent")
    more = (await access.visible(bob))[own:]
    assert [(place.name, letters(place.rights)) for place in more] == [
        ("Other Users/ann@example.test/Sent", "l")
    ]
    assert (more[0].shown.name, more[0].shown.special_use) == (more[0].name, "")
    assert more[0].box.special_use == "\\Sent"
    ann = await account(store, "ann")
    assert all(place.own for place in await access.visible(ann))


async def test_names_and_numbers(shared: tuple[MemoryStore, Access, Account]) -> None:
    store, access, bob = shared
    ann = await account(store, "ann")
    box = await store.mailbox_by_name(ann.id, "Team")
    assert box is not None
    found = await access.place(bob, ann.id, box.id)
    assert found is not None
    assert (found.name, found.rights) == (TEAM, frozenset())
    mine = await access.place(ann, ann.id, box.id)
    assert mine is not None
    assert (mine.name, mine.rights) == ("Team", ALL)
    assert await access.place(bob, ann.id, 999) is None
    assert shared_name("a/b=c*%@x", "y") == "Other Users/a=2Fb=3Dc=2A=25@x/y"


def test_rights() -> None:
    assert parse("cd") == frozenset("kxte")
    assert parse("") == frozenset()
    assert parse("lq") is None
    assert spelt(ALL) == "lrswipkxteacd"
    assert spelt(frozenset("xl")) == "lxc"
    entries = {"anyone": frozenset("lr"), "ann": frozenset("w"), "-anyone": frozenset("r")}
    assert effective(entries, "ann") == frozenset("lw")
    assert effective(entries, "bob") == frozenset("l")
    assert not scope(frozenset("lr"))
    assert scope(frozenset("swt")) == scope(ALL)
