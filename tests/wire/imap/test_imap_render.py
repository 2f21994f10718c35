"""What the server says: exact bytes for the RFCs' examples, and read back by imapclient."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.response_lexer import TokenSource
from imapclient.response_parser import parse_fetch_response, parse_response

from pillarbox.model.flags import ANSWERED, SEEN
from pillarbox.model.numset import NumSet
from pillarbox.wire.imap import render, utf7
from pillarbox.wire.imap.render import codes

Chunk = bytes | tuple[bytes, bytes]


def chunks(response: bytes) -> list[Chunk]:
    """Untagged responses as imaplib hands them to imapclient."""
    out: list[Chunk] = []
    while response:
        line, found, response = response.partition(b"\r\n")
        assert found, line
        literal = re.search(rb"\{(\d+)\}$", line)
        if literal is None:
            out.append(line)
            continue
        size = int(literal[1])
        out.append((line, response[:size]))
        response = response[size:]
    return [_unstarred(chunk) for chunk in out]


def _unstarred(chunk: Chunk) -> Chunk:
    if isinstance(chunk, tuple):
        return chunk[0].removeprefix(b"* "), chunk[1]
    return chunk.removeprefix(b"* ")


def read_string(spelt: bytes) -> bytes:
    """A string or literal as a client reads it."""
    (value,) = parse_response(chunks(spelt + b"\r\n")[:2])
    assert isinstance(value, bytes)
    return value


# --- strings


@pytest.mark.parametrize(
    ("data", "spelt"),
    [
        (b"", b'""'),
        (b"abc", b'"abc"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"x" * 901, b"{901}\r\n" + b"x" * 901),
        ("ü".encode(), b"{2}\r\n\xc3\xbc"),
        (b"a\0b", b"{2}\r\nab"),
    ],
)
def test_string(data: bytes, spelt: bytes) -> None:
    assert render.string(data) == spelt


def test_utf8_strings_only_for_who_asked() -> None:
    assert render.string("grün \\".encode(), utf8=True) == '"grün \\\\"'.encode()
    assert render.string(b"\xff", utf8=True) == b"{1}\r\n\xff"
    assert render.string("a\nü".encode(), utf8=True) == b"{4}\r\na\n\xc3\xbc"


@given(st.binary().filter(lambda data: b"\0" not in data))
def test_a_string_comes_back(data: bytes) -> None:
    assert read_string(render.string(data)) == data


def test_nstring_and_astring() -> None:
    assert render.nstring(None) == b"NIL"
    assert render.nstring(b"NIL") == b'"NIL"'
    assert render.astring("abc") == b"abc"
    assert render.astring("nil") == b'"nil"'
    assert render.astring("a b") == b'"a b"'
    assert render.astring("") == b'""'
    assert render.astring("a]") == b'"a]"'


def test_mailbox_names() -> None:
    assert render.mailbox("INBOX") == b"INBOX"
    assert render.mailbox("inbox") == b'"inbox"'
    assert render.mailbox("Entwürfe") == b'"Entw&APw-rfe"'
    assert render.mailbox("R&D") == b'"R&-D"'
    assert render.mailbox("Entwürfe & x", utf8=True) == '"Entwürfe & x"'.encode()
    assert render.mailbox('a"b') == b'"a\\"b"'


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=("Cs",))))
def test_a_mailbox_name_comes_back(name: str) -> None:
    assert utf7.decode(read_string(render.mailbox(name)).decode("ascii")) == name
    shown = name.replace("\0", "")
    assert read_string(render.mailbox(name, utf8=True)).decode() == shown


def test_literals() -> None:
    assert render.literal(b"abc") == b"{3}\r\nabc"
    assert render.literal(b"a\0", binary=True) == b"~{2}\r\na\0"
    assert render.literal_head(10) == b"{10}\r\n"


# --- status lines and codes


def test_status_lines() -> None:
    assert render.ok("a1", "Done") == b"a1 OK Done\r\n"
    assert render.ok("*", "Hello", codes.ALERT) == b"* OK [ALERT] Hello\r\n"
    assert render.no("a1", "No", codes.OVERQUOTA) == b"a1 NO [OVERQUOTA] No\r\n"
    assert render.bad("a1", "What") == b"a1 BAD What\r\n"
    assert render.bye("Bye") == b"* BYE Bye\r\n"
    assert render.preauth("Hi") == b"* PREAUTH Hi\r\n"
    assert render.continuation("Go on") == b"+ Go on\r\n"
    assert render.ok("a1", "") == b"a1 OK Done\r\n"


@given(st.text())
def test_no_text_ends_its_line_early(text: str) -> None:
    line = render.no("a1", text)
    assert line.endswith(b"\r\n")
    assert not set(line[:-2]) & {*range(32), 127}


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        (codes.capability(["IMAP4rev1", "IDLE"]), "CAPABILITY IMAP4rev1 IDLE"),
        (codes.permanentflags(["\\Seen", "x"], more=True), "PERMANENTFLAGS (\\Seen x \\*)"),
        (codes.permanentflags([], more=False), "PERMANENTFLAGS ()"),
        (codes.unseen(12), "UNSEEN 12"),
        (codes.highestmodseq(715194045007), "HIGHESTMODSEQ 715194045007"),
        (codes.modified(NumSet.of([7, 9])), "MODIFIED 7,9"),  # RFC 7162 §3.1.3
        (codes.appenduid(38505, NumSet.of([3955])), "APPENDUID 38505 3955"),  # RFC 4315 §3
        (codes.copyuid(38505, NumSet.of([304, 319, 320]), NumSet.of([3956, 3957, 3958])),
         "COPYUID 38505 304,319:320 3956:3958"),
        (codes.badcharset(["US-ASCII", "UTF-8"]), "BADCHARSET (US-ASCII UTF-8)"),
    ],
)  # fmt: skip
def test_codes(code: str, spelt: str) -> None:
    assert code == spelt


# --- data


def test_data_lines() -> None:
    assert (
        render.capability(codes.capability(["IMAP4rev1", "X"])) == b"* CAPABILITY IMAP4rev1 X\r\n"
    )
    assert render.enabled(["CONDSTORE"]) == b"* ENABLED CONDSTORE\r\n"
    assert render.enabled([]) == b"* ENABLED\r\n"
    assert render.id_(None) == b"* ID NIL\r\n"
    assert render.id_({"name": "x", "os": None}) == b'* ID ("name" "x" "os" NIL)\r\n'
    assert render.exists(172) == b"* 172 EXISTS\r\n"
    assert render.numbers(3857529045, 4392, 90060115205545359) == (
        b"* OK [UIDVALIDITY 3857529045] UIDs valid\r\n"
        b"* OK [UIDNEXT 4392] Predicted next UID\r\n"
        b"* OK [HIGHESTMODSEQ 90060115205545359] Highest\r\n"
    )
    assert render.recent(1) == b"* 1 RECENT\r\n"
    assert render.expunges([7, 5, 3]) == b"* 7 EXPUNGE\r\n* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n"
    assert render.expunges([]) == b""


@given(st.integers(0, 5_100), st.integers(0, 5_100))
def test_expunges_of_a_stretch(start: int, stop: int) -> None:
    numbers = range(start, stop, -1)
    assert render.expunges(numbers) == render.expunges(list(numbers))


@pytest.mark.parametrize(("start", "stop"), [(1000, 0), (1999, 999), (2999, 1000), (3000, 998)])
def test_expunges_of_whole_thousands(start: int, stop: int) -> None:
    numbers = range(start, stop, -1)
    assert render.expunges(numbers) == render.expunges(list(numbers))
    assert render.flags(["\\Seen", "$x"]) == b"* FLAGS (\\Seen $x)\r\n"
    assert render.vanished(NumSet.of([300, 310, 405, 411])) == b"* VANISHED 300,310,405,411\r\n"
    assert render.vanished(NumSet(((300, 310),)), earlier=True) == (
        b"* VANISHED (EARLIER) 300:310\r\n"
    )
    assert render.vanished(NumSet()) == b""


def test_namespace() -> None:
    assert render.namespace([""]) == b'* NAMESPACE (("" "/")) NIL NIL\r\n'
    assert render.namespace([""], ["Other Users/"], ["Ä/", "b/"]) == (
        b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("&AMQ-/" "/")("b/" "/"))\r\n'
    )


def test_list() -> None:
    assert render.list_(["\\Noselect"], "", separator="/") == b'* LIST (\\Noselect) "/" ""\r\n'
    assert render.list_([], "INBOX", separator="") == b"* LIST () NIL INBOX\r\n"
    assert render.list_(["\\HasChildren", "\\Sent"], "Gesendete Objekte/Ä") == (
        b'* LIST (\\HasChildren \\Sent) "/" "Gesendete Objekte/&AMQ-"\r\n'
    )
    assert render.list_([], "foo", childinfo=["SUBSCRIBED"]) == (  # RFC 5258 §5
        b'* LIST () "/" "foo" ("CHILDINFO" ("SUBSCRIBED"))\r\n'
    )
    assert render.list_([], "b", old_name="ä") == b'* LIST () "/" "b" ("OLDNAME" ("&AOQ-"))\r\n'
    assert render.lsub(["\\Noselect"], "a") == b'* LSUB (\\Noselect) "/" "a"\r\n'


def test_status() -> None:
    values = [("MESSAGES", 231), ("MAILBOXID", "F22"), ("APPENDLIMIT", None)]
    assert render.status("ä", values) == (
        b'* STATUS "&AOQ-" (MESSAGES 231 MAILBOXID (F22) APPENDLIMIT NIL)\r\n'
    )


def test_search() -> None:
    assert render.search([]) == b"* SEARCH\r\n"
    assert render.search([2, 84, 882]) == b"* SEARCH 2 84 882\r\n"
    assert render.search([2, 5], 917162500) == b"* SEARCH 2 5 (MODSEQ 917162500)\r\n"
    assert render.search([], 917162500) == b"* SEARCH\r\n"


def test_esearch() -> None:
    assert render.esearch("A282", uid=False, low=2, count=3) == (
        b'* ESEARCH (TAG "A282") MIN 2 COUNT 3\r\n'
    )
    found = NumSet(((2, 2), (10, 11)))
    assert render.esearch("A283", uid=True, found=found, high=11, modseq=5) == (
        b'* ESEARCH (TAG "A283") UID MAX 11 ALL 2,10:11 MODSEQ 5\r\n'
    )
    assert render.esearch("A285", uid=True, found=NumSet()) == b'* ESEARCH (TAG "A285") UID\r\n'
    assert render.esearch("A", uid=True, count=0) == b'* ESEARCH (TAG "A") UID COUNT 0\r\n'
    window = NumSet(((5, 9),))
    assert render.esearch("A01", uid=True, partial=(-1, -100), window=window) == (
        b'* ESEARCH (TAG "A01") UID PARTIAL (-1:-100 5:9)\r\n'
    )
    assert render.esearch("A04", uid=True, partial=(1, 5), window=NumSet()) == (
        b'* ESEARCH (TAG "A04") UID PARTIAL (1:5 NIL)\r\n'
    )


def test_esearch_of_extensions() -> None:
    assert render.esearch("B1", uid=False, found=NumSet.of([1, 5, 10]), relevancy=[4, 99, 42]) == (
        b'* ESEARCH (TAG "B1") ALL 1,5,10 RELEVANCY (4 99 42)\r\n'  # RFC 6203 §4
    )
    order = render.ordered([5, 10, 11, 12, 1])
    assert order == "5,10:12,1"
    assert render.ordered([]) == ""
    assert render.ordered([3, 2, 1]) == "3,2,1"
    assert render.esearch("C2", uid=False, found=order) == (
        b'* ESEARCH (TAG "C2") ALL 5,10:12,1\r\n'
    )
    assert render.esearch("B01", uid=True, added=[(0, "32768:32769"), (1, "2733")]) == (
        b'* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769 1 2733)\r\n'  # RFC 5267 §4.3.3
    )
    assert render.esearch("B01", uid=True, removed=[(0, "32768")]) == (
        b'* ESEARCH (TAG "B01") UID REMOVEFROM (0 32768)\r\n'
    )
    found = NumSet.of([4001, 4003, 4005])
    assert render.esearch("tag1", uid=True, found=found, box=("folder1", 1)) == (
        b'* ESEARCH (TAG "tag1" MAILBOX "folder1" UIDVALIDITY 1) UID ALL 4001,4003,4005\r\n'
    )


def test_sort_and_thread() -> None:
    assert render.sort([5, 3, 4, 1, 2]) == b"* SORT 5 3 4 1 2\r\n"
    assert render.sort([]) == b"* SORT\r\n"
    assert render.sort([5, 3], 12345) == b"* SORT 5 3 (MODSEQ 12345)\r\n"
    spelt = ["2", "3", "6", "4", "23", "44", "7", "96"]
    below = {1: [2], 2: [3, 5], 3: [4], 5: [6], 6: [7]}
    answer = render.thread([0, 1], below, spelt)
    assert answer == b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"  # RFC 5256 §4
    assert render.thread([2], {2: [0, 1]}, ["3", "5"]) == b"* THREAD ((3)(5))\r\n"
    assert render.thread([1], {1: [0]}, ["3"]) == b"* THREAD (3)\r\n"
    assert render.thread([], {}, []) == b"* THREAD\r\n"
    chain = {node: [node + 1] for node in range(19_999)}
    deep = render.thread([0], chain, list(map(str, range(20_000))))
    assert deep.startswith(b"* THREAD (0 1 2 3 ")


def test_metadata() -> None:
    values = [("/shared/comment", b"Shared comment"), ("/private/x", None)]
    assert render.metadata("", values) == (
        b'* METADATA "" (/shared/comment "Shared comment" /private/x NIL)\r\n'
    )
    assert render.metadata("INBOX", [("/shared/b", b"a\0b")]) == (
        b"* METADATA INBOX (/shared/b ~{3}\r\na\0b)\r\n"
    )
    assert render.metadata_changed("ä", ["/shared/comment", "/private/comment"]) == (
        b'* METADATA "&AOQ-" /shared/comment /private/comment\r\n'
    )


def test_rights_and_quota() -> None:
    assert render.acl("INBOX", [("Fred", "rwipslxcetda"), ("-David", "lrs")]) == (
        b'* ACL INBOX "Fred" rwipslxcetda "-David" lrs\r\n'
    )
    assert render.acl("x", []) == b'* ACL "x"\r\n'
    assert render.list_rights("a", "anyone", "", ["l", "r", "swicdkxte"]) == (
        b'* LISTRIGHTS "a" "anyone" "" l r swicdkxte\r\n'
    )
    assert render.my_rights("INBOX", "rwiptsldaex") == b"* MYRIGHTS INBOX rwiptsldaex\r\n"
    assert render.quota("#user/alice", [("STORAGE", 54, 111), ("MESSAGE", 42, 1000)]) == (
        b'* QUOTA "#user/alice" (STORAGE 54 111 MESSAGE 42 1000)\r\n'  # RFC 9208 §4.1.3
    )
    assert render.quota("", []) == b'* QUOTA "" ()\r\n'
    assert render.quota_root("INBOX", [""]) == b'* QUOTAROOT INBOX ""\r\n'
    assert render.quota_root("x", []) == b'* QUOTAROOT "x"\r\n'


def test_the_connection() -> None:
    assert render.language(["EN", "DE", "i-default"]) == b"* LANGUAGE (EN DE i-default)\r\n"
    assert render.jmap_access("https://x.test/s") == b'* JMAPACCESS "https://x.test/s"\r\n'
    assert render.uid_batches("A143", [(215295, 99696), (99695, 1)]) == (
        b'* UIDBATCHES (TAG "A143") 215295:99696,99695:1\r\n'
    )
    assert render.uid_batches("A143", []) == b'* UIDBATCHES (TAG "A143")\r\n'
    # draft-bosch-imap-filter-sieve §3.2
    assert render.filtered(3, "A001") == b'* 3 FILTERED (TAG "A001") OK\r\n'
    assert render.filtered(118, "A002", uid=3323, warnings=["a", "b"]) == (
        b'* 118 FILTERED (TAG "A002") UID 3323 WARNINGS {4}\r\na\r\nb\r\n'
    )
    assert render.filtered(4, "A", warnings=["w"], errors=["e"]) == (
        b'* 4 FILTERED (TAG "A") ERRORS "e"\r\n'
    )
    assert render.filter_problem("A003", errors=["line 1: no"]) == (
        b'* FILTER (TAG "A003") ERRORS "line 1: no"\r\n'
    )
    translated = {"Other Users/": "Andere Benützer/"}
    assert render.namespace([""], ["Other Users/"], translated=translated) == (  # RFC 5255 §3.4
        b'* NAMESPACE (("" "/")) '
        b'(("Other Users/" "/" "TRANSLATION" ("Andere Ben&APw-tzer/"))) NIL\r\n'
    )


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        (codes.mailboxid("F2212ea87"), "MAILBOXID (F2212ea87)"),
        (codes.metadata_longentries(2199), "METADATA LONGENTRIES 2199"),
        (codes.metadata_maxsize(1024), "METADATA MAXSIZE 1024"),
        (codes.METADATA_TOOMANY, "METADATA TOOMANY"),
        (codes.badevent(["FlagChange", "MailboxName"]), "BADEVENT (FlagChange MailboxName)"),
        (codes.noupdate("B02"), 'NOUPDATE "B02"'),
        (codes.badurl("/a;uid=1]\r\n x"), "BADURL /a;uid=1 x"),
        (codes.undefined_filter("x"), "UNDEFINED-FILTER x"),
        (codes.messagelimit(1000, 23221), "MESSAGELIMIT 1000 23221"),  # RFC 9738 §3.1
        (codes.messagelimit(1000), "MESSAGELIMIT 1000"),
        (codes.inprogress("A001", 454, 1000), 'INPROGRESS ("A001" 454 1000)'),
        (codes.inprogress("A001", 454), 'INPROGRESS ("A001" 454 NIL)'),
        (codes.inprogress("A001"), 'INPROGRESS ("A001" NIL NIL)'),
        (codes.inprogress("A]", 1, 2), "INPROGRESS (NIL 1 2)"),
    ],
)
def test_codes_of_extensions(code: str, spelt: str) -> None:
    assert code == spelt


# --- FETCH


def test_columns_of_extensions() -> None:
    row = render.fetch_rows(
        [1],
        [
            render.id_column(b"EMAILID", ["M1"]),
            render.id_column(b"THREADID", [None]),
            render.string_column(b"PREVIEW", ["grün"]),
            render.binary_column(b"BINARY[1]", [b"a\0"]),
            render.binary_column(b"BINARY[2]", [b"ab"]),
            render.binary_column(b"BINARY[3]", [None]),
        ],
    )
    assert row == (
        b"* 1 FETCH (EMAILID (M1) THREADID NIL PREVIEW {5}\r\ngr\xc3\xbcn "
        b"BINARY[1] ~{2}\r\na\0 BINARY[2] {2}\r\nab BINARY[3] NIL)\r\n"
    )
    shown = render.string_column(b"PREVIEW", ["grün", None], utf8=True)
    assert list(shown.values) == ['"grün"'.encode(), b"NIL"]


def test_flags_of_a_mailbox() -> None:
    table = render.FlagTable(["$Forwarded", "x"])
    assert table[0] == b"()"
    assert table[SEEN | ANSWERED | 1 << 9] == b"(\\Seen \\Answered x)"
    assert table[SEEN | render.RECENT] == b"(\\Seen \\Recent)"
    small = render.FlagTable([], limit=4)
    for bits in range(20):
        assert small[bits & 31]
        assert len(small) <= 4


def test_fetch_flags() -> None:
    table = render.FlagTable([])
    assert render.fetch_flags([12], [SEEN], table) == b"* 12 FETCH (FLAGS (\\Seen))\r\n"
    assert render.fetch_flags(range(1, 3), [0, SEEN], table, [7, 9], [5, 6]) == (
        b"* 1 FETCH (UID 7 FLAGS () MODSEQ (5))\r\n* 2 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (6))\r\n"
    )
    assert render.fetch_flags([], [], table) == b""


def test_columns_must_fit() -> None:
    with pytest.raises(ValueError, match="extended slice"):
        render.fetch_rows([1, 2], [render.uid_column([1])])


def test_a_label_with_a_percent_sign() -> None:
    row = render.fetch_rows([1], [render.literal_column(b"BODY[HEADER.FIELDS (X%d)]", [b"a%s"])])
    assert row == b"* 1 FETCH (BODY[HEADER.FIELDS (X%d)] {3}\r\na%s)\r\n"


def test_uids_instead_of_numbers() -> None:
    row = render.fetch_rows([25996], [render.size_column([5])], b"UIDFETCH")
    assert row == b"* 25996 UIDFETCH (RFC822.SIZE 5)\r\n"
    assert render.fetch_open(3) + b"FLAGS ()" + render.FETCH_CLOSE == b"* 3 FETCH (FLAGS ())\r\n"


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_internal_date(seconds: int) -> None:
    spelt = render.internal_date(seconds).decode()
    assert re.fullmatch(r'"[ 1-3][0-9]-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d \+0000"', spelt)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    assert spelt[4:7] == "JanFebMarAprMayJunJulAugSepOctNovDec"[moment.month * 3 - 3 :][:3]
    assert spelt.replace('" ', '"0')[1:3] == f"{moment.day:02d}"
    assert spelt[8:-1] == f"{moment.year:04d} {moment:%H:%M:%S} +0000"


ENVELOPE = b'("a" NIL NIL NIL NIL NIL NIL NIL NIL "<x>")'
body = st.binary(max_size=30)
message = st.tuples(
    st.integers(1, 2**32 - 1), st.integers(0, 31), st.integers(1, 2**63 - 1),
    st.integers(0, 4_000_000_000), body, st.none() | body,
)  # fmt: skip


def _bare(chunk: Chunk) -> Chunk:
    """Without the word FETCH, which imaplib takes away."""
    if isinstance(chunk, tuple):
        return chunk[0].replace(b" FETCH ", b" ", 1), chunk[1]
    return chunk.replace(b" FETCH ", b" ", 1)


@given(st.lists(message, max_size=6))
def test_imapclient_reads_what_was_said(
    messages: list[tuple[int, int, int, int, bytes, None]],
) -> None:
    numbers = range(1, len(messages) + 1)
    table = render.FlagTable([])
    uids, bits, modseqs, dates, texts, parts = zip(*messages, strict=True) if messages else [()] * 6
    rows = render.fetch_rows(
        numbers,
        [
            render.uid_column(uids),
            render.flags_column(bits, table),
            render.modseq_column(modseqs),
            render.date_column(dates),
            render.wire_column(b"ENVELOPE", [ENVELOPE] * len(uids)),
            render.literal_column(b"BODY[]", texts),
            render.literal_column(b"BODY[2.1]<5>", parts),
        ],
    )
    said = [_bare(chunk) for chunk in chunks(rows)]
    read = parse_fetch_response(said, normalise_times=False, uid_is_key=False)
    for n, (uid, flag, modseq, date, text, part) in zip(numbers, messages, strict=True):
        seen = read[n]
        assert seen[b"UID"] == uid
        assert set(seen[b"FLAGS"]) == {w for w in table[flag][1:-1].split(b" ") if w}
        assert seen[b"MODSEQ"] == (modseq,)
        assert seen[b"INTERNALDATE"] == dt.datetime.fromtimestamp(date, dt.UTC)
        assert seen[b"ENVELOPE"].message_id == b"<x>"
        assert seen[b"BODY[]"] == text
        assert seen[b"BODY[2.1]<5>"] == part


def test_imapclients_lexer_on_lines_without_fetch() -> None:
    line = render.list_(["\\HasNoChildren"], 'a "b"', childinfo=["SUBSCRIBED"])
    tokens = [bytes(token) for token in TokenSource(chunks(line))]
    assert tokens[0] == b"LIST"
    status = parse_response(chunks(render.status("x", [("MESSAGES", 3), ("UIDNEXT", 7)])))
    assert status == (b"STATUS", b"x", (b"MESSAGES", 3, b"UIDNEXT", 7))


def test_internal_date_in_its_zone() -> None:
    assert render.internal_date(837596665, -420) == b'"17-Jul-1996 02:44:25 -0700"'
    assert render.internal_date(0, 330) == b'" 1-Jan-1970 05:30:00 +0530"'
    assert render.internal_date(0, -30) == b'"31-Dec-1969 23:30:00 -0030"'
