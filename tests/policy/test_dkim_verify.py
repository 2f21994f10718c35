"""DKIM verified: other hands' signatures, everything that can be wrong, and bounded work."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.policy.dkim.keys import Algorithm, Key
from pillarbox.policy.dkim.record import read_key
from pillarbox.policy.dkim.sign import Form
from pillarbox.policy.dkim.tags import Malformed, octets, read_tags
from pillarbox.policy.dkim.verify import MOST, DkimResult, Verdict
from pillarbox.testing.dns import FakeResolver
from support.signed import NOW, made, resolver, signed, verified, zone

SAMPLES = Path(__file__).parent / "samples"
PASS, FAIL = Verdict.PASS, Verdict.FAIL
MESSAGE = b"From: Ann <ann@x.test>\r\nTo: bob@y.test\r\nSubject: hi\r\n\r\nbody  text \r\n\r\n\r\n"
KEYS = {one: made("x.test", one) for one in Algorithm}
ED = KEYS[Algorithm.ED25519]
FORMS = [Form(head, body) for head in (True, False) for body in (True, False)]


def sample(name: str) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", (SAMPLES / name).read_bytes())


def record(name: str) -> str:
    return (SAMPLES / name).read_text().strip()


FOOTBALL = {
    "test._domainkey.football.example.com": record("test.txt"),
    "brisbane._domainkey.football.example.com": (
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    "sed._domainkey.test.ex": "v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E=",
}


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("rfc6376.signed.msg", ["pass", "pass"]),
        ("rfc6376.signed.rsa.msg", ["pass"]),
        ("rfc6376.signed.no_t.msg", ["fail"]),  # x= was put in after signing
        ("ed25519test2.msg", ["pass"]),
        ("test.message", []),
    ],
)
async def test_samples_of_another_library(name: str, verdicts: list[str]) -> None:
    results = await verified(sample(name), resolver(FOOTBALL))
    assert [result.verdict.value for result in results] == verdicts
    for place, verdict in enumerate(verdicts):

        def lookup(name: bytes, timeout: int = 5) -> bytes:
            return FOOTBALL[name.decode().rstrip(".")].encode()

        told = dkim.DKIM(sample(name), logger=None).verify(place, dnsfunc=lookup)
        assert told == (verdict == "pass")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("length", [False, True])
async def test_signatures_of_another_library(
    algorithm: Algorithm, form: Form, length: bool
) -> None:
    key = KEYS[algorithm]
    ed = algorithm is Algorithm.ED25519
    encoding = (Encoding.Raw, PrivateFormat.Raw) if ed else (Encoding.PEM, PrivateFormat.PKCS8)
    secret = key.private.private_bytes(*encoding, NoEncryption())
    field = dkim.sign(
        MESSAGE,
        b"s",
        b"x.test",
        base64.b64encode(secret) if ed else secret,
        canonicalize=tuple(
            b"relaxed" if one else b"simple" for one in (form.relaxed_header, form.relaxed_body)
        ),
        signature_algorithm=algorithm.value.encode(),
        length=length,
    )
    whole = field + MESSAGE
    for pieces in (0, 1, 7):
        (result,) = await verified(whole, zone(key), pieces=pieces)
        assert (result.verdict, result.domain, result.algorithm) == (
            PASS,
            "x.test",
            algorithm.value,
        ), result
    (more,) = await verified(whole + b"more\r\n", zone(key))
    if length:  # RFC 6376 §8.2: it holds, and says nothing about what stands behind
        assert more.verdict is Verdict.POLICY
        assert more.unsigned > 0
    else:
        assert (more.verdict, more.problem) == (FAIL, "the body was changed")
    (other,) = await verified(whole.replace(b"Subject: hi", b"Subject: ho"), zone(key))
    assert (other.verdict, other.problem) == (FAIL, "the header was changed")


async def test_a_length_beyond_the_body() -> None:
    whole = signed(MESSAGE, ED).replace(b"c=relaxed", b"l=9999; c=relaxed")
    (result,) = await verified(whole, zone(ED))
    assert (result.verdict, result.problem) == (FAIL, "the body was changed")


def edited(old: str, new: str) -> bytes:
    """A signature that says something else; it would not hold any more."""
    field, message = signed(MESSAGE, ED), MESSAGE
    head = field.removesuffix(message).decode()
    assert old in head
    return head.replace(old, new, 1).encode() + message


@pytest.mark.parametrize(
    ("old", "new", "verdict", "problem"),
    [
        ("v=1;", "v=2;", "neutral", "not a signature of version 1"),
        ("v=1;", "", "neutral", "not a signature of version 1"),
        ("a=ed25519-sha256", "a=rsa-sha1", "neutral", "a= is no algorithm that is accepted"),
        ("a=ed25519-sha256", "a=rsa-sha256", "permerror", "the key is of another kind"),
        ("c=relaxed/relaxed", "c=nowsp", "neutral", "c= is no form"),
        ("d=x.test", "d=x.test; d=y.test", "neutral", "d= occurs twice"),
        ("d=x.test", "d=(x.test", "neutral", "d= is not a domain"),
        ("d=x.test", "d=y.test", "permerror", "there is no key"),
        ("s=s;", "s=;", "neutral", "s= is missing"),
        ("s=s;", "s=other;", "permerror", "there is no key"),
        ("s=s;", "s=s; i=@other.test;", "neutral", "i= is not below d="),
        ("s=s;", "s=s; i=@xx.test;", "neutral", "i= is not below d="),
        ("s=s;", "s=s; i=nobody;", "neutral", "i= is not an address"),
        ("s=s;", "s=s; q=dns/other;", "neutral", "the key is not in the DNS"),
        ("s=s;", "s=s; l=x;", "neutral", "l= is not a number"),
        ("s=s;", "s=s; x=5;", "neutral", "it expires before it was made"),
        ("h=from:from", "h=to:to", "neutral", "From is not signed"),
        ("bh=", "bh=!", "neutral", "bh= is not base64"),
        ("v=1;", "v=1; nonsense;", "neutral", "not a tag list"),
        ("bh=", "bh=AAAA", "fail", "the body was changed"),
    ],
)
async def test_what_is_wrong_with_a_signature(
    old: str, new: str, verdict: str, problem: str
) -> None:
    (result,) = await verified(edited(old, new), zone(ED))
    assert result.verdict.value == verdict, result
    assert result.problem.startswith(problem)


def p_of(key: Key) -> str:
    return key.record.partition("p=")[2]


def weak(bits: int) -> str:
    """An RSA public key of so many bits; nobody needs its other half."""
    key = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@pytest.mark.parametrize(
    ("text", "verdict", "problem"),
    [
        ("v=DKIM1; k=ed25519; p=", "fail", "the key was revoked"),
        ("k=ed25519; p=P", "pass", ""),
        ("v=DKIM1; k=ed25519; n=a note; zz=unknown; p=P", "pass", ""),
        ("v=DKIM1; k=ed25519; h=sha1:sha256; s=email:x; t=y; p=P", "pass", ""),
        ("v=DKIM2; k=ed25519; p=P", "permerror", "the key record is of another version"),
        ("k=ed25519; v=DKIM1; p=P", "permerror", "the key record is of another version"),
        ("v=DKIM1; k=ed25519", "permerror", "the key record has no key"),
        ("v=DKIM1; p=P", "permerror", "the key cannot be read"),
        ("v=DKIM1; k=dsa; p=P", "permerror", "the key is of an unknown kind"),
        ("v=DKIM1; k=ed25519; h=sha1; p=P", "permerror", "the key is not for this hash"),
        ("v=DKIM1; k=ed25519; s=tlsrpt; p=P", "permerror", "the key is not for mail"),
        ("v=DKIM1; k=ed25519; p=AAAA", "permerror", "the key cannot be read"),
        ("v=DKIM1; k=ed25519; p=!!", "permerror", "p= is not base64"),
        ("not a record", "permerror", "not a tag list"),
        (record("badversion.txt"), "permerror", "the key record is of another version"),
        (record("badk.txt"), "permerror", "the key is of an unknown kind"),
    ],
)
async def test_key_records(text: str, verdict: str, problem: str) -> None:
    dns = resolver({ED.name: text.replace("p=P", "p=" + p_of(ED))})
    (result,) = await verified(signed(MESSAGE, ED), dns)
    assert (result.verdict.value, result.problem) == (verdict, problem)
    assert result.testing == ("t=y" in text)


async def test_a_key_for_its_own_domain_only() -> None:
    dns = resolver({ED.name: ED.record + "; t=s"})
    (result,) = await verified(signed(MESSAGE, ED), dns)
    assert result.verdict is PASS
    (result,) = await verified(edited("s=s;", "s=s; i=@sub.x.test;"), dns)
    assert result.problem == "the key is not for subdomains"


@pytest.mark.parametrize(
    ("bits", "verdict", "problem"),
    [
        (512, "fail", "the key has only 512 bits"),
        (768, "fail", "the key has only 768 bits"),
        (1024, "pass", ""),
    ],
)
async def test_weak_keys(bits: int, verdict: str, problem: str) -> None:
    """RFC 8301 §3.2."""
    if bits < 1024:  # the library signs with none so short
        key = KEYS[Algorithm.RSA]
        dns = resolver({key.name: f"v=DKIM1; p={weak(bits)}"})
    else:
        key = Key("x.test", "s", rsa.generate_private_key(65537, bits))
        dns = zone(key)
    (result,) = await verified(signed(MESSAGE, key), dns)
    assert (result.verdict.value, result.problem) == (verdict, problem)


@pytest.mark.parametrize(
    "name", ["1024_testkey_wo_markers.pub.rsa.txt", "2048_testkey_wo_markers.pub.txt"]
)
def test_both_ways_to_write_an_rsa_key(name: str) -> None:
    key = read_key(record(name).encode())
    assert f"{key.bits}_" in name


async def test_several_records_of_one_name() -> None:
    dns = FakeResolver({(ED.name, "TXT"): [b"other", b"v=DKIM1; p=", ED.record.encode()]})
    (result,) = await verified(signed(MESSAGE, ED), dns)
    assert result.verdict is PASS


async def test_expired() -> None:
    whole = signed(MESSAGE, ED, form=Form(expire=60))
    (result,) = await verified(whole, zone(ED), now=NOW + 60)
    assert result.verdict is PASS
    (result,) = await verified(whole, zone(ED), now=NOW + 61)
    assert (result.verdict, result.problem) == (FAIL, "the signature has expired")


async def test_the_dns_is_silent() -> None:
    dns = FakeResolver({}, failing=[ED.name])
    (result,) = await verified(signed(MESSAGE, ED), dns)
    assert result.verdict is Verdict.TEMPERROR


async def test_names_beyond_ascii() -> None:
    """RFC 8616: U-labels in d= and s=."""
    key = made("xn--bcher-kva.test")
    field = signed(MESSAGE, key).removesuffix(MESSAGE)
    (result,) = await verified(field + MESSAGE, zone(key))
    assert (result.verdict, result.domain) == (PASS, "xn--bcher-kva.test")
    told = field.replace(b"xn--bcher-kva.test", "bücher.test".encode()) + MESSAGE
    (result,) = await verified(told, zone(key))
    assert (result.domain, result.problem) == ("xn--bcher-kva.test", "the header was changed")


async def test_a_hundred_signatures() -> None:
    """Bounded work: few are verified, those of the author's domain first."""
    others = [made(f"d{n}.test") for n in range(99)]
    whole = MESSAGE
    for key in (ED, *others):
        whole = signed(whole, key)
    dns = zone(ED, *others)
    results = await verified(whole, dns, author="x.test")
    assert len(results) == MOST
    assert len(dns.asked) == MOST
    assert results[0].domain == "x.test"
    assert all(result.verdict is PASS for result in results)
    junk = b"DKIM-Signature: v=1\r\n" * 5000 + MESSAGE
    assert len(await verified(junk, dns)) == MOST


