"""One attempt at a message, over real sockets, to servers with and without faults."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.dns.answers import Mx
from pillarbox.model.address import Address
from pillarbox.model.transaction import Role, Sender
from pillarbox.outbound.letter import Letter
from pillarbox.outbound.options import Level, Login, Relay
from pillarbox.outbound.session import Session
from pillarbox.queue.report import Action, Report
from pillarbox.wire.smtp.options import Extension

NO_EIGHT = [Extension.EIGHTBITMIME, Extension.BINARYMIME, Extension.SMTPUTF8]


def said(reports: list[Report]) -> list[tuple[int, str]]:
    return [(one.reply.code, one.by) for one in reports]


async def test_delivered_with_our_return_path_taken_off(far: Any) -> None:
    async with far() as world:
        reports = await world.send("ann@far.test", "bob@far.test", notify=["SUCCESS"])
        assert said(reports) == [(250, "mx1.far.test")] * 2
        assert {one.action for one in reports} == {Action.PASSED}
        (taken,) = world.peers[0].taken
        assert taken.body == b"Subject: hi\r\n\r\nhello\r\n.dot\r\n"
        assert taken.sender.size == len(taken.body)
        assert taken.recipients[0].notify == {"SUCCESS"}


async def test_each_recipient_has_an_answer_of_its_own(far: Any) -> None:
    async with far() as world:
        to = ["ann@far.test", "no@far.test", "later@far.test"]
        reports = await world.send(*to)
        assert [one.reply.code for one in reports] == [250, 550, 451]
        assert reports[1].reply.text == "No such user"
        assert len(world.peers[0].taken) == 1
        assert world.peers[1].connections == 1  # later@ was tried at the next host
        assert not world.peers[1].taken


@pytest.mark.parametrize(
    ("fault", "taken", "code"),
    [
        ("hang up", [0, 1], 250),
        ("turned away", [0, 1], 250),
        ("busy", [0, 1], 250),
        ("drop at data", [0, 1], 250),
        ("421 at data", [0, 1], 250),
        ("421 at end", [0, 1], 250),
        ("lose answer", [1, 0], 451),  # it may have been kept: nobody else is tried
    ],
)
async def test_faults(far: Any, fault: str, taken: list[int], code: int) -> None:
    async with far() as world:
        world.peers[0].faults = deque([fault])
        body = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (
            200_000 if fault == "drop at data" else 2
        )
        (report,) = await world.send("ann@far.test", body=body)
        assert [len(peer.taken) for peer in world.peers] == taken
        assert report.reply.code == code
        assert report.maybe is (fault == "lose answer")


@pytest.mark.parametrize("lines", [2, 20_000])
async def test_a_server_that_asks_for_the_message_and_leaves(far: Any, lines: int) -> None:
    """Both in one packet: its word is kept, and nobody wonders whether it has the message."""
    async with far(servers=1) as world:
        world.peers[0].faults = deque(["421 at data"])
        body = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * lines
        (report,) = await world.send("ann@far.test", body=body)
        assert said([report]) == [(421, "mx1.far.test")]
        assert not report.maybe
        assert not world.peers[0].taken


async def test_a_message_that_could_not_begin_to_leave_is_no_doubt(
    far: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ended behind 354, and nothing said why."""
    real = Session._content

    async def content(session: Session, letter: Letter) -> None:
        session._conn.abort()
        await session._conn.gone(5.0)
        assert session._conn.fault is None
        await real(session, letter)

    monkeypatch.setattr(Session, "_content", content)
    async with far(servers=1) as world:
        (report,) = await world.send("ann@far.test")
        assert said([report]) == [(451, "")]
        assert not report.maybe


@pytest.mark.parametrize("fault", ["silent", "stall at end"])
async def test_silence_is_waited_out(far: Any, fault: str) -> None:
    async with far() as world:
        world.options = replace(world.options, patience=0.001)
        world.peers[0].faults = deque([fault])
        (report,) = await world.send("ann@far.test")
        assert report.reply.code == (250 if fault == "silent" else 451)
        assert report.maybe is (fault == "stall at end")


