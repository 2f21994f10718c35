"""Known answers for the optional extensions: what their command lines mean, and near misses."""

from __future__ import annotations

import pytest

from pillarbox.model import query as q
from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap import extensions as x
from pillarbox.wire.imap.commands import FetchAtt as F
from pillarbox.wire.imap.extensions import MailboxFilter as Box
from pillarbox.wire.imap.extensions import SortBy as By
from pillarbox.wire.imap.extensions import SortKey as Key
from pillarbox.wire.imap.state import State
from support.imapsay import engine, one, say, why

AFTER = State.AUTHENTICATED
PREVIEW = x.EventGroup(
    Box("selected"), frozenset({"MessageNew", "MessageExpunge"}), (F.UID, F.FLAGS)
)

LINES = [
    # RFC 5256 §3
    ("A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994",
     lambda s: s.keys == (Key(By.SUBJECT),) and not s.uid and s.returns is None),
    ("A283 UID SORT (SUBJECT REVERSE DATE reverse displayfrom) UTF-8 ALL",
     x.Sort("A283", True, (Key(By.SUBJECT), Key(By.DATE, True), Key(By.DISPLAYFROM, True)),
            q.All())),
    ("A284 SORT (SUBJECT) US-ASCII TEXT \"not in mailbox\"",
     x.Sort("A284", False, (Key(By.SUBJECT),), q.Text("text", "not in mailbox"))),
    ("A1 SORT (RELEVANCY) UTF-8 FUZZY SUBJECT x",
     x.Sort("A1", False, (Key(By.RELEVANCY),), q.Header("Subject", "x", True))),
    ("A1 SORT (CC TO FROM ARRIVAL SIZE DISPLAYTO) UTF-8 MODSEQ 5",
     x.Sort("A1", False, tuple(map(Key, (By.CC, By.TO, By.FROM, By.ARRIVAL, By.SIZE,
                                         By.DISPLAYTO))), q.ModSeq(5), modseq=True)),
    # RFC 5267 §3, §4
    ("A01 UID SORT RETURN (PARTIAL 23500:24000) (REVERSE DATE) UTF-8 UNDELETED",
     x.Sort("A01", True, (Key(By.DATE, True),), q.Not(q.Flag("\\Deleted")),
            c.SearchReturn(partial=(23500, 24000)))),
    ("B01 UID SORT RETURN (UPDATE COUNT) (DATE) US-ASCII ALL",
     x.Sort("B01", True, (Key(By.DATE),), q.All(), c.SearchReturn(update=True, count=True))),
    ("B01 SEARCH RETURN (UPDATE(UID FLAGS) COUNT) ALL",
     c.Search("B01", False, q.All(),
              c.SearchReturn(update=True, count=True, update_items=(F.UID, F.FLAGS)))),
    ('D01 CANCELUPDATE "B01" "C01"', x.CancelUpdate("D01", ("B01", "C01"))),
    ("A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000",
     lambda t: t.algorithm == "ORDEREDSUBJECT" and not t.uid),
    ("A284 UID THREAD references us-ascii TEXT gewp",
     x.Thread("A284", True, "REFERENCES", q.Text("text", "gewp"))),
    ("A284 THREAD REFS utf-8 ALL", x.Thread("A284", False, "REFS", q.All())),
    # draft-bosch-imap-filter-sieve §3.2, §7
    ('A001 FILTER SIEVE DELIVERY SINCE 1-Mar-2017 TO "hendrik@example.com"',
     lambda f: f.rules is x.Rules.DELIVERY and not f.uid and not f.given),
    ('A002 UID FILTER SIEVE PERSONAL "new" NOT SEEN',
     x.Filter("A002", True, x.Rules.PERSONAL, b"new", q.Not(q.Flag("\\Seen")))),
    ("A1 filter sieve global all-of-us CHARSET UTF-8 MODSEQ 5",
     x.Filter("A1", False, x.Rules.GLOBAL, b"all-of-us", q.ModSeq(5), modseq=True)),
    ('A3 FILTER SIEVE SCRIPT "keep;" ALL',
     x.Filter("A3", False, x.Rules.SCRIPT, b"keep;", q.All())),
    # RFC 7377 §3
    ('tag1 ESEARCH IN (mailboxes "folder1" subtree "folder2") unseen',
     x.MultiSearch("tag1", (Box("mailboxes", ("folder1",)), Box("subtree", ("folder2",))),
                   q.Not(q.Flag("\\Seen")), c.SearchReturn(all=True))),
    ('tag2 ESEARCH IN (mailboxes "folder1" subtree-one ("folder2" inbox)) subject "chad"',
     x.MultiSearch("tag2", (Box("mailboxes", ("folder1",)),
                            Box("subtree-one", ("folder2", "INBOX"))),
                   q.Header("Subject", "chad"), c.SearchReturn(all=True))),
    ("t ESEARCH IN (selected inboxes PERSONAL) RETURN (COUNT) CHARSET UTF-8 MODSEQ 7",
     x.MultiSearch("t", (Box("selected"), Box("inboxes"), Box("personal")), q.ModSeq(7),
                   c.SearchReturn(count=True), True)),
    ("t ESEARCH ALL", x.MultiSearch("t", (), q.All(), c.SearchReturn(all=True))),
    # RFC 5464 §4
    ('a GETMETADATA "" /shared/comment', x.GetMetadata("a", "", ("/shared/comment",))),
    ('a GETMETADATA "INBOX" (/shared/comment /Private/comment)',
     x.GetMetadata("a", "INBOX", ("/shared/comment", "/private/comment"))),
    ('a GETMETADATA "INBOX" (MAXSIZE 1024) (/shared/comment /private/comment)',
     x.GetMetadata("a", "INBOX", ("/shared/comment", "/private/comment"), 1024)),
    ('a GETMETADATA (DEPTH infinity MAXSIZE 5) inbox "/private/filters/values"',
     x.GetMetadata("a", "INBOX", ("/private/filters/values",), 5, None)),
    ("a GETMETADATA x (DEPTH 1) ({2+}\r\n/a /b)", x.GetMetadata("a", "x", ("/a", "/b"), None, 1)),
    ('a SETMETADATA INBOX (/private/comment {9+}\r\nMy comment'[:-1] + ")",
     x.SetMetadata("a", "INBOX", (("/private/comment", b"My commen"),))),
    ('a SETMETADATA "" (/private/comment NIL /shared/x "" /shared/y ~{3+}\r\na\0b)',
     x.SetMetadata("a", "", (("/private/comment", None), ("/shared/x", b""),
                             ("/shared/y", b"a\0b")))),
    # RFC 5465 §5
    ("a NOTIFY NONE", x.Notify("a", None)),
    ("b NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge))",
     x.Notify("b", (PREVIEW,))),
    ("c notify set status (selected-delayed (messagenew messageexpunge flagchange)) "
     "(subtree Lists (MessageNew MessageExpunge SubscriptionChange)) (mailboxes (a b) NONE)",
     x.Notify("c", (
         x.EventGroup(Box("selected-delayed"),
                      frozenset({"MessageNew", "MessageExpunge", "FlagChange"})),
         x.EventGroup(Box("subtree", ("Lists",)),
                      frozenset({"MessageNew", "MessageExpunge", "SubscriptionChange"})),
         x.EventGroup(Box("mailboxes", ("a", "b")), frozenset()),
     ), True)),
    # RFC 4314 §3
    ("A002 SETACL INBOX/Drafts Byron lrswikda",
     x.SetAcl("A002", "INBOX/Drafts", "Byron", "lrswikda")),
    ('A002 SETACL inbox "-Fred" -wetd', x.SetAcl("A002", "INBOX", "-Fred", "wetd", "-")),
    ("A002 SETACL x $team +cda", x.SetAcl("A002", "x", "$team", "cda", "+")),
    ('A002 SETACL x {2+}\r\nü ""', x.SetAcl("A002", "x", "ü", "")),
    ("B001 DELETEACL INBOX Fred", x.DeleteAcl("B001", "INBOX", "Fred")),
    ("A002 GETACL INBOX", x.GetAcl("A002", "INBOX")),
    ("a001 LISTRIGHTS ~/Mail/saved smith", x.ListRights("a001", "~/Mail/saved", "smith")),
    ("A003 MYRIGHTS INBOX", x.MyRights("A003", "INBOX")),
    # RFC 9208 §4
    ('G0001 GETQUOTA "!partition/sda4"', x.GetQuota("G0001", "!partition/sda4")),
    ('A003 GETQUOTA ""', x.GetQuota("A003", "")),
    ("G0002 GETQUOTAROOT INBOX", x.GetQuotaRoot("G0002", "INBOX")),
    ('S0000 SETQUOTA "#user/alice" (STORAGE 510 message 9)',
     x.SetQuota("S0000", "#user/alice", (("STORAGE", 510), ("MESSAGE", 9)))),
    ('S0000 SETQUOTA "" ()', x.SetQuota("S0000", "", ())),
    # the connection
    ("A003 LANGUAGE", x.Language("A003", ())),
    ('E001 LANGUAGE FR-CA "default"', x.Language("E001", ("FR-CA", "default"))),
    ("A1 UNAUTHENTICATE", x.Unauthenticate("A1")),
    ("a COMPRESS deflate", x.Compress("a", "DEFLATE")),
    ("A143 UIDBATCHES 2000", x.UidBatches("A143", 2000)),
    ("A143 UIDBATCHES 2000 20:11", x.UidBatches("A143", 2000, (11, 20))),
    ("A GETJMAPACCESS", x.GetJmapAccess("A")),
    # in the commands of the base
    ("a LIST \"\" % RETURN (METADATA (/private/color \"/shared/x\") SUBSCRIBED)",
     c.List("a", "", ("%",), returns=c.ListReturn(
         subscribed=True, metadata=("/private/color", "/shared/x")), extended=True)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "meant"), LINES)
