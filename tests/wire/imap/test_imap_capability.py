"""The table of capabilities: what is announced where, ENABLE, and that the parser agrees."""

from __future__ import annotations

import re

from pillarbox.wire.imap import capability
from pillarbox.wire.imap.capability import OFFERED, ROWS, TABLE, Facts, enabled, names
from pillarbox.wire.imap.parse.listing import RETURN_NEEDS, SELECT_NEEDS
from pillarbox.wire.imap.parse.mailbox import STATUS_NEEDS
from pillarbox.wire.imap.state import TABLE as COMMANDS
from pillarbox.wire.imap.state import State
from support.tree import PACKAGE

BEFORE, AFTER, SELECTED = State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED


def test_before_log_in_over_a_plain_connection() -> None:
    found = names(BEFORE, Facts(starttls=True, login=False))
    assert found[0] == "IMAP4rev1"
    assert {"STARTTLS", "LOGINDISABLED", "LITERAL+", "SASL-IR", "ID", "ENABLE"} <= set(found)
    assert not [name for name in found if name.startswith("AUTH=")]
    assert "MOVE" not in found


def test_before_log_in_over_tls() -> None:
    found = names(BEFORE, Facts(mechanisms=("PLAIN", "SCRAM-SHA-256")))
    assert {"AUTH=PLAIN", "AUTH=SCRAM-SHA-256"} <= set(found)
    assert not {"STARTTLS", "LOGINDISABLED", "AUTH="} & set(found)


def test_after_log_in() -> None:
    facts = Facts(mechanisms=("PLAIN",), append_limit=1000)
    found = names(AFTER, facts)
    assert found == names(SELECTED, facts)
    assert {"IDLE", "MOVE", "UIDPLUS", "APPENDLIMIT=1000", "CONDSTORE"} <= set(found)
    assert not {"AUTH=PLAIN", "STARTTLS", "SASL-IR"} & set(found)
    assert "APPENDLIMIT" in names(AFTER, Facts())
    assert names(State.LOGOUT, facts) == []


def test_one_of_the_two_literals() -> None:
    assert "LITERAL+" in names(AFTER, Facts())
    minus = names(AFTER, Facts(literal_minus=True))
    assert "LITERAL-" in minus
    assert "LITERAL+" not in minus


def test_a_mask_hides_all_but_the_protocol() -> None:
    found = names(AFTER, Facts(), frozenset({"MOVE", "IMAP4rev1", "AUTH="}))
    assert "MOVE" not in found
    assert "IMAP4rev1" in found


def test_what_is_planned_is_neither_announced_nor_understood() -> None:
    for row in TABLE:
        assert (row.name in OFFERED) is row.done or any(row.name in r.implies for r in TABLE)
    everything = {row.condition for row in TABLE}
    facts = Facts(starttls=True, login=False, mechanisms=("X",), conditions=frozenset(everything))
    announced = {name.partition("=")[0] for s in State for name in names(s, facts)}
    assert announced <= {row.name.partition("=")[0] for row in TABLE if row.done}


def test_enable() -> None:
    assert enabled(("CONDSTORE", "X-GOOD-IDEA", "IDLE")) == ["CONDSTORE"]
    assert enabled(("CONDSTORE",), frozenset({"CONDSTORE"})) == []
    assert enabled(()) == []


def test_names_are_unique_and_atoms() -> None:
    assert len(ROWS) == len(TABLE)
    assert all(re.fullmatch(r"[A-Za-z0-9+=-]+", row.name) for row in TABLE)


def test_whatever_the_parser_asks_for_is_a_row() -> None:
    asked = {rule.needs for rule in COMMANDS.values()} - {"", "THREAD="}
    asked |= {*SELECT_NEEDS.values(), *RETURN_NEEDS.values()}.union(*STATUS_NEEDS.values())
    for path in (PACKAGE / "wire" / "imap" / "parse").glob("*.py"):
        asked |= set(re.findall(r'need\("([^"]+)"', path.read_text("utf-8")))
    assert asked <= set(ROWS)


def test_facts_without_anything_still_make_a_line() -> None:
    assert " ".join(names(BEFORE, Facts())).startswith("IMAP4rev1 ")
    assert capability.offered(()) == frozenset()
