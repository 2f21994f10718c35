"""Vacation: whom it answers, how often, and what with (RFC 5230, RFC 3834)."""

from __future__ import annotations

import email
import email.policy

import pytest

from pillarbox.model.verdict import Action, Verdict
from support.sievehouse import MAIL, sieve_house

AWAY = 'require "vacation"; vacation "I am away.";'


async def answers(script: str, mail: bytes = MAIL, sender: str = "wile@desert.test") -> list[bytes]:
    house = await sieve_house("ann")
    await house.script("ann", script)
    await house.send("ann@example.test", mail=mail, sender=sender)
    assert await house.boxes("ann") == {"INBOX": 1}
    return [octets for _, octets in await house.queued()]


async def test_the_answer() -> None:
    house = await sieve_house("ann")
    await house.script("ann", AWAY)
    await house.send("ann@example.test")
    ((item, octets),) = await house.queued()
    assert item.envelope.sender.address is None
    assert [str(one.address) for one in item.envelope.recipients] == ["wile@desert.test"]
    assert item.envelope.recipients[0].notify == {"NEVER"}
    answer = email.message_from_bytes(octets, policy=email.policy.default)
    assert answer["From"] == "ann@example.test"
    assert answer["To"] == "wile@desert.test"
    assert answer["Subject"] == "Auto: Beep"
    assert answer["In-Reply-To"] == "<m1@desert.test>"
    assert answer["References"] == "<m1@desert.test>"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["Date"]
    assert answer.get_content().strip() == "I am away."


async def test_what_the_script_may_say() -> None:
    (octets,) = await answers(
        """require ["vacation", "variables"]; set "x" "Ü";
        vacation :subject "Weg ${x}" :from "Ann <ann@other.test>" "Bin weg: ${x}";"""
    )
    answer = email.message_from_bytes(octets, policy=email.policy.default)
    assert answer["Subject"] == "Weg Ü"
    assert answer["From"] == "Ann <ann@other.test>"
    assert answer.get_content().strip() == "Bin weg: Ü"


@pytest.mark.parametrize(
    "script",
    [
        'require "vacation"; vacation :from "Boss <bob@example.test>" "x";',
        'require "enotify"; notify :from "bob@example.test" "mailto:x@far.test";',
    ],
)
async def test_nobody_answers_in_the_name_of_another_here(script: str) -> None:
    """The house would sign it."""
    house = await sieve_house("ann", "bob")
    await house.script("ann", script)
    await house.send("ann@example.test")
    ((_, octets),) = await house.queued()
    assert email.message_from_bytes(octets)["From"] == "ann@example.test"


async def test_a_mime_entity() -> None:
    (octets,) = await answers(
        'require "vacation"; vacation :mime text:\n'
        "Content-Type: multipart/alternative; boundary=foo\n\n--foo\n\nplain\n--foo\n"
        "Content-Type: text/html\n\n<p>html</p>\n--foo--\n.\n;"
    )
    answer = email.message_from_bytes(octets, policy=email.policy.default)
    assert [part.get_content_type() for part in answer.iter_parts()] == ["text/plain", "text/html"]


async def test_junk_is_not_answered() -> None:
    """Its sender is most likely somebody else."""
    house = await sieve_house("ann")
    await house.script("ann", AWAY)
    await house.send("ann@example.test", verdict=Verdict(Action.JUNK, "forged"))
    assert await house.boxes("ann") == {"Junk": 1}
    assert await house.queued() == []


async def test_references_go_on() -> None:
    (octets,) = await answers(AWAY, b"References: <a@x> <b@x>\r\n" + MAIL)
    assert b"References: <a@x> <b@x> <m1@desert.test>\r\n" in octets