def test_extensions(line: str, meant: object) -> None:
    command = one(line)
    if callable(meant):
        assert meant(command)
    else:
        assert command == meant


WRONG = r"""
SORT | SORT () UTF-8 ALL | SORT (FOO) UTF-8 ALL | SORT (REVERSE) UTF-8 ALL | SORT (DATE) UTF-8
SORT (DATE) ALL | SORT DATE UTF-8 ALL | SORT (DATE)(SIZE) UTF-8 ALL | SORT RETURN (DATE) UTF-8 ALL
SORT (REVERSE REVERSE DATE) UTF-8 ALL | THREAD | THREAD FOO UTF-8 ALL | THREAD REFERENCES ALL
THREAD (REFERENCES) UTF-8 ALL | CANCELUPDATE | CANCELUPDATE B01 | ESEARCH | ESEARCH IN ALL
ESEARCH IN () ALL | ESEARCH IN (foo) ALL | ESEARCH IN (mailboxes) ALL | ESEARCH IN (subtree ()) ALL
ESEARCH IN (selected-delayed) ALL | ESEARCH IN (inboxes (x)) ALL | ESEARCH RETURN (MIN)
GETMETADATA | GETMETADATA "" | GETMETADATA "" () | GETMETADATA "" foo | GETMETADATA "" /a/ | GETMETADATA "" //a
GETMETADATA "" "/a*b" | GETMETADATA "" (DEPTH 2) /a | GETMETADATA (FOO 1) "" /a | GETMETADATA "" (DEPTH 1)
GETMETADATA (MAXSIZE) "" /a | GETMETADATA (DEPTH 1) "" (DEPTH 1) /a | SETMETADATA "" | SETMETADATA "" ()
SETMETADATA "" (/a) | SETMETADATA "" (/a b) | SETMETADATA "" (a NIL) | SETMETADATA "" (/a NIL /b)
NOTIFY | NOTIFY FOO | NOTIFY SET | NOTIFY SET STATUS | NOTIFY SET FOO (selected NONE) | NOTIFY NONE x
NOTIFY SET (selected) | NOTIFY SET (selected ()) | NOTIFY SET (selected FOO) | NOTIFY SET (foo NONE)
NOTIFY SET (selected (MessageNew)) | NOTIFY SET (selected (FlagChange)) | NOTIFY SET (personal (MessageExpunge))
NOTIFY SET (selected (MailboxName)) | NOTIFY SET (personal (MessageNew (UID) MessageExpunge))
NOTIFY SET (selected NONE) (selected-delayed NONE) | NOTIFY SET (selected NONE x)
NOTIFY SET (selected (MessageNew () MessageExpunge)) | NOTIFY SET (selected (MessageNew (ALL) MessageExpunge))
SETACL | SETACL x | SETACL x y | SETACL x y LR | SETACL x y l! | SETACL x "" lr | SETACL x - lr | SETACL x y z w
DELETEACL x | DELETEACL x y z | GETACL | LISTRIGHTS x | MYRIGHTS | GETQUOTA | GETQUOTA a b | GETQUOTAROOT
SETQUOTA x | SETQUOTA x (STORAGE) | SETQUOTA x (STORAGE -1) | SETQUOTA x STORAGE 5 | SETQUOTA x (STORAGE 1)x
LANGUAGE (x) | LANGUAGE {2+}#ü | UNAUTHENTICATE now | COMPRESS | COMPRESS LZ4 | COMPRESS DEFLATE x
UIDBATCHES | UIDBATCHES 0 | UIDBATCHES 500 1 | UIDBATCHES 500 0:1 | UIDBATCHES 500 1:* | GETJMAPACCESS x
REPLACE | REPLACE 1 | REPLACE 1 x | REPLACE 0 x {5} | REPLACE 1,2 x {5} | REPLACE 1 x y
SEARCH FILTER | SEARCH FILTER a/b | SEARCH FUZZY | SEARCH RETURN (UPDATE()) ALL
"""  # noqa: E501


