"""FETCH: the columns a plan needs, and the values it gives for inline and for large messages."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence

import pytest

from pillarbox.mailbox import cut
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.fetch import Row, _slices, fetch, pieces
from pillarbox.mailbox.fetchplan import (
    UNKNOWN_CTE,
    Att,
    Decoded,
    DecodedSize,
    Item,
    Large,
    Section,
    plan,
)
from pillarbox.mailbox.view import View
from pillarbox.message import imapform, section
from pillarbox.message.scan import scan
from pillarbox.model.flags import FLAGGED, SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, FlagOp
from support.mailroom import MIDSUMMER, Room, room, simple

FIELDS = Section((), "HEADER.FIELDS", (b"from", b"subject"))
BINARY = bytes(range(256)) * 40
MIXED = (
    b"Subject: parts\r\nFrom: a@b\r\nX-Odd: 1\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nplain text\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(BINARY).replace(b"\n", b"\r\n")
    + b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nodd\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + simple(7) + b"\r\n--b--\r\n"
)


class Asked:
    """A store that notes which columns and bytes were asked for."""

    def __init__(self, house: Room) -> None:
        self._inner = house.store
        self.columns: list[tuple[Column, ...]] = []
        self.read_octets = 0

    def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        self.columns.append(tuple(columns))
        return self._inner.rows(account, mailbox, uids, columns)

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        octets = await self._inner.read(blob, start, length)
        self.read_octets += len(octets)
        return octets

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def everything(view: View) -> NumSet:
    return NumSet([(1, view.exists)]) if view.exists else NumSet()


async def got(
    house: Room, view: View, *items: Item, seqs: NumSet | None = None, asked: Asked | None = None
) -> list[Row]:
    source = asked or house.store
    wanted = everything(view) if seqs is None else seqs
    return [row async for batch in fetch(source, view, plan(items), wanted) for row in batch]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("items", "columns"),
    [
        ((Att.FLAGS, Att.UID, Att.MODSEQ), ()),
        ((Att.UID, Att.ENVELOPE), (Column.UID, Column.ENVELOPE)),
        ((FIELDS, Att.FLAGS), (Column.UID, Column.COMMON)),
        ((Att.INTERNALDATE,), (Column.UID, Column.INTERNALDATE, Column.ZONE)),
        ((Att.SIZE, Att.SIZE), (Column.UID, Column.SIZE)),
        ((Section(),), (Column.UID, Column.BODY, Column.BLOB, Column.SIZE)),
        ((Section((1,)),), (Column.UID, Column.BODY, Column.BLOB, Column.SCAN)),
        ((Section((), "HEADER"),), (Column.UID, Column.BODY, Column.BLOB, Column.SCAN)),
        (
            (Section((), "HEADER.FIELDS", (b"received",)),),
            (Column.UID, Column.BODY, Column.BLOB, Column.SCAN),
        ),
        (
            (Section((), "HEADER.FIELDS.NOT", (b"from",)),),
            (Column.UID, Column.BODY, Column.BLOB, Column.SCAN),
        ),
        (
            (Section((2,), "HEADER.FIELDS", (b"from",)),),
            (Column.UID, Column.BODY, Column.BLOB, Column.SCAN),
        ),
        ((Decoded((1,)),), (Column.UID, Column.BODY, Column.BLOB, Column.SCAN)),
    ],
)
def test_a_plan_reads_no_more_than_it_must(
    items: tuple[Item, ...], columns: tuple[Column, ...]
) -> None:
    assert plan(items).columns == columns


async def test_flags_need_no_store() -> None:
    house = await room()
    await house.fill(2500)
    view = await house.view()
    await house.ops.store_flags(view, NumSet([(2, 2)]), FlagOp.ADD, FlagSet(SEEN))
    asked = Asked(house)
    rows = await got(house, view, Att.UID, Att.FLAGS, asked=asked)
    assert asked.columns == []
    assert rows[:3] == [(1, 1, 0), (2, 2, SEEN), (3, 3, 0)]
    assert len(rows) == 2500


async def test_all_kinds_of_values() -> None:
    house = await room()
    await house.put(simple(1), flags=FlagSet(FLAGGED), internaldate=MIDSUMMER, zone=120)
    view = await house.view()
    found = scan(simple(1))
    (row,) = await got(house, view, *Att)
    assert row == (
        1,
        1,
        FLAGGED,
        view.state.modseqs[0],
        (MIDSUMMER, 120),
        len(simple(1)),
        imapform.envelope(found),
        imapform.bodystructure(found),
        imapform.body(found),
        1,
        facts_of(simple(1)).kin[0],
        MIDSUMMER,
        "Text of message 1.",
    )


async def test_rows_follow_the_view_and_not_the_mailbox() -> None:
    house = await room()
    await house.fill(6)
    view = await house.view()
    box = await house.box()
    await house.store.expunge(house.account, box.id, NumSet([(2, 2), (5, 5)]), only_deleted=False)
    await house.fill(1)
    rows = await got(house, view, Att.UID, Att.SIZE)
    assert [row[:2] for row in rows] == [(1, 1), (3, 3), (4, 4), (6, 6)]
    view.sync(allow_expunge=False)
    rows = await got(house, view, Att.UID, Att.SIZE, Att.FLAGS)
    assert [row[:2] for row in rows] == [(1, 1), (3, 3), (4, 4), (6, 6), (7, 7)]
    assert await got(house, view, Att.UID, Att.FLAGS) == [(row[0], row[1], row[3]) for row in rows]
    view.sync(allow_expunge=True)
    rows = await got(house, view, Att.UID, Att.SIZE, seqs=NumSet([(2, 3), (5, 5)]))
    assert [row[:2] for row in rows] == [(2, 3), (3, 4), (5, 7)]


async def test_expunged_while_rows_are_on_their_way() -> None:
    house = await room()
    await house.fill(1100)
    view = await house.view()
    batches = fetch(house.store, view, plan((Att.UID, Att.SIZE)), everything(view))
    rows = list(await anext(aiter(batches)))
    box = await house.box()
    await house.store.expunge(house.account, box.id, NumSet([(900, 950)]), only_deleted=False)
    async for batch in batches:
        rows += batch
    assert [row[0] for row in rows] == [*range(1, 900), *range(951, 1101)]


@pytest.mark.parametrize("inline_limit", [1 << 20, 10])
@pytest.mark.parametrize("held", [1 << 20, 100])
async def test_sections_inline_and_not(
    inline_limit: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut, "HELD", held)
    house = await room(inline_limit=inline_limit)
    await house.put(MIXED)
    view = await house.view()
    whole = scan(MIXED)
    for what, path, fields in (
        ("", (), ()),
        ("HEADER", (), ()),
        ("TEXT", (), ()),
        ("HEADER.FIELDS", (), (b"from",)),
        ("HEADER.FIELDS", (), (b"x-odd", b"from")),
        ("HEADER.FIELDS", (), (b"received",)),
        ("HEADER.FIELDS.NOT", (), (b"from",)),
        ("", (1,), ()),
        ("", (2,), ()),
        ("MIME", (2,), ()),
        ("HEADER", (4,), ()),
        ("TEXT", (4,), ()),
        ("HEADER.FIELDS", (4,), (b"subject",)),
        ("", (4, 1), ()),
        ("", (9,), ()),
        ("HEADER", (1,), ()),
        ("MIME", (), ()),
    ):
        expected = section.section(whole, MIXED, path, what, fields)
        for partial in (None, (0, 10), (5, 20), (1_000_000, 5), (len(expected or b"") - 3, 50)):
            if partial and partial[0] < 0:
                continue
            item = Section(path, what, fields, partial)
            ((_, value),) = await got(house, view, item)
            if isinstance(value, Large):
                assert value.size > held
                value = await drained(house, value)
            if expected is None:
                assert value is None, item
            elif partial is None:
                assert value == expected, item
            else:
                assert value == expected[partial[0] : sum(partial)], item


async def drained(house: Room, value: Large) -> bytes:
    octets = b"".join([piece async for piece in pieces(house.store, value)])
    assert len(octets) == value.size
    return octets


@pytest.mark.parametrize("inline_limit", [1 << 20, 10])
@pytest.mark.parametrize("held", [1 << 20, 100])
async def test_decoded_parts(inline_limit: int, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "HELD", held)
    house = await room(inline_limit=inline_limit)
    await house.put(MIXED)
    view = await house.view()

    async def one(item: Item) -> object:
        ((_, value),) = await got(house, view, item)
        return await drained(house, value) if isinstance(value, Large) else value

    assert await one(Decoded((2,))) == BINARY
    assert await one(Decoded((2,), (300, 1000))) == BINARY[300:1300]
    assert await one(Decoded((2,), (10_000, 1000))) == BINARY[10_000:]
    assert await one(Decoded((2,), (1_000_000, 10))) == b""
    assert await one(DecodedSize((2,))) == len(BINARY)
    assert await one(Decoded((1,))) == b"plain text"
    assert await one(DecodedSize((1,))) == 10
    assert await one(Decoded((3,))) is UNKNOWN_CTE
    assert await one(DecodedSize((3,))) is UNKNOWN_CTE
    assert await one(Decoded((8,))) is None
    assert await one(Decoded(())) == MIXED
    assert await one(DecodedSize(())) == len(MIXED)
    assert await one(Decoded((4,))) == simple(7)


async def test_large_decoded_part_from_the_middle() -> None:
    house = await room(inline_limit=10)
    octets = bytes(range(251)) * 4000
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    await house.put(b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded)
    view = await house.view()
    for first, length in ((0, 1 << 30), (300_000, 500_001), (999_999, 10_000), (5_000_000, 5)):
        ((_, value),) = await got(house, view, Decoded((1,), (first, length)))
        assert isinstance(value, Large)
        assert await drained(house, value) == octets[first : first + length]


async def test_large_message_is_not_read_to_show_its_header() -> None:
    house = await room(inline_limit=10)
    await house.put(b"Subject: x\r\nX-Odd: y\r\n\r\n" + b"line\r\n" * 100_000)
    view = await house.view()
    asked = Asked(house)
    await got(house, view, Section((), "HEADER"), asked=asked)
    await got(house, view, Section((), "HEADER.FIELDS", (b"x-odd",)), asked=asked)
    await got(house, view, Section((), "", (), (0, 50)), asked=asked)
    assert asked.read_octets < 200
    ((_, value),) = await got(house, view, Section(), asked=asked)
    assert isinstance(value, Large)
    assert asked.read_octets < 200
    assert (await drained(house, value)).endswith(b"line\r\n")


async def test_kept_fields_and_the_message_when_they_were_not_kept() -> None:
    house = await room()
    long = b"Subject: x\r\nTo: " + b"a@b.example,\r\n " * 2000 + b"z@z\r\n\r\n"
    await house.put(simple(1))
    await house.put(long)
    view = await house.view()
    asked = Asked(house)
    item = Section((), "HEADER.FIELDS", (b"subject", b"to", b"list-id"))
    rows = await got(house, view, item, asked=asked)
    assert rows[0][1] == b"To: ann@example.test\r\nSubject: Message 1\r\n\r\n"
    assert rows[1][1] == long
    assert asked.columns[0] == (Column.UID, Column.COMMON)
    assert len(asked.columns) == 2  # the second only for the one that needed it
    rows = await got(house, view, Att.BODY, item)  # where a scan came along, but no message
    assert rows[1][2] == long


def test_slices() -> None:
    wanted = NumSet([(1, 5), (7, 7), (9, 14)])
    parts = _slices(wanted, 4)
    assert [len(part) for part in parts] == [4, 4, 4]
    assert [n for part in parts for n in part] == list(wanted)
    assert _slices(NumSet(), 4) == []
