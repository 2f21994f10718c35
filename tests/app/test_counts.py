"""Several processes that count together: what one sees, all know."""

from __future__ import annotations

import pickle
from typing import Any

from pillarbox.app.counts import Counted, Counts, Ended
from pillarbox.app.settings import settings
from pillarbox.base.ids import SeededRng
from pillarbox.base.limits import Refusal
from pillarbox.config.schema import Auth, Config
from pillarbox.model.account import Credentials
from pillarbox.testing.clock import FakeClock

EVIL = "203.0.113.1"
MADE = settings(Config(auth=Auth(failures=3)))


def carried(value: Any) -> Any:
    """As a line carries it."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301


class House:
    """The first process and workers, with lines between them that are as they are in a house:
    a value is pickled, and the first passes on what a worker says."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.first = Counts(self.clock, SeededRng(0), MADE)
        self.first.share(lambda value: self._on(value, but=0))
        self.workers: dict[int, Counts] = {}
        self.said: list[Counted] = []

    def worker(self, number: int) -> Counts:
        """A new one."""
        picture = carried(self.first.picture())
        made = Counts(self.clock, SeededRng(number), MADE, number, picture)
        made.share(self._from_worker)
        self.workers[number] = made
        return made

    def died(self, number: int) -> None:
        del self.workers[number]
        self.first.heard(Ended(number))
        self._on(Ended(number), but=number)

    def _from_worker(self, value: Counted) -> None:
        self.first.heard(carried(value))
        self._on(value, but=value.process)

    def _on(self, value: Counted | Ended, but: int) -> None:
        if isinstance(value, Counted):
            self.said.append(value)
        for number, worker in self.workers.items():
            if number != but:
                worker.heard(carried(value))


async def test_wrong_passwords_lock_in_all_processes() -> None:
    house = House()
    one, two = house.worker(1), house.worker(2)
    for number, counts in enumerate((house.first, one, two)):
        counts.lockout.failed("ann@example.test", EVIL, b"guess %d" % number)
    for counts in (house.first, one, two, house.worker(3)):
        assert counts.lockout.verdict("ann@example.test", EVIL).why == "pair"
        assert not counts.lockout.verdict("ann@example.test", "192.0.2.1").why
    await house.clock.advance(10_000)
    for counts in (house.first, one, two):
        assert not counts.lockout.verdict("ann@example.test", EVIL).why


def test_a_telephone_with_an_old_password_is_one_failure_in_all() -> None:
    house = House()
    one, two = house.worker(1), house.worker(2)
    digests = {
        counts.logins.digest(0, "old", Credentials("")) for counts in (house.first, one, two)
    }
    assert len(digests) == 1
    for counts in (one, two, house.first) * 5:
        counts.lockout.failed("ann@example.test", EVIL, *digests)
    assert len(house.said) == 1
    assert not two.lockout.verdict("ann@example.test", EVIL).why


def test_a_success_forgives_in_all_and_is_told_once() -> None:
    house = House()
    one, two = house.worker(1), house.worker(2)
    for number in range(2):
        one.lockout.failed("ann@example.test", EVIL, b"%d" % number)
    for _ in range(100):
        two.lockout.succeeded("ann@example.test", EVIL)
    assert len(house.said) == 3
    for number in range(2):
        one.lockout.failed("ann@example.test", EVIL, b"again %d" % number)
    assert not house.first.lockout.verdict("ann@example.test", EVIL).why


def test_who_guesses_addresses_waits_in_all_processes() -> None:
    house = House()
    one = house.worker(1)
    for _ in range(MADE.tarpit.after):
        one.tarpit.blame(EVIL)
    for counts in (house.first, one, house.worker(2)):
        assert counts.tarpit.delay(EVIL) == MADE.tarpit.delay


async def test_connections_count_in_all_and_end_with_their_process() -> None:
    house = House()
    one, two = house.worker(1), house.worker(2)
    for counts in (house.first, one, two):
        counts.limits.per_address = 2
        counts.limits.total = 3
    assert one.limits.acquire(EVIL) is None
    assert two.limits.acquire(EVIL) is None
    for counts in (one, two):
        counts._say_connections()
    for counts in (house.first, one, two):
        assert counts.limits.acquire(EVIL) is Refusal.ADDRESS
    assert house.first.limits.acquire("192.0.2.1") is None
    house.first._say_connections()
    assert one.limits.acquire("192.0.2.2") is Refusal.TOTAL
    assert two.limits.acquire("192.0.2.2") is Refusal.TOTAL
    house.died(1)
    assert two.limits.acquire(EVIL) is None
    two.limits.release(EVIL)
    two.limits.release(EVIL)
    two._say_connections()
    assert house.first.limits.elsewhere == {2: {}}
    assert house.worker(1).limits.elsewhere == {0: {"192.0.2.1": 1}, 2: {}}