@pytest.mark.parametrize(
    "line", [w for row in WRONG.strip().splitlines() for w in row.split(" | ")]
)
def test_near_misses(line: str) -> None:
    events = say(engine(), b"a " + line.replace("#", "\r\n").encode() + b"\r\nz NOOP\r\n")
    assert len(events) == 2, events
    assert isinstance(events[0], e.BadCommand)
    assert events[0].reply.startswith((b"a BAD ", b"a NO [BADCHARSET "))


def test_an_unknown_event_is_told_what_there_is() -> None:
    assert why("a NOTIFY SET (personal (MessageNew MessageExpunge Tea))").startswith(
        "a NO [BADEVENT (MessageNew MessageExpunge FlagChange AnnotationChange MailboxName "
    )


def test_counts_are_bounded() -> None:
    for line in (
        "SORT (" + "DATE " * 20 + "DATE) UTF-8 ALL",
        "ESEARCH IN (" + "inboxes " * 100 + "inboxes) ALL",
        "ESEARCH IN (mailboxes (" + "a " * 1000 + "b)) ALL",
        'GETMETADATA "" (' + "/a " * 1000 + "/b)",
        'SETMETADATA "" (' + "/a NIL " * 1000 + "/b NIL)",
        "NOTIFY SET" + " (personal NONE)" * 101,
        'SETQUOTA "" (' + "STORAGE 1 " * 50 + "STORAGE 2)",
    ):
        assert why("a " + line, AFTER if "SORT" not in line else State.SELECTED).startswith(
            "a NO [LIMIT] "
        ), line


