"""FETCH: plan, read, render, a batch at a time with room awaited in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from pillarbox.mailbox import fetchplan
from pillarbox.mailbox.fetch import Batch, Row, fetch, pieces
from pillarbox.mailbox.fetchplan import UNKNOWN_CTE, Att, Large
from pillarbox.mailbox.objectid import email_id, thread_id
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet, resolve
from pillarbox.serve.imap.numbers import window
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.telling import flag_table, flags_and_permanent, shown_flags
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import FetchAtt, FetchItem, Section
from pillarbox.wire.imap.render import Column, codes


class _Half(Enum):
    """OBJECTID says two things in one parenthesis (draft-ietf-mailmaint-imap-objectid-bis §7.5)."""

    EMAILID = "EMAILID"
    THREADID = "THREADID"


_COMPOUND: tuple[Any, ...] = (_Half.EMAILID, _Half.THREADID)
_ATTS: dict[object, Att] = {
    FetchAtt.UID: Att.UID,
    FetchAtt.FLAGS: Att.FLAGS,
    FetchAtt.INTERNALDATE: Att.INTERNALDATE,
    FetchAtt.SIZE: Att.SIZE,
    FetchAtt.ENVELOPE: Att.ENVELOPE,
    FetchAtt.BODY: Att.BODY,
    FetchAtt.BODYSTRUCTURE: Att.BODYSTRUCTURE,
    FetchAtt.MODSEQ: Att.MODSEQ,
    FetchAtt.EMAILID: Att.EMAILID,
    FetchAtt.THREADID: Att.THREADID,
    FetchAtt.SAVEDATE: Att.SAVEDATE,
    _Half.EMAILID: Att.EMAILID,
    _Half.THREADID: Att.THREADID,
}


async def on_fetch(session: Session, command: commands.Fetch) -> None:
    """FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4)."""
    view = session.selected
    seqs = session.messages(command.ranges, uid=command.uid)
    if seqs is None:
        session.write(render.bad(command.tag, "There is no message with that number"))
        return
    items = list(command.items)
    if FetchAtt.OBJECTID in items:
        session.activate("OBJECTID+")
    if command.changed_since is not None or FetchAtt.MODSEQ in items:
        session.enable("CONDSTORE")
    if command.changed_since is not None:
        if command.vanished:
            if not session.qresync or not command.uid:
                session.write(render.bad(command.tag, "VANISHED needs UID FETCH and QRESYNC"))
                return
            # RFC 7162 §3.2.6
            known = resolve(command.ranges, view.uidnext - 1) or session.saved
            gone = await session.needs.ops.vanished(view, command.changed_since, known)
            session.write(render.vanished(gone, earlier=True))
        seqs = view.changed_since(command.changed_since, seqs)
    limit = ""
    if command.partial is not None:
        most = session.message_limit
        if most and abs(command.partial[0] - command.partial[1]) >= most:  # RFC 9738 §3.1
            code = codes.messagelimit(most)
            session.refuse(command.tag, "Too many messages at once", code)
            return
        seqs = window(seqs, command.partial)  # RFC 9394 §3.3
    else:
        seqs, limit = session.limited(seqs)
    marked = await _mark_seen(session, items, seqs)
    sent, decoded = await send(session, items, seqs) if seqs else (0, True)
    if not decoded:
        text = "Some parts are encoded in a way unknown here"
        session.refuse(command.tag, text, codes.UNKNOWN_CTE, allow_expunge=command.uid)
        return
    if not command.uid and sent < len(seqs):  # RFC 2180 §4.1.2
        if limit:
            session.write(render.no("*", "And only the newest were looked at", limit))
        text = "Some of the messages are no longer there"
        session.refuse(command.tag, text, codes.EXPUNGEISSUED, allow_expunge=False)
        return
    session.sync(
        allow_expunge=command.uid, told=marked, modseqs=FetchAtt.MODSEQ in items and sent > 0
    )
    session.write(render.ok(command.tag, "Fetched", limit))


async def _mark_seen(session: Session, items: list[FetchItem], seqs: NumSet) -> bool:
    """Reading a body sets \\Seen; the new flags stand in the same answer (RFC 9051 §6.4.5)."""
    reads = any(not getattr(item, "peek", True) for item in items)
    view = session.selected
    new = await session.needs.ops.mark_seen(view, seqs) if reads else NumSet()
    if not new:
        return False
    await session.happened("FLAG", view.box, view.uids_of(new), ("\\Seen",))
    if FetchAtt.FLAGS not in items:
        items.append(FetchAtt.FLAGS)
    if session.condstore and FetchAtt.MODSEQ not in items:
        items.append(FetchAtt.MODSEQ)
    return True


async def send(session: Session, items: Sequence[FetchItem], seqs: NumSet) -> tuple[int, bool]:
    """Write the responses; how many messages were there, and whether all could be decoded."""
    view = session.selected
    if FetchAtt.OBJECTID in items:
        session.activate("OBJECTID+")
        whole = [item for item in items if item is not FetchAtt.OBJECTID]
        items = [*whole, *_COMPOUND]
    if session.uid_only:  # the UID stands before the word already (RFC 9586 §4)
        items = [item for item in items if item is not FetchAtt.UID]
    planned = [_planned(item) for item in items]
    if (Att.FLAGS in planned or session.uid_only) and Att.UID not in planned:
        planned.append(Att.UID)  # read along: it tells which messages are \Recent
    sent, decoded = 0, True
    plan = fetchplan.plan(planned)
    async for batch in fetch(session.needs.store, view, plan, seqs):
        sent += len(batch)
        if not plan.has_pieces or not _is_odd(planned, batch):
            _write_rows(session, view, items, planned, batch)
            await session.conn.drain()
            continue
        plain: list[Row] = []
        for row in batch:
            decoded = decoded and UNKNOWN_CTE not in row
            if not any(isinstance(value, Large) for value in row):
                plain.append(row)
                continue
            _write_rows(session, view, items, planned, _batch(plain))
            plain = []
            await _write_large(session, view, items, planned, row)
        _write_rows(session, view, items, planned, _batch(plain))
        await session.conn.drain()
    return sent, decoded


def _is_odd(planned: Sequence[fetchplan.Item], batch: Batch) -> bool:
    """True when some piece is large or cannot be decoded."""
    kinds: set[type] = set()
    for item, column in zip(planned, batch.columns, strict=True):
        if not isinstance(item, Att):
            kinds.update(map(type, column))
    return not kinds <= _PLAIN


_PLAIN = {bytes, int, type(None)}


def _batch(rows: Sequence[Row]) -> Batch:
    seqs, *columns = (list(column) for column in zip(*rows, strict=True)) if rows else ((),)
    return Batch(seqs, columns)  # type: ignore[arg-type]


def _planned(item: Any) -> fetchplan.Item:
    """An item of the wire as the mailbox knows it."""
    match item:
        case FetchAtt() | _Half():
            return _ATTS[item]
        case Section():
            names = tuple(name.lower().encode() for name in item.fields)
            return fetchplan.Section(item.path, item.what, names, item.partial)
        case commands.Binary():
            return fetchplan.Decoded(item.path, item.partial)
        case commands.BinarySize():
            return fetchplan.DecodedSize(item.path)
        case _:
            return Att.PREVIEW


def _write_rows(
    session: Session,
    view: View,
    items: Sequence[FetchItem],
    planned: Sequence[fetchplan.Item],
    batch: Batch,
) -> None:
    if batch:
        columns = _columns(session, view, items, planned, batch.columns)
        if session.uid_only:
            uids = batch.columns[planned.index(Att.UID)]
            session.write(render.fetch_rows(uids, columns, render.UIDFETCH))
        else:
            session.write(render.fetch_rows(batch.seqs, columns))


def _columns(
    session: Session,
    view: View,
    items: Sequence[FetchItem],
    planned: Sequence[fetchplan.Item],
    values: Sequence[Sequence[Any]],
) -> list[Column]:
    """One column an item; ``values`` may have one more, the UIDs."""
    columns = []
    for item, column in zip(items, values, strict=False):
        if item is FetchAtt.FLAGS:
            if view.new_keywords() is not None:  # names before bits that need them
                session.write(flags_and_permanent(view))
            uids = values[planned.index(Att.UID)]
            bits = shown_flags(view, uids, column)
            columns.append(render.flags_column(bits, flag_table(view)))
        else:
            shape = _RENDER[item if isinstance(item, Enum) else type(item)]
            columns.append(shape(item, column))
    return columns


def _section(item: Any, values: Sequence[Any]) -> Column:
    """BODY[…]: a part that is not there is NIL."""
    return render.literal_column(item.label, values)


def _binary(item: Any, values: Sequence[Any]) -> Column:
    """BINARY[…]: a literal8 where there are NULs (RFC 3516 §4.2)."""
    spelt = [
        render.literal(value, binary=b"\0" in value) if isinstance(value, bytes) else b"NIL"
        for value in values
    ]
    return render.wire_column(item.label, spelt)


def _binary_size(item: Any, values: Sequence[Any]) -> Column:
    """BINARY.SIZE[…]: a number, so what cannot be decoded has none octets."""
    return Column(item.label, [v if isinstance(v, int) else 0 for v in values], b"%d")


def _preview(_item: Any, values: Sequence[Any]) -> Column:
    """PREVIEW (RFC 8970 §3.2): made when the message came, so LAZY costs nothing either."""
    return render.wire_column(b"PREVIEW", [render.string(text.encode()) for text in values])


_RENDER: dict[object, Callable[[Any, Sequence[Any]], Column]] = {
    FetchAtt.UID: lambda _, values: render.uid_column(values),
    FetchAtt.SIZE: lambda _, values: render.size_column(values),
    FetchAtt.MODSEQ: lambda _, values: render.modseq_column(values),
    FetchAtt.INTERNALDATE: lambda _, values: render.dated_column(values),
    FetchAtt.ENVELOPE: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.BODYSTRUCTURE: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.BODY: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.SAVEDATE: lambda item, values: render.date_column(values, item.value.encode()),
    commands.Binary: _binary,
    commands.BinarySize: _binary_size,
    commands.Preview: _preview,
    Section: _section,
    FetchAtt.EMAILID: lambda _, values: render.id_column(b"EMAILID", map(email_id, values)),
    FetchAtt.THREADID: lambda _, values: render.id_column(b"THREADID", map(thread_id, values)),
    _Half.EMAILID: lambda _, values: render.wire_column(
        b"OBJECTID", [b"(EMAILID %b" % email_id(value).encode() for value in values]
    ),
    _Half.THREADID: lambda _, values: render.wire_column(
        b"THREADID", [b"%b)" % thread_id(value).encode() for value in values]
    ),
}


async def _write_large(
    session: Session,
    view: View,
    items: Sequence[FetchItem],
    planned: Sequence[fetchplan.Item],
    row: Row,
) -> None:
    """One response whose literals do not fit into memory."""
    seq, *values = row
    columns = _columns(
        session, view, items, planned, [[b"" if isinstance(v, Large) else v] for v in values]
    )
    if session.uid_only:
        uid = values[planned.index(Att.UID)]
        session.write(render.fetch_open(int(uid), render.UIDFETCH))  # type: ignore[arg-type]
    else:
        session.write(render.fetch_open(int(seq)))  # type: ignore[arg-type]
    for place, (column, value) in enumerate(zip(columns, values, strict=False)):
        session.write(b" " * bool(place) + column.label + b" ")
        if isinstance(value, Large):
            session.write(render.literal_head(value.size))
            async for piece in pieces(session.needs.store, value):
                session.write(piece)
                await session.conn.drain()
        else:
            session.write(column.one())
    session.write(render.FETCH_CLOSE)


HANDLERS = {commands.Fetch: on_fetch}
