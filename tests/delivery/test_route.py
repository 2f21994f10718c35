"""Where recipients lead: the table of all ways to be known, and of all ways to be refused."""

from __future__ import annotations

import dataclasses

import pytest

from pillarbox.delivery import route
from pillarbox.delivery.circles import circle
from pillarbox.delivery.route import Options, Router
from pillarbox.model.account import Alias, Credentials, Domain, DomainKind
from pillarbox.model.address import Address
from pillarbox.model.lists import MailingList
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Listed, Local, Part, Remote, Role
from pillarbox.store.memory import MemoryStore
from support.people import account, alias, house


async def routes(router: Router, text: str, role: Role = Role.MX) -> list[str] | Reply:
    """Addresses (and details) that ``text`` leads to, or the refusal."""
    name, _, domain = text.rpartition("@") if "@" in text else (text, "", "")
    found = await router.route(Address(name, domain), role)
    if isinstance(found, Reply):
        return found
    return [
        f"{one.address}|{one.detail}" if isinstance(one, Local) else f"remote {one.address}"
        for one in found
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.test", ["ann@example.test|"]),
        ("ANN@Example.TEST", ["ann@example.test|"]),
        ("ann@example.test.", ["ann@example.test|"]),
        ("ann+lists@example.test", ["ann@example.test|lists"]),
        ("ann+a+b@example.test", ["ann@example.test|a+b"]),
        ("both@example.test", ["ann@example.test|", "bob@example.test|"]),
        ("both+x@example.test", ["ann@example.test|x", "bob@example.test|x"]),
        ("chain@example.test", ["ann@example.test|", "bob@example.test|"]),
        ("loop@example.test", ["bob@example.test|"]),
        ("nobody@example.test", route.UNKNOWN),
        ("nobody+x@example.test", route.UNKNOWN),
        ("+ann@example.test", route.UNKNOWN),
        ("dead@example.test", route.UNKNOWN),
        ("ann@elsewhere.test", route.NO_SUCH_DOMAIN_HERE),
        ("postmaster", ["ann@example.test|"]),
        ("PostMaster@example.test", ["ann@example.test|"]),
        ("postmaster+x@example.test", ["ann@example.test|"]),
        ("locked@example.test", route.DISABLED),
        ("half@example.test", ["ann@example.test|"]),
    ],
)
async def test_routes(text: str, expected: object) -> None:
    store = await house("ann", "bob", "locked")
    await alias(store, "both", "ann", "bob")
    await alias(store, "chain", "both", "ann")
    await alias(store, "loop", "pool", "bob")
    await alias(store, "pool", "loop")
    await alias(store, "dead", "gone")
    await alias(store, "half", "locked", "ann")
    locked = await account(store, "locked")
    await store.change_account(dataclasses.replace(locked, enabled=False))
    assert await routes(Router(store), text) == expected


async def test_catchall_takes_what_nobody_else_has() -> None:
    store = await house("ann", "bob")
    await store.set_domain(Domain("example.test", catchall="bob@example.test"))
    router = Router(store)
    assert await routes(router, "whoever@example.test") == ["bob@example.test|"]
    assert await routes(router, "ann@example.test") == ["ann@example.test|"]
    assert await routes(router, "postmaster@example.test") == ["ann@example.test|"]


@pytest.mark.parametrize("kind", [DomainKind.RELAY, DomainKind.BACKUP])
async def test_domains_that_we_stand_in_front_of(kind: DomainKind) -> None:
    """Who is somebody here stays here; everybody else goes on, and may come from anywhere."""
    store = await house("ann")
    await store.set_domain(Domain("inner.test", kind=kind))
    assert await store.set_alias(Alias("info@inner.test", ("ann@example.test",))) is None
    await alias(store, "away", "bob@inner.test")
    router = Router(store, Options(remote=True))
    assert await routes(router, "bob+x@inner.test") == ["remote bob+x@inner.test"]
    assert await routes(router, "postmaster@inner.test") == ["remote postmaster@inner.test"]
    assert await routes(router, "info@inner.test") == ["ann@example.test|"]
    assert await routes(router, "away@example.test") == ["remote bob@inner.test"]
    assert await routes(router, "bob@outer.test") == route.NO_SUCH_DOMAIN_HERE


async def test_postmaster_can_be_chosen() -> None:
    store = await house("ann", "bob")
    router = Router(store, Options(postmaster="bob@example.test"))
    assert await routes(router, "postmaster") == ["bob@example.test|"]


@pytest.mark.parametrize("role", Role)
async def test_the_server_has_a_postmaster_by_its_own_name(role: Role) -> None:
    """Whoever answers a report writes there."""
    router = Router(await house("ann"), Options(hostname="mx.host.test", remote=True))
    assert await routes(router, "PostMaster@MX.host.test.", role) == ["ann@example.test|"]
    elsewhere = await routes(router, "ann@mx.host.test", role)
    may = role in {Role.SUBMISSION, Role.LOCAL}
    assert elsewhere == (["remote ann@mx.host.test"] if may else route.NO_SUCH_DOMAIN_HERE)