async def test_once_in_a_while() -> None:
    house = await sieve_house("ann")
    await house.script("ann", 'require "vacation"; vacation :days 3 "away";')
    for days, expected in ((0, 1), (1, 1), (1.9, 1), (0.2, 2)):
        await house.clock.advance(days * 86_400)
        await house.send("ann@example.test")
        assert len(await house.queued()) == expected
    await house.send("ann@example.test", sender="other@desert.test")
    assert len(await house.queued()) == 3
    await house.script("ann", 'require "vacation"; vacation :days 3 "another text";')
    await house.send("ann@example.test")
    assert len(await house.queued()) == 4


async def test_seconds_and_handles() -> None:
    house = await sieve_house("ann")
    script = 'require "vacation-seconds"; vacation :handle "h" :seconds 100 "{}";'
    await house.script("ann", script.format("one"))
    await house.send("ann@example.test")
    await house.script("ann", script.format("two"))
    await house.send("ann@example.test")
    assert len(await house.queued()) == 1
    await house.clock.advance(101)
    await house.send("ann@example.test")
    assert len(await house.queued()) == 2


async def test_variables_do_not_make_another_answer() -> None:
    """RFC 5230 §4.2: what counts is the text before expansion."""
    house = await sieve_house("ann")
    await house.script(
        "ann",
        """require ["vacation", "variables"];
        if header :matches "subject" "*" { vacation :subject "Re: ${1}" "away"; }""",
    )
    await house.send("ann@example.test")
    await house.send("ann@example.test", mail=MAIL.replace(b"Beep", b"Boop"))
    assert len(await house.queued()) == 1


async def test_the_copy() -> None:
    house = await sieve_house("ann")
    await house.script(
        "ann",
        'require ["vacation", "fcc", "imap4flags"]; vacation :fcc "Sent" :flags "\\\\Seen" "away";',
    )
    for _ in range(2):
        await house.send("ann@example.test")
    assert await house.boxes("ann") == {"INBOX": 2, "Sent": 1}
    assert await house.flags("ann", "Sent") == [["\\Seen"]]
    assert await house.mail("ann", "Sent") == [octets for _, octets in await house.queued()]


SILENT = [
    b"Auto-Submitted: auto-generated\r\n",
    b"Auto-Submitted: auto-replied (x)\r\n",
    b"List-Id: <x.example>\r\n",
    b"List-Unsubscribe: <mailto:x@y.z>\r\n",
    b"Precedence: bulk\r\n",
    b"Precedence: list\r\n",
    b"X-Auto-Response-Suppress: DR, OOF\r\n",
]


@pytest.mark.parametrize("line", SILENT)
async def test_machines_and_lists_get_none(line: bytes) -> None:
    assert await answers(AWAY, line + MAIL) == []


@pytest.mark.parametrize(
    "sender",
    [
        "", "mailer-daemon@x.test", "owner-list@x.test", "list-request@x.test", "noreply@x.test",
        "ann@example.test", "list-bounces+ann=example.test@x.test", "SRS0=abc=de=x.test=y@z.test",
    ],
)  # fmt: skip
async def test_these_senders_get_none(sender: str) -> None:
    assert await answers(AWAY, sender=sender) == []


async def test_people_do_get_one() -> None:
    assert len(await answers(AWAY, b"Auto-Submitted: no\r\n" + MAIL)) == 1
    assert len(await answers(AWAY, sender="postmaster@x.test")) == 1


async def test_only_who_was_written_to_answers() -> None:
    blind = MAIL.replace(b"To: ann@", b"To: someone@")
    assert await answers(AWAY, blind) == []
    assert len(await answers(AWAY, b"Resent-Cc: Ann <ANN@example.test>\r\n" + blind)) == 1
    mine = 'require "vacation"; vacation :addresses ["x@y.z", "someone@example.test"] "away";'
    assert len(await answers(mine, blind)) == 1


async def test_the_addressed_alias_counts() -> None:
    house = await sieve_house("ann")
    await house.script("ann", AWAY)
    mail = MAIL.replace(b"To: ann@", b"To: ann+shop@")
    await house.send("ann+shop@example.test", mail=mail)
    assert len(await house.queued()) == 1
