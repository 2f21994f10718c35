"""Known answers: what command lines of the RFCs mean."""

from __future__ import annotations

import datetime as dt

import pytest

from pillarbox.model import query as q
from pillarbox.model.flags import DELETED, FLAGGED, SEEN, FlagSet
from pillarbox.model.numset import STAR
from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap.commands import FetchAtt as F
from pillarbox.wire.imap.commands import StatusAtt as S
from pillarbox.wire.imap.state import State
from support.imapsay import one, why

BEFORE, AFTER, SELECTED = State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED


def section(label: str, path: tuple[int, ...] = (), what: str = "", **more: object) -> c.Section:
    fields = {"fields": (), "partial": None, "peek": False, **more}
    return c.Section(path, what, label=label.encode(), **fields)  # type: ignore[arg-type]


SESSION = [
    ("abcd CAPABILITY", BEFORE, c.Capability("abcd")),
    ("a002 NOOP", SELECTED, c.Noop("a002")),
    ("A023 LOGOUT", AFTER, c.Logout("A023")),
    ("a001 LOGIN mrc secret", BEFORE, c.Login("a001", "mrc", "secret")),
    ('a001 login "sm\\"ith" "\\\\"', BEFORE, c.Login("a001", 'sm"ith', "\\")),
    ('a001 LOGIN "" ""', BEFORE, c.Login("a001", "", "")),
    ("A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man", BEFORE,
     c.Login("A001", "FRED FOOBAR", "fat man")),  # RFC 7888 §3
    ("a1 LOGIN {3+}\r\nä! {4+}\r\n\"\\\r\n", BEFORE, c.Login("a1", "ä!", '"\\\r\n')),
    ("a0 LOGIN a]b c", BEFORE, c.Login("a0", "a]b", "c")),
    ("a001 STARTTLS", BEFORE, c.StartTls("a001", False)),
    ("t2 ENABLE CONDSTORE x-good-idea", AFTER, c.Enable("t2", ("CONDSTORE", "X-GOOD-IDEA"))),
    ("a042 ID NIL", BEFORE, c.Id("a042", {})),
    ("a042 ID ()", BEFORE, c.Id("a042", {})),
    ('a023 ID ("Name" "sodr" "version" "19.34" "vendor" NIL)', BEFORE,
     c.Id("a023", {"name": "sodr", "version": "19.34", "vendor": None})),  # RFC 2971 §3.1
    ("A002 IDLE", SELECTED, c.Idle("A002")),
]  # fmt: skip

MAILBOXES = [
    ("A142 SELECT INBOX", c.Select("A142", "INBOX")),
    ("A142 SELECT inBox", c.Select("A142", "INBOX")),
    ('A142 SELECT "&U,BTFw-/x"', c.Select("A142", "台北/x")),
    ("A932 EXAMINE blurdybloop", c.Select("A932", "blurdybloop", examine=True)),
    ("A2 SELECT {5+}\r\ninbox", c.Select("A2", "INBOX")),
    ("A1 SELECT INBOX (CONDSTORE)", c.Select("A1", "INBOX", condstore=True)),
    # RFC 7162 §3.2.5.1, §3.2.5.2; eM Client sends both parameters
    ("A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
     c.Select("A02", "INBOX", condstore=True, resync=c.Resync(
         67890007, 20050715194045000, ((41, 41), (43, 211), (214, 541))))),
    ("A03 SELECT INBOX (CONDSTORE QRESYNC (67890007 90060115194045000 41:211,214:541))",
     c.Select("A03", "INBOX", condstore=True, resync=c.Resync(
         67890007, 90060115194045000, ((41, 211), (214, 541))))),
    ("A04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 "
     "15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991)))",
     c.Select("A04", "INBOX", condstore=True, resync=c.Resync(
         67890007, 90060115194045000, ((1, 29997),), (
             ((5000, 5000), (7500, 7500), (9000, 9000), (9990, 9999)),
             tuple((n, n) for n in (15000, 22500, 27000, *range(29970, 29992, 3))))))),
    ("A05 SELECT INBOX (QRESYNC (1 2 (1 5)))",
     c.Select("A05", "INBOX", condstore=True,
              resync=c.Resync(1, 2, None, (((1, 1),), ((5, 5),))))),
    ("A003 CREATE owatagusiam/", c.Create("A003", "owatagusiam/")),
    ("t1 CREATE MySpecial (USE (\\Drafts \\Sent))",
     c.Create("t1", "MySpecial", ("\\Drafts", "\\Sent"))),  # RFC 6154 §5.3
    ("A683 DELETE blurdybloop", c.Delete("A683", "blurdybloop")),
    ("Z432 RENAME INBOX old-mail", c.Rename("Z432", "INBOX", "old-mail")),
    ("A002 SUBSCRIBE #news.comp.mail.mime", c.Subscribe("A002", "#news.comp.mail.mime")),
    ("A002 UNSUBSCRIBE #news.comp.mail.mime", c.Unsubscribe("A002", "#news.comp.mail.mime")),
    ("a001 NAMESPACE", c.Namespace("a001")),
    ("A042 STATUS blurdybloop (UIDNEXT MESSAGES uidnext)",
     c.Status("A042", "blurdybloop", (S.UIDNEXT, S.MESSAGES))),
    ("A042 STATUS x (MESSAGES RECENT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT "
     "MAILBOXID DELETED-STORAGE)",
     c.Status("A042", "x", (S.MESSAGES, S.RECENT, S.UIDVALIDITY, S.UNSEEN, S.DELETED, S.SIZE,
                            S.HIGHESTMODSEQ, S.APPENDLIMIT, S.MAILBOXID, S.DELETED_STORAGE))),
]  # fmt: skip

