"""Command lines that are nearly right, and what the client is told."""

from __future__ import annotations

import pytest

from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.state import State
from support.imapsay import engine, say, why

SELECTED = [
    line
    for row in r"""
CAPABILITY x | NOOP 1 | ID | ID ()x | ID (a b) | ID ("a") | ID ("a" b) | ID foo | ENABLE
ENABLE (x) | SELECT | SELECT a b | SELECT a () | SELECT a (FOO) | SELECT a (CONDSTORE
SELECT a (QRESYNC) | SELECT a (QRESYNC (1)) | SELECT a (QRESYNC (0 1))
SELECT a (QRESYNC (1 0)) | SELECT a (QRESYNC (1 1 *)) | SELECT a (QRESYNC (1 1 1:2 (1 *)))
SELECT a (QRESYNC (1 1 1 2)) | SELECT a (QRESYNC (1 1 $))
SELECT a (QRESYNC (1 1) QRESYNC (1 1)) | SELECT a (QRESYNC (1 1 (1 2) (1 2)))
SELECT a (QRESYNC (1 9223372036854775808)) | CREATE | CREATE a (USE) | CREATE a (USE (x y)
CREATE a (FOO (\Sent)) | CREATE a () | DELETE | DELETE a b | RENAME a | RENAME a b c | LIST
LIST "" | LIST "" * x | LIST "" * RETURN | LIST "" * RETURN (x) | LIST (x) "" *
LIST (RECURSIVEMATCH) "" * | LIST (REMOTE RECURSIVEMATCH) "" * | LIST "" ()
LIST "" * RETURN (STATUS) | LIST "" * RETURN (STATUS ()) | LIST "" * RETURN (CHILDREN | LSUB
LSUB "" | STATUS | STATUS x | STATUS x () | STATUS x MESSAGES | STATUS x (FOO)
STATUS x (MESSAGES) y | STORE | STORE 1 | STORE 1 FLAGS | STORE 1 FLAG () | STORE 1 FLAGS (
STORE 1 FLAGS (()) | STORE 1 FLAGS (\) | STORE 1 FLAGS (a%b) | STORE 1 FLAGS \Seen x)
STORE 0 FLAGS () | STORE 1 (FOO 1) FLAGS () | STORE 1 (UNCHANGEDSINCE) FLAGS ()
STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS () | COPY | COPY 1 | COPY 1 a b | COPY a b
UID EXPUNGE | UID EXPUNGE x | FETCH | FETCH 1 | FETCH 1 () | FETCH 1 ( | FETCH 1 FOO
FETCH 1 (ALL) | FETCH 1 ALL FAST | FETCH 1 BODY[ | FETCH 1 BODY[FOO] | FETCH 1 BODY[MIME]
FETCH 1 BODY[0] | FETCH 1 BODY[1.] | FETCH 1 BODY[1.0] | FETCH 1 BODY[1.FOO] | FETCH 1 BODY[01]
FETCH 1 BODY[4294967296] | FETCH 1 BODY[HEADER.FIELDS] | FETCH 1 BODY[HEADER.FIELDS ()]
FETCH 1 BODY[HEADER.FIELDS (a:b)] | FETCH 1 BODY[HEADER.FIELDS ("")]
FETCH 1 BODY[HEADER.FIELDS ("a b")] | FETCH 1 BODY[]<1> | FETCH 1 BODY[]<1.0>
FETCH 1 BODY[]<a.b> | FETCH 1 BODY[]<1.2 | FETCH 1 ENVELOPE[] | FETCH 1 BINARY
FETCH 1 BINARY[HEADER] | FETCH 1 BINARY.SIZE[1]<0.1> | FETCH 1 PREVIEW (FOO) | FETCH 1 FLAGS ()
FETCH 1 FLAGS (FOO) | FETCH 1 FLAGS (CHANGEDSINCE) | FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)
UID FETCH 1 FLAGS (VANISHED) | UID FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)
FETCH 1 FLAGS (PARTIAL 1:2) | UID FETCH 1 FLAGS (PARTIAL 0:2) | UID FETCH 1 FLAGS (PARTIAL -1:2)
UID FETCH 1 FLAGS (PARTIAL 1) | FETCH 1 (FLAGS)(CHANGEDSINCE 1) | SEARCH | SEARCH FOO
SEARCH () | SEARCH (ALL | SEARCH ALL) | SEARCH NOT | SEARCH OR ALL | SEARCH FROM
SEARCH HEADER a | SEARCH BEFORE 31-Feb-2024 | SEARCH ON 1-Foo-2024 | SEARCH SINCE 2024-01-01
SEARCH ON "1-Jan-2024 | SEARCH LARGER x | SEARCH LARGER -1 | SEARCH LARGER 9223372036854775808
SEARCH OLDER 0 | SEARCH KEYWORD (x) | SEARCH KEYWORD \Seen | SEARCH UID | SEARCH UID x
SEARCH 1:2:3 | SEARCH 1,,2 | SEARCH 1: | SEARCH 4294967296 | SEARCH MODSEQ
SEARCH MODSEQ "/x" all 1 | SEARCH MODSEQ "/flags/x" foo 1 | SEARCH EMAILID a%b | SEARCH RETURN
SEARCH RETURN ALL | SEARCH RETURN (FOO) ALL | SEARCH RETURN (ALL PARTIAL 1:2) ALL
SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL | SEARCH RETURN (MIN) | SEARCH CHARSET
SEARCH CHARSET UTF-8 | SEARCH ALL CHARSET UTF-8 | SEARCH SUBJECT "a | SEARCH SUBJECT "\a"
""".strip().splitlines()
    for line in row.split(" | ")
]
WITH_LITERALS = [
    "FETCH 1 BODY[HEADER.FIELDS ({4+}\r\na\r\nb)]",
    "SEARCH CHARSET US-ASCII SUBJECT {2+}\r\nü",
    "SEARCH CHARSET UTF-8 SUBJECT {1+}\r\nü",
]


