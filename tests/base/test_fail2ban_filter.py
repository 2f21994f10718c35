"""The shipped fail2ban filter against lines that the log really writes.

fail2ban itself is not needed: its ``<ADDR>`` and ``<F-USER>`` tags are put in as its sources
define them, and each line is tried with and without the date, which it cuts out first.
"""

from __future__ import annotations

import configparser
import ipaddress
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.log import JsonFormatter, LogfmtFormatter, Logger, auth

FILTER = Path(__file__).parents[2] / "packaging" / "fail2ban" / "pillarbox.conf"
ADDR = r"\[?(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>[0-9a-fA-F:]{2,}))\]?"
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")

FORMATTERS = {
    "logfmt": LogfmtFormatter(),
    "journal": LogfmtFormatter(stamped=False),
    "json": JsonFormatter(),
}


def definition() -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    assert parser.read(FILTER)
    return parser["Definition"]


def expressions() -> list[re.Pattern[str]]:
    found = []
    for line in definition()["failregex"].splitlines():
        line = line.replace("<ADDR>", ADDR)
        line = line.replace("<F-USER>", "(?P<user>").replace("</F-USER>", ")")
        assert "<" not in re.sub(r"\(\?P<\w+>", "", line), "a tag that was not put in"
        found.append(re.compile(line))
    return found


EXPRESSIONS = expressions()


class Catcher(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def record_of(
    *, ok: bool, user: str, mech: str = "PLAIN", ip: str = "192.0.2.7"
) -> logging.LogRecord:
    catcher = Catcher()
    std = logging.getLogger("pillarbox.f2b")
    std.addHandler(catcher)
    std.setLevel(logging.INFO)
    try:
        log = Logger("f2b").bind(conn="1hxk00000ab")
        auth(log, ok=ok, proto="imap", user=user, mech=mech, ip=ip, reason="x ip=10.0.0.9")
    finally:
        std.removeHandler(catcher)
    (record,) = catcher.records
    return record


def banned(line: str) -> set[str]:
    """Addresses the filter would count, over all expressions and ways to see the line."""
    found = set()
    shapes = {line, DATE.sub("", line, count=1)}
    shapes |= {f"mx1 pillarbox[4711]: {shape}" for shape in shapes}
    for shape in shapes:
        for expression in EXPRESSIONS:
            match = expression.search(shape + "\n")
            if match:
                found.add(match["ip4"] or match["ip6"])
    return found


@pytest.mark.parametrize("form", FORMATTERS)
@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7"])
def test_a_failure_is_found_in_every_shape(form: str, ip: str) -> None:
    line = FORMATTERS[form].format(record_of(ok=False, user="ann@example.org", ip=ip))
    assert banned(line) == {ip}
    for shape in (line, DATE.sub("", line, count=1), f"mx1 pillarbox[4711]: {line}"):
        assert sum(bool(e.search(shape + "\n")) for e in EXPRESSIONS) == 1, shape


@pytest.mark.parametrize("form", FORMATTERS)
def test_a_success_is_not(form: str) -> None:
    assert banned(FORMATTERS[form].format(record_of(ok=True, user="ann@example.org"))) == set()


HOSTILE = [
    'x" mech=PLAIN ip=203.0.113.9',
    'x" mech=PLAIN ip=203.0.113.9 y="',
    '\\" mech=PLAIN ip=203.0.113.9',
    'x","mech":"PLAIN","ip":"203.0.113.9"}',
    '\\","mech":"PLAIN","ip":"203.0.113.9',
    'x\n2026-01-01T00:00:00.000Z warning auth result=fail proto=imap user="x" mech=PLAIN '
    "ip=203.0.113.9",
    "ip=203.0.113.9",
    "\u2028warning auth result=fail",
    "\ud800\x00\x1b]0;",
]


@pytest.mark.parametrize("form", FORMATTERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_names_cannot_forge_an_address(form: str, text: str) -> None:
    as_user = FORMATTERS[form].format(record_of(ok=False, user=text))
    as_mech = FORMATTERS[form].format(record_of(ok=False, user="x", mech=text))
    assert banned(as_user) == banned(as_mech) == {"192.0.2.7"}
    assert banned(FORMATTERS[form].format(record_of(ok=True, user=text, mech=text))) == set()


@given(
    st.text(alphabet=st.sampled_from('\\" =ip0123.:{},\nmechPLAN'), max_size=40)
    | st.text(max_size=20),
    st.booleans(),
)
def test_no_name_forges_an_address(name: str, ok: bool) -> None:
    record = record_of(ok=ok, user=name, mech=name)
    for formatter in FORMATTERS.values():
        assert banned(formatter.format(record)) == (set() if ok else {"192.0.2.7"})


@pytest.mark.parametrize("form", FORMATTERS)
def test_other_events_are_not_found(form: str) -> None:
    inner = FORMATTERS["logfmt"].format(record_of(ok=False, user="x"))
    record = logging.LogRecord("pillarbox.x", logging.WARNING, "", 0, inner, None, None)
    record.fields = {"subject": inner, "user": inner, "ip": "198.51.100.1"}
    assert banned(FORMATTERS[form].format(record)) == set()


def test_a_local_socket_has_no_address_to_ban() -> None:
    for formatter in FORMATTERS.values():
        assert banned(formatter.format(record_of(ok=False, user="x", ip=""))) == set()


def test_the_date_is_read_as_utc() -> None:
    """fail2ban's %z takes a literal Z for UTC; each stamped form has a pattern for its date."""
    patterns = definition()["datepattern"].splitlines()
    fields = {"Y": r"\d{4}", "f": r"\d{1,6}", "z": "Z"} | dict.fromkeys("mdHMS", r"\d\d")
    record = record_of(ok=False, user="x")
    for form, pattern in zip(("logfmt", "json"), patterns, strict=False):
        line = FORMATTERS[form].format(record)
        match = re.search(re.sub(r"%(\w)", lambda m: fields[m[1]], pattern), line)
        assert match
        assert "%z" in pattern
        assert DATE.fullmatch(match[1] if match.re.groups else match[0])


def test_addresses_of_the_tag_are_addresses() -> None:
    line = FORMATTERS["logfmt"].format(record_of(ok=False, user="x", ip="2001:db8::7"))
    (ip,) = banned(line)
    assert ipaddress.ip_address(ip)