async def test_one_question_for_one_key() -> None:
    whole = signed(signed(MESSAGE, ED), ED)
    dns = zone(ED)
    assert [one.verdict for one in await verified(whole, dns)] == [PASS, PASS]
    assert len(dns.asked) == 1


@given(st.binary(max_size=200))
def test_tag_lists_of_anything(text: bytes) -> None:
    try:
        read_tags(text)
    except Malformed:
        pass
    try:
        octets(text.decode("latin-1"), "b")
    except Malformed:
        pass


PIECES = "v=1;|a=rsa-sha256;|d=x.test;|s=s;|h=from|;bh=AA==;|b=A|;| |=|\r\n\t|x|l=1;|i=@|é"


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=30))
async def test_signatures_of_anything(pieces: list[str]) -> None:
    field = "DKIM-Signature: " + "".join(pieces)
    results = await verified(field.encode() + b"\r\n" + MESSAGE, zone(ED))
    assert all(isinstance(one, DkimResult) for one in results)
    assert not any(one.verdict is PASS for one in results)


@pytest.mark.slow
async def test_a_body_made_to_be_slow() -> None:
    """Long white space, no line ends: linear all the same."""
    whole = signed(MESSAGE, ED)
    for hostile in (b" " * (4 << 20), b"\r" * (4 << 20), b" x" * (2 << 20), b"\r\n" * (2 << 20)):
        (result,) = await verified(whole + hostile, zone(ED), pieces=1 << 16)
        assert result.verdict in {FAIL, PASS}
