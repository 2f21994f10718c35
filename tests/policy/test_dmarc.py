"""DMARC: records, the tree walk, alignment, and what is wanted of mail that fails."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.dns.answers import Kind
from pillarbox.policy.dmarc.evaluate import DmarcResult, Identifier, Method, Verdict, evaluate
from pillarbox.policy.dmarc.record import Policy, Suffix, read_record
from pillarbox.policy.dmarc.tree import Found, organizational, steps
from pillarbox.testing.dns import FakeResolver

NONE, QUARANTINE, REJECT = Policy


def test_a_record_in_full() -> None:
    record = read_record(
        [
            b"v=spf1 -all",
            b"v = DMARC1 ; p=Quarantine; sp=reject;np=none; adkim=s; aspf=r; psd=n; t=y; "
            b"rua=mailto:a@x.test!10m, https://x.test/r; ruf=nonsense; fo=1:d; pct=5; rua=x:y",
        ]
    )
    assert record is not None
    assert (record.p, record.sp, record.np, record.sound) == (QUARANTINE, REJECT, NONE, True)
    assert (record.strict_dkim, record.strict_spf, record.testing) == (True, False, True)
    assert record.suffix is Suffix.ORGANIZATION
    assert (record.rua, record.ruf) == (("mailto:a@x.test", "https://x.test/r"), ())
    assert record.failure_options == {"1", "d"}


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [b"v=spf1 -all"],
        [b"v=DMARC1; p=none", b"v=DMARC1; p=reject"],
        [b"v=DMARC12; p=none"],
        [b"v=dmarc1; p=none"],
        [b"p=none; v=DMARC1"],
    ],
)
def test_no_record(texts: list[bytes]) -> None:
    assert read_record(texts) is None


@pytest.mark.parametrize(
    ("text", "itself", "below", "missing"),
    [
        (b"p=reject", REJECT, REJECT, REJECT),
        (b"p=reject; sp=none", REJECT, NONE, NONE),
        (b"p=none; np=reject", NONE, NONE, REJECT),
        (b"p=none; sp=quarantine; np=reject", NONE, QUARANTINE, REJECT),
        (b"sp=reject", None, None, None),
        (b"p=junk", None, None, None),
        (b"p=junk; rua=mailto:a@x.test", NONE, NONE, NONE),
        (b"p=reject; sp=junk; rua=mailto:a@x.test", NONE, NONE, NONE),
        (b"p=reject; np=junk; rua=nonsense", None, None, None),
    ],
)
def test_what_is_wanted(
    text: bytes, itself: Policy | None, below: Policy | None, missing: Policy | None
) -> None:
    record = read_record([b"v=DMARC1; " + text])
    assert record is not None
    assert record.wanted(below=False) is itself
    assert record.wanted(below=True) is below
    assert record.wanted(below=True, exists=False) is missing


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("test", "test"),
        ("a.x.test", "a.x.test x.test test"),
        (
            "a.b.c.d.e.f.x.test",
            "a.b.c.d.e.f.x.test b.c.d.e.f.x.test c.d.e.f.x.test d.e.f.x.test "
            "e.f.x.test f.x.test x.test test",
        ),
        (  # the example of RFC 9989 §4.10
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com "
            "h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com "
            "mail.example.com example.com com",
        ),
    ],
)
def test_steps(domain: str, names: str) -> None:
    assert " ".join(steps(domain)) == names


@pytest.mark.parametrize(
    ("walked", "expected"),
    [
        # the examples of RFC 9989 §4.10.2
        ([("mail.example.com", "u"), ("example.com", "u")], "example.com"),
        ([("mail.example.com", "n")], "mail.example.com"),
        ([("com", "y")], "example.com"),
        ([("example.com", "y")], "mail.example.com"),
        ([("a.mail.example.com", "y")], "a.mail.example.com"),
        ([("mail.example.com", "u"), ("com", "y")], "example.com"),
        ([], "a.mail.example.com"),
    ],
)
def test_organizational_domains(walked: list[tuple[str, str]], expected: str) -> None:
    records = [(name, read_record([f"v=DMARC1; psd={psd}".encode()])) for name, psd in walked]
    found = [Found(name, record) for name, record in records if record]
    assert organizational("a.mail.example.com", found) == expected


SPF, DKIM = Method
ZONE = {
    "_dmarc.x.test": "p=reject; sp=quarantine; np=none; psd=n",
    "_dmarc.own.x.test": "p=none",
    "_dmarc.strict.test": "p=reject; adkim=s",
    "_dmarc.trial.test": "p=reject; t=y",
    "_dmarc.psd": "p=reject; psd=y; sp=quarantine; np=reject",
    "_dmarc.odd.test": "p=odd",
    "_dmarc.apart.x.test": "p=reject; psd=n",
    "_dmarc.xn--bcher-kva.test": "p=reject",
}


DARK = ("_dmarc.dark.x.test", "_dmarc.dark.test", "mute.x.test", "mute.strict.test")


async def ask(author: str, *identifiers: tuple[Method, str]) -> tuple[DmarcResult, FakeResolver]:
    zone = {(name, "TXT"): [f"v=DMARC1; {text}".encode()] for name, text in ZONE.items()}
    hosts = {(name, "A"): ["192.0.2.1"] for name in ("a.x.test", "a.b.psd")}
    resolver = FakeResolver({**zone, **hosts}, failing=DARK)
    pairs = [Identifier(method, domain) for method, domain in identifiers]
    return await evaluate(author, pairs, resolver), resolver


@pytest.mark.parametrize(
    ("author", "identifiers", "verdict", "policy"),
    [
        ("x.test", [(SPF, "x.test")], Verdict.PASS, REJECT),
        ("X.Test.", [(DKIM, "A.X.test")], Verdict.PASS, REJECT),
        ("a.x.test", [(SPF, "b.x.test")], Verdict.PASS, QUARANTINE),
        ("a.x.test", [], Verdict.FAIL, QUARANTINE),
        ("gone.x.test", [], Verdict.FAIL, NONE),
        ("own.x.test", [(DKIM, "x.test")], Verdict.PASS, NONE),
        ("x.test", [(SPF, "y.test"), (DKIM, "x.test.evil.test")], Verdict.FAIL, REJECT),
        ("x.test", [(SPF, "apart.x.test")], Verdict.FAIL, REJECT),
        ("apart.x.test", [(SPF, "x.test")], Verdict.FAIL, REJECT),
        ("strict.test", [(DKIM, "a.strict.test")], Verdict.FAIL, REJECT),
        ("strict.test", [(SPF, "a.strict.test")], Verdict.PASS, REJECT),
        ("strict.test", [(DKIM, "strict.test")], Verdict.PASS, REJECT),
        ("trial.test", [], Verdict.FAIL, REJECT),
        ("a.b.psd", [(SPF, "c.b.psd")], Verdict.PASS, QUARANTINE),
        ("a.b.psd", [(SPF, "a.c.psd")], Verdict.FAIL, QUARANTINE),
        ("c.b.psd", [], Verdict.FAIL, REJECT),
        ("bücher.test", [(DKIM, "xn--bcher-kva.test")], Verdict.PASS, REJECT),
        ("y.test", [(SPF, "y.test")], Verdict.NONE, NONE),
        ("odd.test", [(SPF, "odd.test")], Verdict.NONE, NONE),
        ("", [(SPF, "")], Verdict.NONE, NONE),
        ("dark.test", [(SPF, "dark.test")], Verdict.TEMPERROR, NONE),
        ("mute.strict.test", [], Verdict.FAIL, REJECT),  # no np: whether it exists is no matter
        ("mute.x.test", [], Verdict.TEMPERROR, NONE),
        ("x.test", [(SPF, "dark.x.test")], Verdict.TEMPERROR, REJECT),
        ("x.test", [(SPF, "dark.x.test"), (DKIM, "x.test")], Verdict.PASS, REJECT),
    ],
)
async def test_messages(
    author: str, identifiers: list[tuple[Method, str]], verdict: Verdict, policy: Policy
) -> None:
    result, _ = await ask(author, *identifiers)
    assert (result.verdict, result.policy) == (verdict, policy)
    assert bool(result.aligned) is (verdict is Verdict.PASS)


async def test_while_its_owner_tests_a_policy_is_milder() -> None:
    result, _ = await ask("trial.test")
    assert (result.policy, result.applied) == (REJECT, QUARANTINE)


async def test_no_name_is_asked_twice_and_many_signatures_cost_little() -> None:
    result, resolver = await ask("x.test", *((DKIM, f"s{n}.x.test") for n in range(1000)))
    assert result.verdict is Verdict.PASS
    names = [name for name, kind in resolver.asked if kind is Kind.TXT]
    assert len(names) == len(set(names)) == 21


labels = st.sampled_from(("a", "x", "test", "", "b" * 64, "é", "psd"))
domains = st.one_of(st.lists(labels, max_size=12).map(".".join), st.text(max_size=20))


@given(domains, st.lists(st.tuples(st.sampled_from(Method), domains), max_size=4))
def test_any_names_get_an_answer(author: str, identifiers: list[tuple[Method, str]]) -> None:
    result, resolver = asyncio.run(ask(author, *identifiers))
    assert isinstance(result.verdict, Verdict)
    assert len(resolver.asked) <= 8 * (1 + len(identifiers)) + 1


@given(st.lists(st.binary(max_size=40).map(lambda rest: b"v=DMARC1;" + rest), max_size=1))
def test_any_record_is_read(texts: list[bytes]) -> None:
    assert (read_record(texts) is None) is (not texts)
