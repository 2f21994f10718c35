"""DKIM: known answers of RFC 6376 and RFC 8463, and an independent verifier."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from pathlib import Path

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from pillarbox.base.errors import Misuse
from pillarbox.message import header
from pillarbox.policy.dkim import keys
from pillarbox.policy.dkim.canon import BodyHash, Head, relaxed_field
from pillarbox.policy.dkim.keys import Algorithm, Key
from pillarbox.policy.dkim.ring import KeyRing
from pillarbox.policy.dkim.sign import RELAXED, Form, sign

# RFC 8463 appendix A
SIGNED = """DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace("\n", "\r\n").encode()
ED25519_SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
ED25519_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RSA_KEY = """
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
"""
RSA_RECORD = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
    "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx"
    "j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
NOW = 1_528_637_909.0
HOME = "football.example.com"


def published() -> tuple[Key, Key]:
    """The keys of the appendix."""
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(ED25519_SEED))
    private = load_der_private_key(base64.b64decode(RSA_KEY), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return Key(HOME, "brisbane", seed), Key(HOME, "test", private)


def body_hash(body: bytes, *, relaxed: bool, pieces: int = 0) -> bytes:
    hashed = BodyHash(relaxed=relaxed)
    step = pieces or max(1, len(body))
    for at in range(0, len(body), step):
        hashed.feed(body[at : at + step])
    return hashed.digest()


def canonical(head: bytes, names: list[bytes], signature: bytes) -> bytes:
    return Head(head).canonical(names, b"dkim-signature", signature, relaxed=True)


def test_the_records_of_the_appendix() -> None:
    ed, other = published()
    assert ed.record == ED25519_RECORD
    assert other.record == RSA_RECORD
    assert ed.name == "brisbane._domainkey.football.example.com"


@pytest.mark.parametrize("which", [0, 1])
def test_the_signatures_of_the_appendix(which: int) -> None:
    """Both verify over our canonical forms, and over nothing that was changed."""
    section = header.section(SIGNED, 0, len(SIGNED))
    ours = [field for field in section.fields if field.name == b"dkim-signature"][which]
    raw = SIGNED[ours.start : ours.end]
    tags = dict(re.findall(r"(\w+)\s*=\s*([^;]*)", header.value(SIGNED, ours).decode()))
    assert body_hash(SIGNED[section.body_start :], relaxed=True) == base64.b64decode(tags["bh"])
    names = [name.strip().encode() for name in tags["h"].split(":")]
    empty = re.sub(rb"(\bb=)[^;]*\Z", rb"\1", raw)
    signature = base64.b64decode(re.sub(r"\s", "", tags["b"]))
    key = published()[which].private.public_key()

    def verify(data: bytes) -> None:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature, hashlib.sha256(data).digest())

    head = SIGNED[: section.body_start]
    verify(canonical(head, names, empty))
    with pytest.raises(InvalidSignature):
        verify(canonical(head.replace(b"dinner", b"supper"), names, empty))
    with pytest.raises(InvalidSignature):  # oversigned: nothing may be added
        verify(canonical(b"Subject: x\r\n" + head, names, empty))


# RFC 6376 §3.4.4 and §3.4.5
@pytest.mark.parametrize(
    ("body", "relaxed", "canonical"),
    [
        (b" C \r\nD \t E\r\n\r\n\r\n", True, b" C\r\nD E\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", False, b" C \r\nD \t E\r\n"),
        (b"", True, b""),
        (b"", False, b"\r\n"),
        (b"\r\n\r\n", True, b""),
        (b"\r\n\r\n", False, b"\r\n"),
        (b" \t\r\n \r\n", True, b""),
        (b"no end", True, b"no end\r\n"),
        (b"no end", False, b"no end\r\n"),
        (b"\r\n\r\nx  \r\n\r\ny", True, b"\r\n\r\nx\r\n\r\ny\r\n"),
    ],
)
@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_canonical_bodies(body: bytes, relaxed: bool, canonical: bytes, pieces: int) -> None:
    expected = hashlib.sha256(canonical).digest()
    assert body_hash(body, relaxed=relaxed, pieces=pieces) == expected


@pytest.mark.parametrize("relaxed", [True, False])
def test_bodies_in_any_pieces(relaxed: bool) -> None:
    chance = random.Random(7)
    bits = [b"\r\n", b" ", b"\t", b"x", b"\r\n\r\n", b"word", b"y" * 70_000]
    for _ in range(60):
        body = b"".join(chance.choices(bits, (9, 9, 3, 9, 4, 9, 0.3), k=80))
        whole = body_hash(body, relaxed=relaxed)
        for pieces in (1, 7) if len(body) < 3000 else (999, 65_536):
            assert body_hash(body, relaxed=relaxed, pieces=pieces) == whole


def test_canonical_fields() -> None:
    assert relaxed_field(b"a", b"A: X\r\n") == b"a:X"
    assert relaxed_field(b"b", b"B : Y\t\r\n\tZ  \r\n") == b"b:Y Z"


MESSAGES = [
    b"From: a@x.test\r\nSubject: hi\r\n\r\nbody\r\n",
    b"From: a@x.test\r\nTo: b@y.test\r\nTo: c@y.test\r\nReceived: x\r\n\tfolded  y\r\n\r\n",
    b"From: =?utf-8?q?x?=\r\n <a@x.test>\r\nList-Id: <l>\r\n\r\n  two  spaces \r\n\r\n\r\n",
    b"From: a@x.test\r\nSubject: " + b"long " * 50 + b"\r\n\r\nx",
]
FORMS = [RELAXED, Form(False, False), Form(True, False), Form(False, True)]
MADE = {one: keys.make("x.test", f"s{n}", one) for n, one in enumerate(Algorithm)}


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("message", MESSAGES)
def test_an_independent_verifier(algorithm: Algorithm, form: Form, message: bytes) -> None:
    key = MADE[algorithm]
    head, blank, body = message.partition(b"\r\n\r\n")
    digest = body_hash(body, relaxed=form.relaxed_body)
    field = sign(head + blank, digest, key, now=NOW, form=form)
    assert max(map(len, field.split(b"\r\n"))) < 80

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == key.name
        return key.record.encode()

    assert dkim.verify(field + message, dnsfunc=lookup)
    assert not dkim.verify(field + message.replace(b"From: ", b"From: x"), dnsfunc=lookup)
    assert not dkim.verify(field + b"From: evil@x.test\r\n" + message, dnsfunc=lookup)
    assert not dkim.verify(field + message + b"more\r\n", dnsfunc=lookup)


def test_the_ring(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "dkim")
    assert ring.signing("x.test") == []
    made = ring.add("x.test", "20260101")
    assert {key.selector for key in made} == {"20260101e", "20260101r"}
    assert (tmp_path / "dkim/x.test/20260101e.pem").stat().st_mode & 0o777 == 0o600
    assert {key.record for key in ring.add("x.test", "20260101")} == {key.record for key in made}
    ring.add("x.test", "20260601")
    again = KeyRing(tmp_path / "dkim")
    assert len(again.all("x.test")) == 4
    assert {key.selector for key in again.signing("x.test")} == {"20260601e", "20260601r"}
    assert again.signing("y.test") == []
    for bad in ("../x", "X.test", "a b", ""):
        with pytest.raises(Misuse):
            ring.add(bad, "20260101")
    (tmp_path / "dkim/x.test/zz.pem").write_text("no key")
    with pytest.raises(Misuse):
        ring.reload()
    assert len(ring.all("x.test")) == 4