LISTS = [
    ('A101 LIST "" ""', c.List("A101", "", ("",))),
    ("A102 LIST #news.comp.mail.misc \"\"", c.List("A102", "#news.comp.mail.misc", ("",))),
    ("A202 LIST ~/Mail/ %", c.List("A202", "~/Mail/", ("%",))),
    ('a1 LIST "" *', c.List("a1", "", ("*",))),
    ('a1 LIST "" "&AOQ-%"', c.List("a1", "", ("ä%",))),
    ('a1 LIST () "" *', c.List("a1", "", ("*",), extended=True)),
    ('A02 LIST (SUBSCRIBED) "" "*"',
     c.List("A02", "", ("*",), frozenset({"SUBSCRIBED"}), extended=True)),
    ('A03 LIST () "" "%" RETURN (CHILDREN)',
     c.List("A03", "", ("%",), returns=c.ListReturn(children=True), extended=True)),
    ('A04 LIST (REMOTE) "" "%" RETURN (CHILDREN SUBSCRIBED)',
     c.List("A04", "", ("%",), frozenset({"REMOTE"}),
            c.ListReturn(children=True, subscribed=True), True)),
    ('BBB LIST "" ("INBOX" "Drafts" "Sent/%")',
     c.List("BBB", "", ("INBOX", "Drafts", "Sent/%"), extended=True)),
    ('C04 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
     c.List("C04", "", ("%",), frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}), extended=True)),
    ('t1 LIST "" "%" RETURN (SPECIAL-USE)',
     c.List("t1", "", ("%",), returns=c.ListReturn(special_use=True), extended=True)),
    ('t3 LIST (SPECIAL-USE) "" "*"',
     c.List("t3", "", ("*",), frozenset({"SPECIAL-USE"}), extended=True)),
    ('A01 LIST "" % RETURN (STATUS (MESSAGES UNSEEN))',
     c.List("A01", "", ("%",), returns=c.ListReturn(status=(S.MESSAGES, S.UNSEEN)),
            extended=True)),  # RFC 5819 §3
    ('A01 LIST "" % RETURN (SUBSCRIBED MYRIGHTS)',
     c.List("A01", "", ("%",), returns=c.ListReturn(subscribed=True, myrights=True),
            extended=True)),  # RFC 8440 §3
    ('A0 LIST "" % RETURN ()', c.List("A0", "", ("%",), extended=True)),
    ('a1 LSUB "" "#news.%"', c.Lsub("a1", "", "#news.%")),
]  # fmt: skip

