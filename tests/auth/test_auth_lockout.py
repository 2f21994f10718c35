"""The table of the lockout: who did what from where, and what that means for whom."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.auth.lockout import GO_AHEAD, Lockout, Options
from pillarbox.testing.clock import FakeClock

OPTIONS = Options(
    pair_failures=3,
    pair_seconds=100,
    network_failures=5,
    network_seconds=10,
    account_failures=4,
    account_seconds=20,
    max_delay=8,
    known_seconds=1000,
    max_keys=100,
)
HOME, CAFE, EVIL = "192.0.2.1", "198.51.100.1", "203.0.113.1"


@dataclass(frozen=True)
class Case:
    name: str
    before: str
    """Words `who@where` with a sign in front: - failed, + succeeded, ~N seconds pass."""
    ask: str
    refused: str = ""
    """'pair', 'network' or '' for nothing."""
    delayed: bool = False


PLACES = {"home": HOME, "cafe": CAFE, "evil": EVIL, "self": "127.0.0.1", "web": "::1",
          "six": "2001:db8:1:2::1", "six2": "2001:db8:1:2:ffff::9", "six3": "2001:db8:1:3::1",
          "mapped": "::ffff:203.0.113.1", "socket": ""}  # fmt: skip

CASES = [
    Case("a stranger may try", "", "ann@evil"),
    Case("a few errors are human", "-ann@home -ann@home", "ann@home"),
    Case("then the pair waits", "-ann@evil " * 3, "ann@evil", "pair"),
    Case("but not the owner elsewhere", "-ann@evil " * 3, "ann@home"),
    Case("nor other accounts from there", "-ann@evil " * 3, "bob@evil"),
    Case("waiting helps", "-ann@evil " * 3 + "~101", "ann@evil"),
    Case("waiting too little does not", "-ann@evil " * 3 + "~90", "ann@evil", "pair"),
    Case("after the wait one more failure locks again", "-ann@evil " * 3 + "~101 -ann@evil",
         "ann@evil", "pair"),
    Case("a success forgives the pair", "-ann@home -ann@home +ann@home -ann@home -ann@home",
         "ann@home"),
    Case("many accounts from one network", "-a@evil -b@evil -c@evil -d@evil -e@evil", "ann@evil",
         "network"),
    Case("a known network is not locked as a whole",
         "+ann@evil -a@evil -b@evil -c@evil -d@evil -e@evil", "ann@evil"),
    Case("known to ann is not known to bob",
         "+ann@evil -a@evil -b@evil -c@evil -d@evil -e@evil", "bob@evil", "network"),
    Case("a success does not forgive the network",
         "-a@evil -b@evil -c@evil -d@evil -e@evil +own@evil", "bob@evil", "network"),
    Case("the network recovers", "-a@evil -b@evil -c@evil -d@evil -e@evil ~11", "ann@evil"),
    Case("this machine is not locked as a whole", "-a@self -b@self -c@self -d@self -e@self",
         "ann@self"),
    Case("nor by its IPv6 address", "-a@web -b@web -c@web -d@web -e@web", "ann@web"),
    Case("nor a local socket", "-a@socket -b@socket -c@socket -d@socket -e@socket", "ann@socket"),
    Case("but a pair on this machine is", "-ann@self " * 3, "ann@self", "pair"),
    Case("strangers from many places slow strangers down",
         "-ann@evil -ann@cafe -ann@six -ann@six3", "ann@home", "", delayed=True),
    Case("and nobody is refused for it", "-ann@evil -ann@cafe -ann@six -ann@six3 " * 2,
         "ann@home", "", delayed=True),
    Case("nor the known owner even slowed",
         "+ann@home -ann@evil -ann@cafe -ann@six -ann@six3", "ann@home"),
    Case("nor another account", "-ann@evil -ann@cafe -ann@six -ann@six3", "bob@home"),
    Case("the delay passes", "-ann@evil -ann@cafe -ann@six -ann@six3 ~21", "ann@home"),
    Case("an owner's errors do not slow strangers", "+ann@home " + "-ann@home ~50 " * 6,
         "ann@cafe"),
    Case("a /64 is one network", "-ann@six -ann@six2 -ann@six", "ann@six2", "pair"),
    Case("the next /64 is another", "-ann@six -ann@six2 -ann@six", "ann@six3"),
    Case("an IPv4-mapped address is that address", "-ann@mapped " * 3, "ann@evil", "pair"),
    Case("fame fades", "+ann@evil ~1001 -a@evil -b@evil -c@evil -d@evil -e@evil", "ann@evil",
         "network"),
]  # fmt: skip


async def play(lockout: Lockout, clock: FakeClock, story: str) -> None:
    for word in story.split():
        if word[0] == "~":
            await clock.advance(float(word[1:]))
            continue
        who, _, where = word[1:].partition("@")
        act = lockout.failed if word[0] == "-" else lockout.succeeded
        act(who, PLACES[where])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_table(case: Case) -> None:
    clock = FakeClock()
    lockout = Lockout(clock, OPTIONS)
    await play(lockout, clock, case.before)
    who, _, where = case.ask.partition("@")
    verdict = lockout.verdict(who, PLACES[where])
    assert bool(verdict.retry_after) is bool(case.refused)
    assert bool(verdict.delay) is case.delayed
    assert verdict.why == (case.refused or ("account" if case.delayed else ""))
    assert verdict.delay <= OPTIONS.max_delay
    if verdict.retry_after:
        await clock.advance(verdict.retry_after + 0.001)
        assert lockout.verdict(who, PLACES[where]).retry_after == 0


def test_the_same_wrong_password_counts_once() -> None:
    lockout = Lockout(FakeClock(), OPTIONS)
    for _ in range(50):
        lockout.failed("ann", HOME, b"old password")
    assert lockout.verdict("ann", HOME) == GO_AHEAD
    lockout.failed("ann", HOME, b"guess 1")
    lockout.failed("ann", HOME, b"guess 2")
    assert lockout.verdict("ann", HOME).why == "pair"


def test_unknown_attempts_count_each_time() -> None:
    lockout = Lockout(FakeClock(), OPTIONS)
    for _ in range(3):
        lockout.failed("ann", HOME, b"")
    assert lockout.verdict("ann", HOME).why == "pair"


def test_asking_counts_nothing() -> None:
    lockout = Lockout(FakeClock(), OPTIONS)
    for _ in range(100):
        assert lockout.verdict("ann", HOME) == GO_AHEAD


def test_memory_is_bounded() -> None:
    lockout = Lockout(FakeClock(), OPTIONS)
    for n in range(1000):
        lockout.failed(f"user{n}", f"10.0.{n >> 8}.{n & 255}", b"%d" % n)
        lockout.succeeded(f"good{n}", f"10.1.{n >> 8}.{n & 255}")
    sizes = [len(lockout._pairs), len(lockout._networks), len(lockout._accounts)]
    assert max(*sizes, len(lockout._last), len(lockout._known.since)) <= OPTIONS.max_keys


NAMES = st.sampled_from(["ann", "bob", "", "a b"])
IPS = st.sampled_from([*PLACES.values(), "not an address", "fe80::1%eth0"])


@given(st.lists(st.tuples(st.booleans(), NAMES, IPS), max_size=60))
def test_an_owner_at_a_known_place_is_never_hindered_by_others(
    acts: list[tuple[bool, str, str]],
) -> None:
    lockout = Lockout(FakeClock(), OPTIONS)
    lockout.succeeded("owner", HOME)
    for good, who, ip in acts:
        (lockout.succeeded if good else lockout.failed)(who, ip)
        lockout.failed("owner", ip if ip != HOME else EVIL)
    assert lockout.verdict("owner", HOME) == GO_AHEAD