def test_replace() -> None:
    made = engine()
    (start,) = made.feed(b"R1 REPLACE 4 Drafts (\\Seen \\Draft) {5}\r\n")  # RFC 8508 §3.5
    assert isinstance(start, c.AppendStart)
    assert start.replaces == c.Replaced(False, 4)
    assert (start.mailbox, start.size) == ("Drafts", 5)
    assert made.accept().startswith(b"+ ")
    assert made.feed(b"hello\r\n") == [e.LiteralChunk(b"hello"), c.AppendEnd("R1")]
    start = say(engine(), b"r UID REPLACE * {1+}\r\nx {0+}\r\n\r\n")[0]
    assert isinstance(start, c.AppendStart)
    assert start.replaces == c.Replaced(True, 0)


def test_replace_takes_one_message() -> None:
    events = say(engine(), b"r REPLACE 1 x {1+}\r\na {1+}\r\nb\r\nz NOOP\r\n")
    assert isinstance(events[-2], e.BadCommand)
    assert events[-1] == c.Noop("z")


def test_catenate_with_utf8() -> None:
    line = b"a APPEND x CATENATE (UTF8 (~{5+}\r\nhello) URL {2+}\r\n/u UTF8 (~{1+}\r\n!))\r\n"
    assert say(engine(), line)[1:] == [
        e.CatenateText("a", 5, False, True, True), e.LiteralChunk(b"hello"),
        e.CatenateUrl("a", "/u"),
        e.CatenateText("a", 1, False, True, True), e.LiteralChunk(b"!"), c.AppendEnd("a"),
    ]  # fmt: skip
    events = say(engine(), b"a APPEND x CATENATE (UTF8 (~{1+}\r\n!)\r\nz NOOP\r\n")
    assert [type(event) for event in events[-2:]] == [e.BadCommand, c.Noop]


