"""Each tolerance by its name."""

from __future__ import annotations

import datetime as dt

from pillarbox.model import query as q
from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import quirks
from pillarbox.wire.imap.commands import FetchAtt as F
from pillarbox.wire.imap.state import State
from support.imapsay import engine, one, say, why


def test_trailing_space() -> None:
    assert one("a UID FETCH 1 FLAGS ") == c.Fetch("a", True, ((1, 1),), (F.UID, F.FLAGS))
    assert one("a NOOP  ") == c.Noop("a")
    assert one("a SELECT {1+}\r\nx ") == c.Select("a", "x")
    assert one('a CREATE "x "') == c.Create("a", "x ")


def test_extra_spaces() -> None:
    assert one("a  FETCH  1:2  ( FLAGS   UID )".replace("a  ", "a ")) == c.Fetch(
        "a", False, ((1, 2),), (F.FLAGS, F.UID)
    )
    assert one("a UID SEARCH  ALL  SEEN") == c.Search("a", True, q.And((q.All(), q.Flag("\\Seen"))))
    assert one("a STORE 1 FLAGS ( \\Seen  x )") == one("a STORE 1 FLAGS (\\Seen x)")


def test_one_digit_day() -> None:
    for day in ("3", " 3", "03"):
        line = f'a APPEND x "{day}-Feb-2025 18:28:47 +0000" {{0+}}\r\n\r\n'
        start = say(engine(State.AUTHENTICATED), line.encode())[0]
        assert isinstance(start, c.AppendStart)
        assert start.date == dt.datetime(2025, 2, 3, 18, 28, 47, tzinfo=dt.UTC)
    for day in ("", "  3", "003", "0"):
        line = f'a APPEND x "{day}-Feb-2025 18:28:47 +0000" {{0+}}\r\n'
        assert why(line, State.AUTHENTICATED).startswith("a BAD")


def test_quoted_keyword() -> None:
    assert one('a UID SEARCH KEYWORD "Gmail"') == c.Search("a", True, q.Flag("Gmail"))
    assert one('a SEARCH UNKEYWORD "Gmail"') == c.Search("a", False, q.Not(q.Flag("Gmail")))
    assert why('a SEARCH KEYWORD "a b"').startswith("a BAD")


def test_changedsince_zero() -> None:
    fetch = one("a FETCH 1 FLAGS (CHANGEDSINCE 0)")
    assert isinstance(fetch, c.Fetch)
    assert fetch.changed_since == 0


def test_partial_label() -> None:
    fetch = one("a UID FETCH 5 BODY.PEEK[]<0.393216>")
    assert isinstance(fetch, c.Fetch)
    section = fetch.items[1]
    assert isinstance(section, c.Section)
    assert section.label == b"BODY[]<0>"
    assert section.partial == (0, 393216)
    assert section.peek


def test_every_quirk_is_listed_and_tested() -> None:
    names = {quirk.name for quirk in quirks.TABLE}
    assert {f"test_{name}" for name in names} <= set(globals())
    assert all(quirk.client and quirk.seen and quirk.source for quirk in quirks.TABLE)
