"""What leaves is signed as it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dkim
import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.model.address import Address, parse_address
from pillarbox.model.transaction import Envelope, Peer, Role, Sender
from pillarbox.model.verdict import Finding, Verdict
from pillarbox.outbound.signing import Signer
from pillarbox.policy.dkim import keys
from pillarbox.policy.dkim.keys import Algorithm
from pillarbox.wire.smtp.options import Extension

KEYS = [keys.make("example.test", f"s{n}", one) for n, one in enumerate(Algorithm)]
SIGNER = Signer(lambda domain: KEYS if domain == "example.test" else [], SystemClock())
NO_EIGHT = [Extension.EIGHTBITMIME, Extension.BINARYMIME, Extension.SMTPUTF8]
ANN = Sender(Address("ann", "example.test"), body="8BITMIME")


def lookup(name: bytes, timeout: int = 5) -> bytes:
    return next(
        key.record.encode() for key in KEYS if name.startswith(key.selector.encode() + b".")
    )


@pytest.mark.parametrize("without", [[], NO_EIGHT])
@pytest.mark.parametrize(
    "body",
    [
        "Return-Path: <x@y>\r\nFrom: Ann <ann@example.test>\r\nSubject: x\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße  \r\n.dot\r\n\r\n",
        "From: ann@example.test\n\nbare\nlines\r\n",
        "From: ann@example.test\r\n\r\n" + "x" * 200_000 + "\r\n",
    ],
)
async def test_signed_after_every_change(far: Any, body: str, without: list[Extension]) -> None:
    async with far(without=without) as world:
        world.sign = SIGNER
        (report,) = await world.send("bob@far.test", body=body.encode(), sender=ANN)
        assert report.reply.ok
        taken = world.peers[0].taken[0].body
        assert taken.count(b"DKIM-Signature:") == 2
        for index in range(2):
            assert dkim.DKIM(taken).verify(index, dnsfunc=lookup)


@pytest.mark.parametrize(
    "body",
    [
        b"From: eve@elsewhere.test\r\n\r\nx\r\n",
        b"Subject: no from\r\n\r\nx\r\n",
    ],
)
async def test_mail_of_others_is_not_signed(far: Any, body: bytes) -> None:
    async with far() as world:
        world.sign = SIGNER
        await world.send("bob@far.test", body=body, sender=Sender(Address("eve", "else.test")))
        assert world.peers[0].taken[0].body == body


OTHERS = {"else.test": [replace(one, domain="else.test") for one in KEYS], "example.test": KEYS}


@pytest.mark.parametrize(
    ("role", "sender", "user", "domain"),
    [
        (Role.SUBMISSION, "ann@example.test", "ann@example.test", "example.test"),
        (Role.SUBMISSION, None, "ann@example.test", "example.test"),
        (Role.SUBMISSION, "ann@example.test", "eve@else.test", "else.test"),
        (Role.LOCAL, "talk-bounces@example.test", "", "example.test"),  # a list
        (Role.LOCAL, None, "", "else.test"),  # a report of the house
    ],
)
def test_nobody_speaks_for_another_domain_of_the_house(
    role: Role, sender: str | None, user: str, domain: str
) -> None:
    """From says else.test, which lives here too."""
    who = Sender(parse_address(sender) if sender else None)
    envelope = Envelope(who, (), role, Peer("192.0.2.1", user=user), 0.0)
    signer = Signer(lambda one: OTHERS.get(one, []), SystemClock())
    (first, *_) = signer._keys_for(envelope, b"From: boss@else.test\r\n\r\n")
    assert first.domain == domain


def test_reports_of_the_server_are_signed_by_the_domain_above_its_name() -> None:
    envelope = Envelope(Sender(None), (), Role.LOCAL, Peer(""), 0.0)
    signer = Signer(lambda one: OTHERS.get(one, []), SystemClock())
    found = signer._keys_for(envelope, b"From: postmaster@mx1.mail.example.test\r\n\r\n")
    assert {key.domain for key in found} == {"example.test"}
    assert not signer._keys_for(envelope, b"From: postmaster@mail.far.test\r\n\r\n")


async def test_mail_that_was_checked_is_sealed_as_it_passes_on(far: Any) -> None:
    """Others can read what we saw (RFC 8617), and the second hand continues the chain."""
    found = (Finding("spf", "pass", "", (("smtp.mailfrom", "else.test"),)),)
    async with far() as world:
        world.sign = Signer(SIGNER.keys, SIGNER.clock, "mx.example.test")
        world.role = Role.MX
        world.verdict = Verdict(findings=found)
        body = b"From: eve@else.test\r\n\r\nx\r\n"
        await world.send("bob@far.test", body=body, sender=Sender(Address("eve", "else.test")))
        assert world.peers[0].taken[0].body == body  # it goes to far.test, which is not ours
        eve, via = Sender(Address("eve", "else.test")), "ann@example.test"
        await world.send("bob@far.test", body=body, sender=eve, via=via)
        once = world.peers[0].taken[1].body
        assert once.endswith(body)
        assert b"ARC-Authentication-Results: i=1; mx.example.test; spf=pass" in once
        assert dkim.arc_verify(once, dnsfunc=lookup)[0] == b"pass"
        world.verdict = Verdict(findings=(*found, Finding("arc", "pass")))
        await world.send("bob@far.test", body=once, sender=eve, via="ed@example.test")
        twice = world.peers[0].taken[2].body
        assert dkim.arc_verify(twice, dnsfunc=lookup)[0] == b"pass"
        assert twice.count(b"ARC-Seal:") == 2


async def test_mail_that_only_passes_through_is_not_signed(far: Any) -> None:
    async with far() as world:
        world.sign = SIGNER
        world.role = Role.MX
        body = b"From: ann@example.test\r\n\r\nx\r\n"
        await world.send("bob@far.test", body=body, sender=ANN)
        assert world.peers[0].taken[0].body == body