@pytest.mark.parametrize("line", SELECTED + WITH_LITERALS)
def test_bad(line: str) -> None:
    events = say(engine(), b"a " + line.encode() + b"\r\nz NOOP\r\n")
    assert len(events) == 2, events
    answer = events[0]
    assert isinstance(answer, e.BadCommand)
    assert answer.reply.startswith(b"a BAD "), answer
    assert answer.reply.endswith(b"\r\n")
    assert answer.text.isascii()
    assert answer.text.isprintable()


@pytest.mark.parametrize("line", ["LOGIN", "LOGIN a", "LOGIN a b c", 'LOGIN "a" "b', "LOGIN (a) b",
                                  "AUTHENTICATE", "AUTHENTICATE PLAIN x y", "AUTHENTICATE PLAIN ==",
                                  "STARTTLS now"])  # fmt: skip
def test_bad_before_login(line: str) -> None:
    assert why("a " + line, State.NOT_AUTHENTICATED).startswith("a BAD ")


def test_impossible_values_are_no_instead() -> None:
    assert why("a CREATE &").startswith("a NO [CANNOT] ")
    assert why("a SEARCH CHARSET x-foo ALL").startswith("a NO [BADCHARSET (US-ASCII UTF-8 ")


def test_nesting_is_bounded() -> None:
    limits = Limits(depth=5)
    for line, fine in (
        ("(" * 5 + "ALL" + ")" * 5, True),
        ("(" * 6 + "ALL" + ")" * 6, False),
        ("NOT " * 5 + "ALL", True),
        ("NOT " * 6 + "ALL", False),
        ("NOT (" * 2 + "ALL" + ")" * 2, True),
        ("NOT (" * 3 + "ALL" + ")" * 3, False),
        ("OR ALL " * 5 + "ALL", True),
        ("OR ALL " * 6 + "ALL", False),
        ("OR NOT ALL NOT ALL " * 20 + "ALL", True),
        ("NOT ALL " * 20 + "ALL", True),
    ):
        (event,) = say(engine(limits=limits), f"a SEARCH {line}\r\n".encode())
        assert isinstance(event, e.BadCommand) is not fine, line
        if not fine:
            assert b"a NO [LIMIT]" in event.reply or b"BAD" in event.reply  # type: ignore[union-attr]


def test_deep_nesting_within_the_longest_line() -> None:
    for line in (b"a SEARCH " + b"(" * 60_000, b"a SEARCH " + b"NOT " * 15_000 + b"ALL"):
        (event,) = say(engine(), line + b"\r\n")
        assert isinstance(event, e.BadCommand)
        assert event.code == "LIMIT"


def test_counts_are_bounded() -> None:
    limits = Limits(keys=10, ranges=10)
    made = engine(limits=limits)
    assert not isinstance(say(made, b"a SEARCH " + b"ALL " * 9 + b"ALL\r\n")[0], e.BadCommand)
    assert say(made, b"a SEARCH " + b"ALL " * 10 + b"ALL\r\n")[0].code == "LIMIT"  # type: ignore[union-attr]
    assert not isinstance(say(made, b"a SEARCH " + b"1," * 9 + b"2\r\n")[0], e.BadCommand)
    assert say(made, b"a SEARCH " + b"1," * 10 + b"2\r\n")[0].code == "LIMIT"  # type: ignore[union-attr]
    many = b" ".join([b"BODY[%d]" % n for n in range(1, 1002)])
    assert say(engine(), b"a FETCH 1 (" + many + b")\r\n")[0].code == "LIMIT"  # type: ignore[union-attr]
    many = b" ".join([b"x"] * 101)
    assert say(engine(), b'a LIST "" (' + many + b")\r\n")[0].code == "LIMIT"  # type: ignore[union-attr]
    path = b".".join([b"1"] * 101)
    assert isinstance(say(engine(), b"a FETCH 1 BODY[" + path + b"]\r\n")[0], e.BadCommand)


def test_no_name_of_the_client_comes_back_raw() -> None:
    """A label is echoed in FETCH responses, a tag in every answer."""
    for octets in (b"a\r\n", b"x y", b"\x00", b"\xc3\xbc", b"\x7f"):
        line = b"a FETCH 1 BODY[HEADER.FIELDS ({%d+}\r\n%b)]\r\n" % (len(octets), octets)
        assert isinstance(say(engine(), line)[0], e.BadCommand)