async def test_everybody_turns_away_and_the_words_are_kept(far: Any) -> None:
    async with far() as world:
        for peer in world.peers:
            peer.faults = deque(["turned away"])
        (report,) = await world.send("ann@far.test")
        assert report.reply.temporary
        assert "554 5.3.2 No service for you" in report.reply.text


async def test_nobody_listens(far: Any) -> None:
    async with far(
        {("far.test", "MX"): [Mx(1, "dead.test")], ("dead.test", "A"): ["127.0.0.9"]}
    ) as world:
        (report,) = await world.send("ann@far.test")
        assert (report.reply.code, report.reply.enhanced, report.by) == (451, "4.4.1", "")


@pytest.mark.parametrize(
    ("domain", "code", "enhanced"),
    [
        ("null.test", 556, "5.1.10"),
        ("none.test", 550, "5.1.2"),
        ("us.test", 554, "5.4.6"),
        ("[127.0.0.1]", 250, "2.0.0"),
    ],
)
async def test_what_the_dns_says(far: Any, domain: str, code: int, enhanced: str) -> None:
    zone = {("null.test", "MX"): [Mx(0, "")], ("us.test", "MX"): [Mx(1, "mail.example.test")]}
    async with far(zone) as world:
        (report,) = await world.send(f"ann@{domain}")
        assert (report.reply.code, report.reply.enhanced) == (code, enhanced)


@pytest.mark.parametrize(
    "to", ["far.test", "mapped.test", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]"]
)
async def test_loopback_is_no_place_for_mail_of_others(far: Any, to: str) -> None:
    zone = {("mapped.test", "AAAA"): ["::ffff:127.0.0.1"]}
    async with far(zone) as world:
        world.options = replace(world.options, loopback=False)
        (report,) = await world.send(f"ann@{to}")
        assert report.reply.code == 450
        assert world.peers[0].connections == 0


async def test_connections_are_used_again_until_they_are_gone(far: Any) -> None:
    async with far() as world:
        for _ in range(3):
            await world.send("ann@far.test")
        assert world.peers[0].connections == 1
        (session,) = world._pool._idle
        session._conn.close()
        await session._conn.read()
        assert said(await world.send("ann@far.test")) == [(250, "mx1.far.test")]
        assert world.peers[0].connections == 2
        assert len(world.peers[0].taken) == 4


async def test_as_many_recipients_as_the_server_takes(far: Any) -> None:
    async with far(max_recipients=100) as world:
        people = [f"p{n}@far.test" for n in range(250)]
        reports = await world.send(*people)
        assert {one.reply.code for one in reports} == {250}
        assert [len(one.recipients) for one in world.peers[0].taken] == [100, 100, 50]
        assert world.peers[0].connections == 1


async def test_eight_bit_mail_is_converted_for_servers_without(far: Any) -> None:
    body = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
    sender = Sender(Address("ann", "example.test"), body="8BITMIME")
    async with far(without=NO_EIGHT) as world:
        (report,) = await world.send("ann@far.test", body=body, sender=sender)
        assert report.reply.ok
        assert b"Gr=C3=BC=C3=9Fe" in world.peers[0].taken[0].body
        raw = "Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nü\r\n".encode()
        (report,) = await world.send("ann@far.test", body=raw, sender=sender)
        assert report.reply.enhanced == "5.6.3"
        assert report.by == ""


async def test_international_mail_needs_a_server_for_it(far: Any) -> None:
    sender = Sender(Address("änn", "example.test"), smtputf8=True)
    async with far(without=[Extension.SMTPUTF8]) as world:
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.enhanced == "5.6.7"
        plain = replace(sender, address=Address("ann", "example.test"))
        (report,) = await world.send("ann@far.test", sender=plain)
        assert report.reply.ok  # only the flag was set
        (report,) = await world.send("bøb@far.test")
        assert report.reply.enhanced == "5.6.7"
    async with far() as world:
        (report,) = await world.send("bøb@far.test", sender=sender)
        assert report.reply.ok


