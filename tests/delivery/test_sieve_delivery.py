"""What scripts decide is done, all in the transaction of the delivery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.delivery.accept import DELIVERED
from pillarbox.delivery.sieve.site import Named, Site
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Route
from pillarbox.model.verdict import Action, Finding, Verdict
from pillarbox.sieve.limits import Limits
from pillarbox.store.api import NewMessage
from support.people import Counted, account, envelope
from support.sievehouse import MAIL, SieveHouse, sieve_house


async def test_without_a_script_nothing_changes() -> None:
    house = await sieve_house("ann")
    assert (await house.send("ann@example.test")).replies == (DELIVERED,)
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_filing_with_flags_and_creating() -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann",
        """require ["fileinto", "mailbox", "imap4flags", "copy"];
        addflag "\\\\Seen";
        fileinto :create "a/b"; fileinto :copy :flags "Work" :create "c";""",
    )
    assert (await house.send("ann@example.test")).replies == (DELIVERED,)
    assert await house.boxes("ann") == {"a/b": 1, "c": 1}
    assert await house.flags("ann", "a/b") == [["\\Seen"]]
    assert await house.flags("ann", "c") == [["Work"]]
    assert await house.mail("ann", "c") == [MAIL]
    person = await account(house.store, "ann")
    assert "a/b" in await house.store.subscriptions(person.id)


async def test_a_mailbox_that_is_not_there_is_inbox() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "fileinto"; fileinto "nowhere";')
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_by_special_use_and_by_id() -> None:
    house = await sieve_house("ann")
    person = await account(house.store, "ann")
    made = await house.store.create_mailbox(person.id, "old name")
    await house.script(
        "ann",
        f"""require ["fileinto", "special-use", "mailboxid", "copy"];
        fileinto :copy :specialuse "\\\\Junk" "none";
        fileinto :mailboxid "{made.object_id}" "none";""",  # type: ignore[union-attr]
    )
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"Junk": 1, "old name": 1}


async def test_discarding_is_accepted_and_told() -> None:
    house = await sieve_house("ann")
    await house.script("ann", "discard;")
    assert (await house.send("ann@example.test")).replies == (DELIVERED,)
    assert await house.boxes("ann") == {}
    (story,) = await house.store.stories_after(0)
    assert "discarded by a Sieve script" in str(story)


async def test_a_script_that_fails_keeps() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require ["ihave"]; discard; error "no";')
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}
    (story,) = await house.store.stories_after(0)
    assert "failed (line 1): no" in str(story)


async def test_a_broken_script_keeps() -> None:
    house = await sieve_house("ann")
    await house.script("ann", "nonsense")
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_redirect_goes_on_as_an_alias_would() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'redirect "b@far.test"; redirect "c@far.test";')
    result = await house.send("ann@example.test")
    assert result.replies == (DELIVERED,)
    assert result.queued == 2
    assert await house.boxes("ann") == {}
    assert await house.goals() == [
        ("wile@desert.test", "b@far.test"),
        ("wile@desert.test", "c@far.test"),
    ]
    assert {octets for _, octets in await house.queued()} == {MAIL}


async def test_redirect_and_keep_are_one_transaction() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "copy"; redirect :copy "b@far.test";')
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}
    assert await house.goals() == [("wile@desert.test", "b@far.test")]


async def test_redirect_within_the_house_runs_the_other_script_once() -> None:
    house = await sieve_house("ann", "bob")
    await house.script("ann", 'redirect "bob@example.test";')
    await house.script("bob", 'require "copy"; redirect :copy "ann@example.test";')
    await house.send("ann@example.test")
    for _ in range(4):  # as the runner would
        for item, _ in await house.queued():
            (row,) = item.recipients
            assert (await house.transport().attempt(item, [row]))[0].ok
            await house.store.drop(item.id)
    assert await house.queued() == []
    assert await house.boxes("bob") == {"INBOX": 1}
    # It came back to Ann, who had it before: kept, not sent round again.
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_scripts_cannot_hide_that_a_message_goes_round() -> None:
    """Each takes the trace away and changes the message, so that it looks new."""
    house = await sieve_house("ann", "bob")
    for who, other in (("ann", "bob"), ("bob", "ann")):
        await house.script(
            who,
            'require "editheader"; deleteheader "Delivered-To"; addheader "X-Round" "again";'
            f'redirect "{other}@example.test";',
        )
    await house.send("ann@example.test")
    for _ in range(6):
        for item, _ in await house.queued():
            (row,) = item.recipients
            assert (await house.transport().attempt(item, [row]))[0].ok
            await house.store.drop(item.id)
    assert await house.queued() == []
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_work_between_questions_is_bounded() -> None:
    """A script is run again for each question that is open."""
    site = Site(limits=Limits(steps=1000))
    house = await sieve_house("ann", site=site)
    work = 'if header "subject" "x" {}' * 300
    asks = "".join(f'if mailboxexists "m{n}" {{}}' for n in range(100))
    await house.script("ann", f'require "mailbox"; {work} {asks} discard;')
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}
    (story,) = await house.store.stories_after(0)
    assert "between its questions" in str(story)


async def test_a_redirect_to_nobody_keeps() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'redirect "nobody@example.test";')
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_changed_copies() -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann",
        """require ["editheader", "fileinto", "copy"];
        fileinto :copy "Archive"; addheader "X-Seen" "yes"; redirect :copy "b@far.test";""",
    )
    await house.send("ann@example.test")
    assert await house.mail("ann", "Archive") == [MAIL]
    assert await house.mail("ann") == [b"X-Seen: yes\r\n" + MAIL]
    assert [octets for _, octets in await house.queued()] == [b"X-Seen: yes\r\n" + MAIL]


@pytest.mark.parametrize("word", ["reject", "ereject"])
async def test_the_only_recipient_refuses_in_the_dialogue(word: str) -> None:
    house = await sieve_house("ann")
    await house.script("ann", f'require "{word}"; {word} "No.\nNever.";')
    result = await house.send("ann@example.test")
    assert str(result.overall()) == "550 5.7.1 No.\nNever."
    assert await house.boxes("ann") == {}
    assert await house.queued() == []


async def test_who_has_company_refuses_by_a_report() -> None:
    house = await sieve_house("ann", "bob")
    await house.script("ann", 'require "ereject"; ereject "No, thanks.";')
    result = await house.send("ann@example.test", "bob@example.test")
    assert result.overall().ok
    assert await house.boxes("bob") == {"INBOX": 1}
    assert await house.goals() == [("", "wile@desert.test")]
    ((_, report),) = await house.queued()
    assert b"multipart/report; report-type=delivery-status" in report
    assert b"No, thanks." in report
    assert b"Action: failed" in report


async def test_reject_in_other_letters_is_an_mdn() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "reject"; reject "Ich möchte nicht.";')
    assert (await house.send("ann@example.test")).overall().ok
    ((item, report),) = await house.queued()
    assert item.envelope.sender.address is None
    assert b"report-type=disposition-notification" in report
    assert b"Disposition: automatic-action/MDN-sent-automatically; deleted" in report
    assert b"Ich m=C3=B6chte nicht." in report


async def test_ereject_in_other_letters_is_refused_in_ascii() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "ereject"; ereject "Ich möchte nicht.";')
    assert str((await house.send("ann@example.test")).overall()) == (
        "550 5.7.1 The recipient's mail filter refuses this message"
    )


async def test_lmtp_refuses_one_by_one() -> None:
    house = await sieve_house("ann", "bob")
    await house.script("ann", 'require "ereject"; ereject "No.";')
    result = await house.send("ann@example.test", "bob@example.test", queue=False)
    assert [reply.code for reply in result.replies] == [550, 250]
    assert await house.queued() == []


async def test_the_null_sender_gets_no_report() -> None:
    house = await sieve_house("ann", "bob")
    await house.script("ann", 'require "ereject"; ereject "No.";')
    await house.send("ann@example.test", "bob@example.test", sender="")
    assert await house.queued() == []


@pytest.mark.parametrize("word", ["reject", "ereject"])
async def test_who_sent_junk_gets_no_report_and_it_is_kept(word: str) -> None:
    """The sender is most likely somebody else: a report would be spam by our hand."""
    house = await sieve_house("ann", "bob")
    await house.script("ann", f'require "{word}"; {word} "No.";')
    junk = Verdict(Action.JUNK, "forged")
    await house.send("ann@example.test", "bob@example.test", verdict=junk)
    assert await house.queued() == []
    assert await house.boxes("ann") == {"Junk": 1}
    result = await house.send("ann@example.test", verdict=junk)
    assert str(result.overall()) == "550 5.7.1 No."
    assert await house.boxes("ann") == {"Junk": 1}


async def test_an_account_gets_a_message_once_by_two_addresses() -> None:
    house = await sieve_house("ann")
    await house.script("ann", "keep;")
    result = await house.send("ann@example.test", "ann+x@example.test")
    assert [reply.ok for reply in result.replies] == [True, True]
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_a_full_mailbox_waits_and_nothing_is_sent_twice() -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann", 'require ["copy", "vacation"]; redirect :copy "b@far.test"; vacation "away";'
    )
    person = await account(house.store, "ann")
    await house.store.change_account(replace(person, quota=10))
    result = await house.send("ann@example.test", trace="t1")
    assert result.overall().ok
    items = {item.recipients[0].domain: item for item, _ in await house.queued()}
    assert sorted(items) == ["", "desert.test", "far.test"]
    await house.store.change_account(replace(person, quota=0))
    waiting = items[""]
    replies = await house.transport().attempt(waiting, waiting.recipients)
    assert [reply.ok for reply in replies] == [True]
    assert await house.boxes("ann") == {"INBOX": 1}
    assert len(await house.queued()) == 3  # nothing more


async def test_a_delivery_out_of_the_queue_is_done_once() -> None:
    """A crash between the delivery and its settling tries again what was done."""
    house = await sieve_house("ann", "bob")
    await house.script("bob", 'require ["copy", "fileinto"]; fileinto "Archive";'
                       ' redirect :copy "b@far.test";')  # fmt: skip
    for who in ("ann", "bob"):
        person = await account(house.store, who)
        await house.store.change_account(replace(person, quota=10))
    await house.send("ann@example.test", "bob@example.test")
    for who in ("ann", "bob"):
        person = await account(house.store, who)
        await house.store.change_account(replace(person, quota=0))
    (waiting,) = [item for item, _ in await house.queued() if not item.recipients[0].domain]
    for _ in range(3):
        replies = await house.transport().attempt(waiting, waiting.recipients)
        assert [reply.ok for reply in replies] == [True, True]
    assert await house.boxes("ann") == {"INBOX": 1}
    assert await house.boxes("bob") == {"Archive": 1}
    assert [goal for _, goal in await house.goals()].count("b@far.test") == 1


async def test_duplicate_remembers_after_the_delivery() -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann", 'require ["duplicate", "fileinto"]; if duplicate { fileinto "Trash"; }'
    )
    for _ in range(2):
        await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 1, "Trash": 1}
    await house.clock.advance(8 * 86_400)
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 2, "Trash": 1}


SITE = Site(
    before=(Named("b", b'require ["fileinto", "ereject"]; '
                  b'if header :is "subject" "bad" { ereject "bad"; }'),),
    after=(Named("a", b'require "fileinto"; if header :is "subject" "late" '
                 b'{ fileinto "Archive"; }'),),
    shared={"common": b'require "fileinto"; fileinto "Trash";'},
    lists={"friends": ("wile@desert.test",)},
)  # fmt: skip


def about(subject: bytes) -> bytes:
    return MAIL.replace(b"Beep", subject)


async def test_scripts_of_the_site_run_around_the_users() -> None:
    house = await sieve_house("ann", site=SITE)
    assert not (await house.send("ann@example.test", mail=about(b"bad"))).overall().ok
    await house.send("ann@example.test", mail=about(b"late"))
    assert await house.boxes("ann") == {"Archive": 1}
    await house.script("ann", "discard;")
    await house.send("ann@example.test", mail=about(b"late"))
    assert await house.boxes("ann") == {"Archive": 1}
    await house.script("ann", "keep;")
    await house.send("ann@example.test", mail=about(b"late"))
    assert await house.boxes("ann") == {"Archive": 2}


async def test_including_and_lists() -> None:
    house = await sieve_house("ann", site=SITE)
    await house.script("ann", 'require "fileinto"; fileinto "Sent";', name="other")
    await house.script(
        "ann",
        """require ["include", "extlists"];
        if address :list "from" "tag:x,2026:friends" { include "other"; }
        else { include :global "common"; }""",
    )
    await house.send("ann@example.test")
    assert await house.boxes("ann") == {"Sent": 1}
    await house.send("ann@example.test", mail=MAIL.replace(b"wile@", b"else@"))
    assert await house.boxes("ann") == {"Sent": 1, "Trash": 1}


async def notify(house: SieveHouse, script: str, **more: str) -> list[bytes]:
    await house.script("ann", script)
    await house.send("ann@example.test", **more)  # type: ignore[arg-type]
    return [octets for _, octets in await house.queued()]


async def test_a_notice_by_mail() -> None:
    house = await sieve_house("ann")
    (notice,) = await notify(
        house,
        'require ["enotify", "fcc"]; notify :importance "1" :message "Look" :fcc "Sent"'
        ' "mailto:phone@far.test?subject=no&body=Hello&x-extra=1&from=forged%40x.test";',
    )
    assert b"Subject: Look\r\n" in notice
    assert b"To: phone@far.test\r\n" in notice
    assert b"From: ann@example.test\r\n" in notice
    assert b"forged" not in notice
    assert b"X-extra: 1\r\n" in notice
    assert b'Auto-Submitted: auto-notified; owner-email="ann@example.test"' in notice
    assert notice.endswith(b"\r\n\r\nHello")
    assert await house.boxes("ann") == {"INBOX": 1, "Sent": 1}
    assert await house.goals() == [("ann@example.test", "phone@far.test")]


async def test_no_notice_of_what_a_machine_wrote() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "enotify"; notify "mailto:phone@far.test";')
    await house.send("ann@example.test", mail=b"Auto-Submitted: auto-replied\r\n" + MAIL)
    assert await house.queued() == []


async def test_a_message_sent_again_is_not_passed_on_again() -> None:
    """Who had no answer sends again: the reply was lost, not the message."""
    house = await sieve_house("ann")
    await house.script("ann", 'redirect "b@far.test";')
    trace = b"Return-Path: <wile@desert.test>\r\nReceived: from x by y; %d\r\n"
    for number in (1, 2):
        result = await house.send("ann@example.test", mail=trace % number + MAIL)
        assert result.replies == (DELIVERED,)
    assert len(await house.queued()) == 1
    await house.send("ann@example.test", mail=trace % 3 + about(b"Boop"))
    await house.send("ann@example.test", mail=trace % 4 + MAIL, sender="other@desert.test")
    assert len(await house.queued()) == 3
    await house.clock.advance(13 * 3600)
    await house.send("ann@example.test", mail=trace % 5 + MAIL)
    assert len(await house.queued()) == 4


async def test_a_message_sent_again_is_not_filed_again_where_it_is_known_to_be_the_same() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "copy"; redirect :copy "b@far.test";')
    for _ in range(3):
        result = await house.send("ann@example.test", mail=MAIL)
        assert result.replies == (DELIVERED,)
    assert await house.boxes("ann") == {"INBOX": 1}
    nameless = MAIL.replace(b"Message-ID", b"Reference")
    for _ in range(2):  # nothing says that these are one
        await house.send("ann@example.test", mail=nameless)
    assert await house.boxes("ann") == {"INBOX": 3}
    assert len(await house.queued()) == 2


SCRIPTS = ['redirect "b@far.test";', "discard;", 'require "ereject"; ereject "no";']


@pytest.mark.parametrize("script", SCRIPTS)
async def test_what_was_not_kept_is_given_up(script: str) -> None:
    """A message that is only passed on, or thrown away, leaves nothing staged."""
    house = await sieve_house("ann")
    await house.script("ann", script)
    message = await house.message(MAIL)
    content = Counted(message.content)
    to = await house.recipient("ann@example.test")
    await house.acceptor.accept(envelope(to), NewMessage(content, message.facts))
    assert content.given_up


TWICE = 'redirect "b@far.test"; redirect "c@far.test";'


@pytest.mark.parametrize("breaks", ["plan", "keep"])
async def test_what_breaks_off_holds_nothing(breaks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the message nor what a script made of it, or each time it comes again adds more."""
    house = await sieve_house("ann")
    await house.script("ann", TWICE)
    hands, made = house.planner.hands, []
    make, route_to = hands.make, hands.route_to

    async def counted(octets: bytes) -> NewMessage:
        message = await make(octets)
        made.append(Counted(message.content))
        return NewMessage(made[-1], message.facts)

    async def routed(address: Address) -> tuple[Route, ...] | Reply:
        if breaks == "plan" and address.local == "c":
            raise Temporary("the disk is slow")
        return await route_to(address)

    async def full(*_args: object, **_more: object) -> None:
        raise Temporary("the disk is full")

    hands.make, hands.route_to = counted, routed
    monkeypatch.setattr(house.store, "accept_each", full)
    message = await counted(MAIL)
    to = envelope(await house.recipient("ann@example.test"))
    with pytest.raises(Temporary):
        await house.acceptor.accept(to, message)
    assert len(made) == {"plan": 2, "keep": 3}[breaks]
    assert all(one.given_up for one in made)


