"""Events: one line each, whatever strangers put into the values."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.log import (
    MAX_VALUE,
    JsonFormatter,
    LogfmtFormatter,
    Logger,
    auth,
    configure,
    quote,
)

Lines = Callable[[], list[str]]


@pytest.fixture
def sink() -> Iterator[tuple[logging.Handler, Lines]]:
    stream = io.StringIO()
    handler = configure(stream)

    def lines() -> list[str]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        assert not text or text.endswith("\n")
        return text.split("\n")[:-1]

    yield handler, lines
    logging.getLogger().removeHandler(handler)
    logging.getLogger("pillarbox").setLevel(logging.NOTSET)


def test_logfmt_line(sink: tuple[logging.Handler, Lines]) -> None:
    log = Logger("imap").bind(conn="1hxk00000ab")
    log.info("imap.login", user="ann@example.org", result="ok", tls=True, n=3, ms=1.5, sni=None)
    (line,) = sink[1]()
    stamp, _, rest = line.partition(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert rest == (
        'info imap.login user="ann@example.org" result=ok tls=true n=3 ms=1.5 conn=1hxk00000ab'
    )


def test_without_stamp_for_the_journal(sink: tuple[logging.Handler, Lines]) -> None:
    sink[0].setFormatter(LogfmtFormatter(stamped=False))
    Logger("smtp").warning("smtp.refused", reason="no such user")
    assert sink[1]() == ['warning smtp.refused reason="no such user"']


def test_json_line(sink: tuple[logging.Handler, Lines]) -> None:
    sink[0].setFormatter(JsonFormatter())
    Logger("imap", a=1).bind(b="x\ny").info("e", c=b"\xff\n", d=None, ts="forged", big="z" * 2000)
    (line,) = sink[1]()
    event = json.loads(line)
    assert re.fullmatch(r"[\d:.TZ-]+", event.pop("ts"))
    assert event == {
        "level": "info",
        "event": "e",
        "c": "\\xff\n",
        "big": "z" * MAX_VALUE + "…",
        "a": 1,
        "b": "x\ny",
    }


def test_levels_filter(sink: tuple[logging.Handler, Lines]) -> None:
    log = Logger("x")
    log.debug("unseen")
    assert sink[1]() == []
    logging.getLogger("pillarbox").setLevel("ERROR")
    log.warning("unseen")
    log.error("seen")
    assert [line.split()[1:] for line in sink[1]()] == [["error", "seen"]]


def test_error_keeps_its_traceback_on_the_line(sink: tuple[logging.Handler, Lines]) -> None:
    try:
        raise ValueError("bad\nthing")
    except ValueError as error:
        Logger("x").error("x.crashed", exc=error, job=7)
    (line,) = sink[1]()
    assert ' error x.crashed job=7 error="ValueError: bad\\nthing" traceback="Traceback' in line
    assert "test_log.py" in line


def test_records_of_libraries_are_lines_too(sink: tuple[logging.Handler, Lines]) -> None:
    logging.getLogger("asyncio").warning("slow\n%s", "callback")
    (line,) = sink[1]()
    assert line.endswith(r'warning log logger=asyncio msg="slow\ncallback"')


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("plain", '"plain"'),
        ("Grüße, 世界", '"Grüße, 世界"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("a\r\nb\tc", r'"a\r\nb\tc"'),
        ("\x00\x1b[2J\x7f\x85", r'"\x00\x1b[2J\x7f\x85"'),
        ("\u2028\u202e\ud800", r'"\u2028\u202e\ud800"'),
        ("\U000e0001", r'"\ue0001"'),
    ],
)
def test_quote(text: str, quoted: str) -> None:
    assert quote(text) == quoted


PAIR = re.compile(r' ([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|[^\s"=]*)')


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.binary(max_size=9)))
def test_nothing_can_be_forged(fields: dict[str, str | bytes]) -> None:
    """However keys and values look, the line is one line of exactly those pairs."""
    record = logging.LogRecord("pillarbox.x", logging.INFO, "", 0, "event", None, None)
    record.fields = fields
    line = LogfmtFormatter(stamped=False).format(record)
    assert line.isprintable()
    head, _, _ = line.partition(" event")
    assert head == "info"
    pairs = PAIR.findall(line)
    assert "info event" + "".join(f" {key}={value}" for key, value in pairs) == line
    assert len(pairs) == len(fields)


def test_auth_event_is_stable(sink: tuple[logging.Handler, Lines]) -> None:
    log = Logger("imap").bind(conn="1hxk00000ab")
    auth(log, ok=False, proto="imap", user="x", mech="PLAIN", ip="192.0.2.7", reason="password")
    auth(log, ok=True, proto="pop3", user="y", mech="USER", ip="2001:db8::1")
    first, second = (line.split(" ", 1)[1] for line in sink[1]())
    assert first == (
        'warning auth result=fail proto=imap user="x" mech=PLAIN ip=192.0.2.7'
        " reason=password conn=1hxk00000ab"
    )
    assert second == (
        'info auth result=ok proto=pop3 user="y" mech=USER ip=2001:db8::1 conn=1hxk00000ab'
    )
