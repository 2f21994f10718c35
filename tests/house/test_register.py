"""docs/rfc.toml and the source say the same: what is cited is listed, what is listed is cited."""

from __future__ import annotations

from typing import Any

import pytest

from support.register import cited, covers, entries

STATUS = {"planned", "part", "whole"}


@pytest.fixture(scope="module")
def register() -> dict[int, dict[str, Any]]:
    return {entry["number"]: entry for entry in entries()}


def test_what_the_source_cites_is_listed(register: dict[int, dict[str, Any]]) -> None:
    missing = sorted(
        f"RFC {number} is cited in {module} and not listed for it (make register)"
        for number, modules in cited().items()
        for module in modules
        if not any(covers(room, module) for room in register.get(number, {}).get("modules", ()))
    )
    assert not missing, "\n" + "\n".join(missing)


def test_what_is_listed_is_cited(register: dict[int, dict[str, Any]]) -> None:
    citing = cited()
    stale = [
        f"RFC {number}: nothing in {room} cites it (make register)"
        for number, entry in register.items()
        for room in entry["modules"]
        if not any(covers(room, module) for module in citing.get(number, ()))
    ]
    assert not stale, "\n" + "\n".join(stale)


def test_entries_are_whole_and_in_order(register: dict[int, dict[str, Any]]) -> None:
    numbers = [entry["number"] for entry in entries()]
    assert numbers == sorted(set(numbers))
    for number, entry in register.items():
        assert entry["title"] not in {"", "?"}, f"RFC {number} wants its title"
        assert entry["status"] in STATUS, f"RFC {number}: {entry['status']}"
        planned = entry["status"] == "planned"
        assert planned == (not entry["modules"]), f"RFC {number}: planned means in no module yet"
        assert entry["status"] != "part" or entry.get("note"), f"RFC {number}: which part?"
