"""What is found wrong with published records, one fault at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pillarbox.dns.answers import Mx, Record, Srv, Tlsa
from pillarbox.net.certs import DemoCa
from pillarbox.policy.mtasts import Mode, Policy, write_policy
from pillarbox.policy.publish import Facts, Service, policy_id, quoted, records, tlsa
from pillarbox.policy.published import Harm, Inspector
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver

HOST = "mail.x.test"
POLICY = Policy(Mode.ENFORCE, 86_400, (HOST,))
KEY = ("s1._domainkey.x.test", "v=DKIM1; k=rsa; p=AAAA")

CERTIFICATE = DemoCa().issue([HOST])[0]

Zone = dict[tuple[str, str], Sequence[Record]]


@pytest.fixture
def facts() -> Facts:
    return Facts(
        "x.test",
        HOST,
        [KEY],
        [Service("imaps", 993), Service("pop3s", 0)],
        CERTIFICATE,
        POLICY,
        HOST,
    )


def good(facts: Facts) -> Zone:
    mark = tlsa(facts.certificate)
    assert mark is not None
    return {
        ("x.test", "MX"): [Mx(10, HOST)],
        (HOST, "A"): ["192.0.2.1"],
        (HOST, "AAAA"): ["2001:db8::1"],
        ("1.2.0.192.in-addr.arpa", "PTR"): [HOST],
        (f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): [HOST],
        ("x.test", "TXT"): [b"v=spf1 mx -all"],
        (HOST, "TXT"): [b"v=spf1 a -all"],
        (KEY[0], "TXT"): [KEY[1].encode()],
        ("_dmarc.x.test", "TXT"): [b"v=DMARC1; p=reject; rua=mailto:a@x.test"],
        ("_mta-sts.x.test", "TXT"): [f"v=STSv1; id={policy_id(POLICY)}".encode()],
        ("_smtp._tls.x.test", "TXT"): [b"v=TLSRPTv1; rua=mailto:a@x.test"],
        (f"_25._tcp.{HOST}", "TLSA"): [mark],
        ("_imaps._tcp.x.test", "SRV"): [Srv(0, 1, 993, HOST)],
        ("_pop3s._tcp.x.test", "SRV"): [Srv(0, 0, 0, "")],
        ("autoconfig.x.test", "CNAME"): [HOST],
    }


async def found(
    facts: Facts, zone: Zone, *, policy: bytes | None = write_policy(POLICY), failing: str = ""
) -> list[tuple[Harm, str]]:
    async def fetch(domain: str) -> bytes | None:
        assert domain == "x.test"
        return policy

    names = [failing] if failing else []
    resolver = FakeResolver(zone, secure=["x.test"], failing=names)
    clock = FakeClock()
    findings = await Inspector(facts, resolver, clock, fetch).findings()
    assert all(one.hint for one in findings if one.harm is not Harm.NONE), findings
    return [(one.harm, one.name) for one in findings if one.harm is not Harm.NONE]


async def test_all_is_well(facts: Facts) -> None:
    assert await found(facts, good(facts)) == []


LOST, REFUSED, OPEN, COMFORT = Harm.LOST, Harm.REFUSED, Harm.OPEN, Harm.COMFORT


@pytest.mark.parametrize(
    ("name", "kind", "rows", "harm"),
    [
        ("x.test", "MX", [], LOST),
        ("x.test", "MX", [Mx(0, "")], LOST),
        ("x.test", "MX", [Mx(10, "other.test")], LOST),
        ("x.test", "MX", [Mx(5, "filter.test"), Mx(10, HOST)], OPEN),
        (f"_25._tcp.{HOST}", "TLSA", [Tlsa(3, 1, 1, b"\0" * 32)], LOST),
        (f"_25._tcp.{HOST}", "TLSA", [Tlsa(1, 1, 1, b"\0" * 32)], OPEN),
        (f"_25._tcp.{HOST}", "TLSA", [], OPEN),
        ("1.2.0.192.in-addr.arpa", "PTR", [], REFUSED),
        ("1.2.0.192.in-addr.arpa", "PTR", ["other.test"], REFUSED),
        ("x.test", "TXT", [], REFUSED),
        ("x.test", "TXT", [b"v=spf1 mx -all", b"v=spf1 -all"], REFUSED),
        ("x.test", "TXT", [b"v=spf1 ip4:192.0.2.1 -all"], REFUSED),
        ("x.test", "TXT", [b"v=spf1 +all"], OPEN),
        (HOST, "TXT", [], REFUSED),
        (HOST, "TXT", [b"v=spf1 -all"], REFUSED),
        (KEY[0], "TXT", [], REFUSED),
        (KEY[0], "TXT", [b"v=DKIM1; k=rsa; p=BBBB"], REFUSED),
        (KEY[0], "TXT", [KEY[1].encode(), b"v=DKIM1; p=BBBB"], REFUSED),
        ("_dmarc.x.test", "TXT", [], REFUSED),
        ("_dmarc.x.test", "TXT", [b"v=DMARC1; p=reject", b"v=DMARC1; p=none"], REFUSED),
        ("_dmarc.x.test", "TXT", [b"v=DMARC1; p=none"], OPEN),
        ("_mta-sts.x.test", "TXT", [], OPEN),
        ("_mta-sts.x.test", "TXT", [b"v=STSv1; id=1"], OPEN),
        ("_smtp._tls.x.test", "TXT", [], OPEN),
        ("_imaps._tcp.x.test", "SRV", [], COMFORT),
        ("_imaps._tcp.x.test", "SRV", [Srv(0, 1, 143, HOST)], COMFORT),
        ("autoconfig.x.test", "CNAME", [], COMFORT),
    ],
)
async def test_one_fault(
    facts: Facts, name: str, kind: str, rows: list[Record], harm: Harm
) -> None:
    faults = set(await found(facts, {**good(facts), (name, kind): rows}))
    if kind == "MX":  # the SPF record speaks of it
        faults.discard((REFUSED, "TXT x.test"))
    ((level, label),) = faults
    address = name == "1.2.0.192.in-addr.arpa"
    assert (level, label) == (harm, "PTR 192.0.2.1" if address else f"{kind} {name}")


@pytest.mark.parametrize(
    "name", ["x.test", HOST, KEY[0], f"_25._tcp.{HOST}", "_mta-sts.x.test", "_dmarc.x.test"]
)
async def test_names_that_nobody_answers_for(facts: Facts, name: str) -> None:
    assert any(name in label for _, label in await found(facts, good(facts), failing=name))


@pytest.mark.parametrize(
    ("policy", "harm"),
    [
        (None, OPEN),
        (b"not a policy", OPEN),
        (write_policy(replace(POLICY, mx=("other.test",))), LOST),
        (write_policy(replace(POLICY, mx=("other.test",), mode=Mode.TESTING)), OPEN),
        (write_policy(replace(POLICY, mode=Mode.TESTING)), OPEN),
    ],
)
async def test_policies(facts: Facts, policy: bytes | None, harm: Harm) -> None:
    assert await found(facts, good(facts), policy=policy) == [(harm, "TXT _mta-sts.x.test")]


async def test_a_domain_we_stand_in_front_of(facts: Facts) -> None:
    """Who sends for it and how its users set up their programs is others' business."""
    facts = replace(facts, mail_ends_here=False)
    zone = {("x.test", "MX"): [Mx(0, "inner.test"), Mx(10, HOST)]}
    whole = {**good(facts), **zone}
    for name in ("x.test", KEY[0], "_dmarc.x.test"):
        del whole[name, "TXT"]
    assert await found(facts, whole) == []
    assert {one.kind for one in records(facts)} == {"MX", "TXT", "CNAME", "TLSA"}


def test_long_texts_are_cut_into_strings() -> None:
    assert quoted("a" * 300) == '"' + "a" * 255 + '" "' + "a" * 45 + '"'


def test_sources_are_in_the_spf_record(facts: Facts) -> None:
    made = records(replace(facts, sources=["192.0.2.9", "2001:db8::9"]))
    assert any("v=spf1 mx ip4:192.0.2.9 ip6:2001:db8::9 -all" in one.value for one in made)
