"""SEARCH: what matches, what is read for it, and that it agrees with a naive search."""

from __future__ import annotations

import asyncio
import datetime
import random
from array import array
from collections.abc import AsyncIterator, Sequence

import pytest

from pillarbox.mailbox import document, search
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.objectid import blob_of, email_id, thread_id
from pillarbox.mailbox.view import View
from pillarbox.model import query as q
from pillarbox.model.flags import ANSWERED, DELETED, FLAGGED, SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, FlagOp
from support.mailroom import MIDSUMMER, Room, room, simple

DAY = 86400


class Asked:
    """A store that notes how many rows of which columns were read."""

    def __init__(self, house: Room) -> None:
        self._inner = house.store
        self.rows_read: dict[Column, int] = {}
        self.octets = 0

    async def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        async for batch in self._inner.rows(account, mailbox, uids, columns):
            for column in columns:
                self.rows_read[column] = self.rows_read.get(column, 0) + len(batch)
            yield batch

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        octets = await self._inner.read(blob, start, length)
        self.octets += len(octets)
        return octets

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


async def find(
    house: Room,
    view: View,
    query: q.Query,
    asked: Asked | None = None,
    index: search.Candidates | None = None,
) -> str:
    found = await search.search(
        asked or house.store,  # type: ignore[arg-type]
        view,
        query,
        now=MIDSUMMER,
        index=index,
    )
    assert len(found) == len(found.seqs())
    return str(found.seqs())


async def test_arrays_answer_without_the_store() -> None:
    house = await room()
    flags = [0, SEEN, SEEN | FLAGGED, DELETED, ANSWERED]
    for number, bits in enumerate(flags, 1):
        await house.put(simple(number), flags=FlagSet(bits, frozenset({"$Work"} if bits else ())))
    view = await house.view(read_only=True)
    asked = Asked(house)

    async def hits(query: q.Query) -> str:
        return await find(house, view, query, asked)

    assert await hits(q.All()) == "1:5"
    assert await hits(q.Flag("\\Seen")) == "2:3"
    assert await hits(q.Flag("\\seen")) == "2:3"
    assert await hits(q.Not(q.Flag("\\Seen"))) == "1,4:5"
    assert await hits(q.Flag("$work")) == "2:5"
    assert await hits(q.Flag("$Other")) == ""
    assert await hits(q.Not(q.Flag("$Other"))) == "1:5"
    assert await hits(q.Flag("\\Recent")) == "1:5"
    assert await hits(q.And((q.Flag("\\Seen"), q.Flag("\\Flagged")))) == "3"
    assert await hits(q.Or((q.Flag("\\Deleted"), q.Flag("\\Answered")))) == "4:5"
    assert await hits(q.And(())) == "1:5"
    assert await hits(q.Or(())) == ""
    assert await hits(q.Sequence(((2, 3), (9, 0)))) == "2:3,5"
    assert await hits(q.Sequence(((7, 9),))) == ""
    assert await hits(q.Uid(((4, 99),))) == "4:5"
    assert await hits(q.Uid(((0, 0),))) == "5"
    assert await hits(q.Saved(NumSet([(1, 1), (5, 9)]))) == "1,5"
    assert await hits(q.Saved()) == ""
    assert await hits(q.ModSeq(view.state.modseqs[2])) == "3:5"
    assert await hits(q.SaveDateSupported()) == "1:5"
    assert asked.rows_read == {}
    with pytest.raises(ValueError, match="Filter"):
        await hits(q.Filter("mine"))


