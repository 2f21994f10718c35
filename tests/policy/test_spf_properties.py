"""Whatever domains publish and clients say, SPF answers, and asks no more than it may."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.dns.answers import Mx
from pillarbox.model.address import Address
from pillarbox.policy.spf.check import check
from pillarbox.policy.spf.macro import Malformed, read_template
from pillarbox.policy.spf.names import is_askable, target
from pillarbox.policy.spf.record import Record, read_record
from pillarbox.policy.spf.result import SpfResult
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver

NAMES = ("a.test", "b.test", "c.test", "exp.test")
MOST_QUESTIONS = 1 + 10 * (1 + 10) + (1 + 10) + 1
"""The record; ten terms with ten hosts each; the client's names; the explanation."""

specs = st.sampled_from(
    (*NAMES, "%{d}", "%{p}", "%{l1r-+}.%{o}", "%{ir}.b.test", "x..test", "%{z}")
)
lengths = st.sampled_from(("", "", "/24", "//64", "/0//0", "/33"))
mechanisms = st.one_of(
    st.just("all"),
    st.builds("{}:{}".format, st.sampled_from(("include", "exists", "ptr")), specs),
    st.builds("{}:{}{}".format, st.sampled_from(("a", "mx")), specs, lengths),
    st.builds("{}{}".format, st.sampled_from(("a", "mx", "ptr")), lengths),
    st.sampled_from(("ip4:192.0.2.0/24", "ip6:2001:db8::/32", "ip4:1.2.3", "ip6:::1/129")),
)
modifiers = st.builds("{}={}".format, st.sampled_from(("redirect", "exp", "odd")), specs)
terms = st.one_of(
    st.builds("{}{}".format, st.sampled_from(("", "+", "-", "~", "?")), mechanisms),
    modifiers,
    st.text(st.characters(max_codepoint=255), max_size=8),
)
records = st.lists(terms, max_size=14).map(lambda some: " ".join(("v=spf1", *some)))
octets = records.map(lambda text: text.encode("latin-1"))
addresses = st.sampled_from(("192.0.2.1", "198.51.100.7", "not an address"))
zones = st.fixed_dictionaries(
    {
        **{(name, "TXT"): st.lists(octets, min_size=1, max_size=1) for name in NAMES},
        ("a.test", "A"): st.lists(addresses, max_size=3),
        ("b.test", "MX"): st.lists(st.sampled_from((Mx(1, ""), Mx(2, "a.test"))), max_size=12),
        ("1.2.0.192.in-addr.arpa", "PTR"): st.lists(st.sampled_from(NAMES), max_size=12),
    }
)
anything = st.text(max_size=30)
ips = st.one_of(
    st.just("192.0.2.1"), st.ip_addresses().map(str), st.just("2001:db8::1%eth0"), anything
)


@given(st.one_of(octets, st.binary(max_size=60).map(lambda rest: b"v=spf1 " + rest)))
def test_any_record_is_read_or_refused(data: bytes) -> None:
    try:
        record = read_record(data)
    except Malformed:
        return
    assert isinstance(record, Record)


@given(st.text("%{}dlspi0129rR.-+,/_= ", max_size=20), anything)
def test_any_template_expands(text: str, value: str) -> None:
    try:
        template = read_template(text, spaces=True)
    except Malformed:
        return
    template.expand(dict.fromkeys("slodipvh", value))


@given(st.text("ab.", max_size=600))
def test_a_name_cut_to_fit_is_an_end_of_the_name(name: str) -> None:
    found = target(name)
    assert len(found) <= 253
    assert name.removesuffix(".").endswith(found)
    assert not is_askable(name) or found == name


@given(zones, st.sets(st.sampled_from((*NAMES, "1.2.0.192.in-addr.arpa")), max_size=1), ips)
def test_any_zone_gives_an_answer_within_the_limits(
    zone: dict[tuple[str, str], list[bytes]], failing: set[str], ip: str
) -> None:
    resolver = FakeResolver(zone, failing=sorted(failing))
    sender = Address("a-b+c", "a.test")
    result = asyncio.run(check(ip, "b.test", sender, resolver, FakeClock()))
    assert isinstance(result, SpfResult)
    assert len(resolver.asked) <= MOST_QUESTIONS
    assert all(is_askable(name) for name, _ in resolver.asked)
    assert result.explanation.isascii()
    result.received_spf("in.test")


@given(ips, anything, anything, anything)
def test_any_client_gets_an_answer(ip: str, helo: str, local: str, domain: str) -> None:
    zone = {("a.test", "TXT"): [b"v=spf1 exists:%{l}.%{s}.%{h} -all exp=%{L}%{H}.a.test"]}
    for sender in (Address(local, domain), Address(local, "a.test"), None):
        result = asyncio.run(check(ip, helo, sender, FakeResolver(zone), FakeClock()))
        result.received_spf("in.test")
        result.finding()


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_holds_its_own_addresses(ip: IPv4Address | IPv6Address, prefix: int) -> None:
    prefix = min(prefix, ip.max_prefixlen)
    inside = type(ip)(int(ip) ^ ((1 << (ip.max_prefixlen - prefix)) - 1))
    zone = {("a.test", "TXT"): [f"v=spf1 ip{ip.version}:{inside}/{prefix} -all".encode()]}
    mapped = isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None
    result = asyncio.run(
        check(str(ip), "h.test", Address("a", "a.test"), FakeResolver(zone), FakeClock())
    )
    assert result.verdict.value == ("fail" if mapped else "pass")