async def test_postmaster_of_a_house_without_people_is_asked_to_come_back() -> None:
    assert await routes(Router(await house()), "postmaster") == route.NO_POSTMASTER


async def test_only_submission_reaches_other_servers() -> None:
    router = Router(await house("ann"), Options(remote=True))
    assert await routes(router, "x@else.test", Role.SUBMISSION) == ["remote x@else.test"]
    for role in (Role.MX, Role.LMTP):
        assert await routes(router, "x@else.test", role) == route.NO_SUCH_DOMAIN_HERE


async def test_without_a_way_out_a_remote_recipient_is_refused_clearly() -> None:
    router = Router(await house("ann"))
    assert await routes(router, "x@else.test", Role.SUBMISSION) == route.NO_REMOTE_YET


async def test_an_alias_can_lead_outside() -> None:
    store = await house("ann")
    await alias(store, "team", "ann", "x@else.test")
    found = await Router(store, Options(remote=True)).route(
        Address("team", "example.test"), Role.MX
    )
    assert not isinstance(found, Reply)
    assert Remote("x@else.test") in found
    assert len(found) == 2


async def test_a_full_mailbox_refuses_early_but_not_for_others() -> None:
    store = await house("ann", "bob", quota=1000)
    await alias(store, "both", "ann", "bob")
    roomy = dataclasses.replace(await account(store, "bob"), quota=0)
    await store.change_account(roomy)
    router = Router(store)
    ann, both = Address("ann", "example.test"), Address("both", "example.test")
    assert await router.route(ann, Role.MX, size=2000) == route.OVER_QUOTA
    assert not isinstance(await router.route(ann, Role.MX, size=500), Reply)
    assert len(await router.route(both, Role.MX, size=2000)) == 2  # type: ignore[arg-type]


async def test_an_alias_to_everybody_is_bounded() -> None:
    names = [f"u{n}" for n in range(20)]
    store = await house(*names)
    await alias(store, "all", *names)
    router = Router(store, Options(max_expansion=10))
    assert await routes(router, "all@example.test") == route.TOO_MANY_TARGETS


async def test_a_rewritten_sender_takes_bounces_and_nothing_else() -> None:
    """Or whoever gets forwarded mail could have us relay to any sender they once named."""
    ours, far = Address("SRS0=HASH=AA=far.test=eve", "example.test"), Address("eve", "far.test")
    made = await house()
    router = Router(made, Options(remote=True), lambda a: far if a == ours else None)
    assert await router.route(ours, Role.MX) == (Remote("eve@far.test"),)
    refused = await router.route(ours, Role.MX, bounce=False)
    assert refused == route.BOUNCES_ONLY
    forged = Address("SRS0=NONE=AA=far.test=eve", "example.test")
    assert await router.route(forged, Role.MX) == route.UNKNOWN


async def forwards(store: MemoryStore, name: str, *targets: str, keep: bool = True) -> None:
    full = tuple(one if "@" in one else f"{one}@example.test" for one in targets)
    changed = dataclasses.replace(await account(store, name), forward=full, keep_copy=keep)
    assert await store.change_account(changed) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.test", ["ann@example.test|", "remote a@far.test"]),
        ("ann+x@example.test", ["ann@example.test|x", "remote a@far.test"]),
        ("bob@example.test", ["remote b@far.test"]),
        ("cat@example.test", ["cat@example.test|", "ann@example.test|", "remote a@far.test"]),
        ("round@example.test", route.IN_A_CIRCLE),
        ("locked@example.test", route.DISABLED),
        ("self@example.test", ["self@example.test|"]),
    ],
)
async def test_accounts_forward(text: str, expected: object) -> None:
    store = await house("ann", "bob", "cat", "dan", "locked", "self")
    await forwards(store, "ann", "a@far.test")
    await forwards(store, "bob", "b@far.test", keep=False)
    await forwards(store, "cat", "ann")
    await forwards(store, "dan", "round", keep=False)
    await alias(store, "round", "dan")
    await forwards(store, "self", "self")
    await forwards(store, "locked", "ann")
    locked = await account(store, "locked")
    await store.change_account(dataclasses.replace(locked, enabled=False))
    assert await routes(Router(store, Options(remote=True)), text) == expected


@pytest.mark.parametrize(
    ("start", "targets", "way"),
    [
        ("new", ["x@far.test"], []),
        ("new", ["new"], ["new", "new"]),
        ("one", ["two"], ["one", "two", "three", "one"]),
        ("three", ["ann"], []),
        ("bob", ["x@far.test", "both"], ["bob", "both", "bob"]),
        ("ann", ["bob"], []),
    ],
)
async def test_circles_are_seen_before_they_are_made(
    start: str, targets: list[str], way: list[str]
) -> None:
    store = await house("ann", "bob")
    await alias(store, "two", "three")
    await alias(store, "three", "one", "ann")
    await alias(store, "both", "ann", "bob")

    def whole(name: str) -> str:
        return name if "@" in name else f"{name}@example.test"

    found = await circle(store, whole(start), list(map(whole, targets)))
    assert found == list(map(whole, way))