async def test_numbers_and_dates() -> None:
    house = await room()
    base = MIDSUMMER - MIDSUMMER % DAY  # midnight UTC
    await house.put(simple(1), internaldate=base)
    await house.put(simple(22), internaldate=base - 1)
    await house.put(simple(3), internaldate=base - 3600, zone=60)
    await house.put(b"Date: Sat, 1 Jun 2024 23:30:00 -0800\r\n\r\n", internaldate=base + DAY)
    view = await house.view()
    day = datetime.date(2024, 6, 20)

    async def hits(query: q.Query) -> str:
        return await find(house, view, query)

    assert await hits(q.DateRange("internal", since=day)) == "1,3:4"
    assert await hits(q.DateRange("internal", before=day)) == "2"
    assert await hits(q.DateRange("internal", day, day + datetime.timedelta(1))) == "1,3"
    assert await hits(q.DateRange("sent", since=datetime.date(2024, 6, 2))) == "1:3"
    assert await hits(q.DateRange("sent", before=datetime.date(2024, 6, 2))) == "4"
    assert await hits(q.DateRange("saved", since=day)) == "1:4"
    assert await hits(q.DateRange("saved", before=day)) == ""
    sizes = [len(simple(1)), len(simple(22)), len(simple(3))]
    assert await hits(q.Size(larger=sizes[0])) == "2"
    assert await hits(q.Size(smaller=sizes[0])) == "4"
    assert await hits(q.Size(larger=sizes[0] - 1, smaller=sizes[0] + 1)) == "1,3"
    assert await hits(q.Within(MIDSUMMER - base, younger=True)) == "1,4"
    assert await hits(q.Within(MIDSUMMER - base, younger=False)) == "1:3"
    assert await hits(q.ObjectId("email", email_id(2))) == "2"
    assert await hits(q.ObjectId("email", "nonsense")) == ""
    (thread,) = facts_of(simple(3)).kin
    assert await hits(q.ObjectId("thread", thread_id(thread))) == "3"
    assert await hits(q.ObjectId("thread", "nonsense")) == ""


def test_object_ids() -> None:
    assert blob_of(email_id(17)) == 17
    for wrong in ("", "E", "17", "Ex", "E" + "9" * 40, "E١"):
        assert blob_of(wrong) is None


HEADERS = (
    b"From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <jm@example.org>\r\n"
    b"Subject: A long subject\r\n that is folded\r\n"
    b"X-Custom: here\r\nReferences: <one@two>\r\n\r\nbody\r\n",
    b"From: ann@example.org\r\nSubject: =?iso-8859-1?b?R3L83w==?=\r\n\r\nbody\r\n",
    b"From: raw \xc3\xa9 <e@example.org>\r\nX-Custom:\r\n\r\nfrom: not a header\r\n",
    b"To: " + b"someone@example.org,\r\n " * 1500 + b"last@example.org\r\nSubject: long\r\n\r\n",
)


async def test_header_fields() -> None:
    house = await room()
    for data in HEADERS:
        await house.put(data)
    view = await house.view()

    async def hits(name: str, value: str) -> str:
        return await find(house, view, q.Header(name, value))

    assert await hits("From", "jürgen") == "1"
    assert await hits("from", "JÜRGEN MÜLLER") == "1"
    assert await hits("FROM", "example.ORG") == "1:3"
    assert await hits("From", "") == "1:3"
    assert await hits("From", "é") == "3"
    assert await hits("From", "not a") == ""
    assert await hits("Subject", "subject that is") == "1"
    assert await hits("Subject", "SUBJECT  THAT") == "1"
    assert await hits("Subject", "grü") == "2"
    assert await hits("Subject", "grüß") == "2"
    assert await hits("Subject", "gr") == "2"  # plain ASCII, behind base64
    assert await hits("Subject", "long") == "1,4"
    assert await hits("To", "last@") == "4"  # its fields were too long to keep
    assert await hits("X-Custom", "HERE") == "1"
    assert await hits("X-Custom", "") == "1,3"
    assert await hits("X-Nothing", "") == ""
    assert await hits("X-Größe", "") == ""
    assert await hits("References", "<one@two>") == "1"


async def test_kept_fields_are_enough_for_common_names() -> None:
    house = await room()
    await house.fill(30)
    view = await house.view()
    asked = Asked(house)
    assert await find(house, view, q.Header("subject", "message 3"), asked) == "3,30"
    assert Column.BODY not in asked.rows_read


BODIES = (
    b"Subject: s1\r\n\r\nA phrase that is cut\r\nin two lines.\r\n",
    b"Subject: s2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>A <b>ph</b>rase with <a href='hidden'>markup</a> &amp; gr\xc3\xbc\xc3\x9fe</p>\r\n",
    b'Subject: s3\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\ncGhyYXNl\r\n"
    b'--b\r\nContent-Type: application/pdf; name="report.pdf"\r\n\r\nphrase in an attachment\r\n'
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nquoted words\r\n--b--\r\n",
)