DUPLICATES = 'require "duplicate"; if duplicate { discard; }'


@pytest.mark.parametrize("queue", [True, False])
async def test_what_waits_for_room_is_no_duplicate_of_itself(queue: bool) -> None:
    """RFC 7352 §3.3: seen is what was delivered, not what could not be yet."""
    house = await sieve_house("ann")
    await house.script("ann", DUPLICATES)
    await limit(house, "ann", 10)
    result = await house.send("ann@example.test", queue=queue)
    assert result.overall().ok is queue
    await limit(house, "ann", 0)
    if queue:
        ((waiting, _),) = await house.queued()
        assert (await house.transport().attempt(waiting, waiting.recipients))[0].ok
    else:
        assert (await house.send("ann@example.test", queue=False)).overall().ok
    assert await house.boxes("ann") == {"INBOX": 1}
    assert (await house.send("ann@example.test")).overall().ok
    assert await house.boxes("ann") == {"INBOX": 1}


async def test_a_changed_copy_waits_for_room_until_there_is_some() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "editheader"; addheader "X-Seen" "yes";')
    await limit(house, "ann", 10)
    assert (await house.send("ann@example.test")).replies == (DELIVERED,)
    ((waiting, _),) = await house.queued()
    assert waiting.recipients[0].due > house.clock.now()
    for _ in range(2):  # no new item, whose patience would begin anew
        assert (await house.transport().attempt(waiting, waiting.recipients))[0].code == 452
        assert [item.id for item, _ in await house.queued()] == [waiting.id]
    await limit(house, "ann", 0)
    for _ in range(2):
        assert (await house.transport().attempt(waiting, waiting.recipients))[0].ok
    assert await house.boxes("ann") == {"INBOX": 1}


async def limit(house: SieveHouse, who: str, octets: int) -> None:
    person = await account(house.store, who)
    await house.store.change_account(replace(person, quota=octets))


@pytest.mark.parametrize(
    ("result", "number"), [("none", "1"), ("found", "5"), ("temperror", "0"), ("", "0")]
)
async def test_virustest_knows_what_the_scanner_said(result: str, number: str) -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann",
        'require ["virustest", "relational", "comparator-i;ascii-numeric", "imap4flags"];'
        f'if virustest :value "eq" :comparator "i;ascii-numeric" "{number}" {{ addflag "seen"; }}',
    )
    found = (Finding("virus", result),) if result else (Finding("spf", "none"),)
    await house.send("ann@example.test", verdict=Verdict(findings=found))
    assert await house.flags("ann") == [["seen"]]