MESSAGES = [
    (
        "A003 STORE 2:4 +FLAGS (\\Deleted)",
        c.Store("A003", False, ((2, 4),), c.StoreMode.ADD, FlagSet(DELETED)),
    ),
    (
        "a UID STORE * -FLAGS.SILENT $Junk \\Seen",
        c.Store(
            "a",
            True,
            ((STAR, STAR),),
            c.StoreMode.REMOVE,
            FlagSet(SEEN, frozenset({"$Junk"})),
            True,
        ),
    ),
    ("a STORE 1 FLAGS ()", c.Store("a", False, ((1, 1),), c.StoreMode.REPLACE, FlagSet())),
    (
        "a STORE 1 FLAGS (\\Recent \\Flagged \\Foo)",
        c.Store("a", False, ((1, 1),), c.StoreMode.REPLACE, FlagSet(FLAGGED)),
    ),
    (
        "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        c.Store(
            "a103",
            True,
            ((6, 6), (4, 4), (8, 8)),
            c.StoreMode.ADD,
            FlagSet(DELETED),
            True,
            12121230045,
        ),
    ),  # RFC 7162 §3.1.3
    (
        "a STORE $ +FLAGS (\\Seen)",
        c.Store("a", False, c.SAVED_RESULT, c.StoreMode.ADD, FlagSet(SEEN)),
    ),
    ("A003 COPY 2:4 MEETING", c.Copy("A003", False, ((2, 4),), "MEETING")),
    ('A003 UID COPY 304:* "a b"', c.Copy("A003", True, ((304, STAR),), "a b")),
    ("a UID MOVE 42:69 foo", c.Move("a", True, ((42, 69),), "foo")),
    ("a MOVE 1 {3+}\r\nfoo", c.Move("a", False, ((1, 1),), "foo")),
    ("A202 EXPUNGE", c.Expunge("A202")),
    ("A003 UID EXPUNGE 3000:3002", c.Expunge("A003", ((3000, 3002),))),
    ("a CHECK", c.Check("a")),
    ("a CLOSE", c.Close("a")),
    ("a UNSELECT", c.Unselect("a")),
]

FETCHES = [
    ("1 ALL", (F.FLAGS, F.INTERNALDATE, F.SIZE, F.ENVELOPE), {}),
    ("1 fast", (F.FLAGS, F.INTERNALDATE, F.SIZE), {}),
    ("1 FULL", (F.FLAGS, F.INTERNALDATE, F.SIZE, F.ENVELOPE, F.BODY), {}),
    ("1 BODY", (F.BODY,), {}),
    ("1 (FLAGS UID FLAGS)", (F.FLAGS, F.UID), {}),
    ("1 (BODYSTRUCTURE MODSEQ EMAILID THREADID SAVEDATE)",
     (F.BODYSTRUCTURE, F.MODSEQ, F.EMAILID, F.THREADID, F.SAVEDATE), {}),
    ("1 BODY[]", (section("BODY[]"),), {}),
    ("1 BODY.PEEK[]<0.393216>", (section("BODY[]<0>", partial=(0, 393216), peek=True),), {}),
    ("1 body[header]", (section("BODY[HEADER]", what="HEADER"),), {}),
    ("1 BODY[4.2.2.1]", (section("BODY[4.2.2.1]", (4, 2, 2, 1)),), {}),
    ("1 BODY[3.header]<5.7>",
     (section("BODY[3.HEADER]<5>", (3,), "HEADER", partial=(5, 7)),), {}),
    ("1 BODY.PEEK[4.1.MIME]", (section("BODY[4.1.MIME]", (4, 1), "MIME", peek=True),), {}),
    ("1 (FLAGS BODY[HEADER.FIELDS (DATE From)])",
     (F.FLAGS, section("BODY[HEADER.FIELDS (DATE From)]", what="HEADER.FIELDS",
                       fields=("DATE", "From"))), {}),
    ('1 BODY.PEEK[2.HEADER.FIELDS.NOT ("X-\\"" {4+}\r\nA(B%)]',
     (section('BODY[2.HEADER.FIELDS.NOT ("X-\\"" "A(B%")]', (2,), "HEADER.FIELDS.NOT",
              fields=('X-"', "A(B%"), peek=True),), {}),
    ("1 RFC822", (section("RFC822"),), {}),
    ("1 (RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
     (section("RFC822.HEADER", what="HEADER", peek=True),
      section("RFC822.TEXT", what="TEXT"), F.SIZE), {}),
    ("1 (BINARY[1] BINARY.PEEK[1.2]<0.10> BINARY.SIZE[3] BINARY[])",
     (c.Binary((1,), None, False, b"BINARY[1]"),
      c.Binary((1, 2), (0, 10), True, b"BINARY[1.2]<0>"),
      c.BinarySize((3,), b"BINARY.SIZE[3]"),
      c.Binary((), None, False, b"BINARY[]")), {}),
    ("1 PREVIEW", (c.Preview(False),), {}),
    ("1 (PREVIEW (LAZY) UID)", (c.Preview(True), F.UID), {}),
    ("1 PREVIEW (LAZY)", (c.Preview(True),), {}),
    ("1 (UID FLAGS) (CHANGEDSINCE 12345)", (F.UID, F.FLAGS, F.MODSEQ), {"changed_since": 12345}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "state", "command"), SESSION)