@pytest.mark.parametrize("inline_limit", [1 << 20, 10])
async def test_texts(inline_limit: int) -> None:
    house = await room(inline_limit=inline_limit)
    for data in BODIES:
        await house.put(data)
    view = await house.view()

    async def body(value: str) -> str:
        return await find(house, view, q.Text("body", value))

    async def text(value: str) -> str:
        return await find(house, view, q.Text("text", value))

    assert await body("phrase") == "1:3"
    assert await body("PHRASE that is cut in TWO") == "1"
    assert await body("phrase with markup & GRÜ") == "2"
    assert await body("hidden") == ""
    assert await body("attachment") == ""
    assert await body("inner") == "3"
    assert await body("quoted") == "3"
    assert await body("s1") == ""
    assert await body("") == "1:3"
    assert await text("s1") == "1"
    assert await text("report.pdf") == "3"
    assert await body("report.pdf") == ""
    assert await text("preamble") == ""
    assert await text("subject: S2") == "2"


async def test_attachments_of_large_messages_are_not_read() -> None:
    house = await room(inline_limit=10)
    await house.put(
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nwords\r\n'
        b"--b\r\nContent-Type: image/png\r\n\r\n" + b"x" * 500_000 + b"\r\n--b--\r\n"
    )
    view = await house.view()
    asked = Asked(house)
    assert await find(house, view, q.Text("text", "words"), asked) == "1"
    assert asked.octets < 1000


async def test_a_long_text_is_searched_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_TEXT", 1000)
    for inline_limit in (10, 1 << 20):
        house = await room(inline_limit=inline_limit)
        await house.put(b"Subject: x\r\n\r\n" + b"first " + b"-" * 2000 + b" last")
        view = await house.view()
        assert await find(house, view, q.Text("body", "first")) == "1"
        assert await find(house, view, q.Text("body", "last")) == ""


async def test_dear_sources_are_asked_only_in_doubt() -> None:
    house = await room()
    await house.fill(100)
    view = await house.view()
    await house.ops.store_flags(view, NumSet([(10, 12)]), FlagOp.ADD, FlagSet(SEEN))
    asked = Asked(house)
    query = q.And((q.Text("body", "message 11."), q.Header("subject", "1"), q.Flag("\\Seen")))
    assert await find(house, view, query, asked) == "11"
    assert asked.rows_read[Column.COMMON] == 3
    assert asked.rows_read[Column.BODY] == 3
    view.state.shelf.drop((view.box.account, view.box.id))  # else their texts are at hand
    asked = Asked(house)
    either = q.Or((q.Not(q.Flag("\\Seen")), q.Text("body", "message 11.")))
    assert await find(house, view, either, asked) == "1:9,11,13:100"
    assert asked.rows_read[Column.BODY] == 3
    asked = Asked(house)
    never = q.And((q.Text("body", "x"), q.Size(larger=10**6)))
    assert await find(house, view, never, asked) == ""
    assert Column.BODY not in asked.rows_read


class Index:
    """An index that knows of the first ten messages and errs to the safe side."""

    async def candidates(
        self, account: int, mailbox: int, leaf: q.Text | q.Header
    ) -> array[int] | None:
        return None if leaf.value == "unknown" else array("I", [3, 4, 11, 12])


async def test_an_index_narrows_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FEW", 0)
    house = await room()
    await house.fill(12)
    view = await house.view()
    index = Index()
    asked = Asked(house)
    assert await find(house, view, q.Text("body", "message 3"), asked, index) == "3"
    assert asked.rows_read[Column.BODY] == 4  # two candidates, two beyond the index
    view.state.shelf.drop((view.box.account, view.box.id))
    asked = Asked(house)
    inverse = q.Not(q.Text("body", "message 3"))
    assert await find(house, view, inverse, asked, index) == "1:2,4:12"
    assert asked.rows_read[Column.BODY] == 4
    assert await find(house, view, q.Text("body", "unknown"), None, index) == ""
    asked = Asked(house)
    assert await find(house, view, q.Header("Subject", "message 12"), asked, index) == "12"
    assert asked.rows_read[Column.COMMON] == 4 + 6  # what lies between two is read along
    assert Column.BODY not in asked.rows_read


async def test_few_messages_are_looked_at_without_asking_the_index() -> None:
    house = await room()
    await house.fill(12)
    view = await house.view()
    asked = Asked(house)
    assert await find(house, view, q.Text("body", "message 3"), asked, Index()) == "3"
    assert asked.rows_read[Column.BODY] == 12


