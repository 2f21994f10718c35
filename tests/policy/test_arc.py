"""ARC: chains of other hands and our own, broken ones, and what a seal promises."""

from __future__ import annotations

import re
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pillarbox.policy.arc.seal import seal
from pillarbox.policy.arc.verify import Verdict
from pillarbox.policy.dkim.canon import BodyHash
from pillarbox.policy.dkim.keys import Algorithm, Key
from support.signed import NOW, made, parts, resolver, signed, validated, zone

SAMPLES = Path(__file__).parent / "samples"
PASS, FAIL, NONE = Verdict.PASS, Verdict.FAIL, Verdict.NONE
MESSAGE = b"From: Ann <ann@x.test>\r\nTo: list@l.test\r\nSubject: hi\r\n\r\nbody\r\n"
HANDS = [made(f"h{n}.test", Algorithm.RSA if n % 2 else Algorithm.ED25519) for n in range(3)]
DNS = zone(*HANDS)


def sealed(message: bytes, key: Key, status: Verdict = NONE, results: str = "") -> bytes:
    head, body = parts(message)
    hashed = BodyHash()
    hashed.feed(body)
    told = results or f"{key.domain}; spf=pass smtp.mailfrom=x.test"
    fields = seal(head, hashed.digest(), key, results=told, status=status, now=NOW)
    return fields + message


def chain(length: int, message: bytes = MESSAGE) -> bytes:
    for n in range(length):
        message = sealed(message, HANDS[n], PASS if n else NONE)
    return message


@pytest.mark.parametrize(("name", "verdict"), [("arc.pass.msg", PASS), ("arc.h-in-seal.msg", FAIL)])
async def test_samples_of_another_library(name: str, verdict: Verdict) -> None:
    message = re.sub(rb"\r?\n", b"\r\n", (SAMPLES / name).read_bytes())
    dns = resolver({"test._domainkey.example.com": (SAMPLES / "test.txt").read_text().strip()})
    result = await validated(message, dns)
    assert result.verdict is verdict
    if verdict is PASS:
        assert result.sealers == ("example.com",)
        assert "spf=pass smtp.mfrom=jqd@d1.example" in result.results[0]


async def test_no_chain() -> None:
    assert (await validated(MESSAGE, DNS)).verdict is NONE


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_our_chains(length: int) -> None:
    result = await validated(chain(length), DNS)
    assert (result.verdict, result.oldest_pass) == (PASS, 0), result
    assert result.sealers == tuple(key.domain for key in HANDS[:length])


async def test_an_independent_verifier() -> None:
    """It knows RSA only, so both hands here are RSA's."""
    keys = [made(f"r{n}.test", Algorithm.RSA) for n in range(2)]
    message = sealed(sealed(MESSAGE, keys[0]), keys[1], PASS)
    records = {key.name: key.record.encode() for key in keys}

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")]

    assert dkim.arc_verify(message, dnsfunc=lookup)[0] == dkim.CV_Pass
    assert dkim.arc_verify(message + b"x\r\n", dnsfunc=lookup)[0] == dkim.CV_Fail


async def test_seals_of_another_library() -> None:
    keys = [made(f"r{n}.test", Algorithm.RSA) for n in range(2)]
    message, told = MESSAGE, ""
    for key in keys:
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        told = f"Authentication-Results: here.test; arc={'pass' if told else 'none'}\r\n"
        before = told.encode() + message
        lines = dkim.ARC(before).sign(
            b"s", key.domain.encode(), pem, b"here.test", timestamp="12345"
        )
        message = b"".join(lines) + message
    result = await validated(message, zone(*keys))
    assert (result.verdict, len(result.sealers)) == (PASS, 2), result


async def test_a_hand_that_changed_the_message() -> None:
    """The older signature over the message breaks, the chain does not (§5.2 step 5)."""
    once = chain(1)
    footed = once + b"-- \r\nlist footer\r\n"
    twice = sealed(footed, HANDS[1], PASS)
    result = await validated(twice, DNS)
    assert (result.verdict, result.oldest_pass) == (PASS, 2)
    assert (await validated(footed, DNS)).verdict is FAIL


BREAKS = {
    "the body": lambda m: m + b"x\r\n",
    "the subject": lambda m: m.replace(b"Subject: hi", b"Subject: ho"),
    "what the first hand saw": lambda m: m.replace(
        b"i=1; h0.test; spf=pass", b"i=1; h0.test; spf=fail"
    ),
    "a set is missing": lambda m: re.sub(
        rb"ARC-[A-Za-z-]+:\s+i=1;(?:.*\r\n)(?:[ \t].*\r\n)*", b"", m
    ),
    "a field is missing": lambda m: re.sub(rb"ARC-Seal:\s+i=1;.*\r\n(?:[ \t].*\r\n)*", b"", m),
    "a set is there twice": lambda m: b"ARC-Authentication-Results: i=1; x\r\n" + m,
    "a number out of range": lambda m: m.replace(b"i=2;", b"i=51;"),
    "no number": lambda m: m.replace(b"i=2;", b"i=;"),
    "a first seal that says pass": lambda m: m.replace(b"cv=none", b"cv=pass"),
    "a later seal that says none": lambda m: m.replace(b"cv=pass", b"cv=none"),
    "a seal that says fail": lambda m: m.replace(b"cv=pass", b"cv=fail"),
    "a seal with h=": lambda m: m.replace(b"cv=pass", b"h=from; cv=pass"),
    "fifty-one sets": lambda m: b"ARC-Seal: i=1; x\r\n" * 51 + m,
}


@pytest.mark.parametrize("why", BREAKS)
async def test_broken_chains(why: str) -> None:
    good = chain(2)
    bad = BREAKS[why](good)
    assert bad != good
    result = await validated(bad, DNS)
    assert result.verdict is FAIL
    assert result.problem
    assert result.sealers == ()


async def test_a_key_that_cannot_be_had_breaks_it_for_good() -> None:
    dns = zone(*HANDS)
    dns.failing.add(HANDS[0].name)
    assert (await validated(chain(2), dns)).verdict is FAIL


async def test_sealing_a_broken_chain() -> None:
    """§5.1.2: the seal covers its own set, says fail, and nobody continues from there."""
    broken = sealed(chain(1) + b"x\r\n", HANDS[1], FAIL)
    assert b"cv=fail" in broken
    result = await validated(broken, DNS)
    assert (result.verdict, result.problem) == (FAIL, "seal 2 says fail, not pass")
    assert sealed(broken, HANDS[2], FAIL) == broken


async def test_no_seal_where_none_may_be() -> None:
    once = chain(1)
    assert sealed(once, HANDS[1], NONE) == once  # nobody validated
    gaps = b"ARC-Seal: i=3; x\r\n" + MESSAGE
    assert sealed(gaps, HANDS[1], FAIL) == gaps


async def test_a_seal_leaves_the_signatures_below_alone() -> None:
    signed_once = signed(MESSAGE, HANDS[2])
    message = sealed(signed_once, HANDS[0])
    assert message.endswith(signed_once)
    assert b":dkim-signature" in message.replace(b"\r\n\t", b"")
