"""Domains, accounts and aliases on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.model.account import Account, Alias, Credentials, Domain, DomainKind, Pop3Mode
from pillarbox.model.change import BoxCreated, BoxDeleted
from pillarbox.model.lists import MailingList
from pillarbox.model.refusal import Kind
from support.storekit import ALL, DOMAIN, SECRET, Kit, refused


async def test_domains_come_and_go(kit: Kit) -> None:
    store = kit.store
    assert await store.domains() == []
    await store.set_domain(Domain("b.example"))
    await store.set_domain(Domain("a.example", "ann@a.example"))
    assert await store.domain("c.example") is None
    assert await store.domains() == [Domain("a.example", "ann@a.example"), Domain("b.example")]
    await store.set_domain(Domain("a.example"))
    assert await store.domain("a.example") == Domain("a.example")
    assert await store.remove_domain("a.example") is None
    assert await store.domain("a.example") is None
    assert refused(await store.remove_domain("a.example"), Kind.NONEXISTENT)


async def test_domains_whose_mail_ends_elsewhere(kit: Kit) -> None:
    for domain in (
        Domain("relay.example", kind=DomainKind.RELAY, hop="lmtp://10.0.0.1:24"),
        Domain("backup.example", kind=DomainKind.BACKUP),
    ):
        await kit.store.set_domain(domain)
        assert await kit.store.domain(domain.name) == domain


async def test_a_domain_stays_while_someone_lives_there(kit: Kit) -> None:
    ann = await kit.account()
    await kit.store.set_domain(Domain("le.org"))  # ends like the other, and is another
    assert await kit.store.remove_domain("le.org") is None
    assert refused(await kit.store.remove_domain(DOMAIN), Kind.IN_USE)
    assert await kit.store.set_alias(Alias(f"a@{DOMAIN}", ("x@y.example",))) is None
    assert await kit.store.remove_account(ann.id) is None
    assert refused(await kit.store.remove_domain(DOMAIN), Kind.IN_USE)
    assert await kit.store.remove_alias(f"a@{DOMAIN}") is None
    assert await kit.store.remove_domain(DOMAIN) is None


async def test_every_change_makes_another_edition(kit: Kit) -> None:
    store = kit.store
    seen = [store.edition()]

    def another() -> None:
        seen.append(store.edition())
        assert len({*seen}) == len(seen)

    await store.set_domain(Domain("more.example"))
    another()
    await store.remove_domain("more.example")
    another()
    ann = await kit.account()
    another()
    await store.change_account(replace(ann, enabled=False))
    another()
    await store.set_alias(Alias(f"a@{DOMAIN}", ("x@y.example",)))
    another()
    await store.remove_alias(f"a@{DOMAIN}")
    another()
    made = await store.add_list(MailingList(0, f"talk@{DOMAIN}"))
    assert isinstance(made, MailingList)
    another()
    await store.change_list(replace(made, title="Talk"))
    another()
    await store.set_members(made.id, [(ann.address, True)])
    another()
    await store.remove_member(made.id, ann.address)
    another()
    await store.remove_list(made.id)
    another()
    await store.remove_account(ann.id)
    another()


async def test_mail_makes_no_other_edition(kit: Kit) -> None:
    ann = await kit.account()
    before = kit.store.edition()
    await kit.put(await kit.box(ann))
    assert await kit.store.account(ann.id) != ann
    assert kit.store.edition() == before


async def test_an_account_has_its_mailboxes(kit: Kit) -> None:
    ann = await kit.account()
    boxes = await kit.store.mailboxes(ann.id)
    assert [(b.name, b.special_use, b.subscribed) for b in boxes] == [
        ("INBOX", "", True),
        ("Archive", "\\Archive", True),
        ("Drafts", "\\Drafts", True),
        ("Junk", "\\Junk", True),
        ("Sent", "\\Sent", True),
        ("Trash", "\\Trash", True),
    ]
    assert len({b.uidvalidity for b in boxes}) == len({b.object_id for b in boxes}) == 6
    created = kit.taken()
    assert all(isinstance(c, BoxCreated) and c.account == ann.id for c in created)
    assert len({c.modseq for c in created}) == 1
    assert await kit.store.account_by_address(ann.address) == ann
    assert await kit.store.account(ann.id) == ann
    assert await kit.store.credentials(ann.id) == SECRET
    assert await kit.store.subscriptions(ann.id) == [b.name for b in boxes]


async def test_accounts_refused(kit: Kit) -> None:
    store = kit.store
    ann = await kit.account()
    await store.set_alias(Alias(f"info@{DOMAIN}", (ann.address,)))
    for address, kind in (
        (ann.address, Kind.ALREADY_EXISTS),
        (f"info@{DOMAIN}", Kind.ALREADY_EXISTS),
        ("bob@elsewhere.example", Kind.NONEXISTENT),
        ("bob", Kind.CANNOT),
        (f"@{DOMAIN}", Kind.CANNOT),
    ):
        assert refused(await store.add_account(address, SECRET), kind)
    assert await store.accounts() == [ann]


async def test_many_accounts_at_once(kit: Kit) -> None:
    ann = await kit.account()
    kit.taken()
    names = [f"u{n:02}@{DOMAIN}" for n in range(12)]
    made = await kit.store.add_accounts([(n, SECRET) for n in [*names, ann.address, names[0]]])
    assert [a.address for a in made if isinstance(a, Account)] == names
    assert refused(made[-2], Kind.ALREADY_EXISTS)
    assert refused(made[-1], Kind.ALREADY_EXISTS)
    assert len(kit.taken()) == 12 * 6
    every = [ann.address, *names]
    assert [a.address for a in await kit.store.accounts()] == every
    assert [a.address for a in await kit.store.accounts("", 2)] == every[:2]
    assert [a.address for a in await kit.store.accounts(every[1], 2)] == every[2:4]
    assert await kit.store.accounts(every[-1]) == []


async def test_changing_an_account(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    await kit.put(box, body=b"12345")
    changed = replace(
        ann,
        address="ignored@example.org",
        used=999,
        quota=50,
        pop3=Pop3Mode.KEEP,
        enabled=False,
        masked=frozenset({"IDLE", "MOVE"}),
        display_name="Änn",
        messages=999,
        max_messages=70,
        max_mailboxes=80,
        admin=True,
    )
    assert await kit.store.change_account(changed) is None
    expected = replace(changed, address=ann.address, used=5, messages=1)
    assert await kit.store.account(ann.id) == expected
    assert await kit.store.account_by_address(ann.address) == expected
    assert refused(await kit.store.change_account(replace(ann, id=999)), Kind.NONEXISTENT)
    await kit.store.set_credentials(ann.id, Credentials("other"))
    assert await kit.store.credentials(ann.id) == Credentials("other")
    assert await kit.store.credentials(999) is None
    with pytest.raises(Permanent):
        await kit.store.set_credentials(999, SECRET)


async def test_an_account_goes_with_its_mail(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    box = await kit.box(ann)
    first, second = await kit.put(box), await kit.put(box, body=b"y" * 10_000)
    other = await kit.box(bob)
    shared = await kit.store.copy(ann.id, box.id, ALL, bob.id, other.id)
    alone = await kit.put(box)
    kit.taken()
    assert await kit.store.remove_account(ann.id) is None
    gone = kit.taken()
    assert [c.name for c in gone if isinstance(c, BoxDeleted)] == [
        "INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash",
    ]  # fmt: skip
    assert await kit.store.account(ann.id) is None
    assert await kit.store.account_by_address(ann.address) is None
    assert await kit.store.mailboxes(ann.id) == []
    assert await kit.store.mailbox(ann.id, box.id) is None
    assert await kit.store.load(ann.id, box.id) is None
    assert await kit.store.credentials(ann.id) is None
    assert await kit.store.subscriptions(ann.id) == []
    with pytest.raises(Permanent):
        await kit.store.read(alone.blob)
    assert shared is not None
    assert len(await kit.store.read(first.blob)) == 100
    assert len(await kit.store.read(second.blob)) == 10_000
    assert refused(await kit.store.remove_account(ann.id), Kind.NONEXISTENT)
    again = await kit.account()
    assert again.id not in {ann.id, bob.id}
    fresh = await kit.box(again)
    assert fresh.uidvalidity > box.uidvalidity
    assert fresh.id != box.id


async def test_aliases(kit: Kit) -> None:
    ann = await kit.account()
    store = kit.store
    one = Alias(f"info@{DOMAIN}", (ann.address, "x@elsewhere.example"))
    assert await store.alias(one.address) is None
    assert await store.set_alias(one) is None
    assert await store.alias(one.address) == one
    assert await store.account_by_address(one.address) is None
    two = Alias(one.address, ("y@elsewhere.example",))
    assert await store.set_alias(two) is None
    assert await store.set_alias(Alias(f"abuse@{DOMAIN}", (ann.address,))) is None
    assert [a.address for a in await store.aliases()] == [f"abuse@{DOMAIN}", one.address]
    assert await store.alias(one.address) == two
    assert refused(await store.set_alias(Alias(ann.address, ("a@b.c",))), Kind.ALREADY_EXISTS)
    assert refused(await store.set_alias(Alias("a@b.example", ("a@b.c",))), Kind.NONEXISTENT)
    assert refused(await store.set_alias(Alias(f"b@{DOMAIN}", ())), Kind.CANNOT)
    assert refused(await store.set_alias(Alias("b", ("a@b.c",))), Kind.CANNOT)
    assert await store.remove_alias(one.address) is None
    assert await store.alias(one.address) is None
    assert refused(await store.remove_alias(one.address), Kind.NONEXISTENT)


async def test_names_that_are_no_text_are_just_not_there(kit: Kit) -> None:
    odd = "a\udcff@example.org"
    assert await kit.store.account_by_address(odd) is None
    assert await kit.store.alias(odd) is None
    assert await kit.store.domain("\udcff") is None
    ann = await kit.account()
    assert await kit.store.mailbox_by_name(ann.id, "\udcff") is None


async def test_a_closed_store_says_so(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    message = await kit.message()
    await kit.store.close()
    for call in (
        kit.store.domains(),
        kit.store.account_by_address("x@y.example"),
        kit.store.account(5),
        kit.store.set_domain(Domain("x.example")),
        kit.store.mailboxes(ann.id),
        kit.store.load(ann.id, box.id),
        kit.store.accept(message, []),
        kit.store.read(1),
        kit.store.queue_items(),
        kit.store.lease("w", 0, 1, 1),
        kit.store.states(1, "w/1"),
        kit.store.next_due(),
    ):
        with pytest.raises(Temporary):
            await call
    await kit.store.close()
