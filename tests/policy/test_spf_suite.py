"""Every case of the openspf test suite for RFC 7208."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pillarbox.dns.answers import FAILED, Answer, Kind, Mx, Record
from pillarbox.model.address import Address
from pillarbox.policy.spf.check import check
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support import suites
from support.needs import could_not_run

FILE = "rfc7208-tests.yml"
CASES = 203
ANY_CASE = {
    "v-macro-ip6": "the suite wants an IPv6 address's nibbles in upper case; RFC 7208 §7.4 and "
    "RFC 5952 §4.3 write them in lower case, and a domain name has no case",
}
"""Cases whose explanation is compared without regard to letter case, with the reason."""


class Zone(FakeResolver):
    """The suite's zones: a name with TIMEOUT fails for types that it does not list."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        zone: dict[tuple[str, str], list[Record]] = {}
        self.silent: set[str] = set()
        for name, rows in data.items():
            listed = [next(iter(row.items())) for row in rows if isinstance(row, dict)]
            if "TIMEOUT" in rows:
                self.silent.add(name.lower())
            if not any(kind == "TXT" for kind, _ in listed):
                listed += [("TXT", value) for kind, value in listed if kind == "SPF"]
            for kind, value in listed:
                # the record type SPF is gone (RFC 7208 §14.1): it makes names exist, no more
                if kind != "SPF" and value != "NONE":
                    zone.setdefault((name, kind), []).append(record(kind, value))
                zone.setdefault((name, "SRV"), [])
        super().__init__(zone)

    async def ask(self, name: str, kind: Kind) -> Answer:
        bare = name.rstrip(".").lower()
        if bare in self.silent and not self.zone.get((bare, kind)):
            return FAILED
        return await super().ask(name, kind)


def record(kind: str, value: Any) -> Record:
    if kind == "MX":
        return Mx(int(value[0]), value[1].rstrip("."))
    if kind == "TXT":
        return "".join([value] if isinstance(value, str) else value).encode("latin-1")
    return str(value).rstrip(".")


def cases() -> Iterator[Any]:
    path = suites.find(FILE)
    if path is None:
        yield pytest.param(None, None, id="no-suite")
        return
    with path.open(encoding="utf-8") as file:
        for scenario in yaml.safe_load_all(file):
            for name, case in scenario["tests"].items():
                yield pytest.param(case, scenario["zonedata"], id=name)


@pytest.mark.parametrize(("case", "zone"), list(cases()))
async def test_case(
    case: dict[str, Any] | None, zone: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    if case is None:
        could_not_run(suites.ABSENT)
    local, _, domain = case["mailfrom"].rpartition("@")
    sender = Address(local, domain) if case["mailfrom"] else None
    result = await check(case["host"], case["helo"], sender, Zone(zone), FakeClock())
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert result.verdict.value in wanted, result
    if "explanation" in case:
        said = {"DEFAULT": ""}.get(case["explanation"], case["explanation"])
        if request.node.callspec.id in ANY_CASE:
            assert result.explanation != said
            assert result.explanation.lower() == said.lower()
        else:
            assert result.explanation == said


def test_the_whole_suite_is_tried() -> None:
    names = Counter(str(case.id) for case in cases())
    if set(names) == {"no-suite"}:
        could_not_run(suites.ABSENT)
    assert names.total() == CASES
    assert set(ANY_CASE) <= set(names)