def test_compress_leaves_what_is_compressed_already() -> None:
    made = engine(AFTER)
    assert made.feed(b"a COMPRESS DEFLATE\r\n\x01\x02\r\n") == [x.Compress("a", "DEFLATE")]
    made.feed(b"\x03")
    assert made.accept() == b""
    assert made.leftover == b"\x01\x02\r\n\x03"
    assert made.resume() == []
    assert made.feed(b"z NOOP\r\n") == [c.Noop("z")]
    made.feed(b"a COMPRESS DEFLATE\r\nz NOOP\r\n")
    made.refuse()
    assert made.resume() == [c.Noop("z")]


def test_unauthenticate_goes_back() -> None:
    made = engine()
    made.feed(b"a UNAUTHENTICATE\r\nb SEARCH ALL\r\n")
    made.state = State.NOT_AUTHENTICATED
    made.done()
    (event,) = made.resume()
    assert isinstance(event, e.BadCommand)


UIDS = ["a UID FETCH 1:* FLAGS", "a UID SEARCH UID 1:*", "a UID STORE 1 FLAGS ()", "a EXPUNGE",
        "a UID SORT (DATE) UTF-8 ALL", "a SELECT x (QRESYNC (1 2 1:5))"]  # fmt: skip
NUMBERS = ["a FETCH 1:* FLAGS", "a SEARCH ALL", "a UID SEARCH 1:*", "a STORE 1 FLAGS ()",
           "a COPY 1 x", "a MOVE 1 x", "a SORT (DATE) UTF-8 ALL", "a uid search not (seen 5)",
           "a THREAD REFERENCES UTF-8 ALL", "a REPLACE 1 x {5}", "a fetch 1 flags",
           "a SELECT x (QRESYNC (1 2 1:5 (1 5)))"]  # fmt: skip


def test_uids_only() -> None:
    for line in UIDS:
        made = engine()
        made.uid_only = True
        assert not isinstance(say(made, line.encode() + b"\r\n")[0], e.BadCommand), line
    for line in NUMBERS:
        made = engine()
        made.uid_only = True
        events = say(made, line.encode() + b"\r\nz NOOP\r\n")
        assert events[0].reply.startswith(b"a BAD [UIDREQUIRED] "), line  # type: ignore[union-attr]
        assert events[1:] == [c.Noop("z")]