async def talk(store: MemoryStore, *owners: str) -> None:
    made = await store.add_list(MailingList(0, "talk@example.test"))
    assert isinstance(made, MailingList)
    await store.set_members(made.id, [(one, True) for one in owners])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("talk", Listed("talk@example.test")),
        ("Talk", Listed("talk@example.test")),
        ("all", Listed("talk@example.test")),
        ("talk-unsubscribe", Listed("talk@example.test", Part.UNSUBSCRIBE)),
        ("talk-unsubscribe+abc", Listed("talk@example.test", Part.UNSUBSCRIBE, "abc")),
        ("talk-bounces+ABC", Listed("talk@example.test", Part.BOUNCES, "abc")),
        ("talk-owner", Remote("o@far.test")),
        ("talk-request", Remote("o@far.test")),
        ("talk-owner+x", route.UNKNOWN),
        ("talk+x", route.UNKNOWN),
        ("-owner", route.UNKNOWN),
        ("walk-owner", route.UNKNOWN),
    ],
)
async def test_addresses_of_a_list(text: str, expected: object) -> None:
    store = await house("ann")
    await talk(store, "o@far.test")
    await alias(store, "all", "talk")
    found = await Router(store, Options(remote=True)).route(Address(text, "example.test"), Role.MX)
    assert found == (expected if isinstance(expected, Reply) else (expected,))


async def test_what_is_remembered_follows_the_directory() -> None:
    """Each way to lead somewhere else, asked before and after; a fresh router agrees."""
    store = await house("ann", "bob")
    await alias(store, "both", "ann", "bob")
    await talk(store, "bob@example.test")
    router = Router(store, Options(remote=True))
    ann = await account(store, "ann")
    number = (await store.lists())[0].id
    changes = [
        lambda: store.change_account(dataclasses.replace(ann, forward=("x@far.test",))),
        lambda: store.change_account(dataclasses.replace(ann, enabled=False)),
        lambda: store.change_account(dataclasses.replace(ann, quota=10)),
        lambda: store.set_alias(Alias("both@example.test", ("bob@example.test",))),
        lambda: store.remove_alias("both@example.test"),
        lambda: store.set_members(number, [("carol@far.test", True)]),
        lambda: store.remove_member(number, "bob@example.test"),
        lambda: store.add_account("carol@example.test", Credentials("")),
        lambda: store.remove_account(ann.id),
        lambda: store.remove_list(number),
    ]
    names = ["ann", "ann+x", "both", "carol", "talk-owner", "talk", "bob"]
    addresses = [f"{name}@example.test" for name in names]
    for change in changes:
        before = [await routes(router, text) for text in addresses]
        assert before == [await routes(router, text) for text in addresses]
        await change()
        fresh = Router(store, Options(remote=True))
        after = [await routes(fresh, text) for text in addresses]
        assert [await routes(router, text) for text in addresses] == after != before


async def test_who_may_be_full_is_asked_about_each_time() -> None:
    store = await house("ann")
    await store.change_account(dataclasses.replace(await account(store, "ann"), quota=1000))
    router, ann = Router(store), Address("ann", "example.test")
    assert not isinstance(await router.route(ann, Role.MX, size=500), Reply)
    assert router.known(ann) is None
    assert await router.route(ann, Role.MX, size=2000) == route.OVER_QUOTA
    await store.change_account(dataclasses.replace(await account(store, "ann"), quota=0))
    assert await router.route(ann, Role.MX, size=2000) == router.known(ann)


async def test_strangers_do_not_fill_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "_REMEMBERED", 3)
    store = await house("ann")
    router = Router(store)
    details = [Address(f"ann+{n}", "example.test") for n in range(8)]
    for address in [*details, Address("nobody", "example.test")]:
        await router.route(address, Role.MX)
        assert sum(router.known(one) is not None for one in details) <= 3
    assert router.known(Address("nobody", "example.test")) is None


async def test_what_is_remembered_is_bounded_by_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "_REMEMBERED", 6)
    store = await house("ann", "bob", "carol")
    await alias(store, "all", "ann", "bob", "carol")
    router = Router(store)
    details = [Address(f"all+{n}", "example.test") for n in range(8)]
    most = 0
    for address in details:
        await router.route(address, Role.MX)
        known = sum(router.known(one) is not None for one in details)
        assert known <= 2
        most = max(most, known)
    assert most == 2


async def test_a_list_without_owner_has_nobody_to_ask() -> None:
    store = await house("ann")
    await talk(store)
    assert await routes(Router(store), "talk-owner@example.test") == route.NO_OWNER