async def test_a_message_too_large_is_not_sent(far: Any) -> None:
    async with far(max_size=1000) as world:
        (report,) = await world.send("ann@far.test", body=b"x: y\r\n\r\n" + b"z" * 2000)
        assert report.reply.enhanced == "5.3.4"


async def test_relays_with_login_and_lmtp(far: Any) -> None:
    async with far(tls=True, role=Role.SUBMISSION, auth=("PLAIN",), names=["relay.test"]) as world:
        relay = Relay(
            "relay.test", world.options.port, level=Level.VERIFIED, login=Login("ann", "pencil")
        )
        world.resolver = type(world.resolver)({("relay.test", "A"): ["127.0.0.1"]})
        world.options = replace(world.options, relays={"*": relay})
        (report,) = await world.send("ann@anywhere.test")
        assert report.reply.ok
        assert "verified" in report.tls
        wrong = replace(relay, login=Login("ann", "wrong"))
        world.options = replace(world.options, sender_relays={"example.test": wrong})
        (report,) = await world.send("ann@anywhere.test")
        assert report.reply.temporary
        assert "535" in report.reply.text
    async with far(role=Role.LMTP) as world:
        relay = Relay("127.0.0.1", world.options.port, lmtp=True)
        world.options = replace(world.options, relays={"far.test": relay})
        reports = await world.send("ann@far.test", "full@far.test")
        assert [(one.reply.code, one.action) for one in reports] == [
            (250, Action.DELIVERED),
            (452, Action.DELIVERED),
        ]


async def test_what_an_address_of_ours_sends_on_says_so_and_does_not_go_twice(far: Any) -> None:
    async with far() as world:
        reports = await world.send("ann@far.test", via="Team@example.test")
        assert said(reports) == [(250, "mx1.far.test")]
        (taken,) = world.peers[0].taken
        assert taken.body.startswith(b"Delivered-To: team@example.test\r\nSubject: hi\r\n")
        assert taken.sender.size == len(taken.body)
        again = b"Delivered-To: <TEAM@example.test>\r\n" + taken.body
        reports = await world.send("ann@far.test", via="team@example.test", body=again)
        assert [one.reply.enhanced for one in reports] == ["5.4.6"]
        assert len(world.peers[0].taken) == 1


async def test_the_other_family_where_one_does_not_answer(far: Any) -> None:
    """IPv6 first, IPv4 when nobody is there; not at all where it is switched off."""
    async with far({("mx1.far.test", "AAAA"): ["::1"]}, servers=1) as world:
        (report,) = await world.send("ann@far.test")
        assert report.reply.ok
        assert [one.address for one in report.tries] == ["::1", "127.0.0.1"]
    async with far({("mx1.far.test", "AAAA"): ["::1"]}, servers=1) as world:
        world.options = replace(world.options, ipv6=False)
        (report,) = await world.send("ann@far.test")
        assert [one.address for one in report.tries] == ["127.0.0.1"]


async def test_a_fault_with_one_destination_is_none_of_the_others(far: Any) -> None:
    """Who has the message must not get it again because somebody else's copy could not be made."""
    async with far({("other.test", "MX"): [Mx(10, "mx1.far.test")]}) as world:
        sign, signed = world.sign, 0

        async def failing(*args: Any) -> bytes:
            nonlocal signed
            signed += 1
            if signed > 1:
                raise Temporary("the disk does not answer")
            return await sign(*args)

        world.sign = failing
        reports = await world.send("ann@far.test", "bob@other.test")
        assert [one.reply.code for one in reports] == [250, 451]
        assert len(world.peers[0].taken) == 1