def test_session(line: str, state: State, command: object) -> None:
    assert one(line, state) == command


@pytest.mark.parametrize(("line", "command"), MAILBOXES + LISTS)
@pytest.mark.parametrize("state", [AFTER, SELECTED])
def test_mailboxes(line: str, command: object, state: State) -> None:
    if line.startswith("A002 IDLE"):
        return
    assert one(line, state) == command


@pytest.mark.parametrize(("line", "command"), MESSAGES)
def test_messages(line: str, command: object) -> None:
    assert one(line) == command


@pytest.mark.parametrize(("line", "items", "more"), FETCHES)
def test_fetch(line: str, items: tuple[c.FetchItem, ...], more: dict[str, int]) -> None:
    assert one("a FETCH " + line) == c.Fetch("a", False, ((1, 1),), items, **more)  # type: ignore[arg-type]
    with_uid = items if F.UID in items else (F.UID, *items)
    assert one("b UID FETCH " + line) == c.Fetch("b", True, ((1, 1),), with_uid, **more)  # type: ignore[arg-type]
    long = one("c UID FETCH " + line + " " * 300)  # too long to be remembered
    assert long == c.Fetch("c", True, ((1, 1),), with_uid, **more)  # type: ignore[arg-type]


def test_fetch_modifiers_of_uid_fetch() -> None:
    fetch = one("s UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)")
    assert fetch == c.Fetch(
        "s", True, ((300, 500),), (F.UID, F.FLAGS, F.MODSEQ), changed_since=12345, vanished=True
    )
    fetch = one("s UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-30 CHANGEDSINCE 98305)")
    assert isinstance(fetch, c.Fetch)
    assert (fetch.partial, fetch.changed_since) == ((-1, -30), 98305)


def test_the_memory_of_fetch_does_not_mix_up_who_asks() -> None:
    first = one("a FETCH 1 (FLAGS BODY[HEADER.FIELDS (A)])")
    second = one("a FETCH 1 (FLAGS BODY[HEADER.FIELDS (B)])")
    assert first != second
    assert why("a FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)").startswith("a BAD")
    assert why("a FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)").startswith("a BAD")