async def test_expunged_messages_match_nothing_not_even_not() -> None:
    house = await room()
    await house.fill(5)
    view = await house.view()
    box = await house.box()
    await house.store.expunge(house.account, box.id, NumSet([(2, 2)]), only_deleted=False)
    assert await find(house, view, q.All()) == "1,3:5"
    assert await find(house, view, q.Not(q.Flag("\\Seen"))) == "1,3:5"
    assert await find(house, view, q.Not(q.Text("body", "zzz"))) == "1,3:5"


async def test_expunged_while_searching() -> None:
    house = await room()
    await house.fill(5)
    view = await house.view()
    real = house.store.rows

    async def rows(
        account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        await house.store.expunge(account, mailbox, NumSet([(2, 2)]), only_deleted=False)
        async for batch in real(account, mailbox, uids, columns):
            yield batch

    house.store.rows = rows  # type: ignore[method-assign]
    assert await find(house, view, q.Not(q.Size(larger=10**6))) == "1,3:5"


async def test_other_tasks_run_meanwhile() -> None:
    house = await room()
    for _ in range(40):
        await house.put(b"Subject: x\r\n\r\n" + b"words and more words\r\n" * 1000)
    view = await house.view()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await find(house, view, q.Text("body", "absent"))
    task.cancel()
    assert turns >= 5


async def test_results() -> None:
    house = await room()
    await house.fill(6)
    box = await house.box()
    await house.store.expunge(house.account, box.id, NumSet([(3, 3)]), only_deleted=False)
    view = await house.view()
    found = await search.search(house.store, view, q.Sequence(((2, 3),)), now=0)
    assert str(found.seqs()) == "2:3"
    assert str(found.uid_set()) == "2,4"
    assert found.highest_modseq() == max(view.state.modseqs[1:3])
    nothing = await search.search(house.store, view, q.Or(()), now=0)
    assert (len(nothing), nothing.highest_modseq(), str(nothing.uid_set())) == (0, 0, "")


async def test_empty_mailbox() -> None:
    house = await room()
    view = await house.view()
    for query in (q.All(), q.Not(q.All()), q.Text("text", "x"), q.Uid(((1, 0),)), q.Size(1)):
        assert await find(house, view, query) == ""


def naive(query: q.Query, message: dict[str, object]) -> bool:
    match query:
        case q.And(parts=parts):
            return all(naive(part, message) for part in parts)
        case q.Or(parts=parts):
            return any(naive(part, message) for part in parts)
        case q.Not(part=part):
            return not naive(part, message)
        case q.Flag(name=name):
            return name in message["flags"]  # type: ignore[operator]
        case q.Header(value=value):
            return value in message["subject"]  # type: ignore[operator]
        case q.Text(value=value):
            return value in message["body"]  # type: ignore[operator]
        case q.Size(larger=larger):
            return message["size"] > larger  # type: ignore[operator]
    raise AssertionError(query)


def some_query(rnd: random.Random, depth: int) -> q.Query:
    if depth and rnd.random() < 0.7:
        parts = tuple(some_query(rnd, depth - 1) for _ in range(rnd.randint(1, 3)))
        return rnd.choice((q.And(parts), q.Or(parts), q.Not(parts[0])))
    return rnd.choice(
        (
            q.Flag(rnd.choice(("\\Seen", "\\Flagged"))),
            q.Header("Subject", rnd.choice("abc")),
            q.Text("body", rnd.choice("xyz")),
            q.Size(larger=rnd.choice((60, 70, 80))),
        )
    )


async def test_agrees_with_a_naive_search() -> None:
    rnd = random.Random(5)
    house = await room()
    messages = []
    for _ in range(40):
        subject = "".join(rnd.sample("abc", rnd.randint(0, 3)))
        body = "".join(rnd.choices("xyz ", k=rnd.randint(0, 60)))
        names = [name for name in ("\\Seen", "\\Flagged") if rnd.random() < 0.5]
        bits = (SEEN if "\\Seen" in names else 0) | (FLAGGED if "\\Flagged" in names else 0)
        data = f"Subject: {subject}\r\n\r\n{body}\r\n".encode()
        await house.put(data, flags=FlagSet(bits))
        messages.append({"flags": names, "subject": subject, "body": body, "size": len(data)})
    view = await house.view()
    for _ in range(150):
        query = some_query(rnd, 3)
        expected = NumSet.of(n for n, m in enumerate(messages, 1) if naive(query, m))
        assert await find(house, view, query) == str(expected), query
