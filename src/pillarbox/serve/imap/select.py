"""SELECT, EXAMINE, CLOSE and UNSELECT."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.mailbox.access import Place
from pillarbox.mailbox.objectid import account_id
from pillarbox.mailbox.view import View
from pillarbox.model.numset import MAX_NUMBER, resolve
from pillarbox.model.refusal import Refusal
from pillarbox.serve.imap import telling
from pillarbox.serve.imap.client import mailbox_ids
from pillarbox.serve.imap.names import list_line
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import Resync
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.state import State

WRITING = frozenset("iestw")
"""Rights of which one makes a mailbox READ-WRITE (RFC 4314 §5.2). All flags are shared."""
NOTHING_RECENT = MAX_NUMBER + 1
"""No message has such a UID: IMAP4rev2 knows no \\Recent (RFC 9051 Appendix E)."""


async def on_select(session: Session, command: commands.Select) -> None:
    """RFC 9051 §6.3.2. A failed SELECT leaves nothing selected."""
    if command.resync is not None and not session.qresync:
        session.write(render.bad(command.tag, "ENABLE QRESYNC first"))  # RFC 7162 §3.2.5
        return
    if session.view is not None:
        await session.unselect()
        if session.condstore or session.rev2:
            # RFC 7162 §3.2.11, RFC 9051 §6.3.2
            session.write(render.ok("*", "Closed", codes.CLOSED))
    if command.ids is not None:
        session.activate("OBJECTID+")
    place = await _found(session, command)
    if isinstance(place, Refusal):
        session.refuse(command.tag, place.text, CODES[place.kind])
        return
    box, rights = place.box, place.rights
    read_only = command.examine or not rights & WRITING
    view = await session.needs.views.open(
        box.account, box.id, session=session.conn.id, read_only=read_only, rights=rights
    )
    if view is None:
        session.refuse(command.tag, "The mailbox has just gone", codes.NONEXISTENT)
        return
    if not place.own:
        view.access = -1  # the list may have changed meanwhile: the next command looks again
    view.by = session.by
    session.view = view
    session.selected_name = place.name
    session.engine.state = State.SELECTED
    if command.condstore:
        session.enabled.add("CONDSTORE")
    if session.rev2:
        view.recent_from = NOTHING_RECENT
    session.write(_describe(view, session))
    if session.rev2:
        session.write(await list_line(session, place.name, supplied=command.supplied))
    if command.resync is not None:
        await _catch_up(session, view, command.resync)
    code = codes.READ_ONLY if read_only else codes.READ_WRITE
    session.write(render.ok(command.tag, "Selected", code))


async def _found(session: Session, command: commands.Select) -> Place | Refusal:
    """The mailbox with the identifiers that the client gives, whatever its name is now; where
    there is none, that of the name (draft-ietf-mailmaint-imap-objectid-bis §7.1)."""
    access, ids = session.needs.ops.access, command.ids or {}
    name = command.mailbox
    if "MAILBOXID" in ids:
        owner = ids.get("ACCOUNTID", account_id(session.user.id))
        wanted = {"MAILBOXID": ids["MAILBOXID"], "ACCOUNTID": owner}
        for place in await access.visible(session.user):
            if dict(mailbox_ids(place.box)) == wanted:
                name = place.name
    # What mail changes is the view's: the mailbox itself is remembered.
    return await access.find(session.user, name, "r", counts=False)


def _describe(view: View, session: Session) -> bytes:
    """The untagged responses of SELECT (RFC 3501 §6.3.1, RFC 9051 §6.3.2, RFC 7162 §3.1.2,
    RFC 8474 §4.2)."""
    out = [telling.flags_and_permanent(view), render.exists(view.exists)]
    if not session.rev2:
        out.append(render.recent(view.recent))
    unseen = 0 if session.rev2 or session.uid_only else view.first_unseen()
    if unseen:
        out.append(render.ok("*", "First unseen", codes.unseen(unseen)))
    out += [
        render.numbers(view.box.uidvalidity, view.uidnext, view.told_modseq),
        render.ok("*", "The same under any name", session.ids_of(view.box)),
    ]
    return b"".join(out)


async def _catch_up(session: Session, view: View, known: Resync) -> None:
    """What happened since the client was here last: UIDs that are gone, then flags that changed
    (RFC 7162 §3.2.5). Nothing where its UIDs mean other messages by now."""
    if known.uidvalidity != view.box.uidvalidity:
        return
    uids = None
    if known.known_uids is not None:
        uids = resolve(known.known_uids, view.uidnext - 1)
    vanished = await session.needs.ops.vanished(view, known.modseq, uids)
    session.write(render.vanished(vanished, earlier=True))
    seqs = view.changed_since(known.modseq)
    if uids is not None:
        seqs = seqs & view.seqs_of_uids(uids.ranges)
    manner = replace(session.manner(), condstore=True)
    session.write(telling.flags_of(view, seqs, manner))


async def on_close(session: Session, command: commands.Close) -> None:
    """RFC 9051 §6.4.1: expunges without telling of it."""
    view = session.selected
    if not view.read_only and "e" in view.rights:  # RFC 4314 §4: else just close
        await session.needs.ops.expunge(view)
    await session.unselect()
    session.write(render.ok(command.tag, "Closed"))


async def on_unselect(session: Session, command: commands.Unselect) -> None:
    """RFC 3691: CLOSE without the expunge."""
    await session.unselect()
    session.write(render.ok(command.tag, "Unselected"))


HANDLERS = {
    commands.Select: on_select,
    commands.Close: on_close,
    commands.Unselect: on_unselect,
}
