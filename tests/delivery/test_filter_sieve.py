"""Scripts over mail that is here already (draft-bosch-imap-filter-sieve): what each action does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.filtering import Filtered, Filtering, Unusable
from pillarbox.delivery.sieve.site import Named, Site
from pillarbox.delivery.sieve.stored import Stored
from pillarbox.model.address import Address
from pillarbox.model.flags import DELETED, SEEN, FlagSet
from pillarbox.model.reply import Reply
from pillarbox.policy.limits import Allowance
from support.people import account
from support.sievehouse import MAIL, SieveHouse, sieve_house

RIGHTS = frozenset("lrswipktexa")
MARKED = FlagSet(DELETED)
CAME = (
    b"Return-Path: <wile@desert.test>\r\nReceived: from x by y for <ann+toys@example.test>; now\r\n"
)
DAY = 1_700_000_000


class Few:
    """One recipient elsewhere may still be written to; nobody writes to ``no@far.test``."""

    async def allowance(self, user: str) -> Allowance:
        return Allowance(1, Reply(450, "4.7.1", f"enough of {user}"))

    async def suppressed(self, user: str, address: Address) -> Reply | None:
        return Reply(550, "5.1.1", "gone") if str(address) == "no@far.test" else None


def filtering(house: SieveHouse, limiter: Few | None = None) -> Filtering:
    hands = house.planner.hands
    return Filtering(house.store, Chain(house.store, house.clock), hands, limiter)


async def done(
    house: SieveHouse,
    script: str | Sequence[Named],
    *,
    mail: bytes = MAIL,
    flags: tuple[str, ...] = (),
    rights: frozenset[str] = RIGHTS,
    limiter: Few | None = None,
    box: str = "INBOX",
) -> Filtered:
    """A script over a message of ann's."""
    ann = await account(house.store, "ann")
    where = await house.store.mailbox_by_name(ann.id, box)
    assert where is not None
    made = filtering(house, limiter)
    scripts = made.given(script.encode()) if isinstance(script, str) else script
    return await made.apply(scripts, Stored(where, 1, mail, flags, DAY), ann, rights)


@pytest.mark.parametrize(
    ("script", "flags", "add", "remove"),
    [
        ("keep;", (), 0, 0),
        ("discard;", (), DELETED, 0),
        ("discard;", ("\\Deleted",), 0, 0),
        ("discard; keep;", (), 0, 0),
        ('require "imap4flags"; addflag "\\\\Seen";', ("\\Flagged",), SEEN, 0),
        ('require "imap4flags"; setflag "";', ("\\Seen",), 0, SEEN),
        ('require "imap4flags"; if hasflag "\\\\seen" { discard; }', ("\\Seen",), DELETED, 0),
        # §4.10: what answers new mail does nothing, and is no error
        ('require "reject"; reject "no";', (), 0, 0),
        ('require "ereject"; ereject "no";', ("\\Seen",), 0, 0),
        ('require "vacation"; vacation "away";', (), 0, 0),
        # where it lies already, it is kept
        ('require "fileinto"; fileinto "inbox";', (), 0, 0),
    ],
)
async def test_flags(script: str, flags: tuple[str, ...], add: int, remove: int) -> None:
    house = await sieve_house("ann")
    assert await done(house, script, flags=flags) == Filtered(
        add=FlagSet(add), remove=FlagSet(remove)
    )
    assert await house.boxes("ann") == {}
    assert await house.queued() == []


async def test_filing_copies_with_flags() -> None:
    house = await sieve_house("ann")
    script = 'require ["fileinto", "mailbox"]; fileinto :create "Toys";'
    assert await done(house, script, flags=("\\Seen",)) == Filtered(acted=True, add=MARKED)
    assert await house.mail("ann", "Toys") == [MAIL]
    assert await house.flags("ann", "Toys") == [["\\Seen"]]
    script = 'require ["fileinto", "copy"]; fileinto :copy "Toys";'
    assert await done(house, script) == Filtered(acted=True)
    assert await house.boxes("ann") == {"Toys": 2}


async def test_keep_means_the_mailbox_it_is_in() -> None:
    house = await sieve_house("ann")
    script = 'require "fileinto"; keep; fileinto "INBOX";'
    assert await done(house, script, box="Sent") == Filtered(acted=True)
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_what_is_impossible_leaves_all_as_it_was() -> None:
    house = await sieve_house("ann")
    script = 'require "fileinto"; fileinto "Sent"; fileinto "Nowhere";'
    assert await done(house, script) == Filtered(("mailbox does not exist: Nowhere",))
    found = await done(house, 'redirect "ghost@example.test";')
    assert found == Filtered(("ghost@example.test takes no mail",))
    found = await done(house, 'require ["ihave"]; keep; error "stop here";')
    assert "stop here" in found.errors[0]
    assert "line 1" in found.errors[0]
    assert await house.boxes("ann") == {}
    assert await house.queued() == []