A, D = q.Flag("\\Answered"), q.Flag("\\Deleted")
SEARCHES = [
    ("ALL", q.All()),
    ("UNSEEN", q.Not(q.Flag("\\Seen"))),
    ("NEW", q.And((q.Flag("\\Recent"), q.Not(q.Flag("\\Seen"))))),
    ("OLD", q.Not(q.Flag("\\Recent"))),
    ("KEYWORD $Junk", q.Flag("$Junk")),
    ("UNKEYWORD $Junk", q.Not(q.Flag("$Junk"))),
    ("ANSWERED DELETED", q.And((A, D))),
    ("(ANSWERED DELETED)", q.And((A, D))),
    ("((ANSWERED))", A),
    ("OR ANSWERED (DELETED)", q.Or((A, D))),
    ("NOT NOT ANSWERED", q.Not(q.Not(A))),
    ("2,4:7,9,12:*", q.Sequence(((2, 2), (4, 7), (9, 9), (12, STAR)))),
    ("*:4,5:7", q.Sequence(((STAR, 4), (5, 7)))),
    ("UID 3291:*", q.Uid(((3291, STAR),))),
    ("$", q.Saved()),
    ("UID $", q.Saved()),
    ("FROM smith", q.Header("From", "smith")),
    ('SUBJECT ""', q.Header("Subject", "")),
    ("HEADER X-Spam {3+}\r\nYes", q.Header("X-Spam", "Yes")),
    ("BODY x TEXT y", q.And((q.Text("body", "x"), q.Text("text", "y")))),
    ("BEFORE 1-Feb-1994", q.DateRange("internal", before=dt.date(1994, 2, 1))),
    ('SINCE "01-feb-1994"', q.DateRange("internal", since=dt.date(1994, 2, 1))),
    ("ON 28-Feb-2023",
     q.DateRange("internal", since=dt.date(2023, 2, 28), before=dt.date(2023, 3, 1))),
    ("SENTON 31-Dec-9999", q.DateRange("sent", since=dt.date.max)),
    ("SAVEDBEFORE 1-Jan-2020", q.DateRange("saved", before=dt.date(2020, 1, 1))),
    ("SAVEDATESUPPORTED", q.SaveDateSupported()),
    ("LARGER 0 SMALLER 9223372036854775807",
     q.And((q.Size(larger=0), q.Size(smaller=9223372036854775807)))),
    ("OLDER 3600 YOUNGER 1", q.And((q.Within(3600, False), q.Within(1, True)))),
    ("EMAILID M6d99ac3275bb4e", q.ObjectId("email", "M6d99ac3275bb4e")),
    ("THREADID T64b478a75b7ea9", q.ObjectId("thread", "T64b478a75b7ea9")),
    ("FILTER saved-search", q.Filter("saved-search")),
    ("FUZZY TEXT foo", q.Text("text", "foo", True)),
    ("FUZZY (TEXT a BODY b) TEXT c",
     q.And((q.And((q.Text("text", "a", True), q.Text("body", "b", True))), q.Text("text", "c")))),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "query"), SEARCHES)
def test_search_keys(keys: str, query: q.Query) -> None:
    assert one("a SEARCH " + keys) == c.Search("a", False, query)
    assert one("a UID SEARCH CHARSET utf-8 " + keys) == c.Search("a", True, query)
    returns = c.SearchReturn(all=True)
    assert one("a SEARCH RETURN () " + keys) == c.Search("a", False, query, returns)


def test_search_by_modseq() -> None:
    entry = 'a SEARCH MODSEQ "/flags/\\\\draft" all 620162338'  # RFC 7162 §3.1.5
    assert one(entry) == c.Search("a", False, q.ModSeq(620162338), modseq=True)
    assert one("a SEARCH NOT MODSEQ 5") == c.Search("a", False, q.Not(q.ModSeq(5)), modseq=True)


@pytest.mark.parametrize(
    ("options", "returns"),
    [
        ("MIN COUNT", c.SearchReturn(min=True, count=True)),
        ("MAX ALL", c.SearchReturn(max=True, all=True)),
        ("SAVE", c.SearchReturn(save=True)),
        ("SAVE MIN", c.SearchReturn(save=True, min=True)),
        ("UPDATE", c.SearchReturn(update=True, all=True)),
        ("CONTEXT COUNT", c.SearchReturn(context=True, count=True)),
        ("RELEVANCY ALL", c.SearchReturn(relevancy=True, all=True)),
        ("PARTIAL 23500:24000", c.SearchReturn(partial=(23500, 24000))),
        ("PARTIAL -1:-100", c.SearchReturn(partial=(-1, -100))),
    ],
)
def test_search_return_options(options: str, returns: c.SearchReturn) -> None:
    line = f"a UID SEARCH RETURN ({options}) FUZZY ALL"  # RELEVANCY needs a FUZZY key
    assert one(line) == c.Search("a", True, q.All(), returns)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("CHARSET iso-8859-1 SUBJECT {1+}\r\n\\xfc", "ü"),
        ("CHARSET KOI8-R SUBJECT {4+}\r\n\\xcd\\xc9\\xd2!", "мир!"),
        ('CHARSET ISO-8859-15 SUBJECT "\\xa4"', "€"),
        ('SUBJECT "\\xc3\\xbc"', "ü"),
        ("SUBJECT {2+}\r\n\\xc3\\xbc", "ü"),
    ],
)
def test_search_strings_are_unicode(line: str, text: str) -> None:
    from support.imapsay import engine, say

    octets = line.encode().decode("unicode_escape").encode("latin-1")
    events = say(engine(), b"a SEARCH " + octets + b"\r\n")
    assert events == [c.Search("a", False, q.Header("Subject", text))]
