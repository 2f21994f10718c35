"""MTA-STS: records, policies, and a cache that an attacker cannot empty."""

from __future__ import annotations

import pytest

from pillarbox.policy.mtasts import LONGEST, Mode, Policies, Policy, read_policy, read_record
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.x.test\r\nmx: *.y.test\r\nmax_age: 1000\r\n"
OTHER = GOOD.replace(b"enforce", b"testing")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=spf1 -all", b"v=STSv1; id=1"], "1"),
        ([b"v=STSv1; id=1", b"v=STSv1; id=2"], None),
        ([b"v=STSv1; id=a-b"], None),
        ([b"v=STSv1; id=" + b"1" * 33], None),
        ([b"v=STSv1"], None),
        ([b"v=STSv10; id=1"], None),
        ([], None),
    ],
)
def test_records(texts: list[bytes], expected: str | None) -> None:
    assert read_record(texts) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GOOD, Policy(Mode.ENFORCE, 1000, ("mx1.x.test", "*.y.test"))),
        (GOOD.replace(b"\r\n", b"\n"), Policy(Mode.ENFORCE, 1000, ("mx1.x.test", "*.y.test"))),
        (GOOD + b"extra: yes\n", Policy(Mode.ENFORCE, 1000, ("mx1.x.test", "*.y.test"))),
        (GOOD + b"mode: none\n", Policy(Mode.ENFORCE, 1000, ("mx1.x.test", "*.y.test"))),
        (b"version: STSv1\nmode: none\nmax_age: 5", Policy(Mode.NONE, 5)),
        (b"version: STSv1\nmode: none\nmax_age: 9999999999", Policy(Mode.NONE, LONGEST)),
        (b"version: STSv1\nmode: enforce\nmax_age: 5", None),
        (b"version: STSv2\nmode: none\nmax_age: 5", None),
        (b"version: STSv1\nmode: maybe\nmax_age: 5", None),
        (b"version: STSv1\nmode: none\nmax_age: -5", None),
        (b"version: STSv1\nmode: none", None),
        (b"<html>no such page</html>", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_policies(data: bytes, expected: Policy | None) -> None:
    assert read_policy(data) == expected


@pytest.mark.parametrize(
    ("host", "listed"),
    [
        ("mx1.x.test", True),
        ("MX1.X.test.", True),
        ("a.y.test", True),
        ("y.test", False),
        ("a.b.y.test", False),
        ("mx2.x.test", False),
    ],
)
def test_hosts(host: str, listed: bool) -> None:
    policy = read_policy(GOOD)
    assert policy is not None
    assert policy.lists(host) is listed


class World:
    """A domain x.test that changes its mind."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.resolver = FakeResolver({("_mta-sts.x.test", "TXT"): [b"v=STSv1; id=1"]})
        self.body: bytes | None = GOOD
        self.fetched = 0
        self.policies = Policies(self.resolver, self.fetch, self.clock)

    async def fetch(self, domain: str) -> bytes | None:
        assert domain == "x.test"
        self.fetched += 1
        return self.body

    async def mode(self) -> str:
        policy = await self.policies.of("X.test")
        return policy.mode.value if policy else ""


async def test_fetched_once_and_again_when_the_id_changes() -> None:
    world = World()
    assert [await world.mode() for _ in range(3)] == ["enforce"] * 3
    assert world.fetched == 1
    world.body = OTHER
    await world.clock.advance(400)
    assert await world.mode() == "enforce"
    world.resolver.add("_mta-sts.x.test", b"v=STSv1; id=2")
    await world.clock.advance(400)
    assert await world.mode() == "testing"
    assert world.fetched == 2


async def test_lives_on_without_dns_or_web_until_it_expires() -> None:
    world = World()
    assert await world.mode() == "enforce"
    world.body = None
    world.resolver.failing.add("_mta-sts.x.test")
    await world.clock.advance(900)
    assert await world.mode() == "enforce"
    world.resolver.failing.clear()
    world.resolver.add("_mta-sts.x.test", b"v=STSv1; id=2")
    await world.clock.advance(90)
    assert await world.mode() == "enforce"
    await world.clock.advance(11)
    assert await world.mode() == ""


async def test_a_policy_is_renewed_before_it_ends() -> None:
    """Who waits for its end, to fall silent just then, waits in vain (§10.2)."""
    world = World()
    assert await world.mode() == "enforce"
    await world.clock.advance(600)
    assert await world.mode() == "enforce"
    assert world.fetched == 2
    world.body = None
    await world.clock.advance(900)
    assert await world.mode() == "enforce"


async def test_records_without_a_policy_are_told_of() -> None:
    world = World()
    told: list[tuple[str, str]] = []
    world.policies = Policies(
        world.resolver, world.fetch, world.clock, trouble=lambda *what: told.append(what)
    )
    world.body = None
    assert await world.mode() == ""
    world.body = b"<html>"
    await world.clock.advance(301)
    assert await world.mode() == ""
    assert told == [("x.test", "sts-policy-fetch-error"), ("x.test", "sts-policy-invalid")]


async def test_a_restart_forgets_nothing() -> None:
    """A new process under attack: neither DNS nor web answer, and the policy is still obeyed."""
    world, store = World(), MemoryStore()
    world.policies = Policies(world.resolver, world.fetch, world.clock, store)
    assert await world.mode() == "enforce"
    world.policies = Policies(world.resolver, world.fetch, world.clock, store)
    world.body = None
    world.resolver.failing.add("_mta-sts.x.test")
    await world.clock.advance(990)
    assert await world.mode() == "enforce"
    assert world.fetched == 1
    await world.clock.advance(11)
    assert await world.mode() == ""


async def test_a_domain_without_is_asked_by_dns_only_and_failures_not_at_once_again() -> None:
    world = World()
    assert await world.policies.of("y.test") is None
    assert await world.policies.of("[192.0.2.1]") is None
    assert world.fetched == 0
    world.body = None
    assert [await world.mode() for _ in range(3)] == [""] * 3
    assert world.fetched == 1
    await world.clock.advance(301)
    world.body = GOOD
    assert await world.mode() == "enforce"
