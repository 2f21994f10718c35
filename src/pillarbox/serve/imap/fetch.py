"""FETCH: plan, read, render, a batch at a time with room awaited in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pillarbox.mailbox import fetchplan
from pillarbox.mailbox.fetch import Row, fetch, pieces
from pillarbox.mailbox.fetchplan import Att, Large
from pillarbox.mailbox.objectid import email_id
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.telling import flag_table, shown_flags
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import FetchAtt, FetchItem, Section
from pillarbox.wire.imap.render import Column, codes

_ATTS = {
    FetchAtt.UID: Att.UID,
    FetchAtt.FLAGS: Att.FLAGS,
    FetchAtt.INTERNALDATE: Att.INTERNALDATE,
    FetchAtt.SIZE: Att.SIZE,
    FetchAtt.ENVELOPE: Att.ENVELOPE,
    FetchAtt.BODY: Att.BODY,
    FetchAtt.BODYSTRUCTURE: Att.BODYSTRUCTURE,
    FetchAtt.MODSEQ: Att.MODSEQ,
    FetchAtt.EMAILID: Att.EMAILID,
    FetchAtt.SAVEDATE: Att.SAVEDATE,
}


async def on_fetch(session: Session, command: commands.Fetch) -> None:
    """FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4)."""
    view = session.selected
    seqs = view.seqs_of_uids(command.ranges) if command.uid else view.seqs(command.ranges)
    if seqs is None:
        session.write(render.bad(command.tag, "There is no message with that number"))
        return
    items = list(command.items)
    if command.changed_since is not None or FetchAtt.MODSEQ in items:
        session.enabled.add("CONDSTORE")
    if command.changed_since is not None:
        seqs = view.changed_since(command.changed_since, seqs)
    marked = await _mark_seen(session, items, seqs)
    sent = await _send(session, items, seqs) if seqs else 0
    if not command.uid and sent < len(seqs):  # RFC 2180 §4.1.2
        text = "Some of the messages are no longer there"
        session.refuse(command.tag, text, codes.EXPUNGEISSUED, allow_expunge=False)
        return
    session.sync(allow_expunge=command.uid, told=marked)
    session.write(render.ok(command.tag, "Fetched"))


async def _mark_seen(session: Session, items: list[FetchItem], seqs: NumSet) -> bool:
    """Reading a body sets \\Seen; the new flags stand in the same answer (RFC 9051 §6.4.5)."""
    reads = any(not getattr(item, "peek", True) for item in items)
    if not reads or not await session.needs.ops.mark_seen(session.selected, seqs):
        return False
    if FetchAtt.FLAGS not in items:
        items.append(FetchAtt.FLAGS)
    if session.condstore and FetchAtt.MODSEQ not in items:
        items.append(FetchAtt.MODSEQ)
    return True


async def _send(session: Session, items: Sequence[FetchItem], seqs: NumSet) -> int:
    """Write the responses; how many messages were there."""
    view = session.selected
    planned = [_planned(item) for item in items]
    if Att.FLAGS in planned and Att.UID not in planned:
        planned.append(Att.UID)  # read along: it tells which messages are \Recent
    sent = 0
    async for rows in fetch(session.needs.store, view, fetchplan.plan(planned), seqs):
        sent += len(rows)
        plain: list[Row] = []
        for row in rows:
            if not any(isinstance(value, Large) for value in row):
                plain.append(row)
                continue
            _write_rows(session, view, items, planned, plain)
            plain = []
            await _write_large(session, view, items, planned, row)
        _write_rows(session, view, items, planned, plain)
        await session.conn.drain()
    return sent


def _planned(item: FetchItem) -> fetchplan.Item:
    """An item of the wire as the mailbox knows it."""
    match item:
        case FetchAtt():
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
    rows: Sequence[Row],
) -> None:
    if rows:
        seqs, *values = (list(column) for column in zip(*rows, strict=True))
        columns = _columns(view, items, planned, values)
        session.write(render.fetch_rows(seqs, columns))


def _columns(
    view: View,
    items: Sequence[FetchItem],
    planned: Sequence[fetchplan.Item],
    values: Sequence[list[Any]],
) -> list[Column]:
    """One column an item; ``values`` may have one more, the UIDs."""
    columns = []
    for item, column in zip(items, values, strict=False):
        if item is FetchAtt.FLAGS:
            uids = values[planned.index(Att.UID)]
            bits = shown_flags(view, uids, column)
            columns.append(render.flags_column(bits, flag_table(view)))
        else:
            columns.append(_RENDER.get(item, _section)(item, column))
    return columns


def _section(item: Any, values: list[Any]) -> Column:
    """BODY[…]: what is not there is an empty string or NIL."""
    return render.literal_column(item.label, values)


_RENDER: dict[object, Callable[[Any, list[Any]], Column]] = {
    FetchAtt.UID: lambda _, values: render.uid_column(values),
    FetchAtt.SIZE: lambda _, values: render.size_column(values),
    FetchAtt.MODSEQ: lambda _, values: render.modseq_column(values),
    FetchAtt.INTERNALDATE: lambda _, values: render.dated_column(values),
    FetchAtt.ENVELOPE: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.BODYSTRUCTURE: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.BODY: lambda item, values: render.wire_column(item.value.encode(), values),
    FetchAtt.EMAILID: lambda item, values: render.wire_column(
        item.value.encode(), [f"({email_id(blob)})".encode() for blob in values]
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
    session.write(render.fetch_open(int(seq)))  # type: ignore[arg-type]
    columns = _columns(view, items, planned, [[b"" if isinstance(v, Large) else v] for v in values])
    for place, (column, value) in enumerate(zip(columns, values, strict=False)):
        session.write(b" " * bool(place) + column.label + b" ")
        if isinstance(value, Large):
            session.write(render.literal_head(value.size))
            async for piece in pieces(session.needs.store, value):
                session.write(piece)
                await session.conn.drain()
        else:
            session.write(column.form % next(iter(column.values)))
    session.write(render.FETCH_CLOSE)


HANDLERS = {commands.Fetch: on_fetch}
