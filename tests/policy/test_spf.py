"""SPF beyond the public suite: macros, limits, deadlines, identities, and what headers get."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from pillarbox.dns.answers import Answer, Kind, Mx, Record
from pillarbox.model.address import Address
from pillarbox.policy.spf import names
from pillarbox.policy.spf.check import check, check_helo
from pillarbox.policy.spf.evaluate import Limits
from pillarbox.policy.spf.macro import Malformed, read_domain_spec, read_template
from pillarbox.policy.spf.record import read_record
from pillarbox.policy.spf.result import Identity, SpfResult, Verdict
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver

IP = "192.0.2.3"
ANN = Address("ann", "x.test")
Zone = Mapping[tuple[str, str], Sequence[Record]]

# RFC 7208 §7.4
VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "h": "mx.example.org",
    "p": "mx.example.org",
}
SIX = {
    **VALUES,
    "i": names.dotted(names.client("2001:db8::cb01") or pytest.fail("no address")),
    "v": "ip6",
}


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("%{s}", VALUES, "strong-bad@email.example.com"),
        ("%{o}", VALUES, "email.example.com"),
        ("%{d4}", VALUES, "email.example.com"),
        ("%{d3}", VALUES, "email.example.com"),
        ("%{d2}", VALUES, "example.com"),
        ("%{d1}", VALUES, "com"),
        ("%{dr}", VALUES, "com.example.email"),
        ("%{d2r}", VALUES, "example.email"),
        ("%{l}", VALUES, "strong-bad"),
        ("%{l-}", VALUES, "strong.bad"),
        ("%{lr}", VALUES, "strong-bad"),
        ("%{lr-}", VALUES, "bad.strong"),
        ("%{l1r-}", VALUES, "strong"),
        ("%{ir}.%{v}._spf.%{d2}", VALUES, "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", VALUES, "bad.strong.lp._spf.example.com"),
        (
            "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
            VALUES,
            "3.2.0.192.in-addr.strong.lp._spf.example.com",
        ),
        (
            "%{ir}.%{v}._spf.%{d2}",
            SIX,
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
        ),
        ("%{D999999999999999999R}", VALUES, "com.example.email"),
        ("%{S}", VALUES, "strong-bad%40email.example.com"),
        ("a%%b%_c%-d", VALUES, "a%b c%20d"),
    ],
)
def test_macros(text: str, values: dict[str, str], expected: str) -> None:
    assert read_template(text).expand(values) == expected


@pytest.mark.parametrize(
    "text", ["%", "%{", "%{}", "%{z}", "%{d0}", "%{d00}", "%{dr2}", "%{c}", "%a", "a b", "é", "\0"]
)
def test_macros_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        read_template(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("x.test", True),
        ("x.test.", True),
        ("x.%{d}", True),
        ("%{d}%-", True),
        ("x.a1-b2", True),
        ("%{d}.test", True),
        ("", False),
        ("test", False),
        ("%{d}test", False),
        ("x.test..", False),
        ("x.12", False),
        ("x.-a", False),
        ("x.a-", False),
    ],
)
def test_domain_specs(text: str, good: bool) -> None:
    if good:
        read_domain_spec(text)
    else:
        with pytest.raises(Malformed):
            read_domain_spec(text)


def test_prefix_lengths_follow_any_domain() -> None:
    record = read_record(b"v=spf1 a:%{l/}/24//64 mx:a/24.test/0 a//12 ip6:2001:db8::/32")
    lengths = [(one.prefix4, one.prefix6) for one in record.directives]
    assert lengths == [(24, 64), (0, 128), (32, 12), (32, 32)]


@pytest.mark.parametrize(
    "terms",
    [
        "ip6:fe80::1%eth0",
        "ip4:01.2.3.4",
        "ip4:1.2.3.4/",
        "a:x.test/",
        "a/24/",
        "ptr/24",
        "all=x:%",
        "+-all",
        "redirect=a.test redirect=b.test",
        "EXP=a.test exp=b.test",
        "-all\t",
    ],
)
def test_records_that_are_wrong(terms: str) -> None:
    with pytest.raises(Malformed):
        read_record(b"v=spf1 " + terms.encode())


def test_redirect_counts_for_nothing_beside_all() -> None:
    assert read_record(b"v=spf1 redirect=a.test ?all").redirect is None
    assert read_record(b"v=spf1 a=b c.d=%{t} redirect=a.test").redirect is not None


async def ask(zone: Zone, *, ip: str = IP, sender: Address | None = ANN) -> SpfResult:
    return await check(ip, "mx.x.test", sender, FakeResolver(zone), FakeClock(), receiver="in.test")


async def test_the_directive_that_matched_is_named() -> None:
    zone: Zone = {
        ("x.test", "TXT"): [b"v=spf1 mx include:y.test -all"],
        ("y.test", "TXT"): [b"v=spf1 ip4:192.0.2.0/24"],
        ("x.test", "MX"): [Mx(1, "x.test")],
    }
    result = await ask(zone)
    assert (result.verdict, result.mechanism, result.lookups) == (
        Verdict.PASS,
        "include:y.test",
        2,
    )


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        # a name that nobody has, three times in one term: one void lookup (RFC 7208 §4.6.4)
        (b"v=spf1 mx:many.test a:no1.test ?all", Verdict.NEUTRAL),
        (b"v=spf1 mx:many.test a:no1.test a:no2.test ?all", Verdict.PERMERROR),
        (b"v=spf1 mx:crowd.test ?all", Verdict.PERMERROR),
        (b"v=spf1 exists:%{p}.x.test" + b" a" * 8 + b" ?all", Verdict.NEUTRAL),
        (b"v=spf1 exists:%{p}.x.test" + b" a" * 9 + b" ?all", Verdict.PERMERROR),
        (b"v=spf1 include:deep.test a a a a a a a a a ?all", Verdict.PERMERROR),
        (b"v=spf1 redirect=%{d}..test", Verdict.PERMERROR),
        (b"v=spf1 exists:a\\b.test -all", Verdict.FAIL),
    ],
)
async def test_limits(record: bytes, verdict: Verdict) -> None:
    zone: Zone = {
        ("x.test", "TXT"): [record],
        ("x.test", "A"): ["192.0.2.99"],
        ("many.test", "MX"): [Mx(1, f"no{n}.test") for n in range(5, 8)],
        ("crowd.test", "MX"): [Mx(n, "x.test") for n in range(11)],
        ("deep.test", "TXT"): [b"v=spf1 a:x.test"],
    }
    assert (await ask(zone)).verdict is verdict


async def test_only_ten_names_of_a_client_are_looked_at() -> None:
    zone: Zone = {
        ("x.test", "TXT"): [b"v=spf1 ptr -all"],
        ("3.2.0.192.in-addr.arpa", "PTR"): [*(f"n{n}.test" for n in range(10)), "a.x.test"],
        ("a.x.test", "A"): [IP],
    }
    resolver = FakeResolver(zone)
    result = await check(IP, "h.test", ANN, resolver, FakeClock())
    assert result.verdict is Verdict.FAIL
    assert len(resolver.asked) == 12


@pytest.mark.parametrize("dark", ["3.2.0.192.in-addr.arpa", "n0.test"])
async def test_what_the_dns_hides_of_a_client_is_no_error(dark: str) -> None:
    """RFC 7208 §5.5."""
    zone: Zone = {
        ("x.test", "TXT"): [b"v=spf1 ptr ~all"],
        ("3.2.0.192.in-addr.arpa", "PTR"): ["n0.test", "n1.test"],
    }
    resolver = FakeResolver(zone, failing=[dark])
    assert (await check(IP, "h.test", ANN, resolver, FakeClock())).verdict is Verdict.SOFTFAIL


async def test_what_an_explanation_asks_is_not_held_against_the_domain() -> None:
    zone: Zone = {
        ("x.test", "TXT"): [
            b"v=spf1 a:no1.test a:no2.test" + b" include:y.test" * 8 + b" -all exp=exp.%{d}"
        ],
        ("y.test", "TXT"): [b"v=spf1"],
        ("exp.x.test", "TXT"): [b"%{p} is not ours"],
    }
    result = await ask(zone)
    assert (result.verdict, result.explanation) == (Verdict.FAIL, "unknown is not ours")


class Silent:
    """Answers nothing about one name, and notices that nobody waits any more."""

    def __init__(self, zone: Zone, silent: str) -> None:
        self.inner = FakeResolver(zone)
        self.silent = silent
        self.given_up = 0

    async def ask(self, name: str, kind: Kind) -> Answer:
        if name != self.silent:
            return await self.inner.ask(name, kind)
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up += 1
        raise AssertionError


@pytest.mark.parametrize(
    ("silent", "verdict"), [("x.test", Verdict.TEMPERROR), ("exp.test", Verdict.FAIL)]
)
async def test_the_deadline(silent: str, verdict: Verdict) -> None:
    clock = FakeClock()
    resolver = Silent({("x.test", "TXT"): [b"v=spf1 -all exp=exp.test"]}, silent)
    work = asyncio.ensure_future(check(IP, "h.test", ANN, resolver, clock, limits=Limits()))
    await clock.advance(19.9)
    assert not work.done()
    await clock.advance(0.2)
    result = await work
    assert (result.verdict, result.explanation, resolver.given_up) == (verdict, "", 1)


async def test_giving_up_the_check_gives_up_its_questions() -> None:
    resolver = Silent({}, "x.test")
    work = asyncio.ensure_future(check(IP, "h.test", ANN, resolver, FakeClock()))
    await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert resolver.given_up == 1


EXPLAINED: Zone = {("x.test", "TXT"): [b"v=spf1 -all exp=exp.test"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"%{i} is not %{o}'s; %{r} at %{t}", f"{IP} is not x.test's; in.test at 1700000000"),
        (b"%{c} %{h} %{p}", f"{IP} mx.x.test unknown"),
        (b"a\r\n250 b", ""),
        (b"%{x}", ""),
        (b"long " * 1000, "long " * 80),
    ],
)
async def test_explanations(text: bytes, expected: str) -> None:
    result = await ask({**EXPLAINED, ("exp.test", "TXT"): [text]})
    assert (result.verdict, result.explanation) == (Verdict.FAIL, expected)


async def test_an_explanation_stays_ascii_whatever_the_sender_wrote() -> None:
    zone = {**EXPLAINED, ("exp.test", "TXT"): [b"%{s}!"]}
    assert (await ask(zone, sender=Address("änn", "x.test"))).explanation == ""
    assert (await ask(zone, sender=Address("a\r\nb", "x.test"))).explanation == ""


@pytest.mark.parametrize("local", ["jürgen", "\udcff"])
async def test_local_parts_beyond_ascii_match_nothing(local: str) -> None:
    """RFC 8616 §4."""
    zone: Zone = {
        ("x.test", "TXT"): [b"v=spf1 exists:%{l}.y.test include:%{l}.y.test ~all"],
        (f"{local}.y.test", "A"): ["127.0.0.2"],
    }
    result = await ask(zone, sender=Address(local, "x.test"))
    assert result.verdict is Verdict.SOFTFAIL


async def test_identities() -> None:
    zone: Zone = {
        ("xn--bcher-kva.test", "TXT"): [b"v=spf1 ip4:192.0.2.3 -all"],
        ("mx.x.test", "TXT"): [b"v=spf1 -all"],
    }
    resolver, clock = FakeResolver(zone), FakeClock()
    sender = Address("ann", "bücher.test")
    mail = await check(f"::ffff:{IP}", "mx.x.test", sender, resolver, clock)
    assert (mail.verdict, mail.domain) == (Verdict.PASS, "xn--bcher-kva.test")
    null = await check(IP, "mx.x.test", None, resolver, clock)
    assert (null.verdict, null.identity) == (Verdict.FAIL, Identity.MAIL_FROM)
    assert null.sender == "postmaster@mx.x.test"
    helo = await check_helo(IP, "mx.x.test", resolver, clock)
    assert (helo.verdict, helo.identity) == (Verdict.FAIL, Identity.HELO)
    assert (await check_helo(IP, "[192.0.2.3]", resolver, clock)).verdict is Verdict.NONE
    assert (await check("", "mx.x.test", None, resolver, clock)).verdict is Verdict.NONE


async def test_what_header_fields_get() -> None:
    result = await ask({("x.test", "TXT"): [b"v=spf1 ip4:192.0.2.0/24"]})
    field = result.received_spf("in.test")
    assert (field.result, field.comment) == (
        "pass",
        f"in.test: domain of ann@x.test designates {IP} as permitted sender",
    )
    assert dict(field.pairs) == {
        "receiver": "in.test",
        "identity": "mailfrom",
        "client-ip": IP,
        "envelope-from": "ann@x.test",
        "helo": "mx.x.test",
        "mechanism": "ip4:192.0.2.0/24",
    }
    method = result.finding()
    assert (method.method, method.result, method.properties) == (
        "spf",
        "pass",
        (("smtp.mailfrom", "x.test"),),
    )


async def test_header_fields_hold_nothing_hostile() -> None:
    resolver, clock = FakeResolver({}), FakeClock()
    sender = Address("a)\r\nEvil: (\\", "x.test" * 500)
    result = await check(IP, "h\r\n.test" * 200, sender, resolver, clock)
    field = result.received_spf("in.test")
    said = [field.comment, *(value for _, value in field.pairs)]
    said += [value for _, value in result.finding().properties]
    assert all(text.isascii() and text.isprintable() and len(text) < 800 for text in said)
    assert not set(field.comment) & set("()\\")
    assert {"problem", "helo"} <= dict(field.pairs).keys()
