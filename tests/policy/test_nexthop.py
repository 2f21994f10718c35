"""Where mail goes: RFC 5321 §5 and RFC 7505 as a table of zones."""

from __future__ import annotations

import pytest

from pillarbox.base.ids import SeededRng
from pillarbox.dns.answers import Mx
from pillarbox.model.reply import Reply
from pillarbox.policy import nexthop
from pillarbox.policy.nexthop import Hop, Host, addresses, next_hop
from pillarbox.testing.dns import FakeResolver

ZONE = {
    ("two.test", "MX"): [Mx(20, "b.two.test"), Mx(10, "a.two.test")],
    ("a.two.test", "A"): ["192.0.2.1"],
    ("a.two.test", "AAAA"): ["2001:db8::1"],
    ("alias.test", "CNAME"): ["two.test"],
    ("implicit.test", "A"): ["192.0.2.2"],
    ("v6.test", "AAAA"): ["2001:db8::2"],
    ("null.test", "MX"): [Mx(0, "")],
    ("text.test", "TXT"): [b"x"],
    ("mixed.test", "MX"): [Mx(0, ""), Mx(5, "m.mixed.test")],
    ("backup.test", "MX"): [
        Mx(5, "main.test"),
        Mx(10, "us.test"),
        Mx(10, "x.test"),
        Mx(20, "y.test"),
    ],
    ("mine.test", "MX"): [Mx(5, "US.test")],
}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("two.test", ["a.two.test", "b.two.test"]),
        ("alias.test", ["a.two.test", "b.two.test"]),
        ("implicit.test", ["implicit.test"]),
        ("v6.test", ["v6.test"]),
        ("null.test", nexthop.NO_MAIL),
        ("mixed.test", ["m.mixed.test"]),
        ("text.test", nexthop.NO_HOST),
        ("none.test", nexthop.NO_SUCH_DOMAIN),
        ("broken.test", nexthop.DNS_FAILED),
        ("backup.test", ["main.test"]),
        ("mine.test", nexthop.LOOPS_BACK),
        ("[192.0.2.9]", ["[192.0.2.9]"]),
        ("[IPv6:2001:db8::9]", ["[IPv6:2001:db8::9]"]),
        ("[nonsense]", nexthop.BAD_LITERAL),
    ],
)
async def test_hosts(domain: str, expected: object) -> None:
    resolver = FakeResolver(ZONE, failing=["broken.test"])
    found = await next_hop(domain, resolver, SeededRng(1), own_names=["us.test"])
    if isinstance(found, Hop):
        assert [host.name for host in found.hosts] == expected
    else:
        assert found == expected


async def test_equals_take_turns_in_being_first() -> None:
    zone = {("x.test", "MX"): [Mx(10, f"h{n}.x.test") for n in range(4)]}
    rng, first = SeededRng(7), set()
    for _ in range(100):
        hop = await next_hop("x.test", FakeResolver(zone), rng)
        assert not isinstance(hop, Reply)
        first.add(hop.hosts[0].name)
    assert len(first) == 4


async def test_too_many_hosts_are_cut() -> None:
    zone = {("x.test", "MX"): [Mx(n, f"h{n}.x.test") for n in range(100)]}
    hop = await next_hop("x.test", FakeResolver(zone), SeededRng(1))
    assert isinstance(hop, Hop)
    assert len(hop.hosts) == nexthop.MAX_HOSTS


async def test_addresses() -> None:
    resolver = FakeResolver(ZONE, failing=["broken.test"])
    assert await addresses(Host("a.two.test"), resolver) == ["2001:db8::1", "192.0.2.1"]
    assert await addresses(Host("a.two.test"), resolver, ipv6=False) == ["192.0.2.1"]
    assert await addresses(Host("b.two.test"), resolver) == []
    assert await addresses(Host("broken.test"), resolver) is None
    assert await addresses(Host("[x]", addresses=("192.0.2.3",)), resolver) == ["192.0.2.3"]


async def test_a_failing_address_lookup_is_temporary() -> None:
    class HalfBroken(FakeResolver):
        """MX says no data, addresses fail."""

        async def ask(self, name: str, kind: nexthop.Kind) -> nexthop.Answer:
            if kind is nexthop.Kind.MX:
                return nexthop.Answer(nexthop.Status.NO_DATA)
            return nexthop.Answer(nexthop.Status.FAILED)

    assert await next_hop("x.test", HalfBroken({}), SeededRng(1)) == nexthop.DNS_FAILED


async def test_validation_is_passed_on() -> None:
    hop = await next_hop("two.test", FakeResolver(ZONE, secure=["two.test"]), SeededRng(1))
    assert isinstance(hop, Hop)
    assert all(host.secure for host in hop.hosts)