async def test_without_room_it_stays() -> None:
    house = await sieve_house("ann", quota=10)
    found = await done(house, 'require "fileinto"; fileinto "Sent";')
    assert found.errors
    assert not found.add
    assert await house.boxes("ann") == {}


async def test_rights_are_asked_first() -> None:
    house = await sieve_house("ann")
    found = await done(house, 'require "fileinto"; fileinto "Sent";', rights=frozenset("lrsw"))
    assert found == Filtered(("you may not delete messages of this mailbox",))
    assert await house.boxes("ann") == {}
    changed = 'require "editheader"; addheader "X-New" "y";'
    found = await done(house, changed, rights=frozenset("lrswt"))
    assert found == Filtered(("you may not put messages into this mailbox",))


async def test_a_changed_message_is_another() -> None:
    house = await sieve_house("ann")
    script = 'require "editheader"; addheader "X-New" "y";'
    found = await done(house, script, flags=("\\Seen",))
    assert found == Filtered(acted=True, add=MARKED)
    (octets,) = await house.mail("ann")
    assert b"X-New: y\r\n" in octets
    assert await house.flags("ann") == [["\\Seen"]]


async def test_redirecting_is_in_the_owners_name() -> None:
    house = await sieve_house("ann", "bob")
    script = 'redirect "bob@example.test"; redirect "far@far.test";'
    assert await done(house, script) == Filtered(acted=True, add=MARKED)
    assert sorted(await house.goals()) == [
        ("ann@example.test", "bob@example.test"),
        ("ann@example.test", "far@far.test"),
    ]
    # who sends on what leaves their mailbox hears if it does not arrive
    assert {one.notify for item, _ in await house.queued() for one in item.envelope.recipients} == {
        frozenset()
    }


async def test_limits_of_the_sender_hold() -> None:
    house = await sieve_house("ann", "bob")
    two = 'redirect "a@far.test"; redirect "b@far.test";'
    found = await done(house, two, limiter=Few())
    assert found == Filtered(("enough of ann@example.test",))
    assert (await done(house, 'redirect "no@far.test";', limiter=Few())).errors == ("gone",)
    assert await house.queued() == []
    assert (await done(house, 'redirect "a@far.test";', limiter=Few())).acted
    ann = await account(house.store, "ann")
    (hour,) = (await house.store.sending(ann.id)).hours
    assert hour.recipients == 1


@pytest.mark.parametrize(
    "test",
    [
        'envelope :is "from" "wile@desert.test"',
        'envelope :is "to" "ann+toys@example.test"',
        'environment :is "location" "MS"',
        'environment :is "phase" "post"',
        'not ihave "imapsieve"',
    ],
)
async def test_what_is_known(test: str) -> None:
    house = await sieve_house("ann")
    script = f'require ["envelope", "environment", "ihave"]; if {test} {{ discard; }}'
    assert await done(house, script, mail=CAME + MAIL) == Filtered(add=MARKED)


async def test_duplicates_are_remembered() -> None:
    house = await sieve_house("ann")
    script = 'require "duplicate"; if duplicate { discard; }'
    assert await done(house, script) == Filtered()
    assert await done(house, script) == Filtered(add=MARKED)


async def test_which_scripts() -> None:
    after = Named("after", b'require "imap4flags"; addflag "late";')
    shared = {"all": b"discard;", "bad": b"x", "events": b'require "imapsieve"; keep;'}
    house = await sieve_house("ann", site=Site(after=(after,), shared=shared))
    ann = await account(house.store, "ann")
    made = filtering(house)
    assert [one.name for one in await made.usual(ann.id)] == ["after"]
    await house.script("ann", 'require "imap4flags"; setflag "early";')
    found = await done(house, await made.usual(ann.id), flags=("\\Seen",))
    assert found == Filtered(
        add=FlagSet(keywords=frozenset({"early", "late"})), remove=FlagSet(SEEN)
    )
    assert [one.name for one in await made.personal(ann.id, "main")] == ["main"]
    assert (await done(house, await made.shared("all"))).add == MARKED
    for name in ("bad", "events"):
        with pytest.raises(Unusable, match="line 1"):
            await made.shared(name)
    for name in ("none", "", "a\nb"):
        with pytest.raises(Unusable) as caught:
            await made.personal(ann.id, name)
        assert caught.value.missing
    with pytest.raises(Unusable, match="imapsieve"):
        made.given(b'require "imapsieve";')


async def test_what_is_included_has_no_events_either() -> None:
    house = await sieve_house("ann", site=Site(shared={"e": b'require "imapsieve"; discard;'}))
    found = await done(house, 'require "include"; include :global "e";')
    assert "imapsieve" in found.errors[0]
