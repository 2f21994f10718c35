"""What changes messages: STORE, COPY, MOVE and EXPUNGE."""

from __future__ import annotations

from pillarbox.mailbox.arrays import bit_mask, seqs_of_mask
from pillarbox.model.flags import DELETED, system_names
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.serve.imap.numbers import window
from pillarbox.serve.imap.refusals import CODES, into
from pillarbox.serve.imap.session import Session
from pillarbox.store.api import Copied, FlagOp
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import StoreMode
from pillarbox.wire.imap.render import codes

_OPS = {
    StoreMode.REPLACE: FlagOp.REPLACE,
    StoreMode.ADD: FlagOp.ADD,
    StoreMode.REMOVE: FlagOp.REMOVE,
}
_NO_NUMBER = "There is no message with that number"
_LIMITED = "Only the newest of the messages were dealt with"


async def on_store(session: Session, command: commands.Store) -> None:
    """RFC 9051 §6.4.6, RFC 7162 §3.1.3."""
    view = session.selected
    seqs = session.messages(command.ranges, uid=command.uid)
    if seqs is None:
        session.write(render.bad(command.tag, _NO_NUMBER))
        return
    if command.unchanged_since is not None:
        session.enable("CONDSTORE")
    seqs, limit = session.limited(seqs)
    uids = view.uids_of(seqs)
    result = await session.needs.ops.store_flags(
        view, uids, _OPS[command.mode], command.flags, unchanged_since=command.unchanged_since
    )
    if isinstance(result, Refusal):
        code = codes.LIMIT if result.kind is Kind.LIMIT else CODES[result.kind]
        session.refuse(command.tag, result.text, code, allow_expunge=command.uid)
        return
    names = (*system_names(command.flags.system), *command.flags.keywords)
    await session.happened("FLAG", view.box, result.changed, names)
    echo = NumSet() if command.silent else view.exact_uids(seqs) - result.failed
    session.sync(allow_expunge=command.uid, echo=echo, silent=command.silent)
    code = limit
    if result.failed:
        if limit:
            session.write(render.no("*", _LIMITED, limit))
        failed = result.failed
        if not command.uid:
            failed = view.seqs_of_uids(result.failed.ranges)
        code = codes.modified(failed)
    session.write(render.ok(command.tag, "Stored", code))


async def on_copy(session: Session, command: commands.Copy) -> None:
    """RFC 9051 §6.4.7."""
    seqs = session.messages(command.ranges, uid=command.uid)
    if seqs is None:
        session.write(render.bad(command.tag, _NO_NUMBER))
        return
    limit = session.save_limit
    if limit and len(seqs) > limit:  # RFC 9738 §3.1: COPY is all or nothing
        lowest = session.selected.uid(window(seqs, (-1, -limit)).ranges[0][0])
        code = codes.messagelimit(limit, lowest)
        session.refuse(command.tag, "Too many messages to copy at once", code)
        return
    view, ops = session.selected, session.needs.ops
    to = await ops.access.find(session.user, command.mailbox, "i")
    result = to if isinstance(to, Refusal) else await ops.copy(view, view.uids_of(seqs), to)
    if isinstance(result, Refusal):
        session.refuse(command.tag, result.text, into(result.kind))
        return
    session.made(result.uidvalidity, result.target)
    if not isinstance(to, Refusal):
        await session.happened("COPY", to.box, NumSet.of(result.target))
    session.finish(command.tag, "Copied", _copyuid(result))


async def on_move(session: Session, command: commands.Move) -> None:
    """RFC 6851 §3.3: COPYUID is said before the EXPUNGEs."""
    seqs = session.messages(command.ranges, uid=command.uid)
    if seqs is None:
        session.write(render.bad(command.tag, _NO_NUMBER))
        return
    seqs, code = session.limited(seqs)
    view, ops = session.selected, session.needs.ops
    to = await ops.access.find(session.user, command.mailbox, "i")
    result = to if isinstance(to, Refusal) else await ops.move(view, view.uids_of(seqs), to)
    if isinstance(result, Refusal):
        session.refuse(command.tag, result.text, into(result.kind))
        return
    session.made(result.uidvalidity, result.target)
    if not isinstance(to, Refusal):
        await session.happened("COPY", to.box, NumSet.of(result.target))
    if result.source:
        session.write(render.ok("*", "Moved", _copyuid(result)))
    session.finish(command.tag, "Moved", code)


def _copyuid(result: Copied) -> str:
    """RFC 4315 §3; nothing where nothing was copied."""
    if not result.source:
        return ""
    return codes.copyuid(result.uidvalidity, NumSet.of(result.source), NumSet.of(result.target))


async def on_expunge(session: Session, command: commands.Expunge) -> None:
    """RFC 9051 §6.4.3, and UID EXPUNGE (RFC 4315 §2.1)."""
    view = session.selected
    uids, code = None, ""
    if command.ranges is not None:  # only these have a limit (RFC 9738 §3.1)
        marked = seqs_of_mask(bit_mask(view.flag_octets(), DELETED))
        seqs = session.messages(command.ranges, uid=True) or NumSet()
        seqs, code = session.limited(seqs & marked)
        uids = view.uids_of(seqs)
    result = await session.needs.ops.expunge(view, uids)
    if isinstance(result, Refusal):
        session.refuse(command.tag, result.text, CODES[result.kind])
        return
    if code and session.qresync:
        session.write(render.no("*", _LIMITED, code))
    if session.qresync and result.uids:
        code = codes.highestmodseq(result.modseq)  # RFC 7162 §3.2.7
    session.finish(command.tag, "Expunged", code)


HANDLERS = {
    commands.Store: on_store,
    commands.Copy: on_copy,
    commands.Move: on_move,
    commands.Expunge: on_expunge,
}
