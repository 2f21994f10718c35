"""APPEND and REPLACE: a message streams in, then all of the command is kept or nothing.

With CATENATE a message is put together from what the client sends and from messages, or parts of
them, that are here already (RFC 4469).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.base.errors import PillarboxError
from pillarbox.hooks.letter import Message
from pillarbox.hooks.values import Append
from pillarbox.mailbox.access import Place
from pillarbox.mailbox.intake import Intake
from pillarbox.mailbox.ops import Draft
from pillarbox.model.flags import FlagSet, system_names
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import scope
from pillarbox.model.verdict import Action
from pillarbox.serve.imap.catenate import found
from pillarbox.serve.imap.refusals import into
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, events, render
from pillarbox.wire.imap.render import codes


@dataclass(slots=True)
class Upload:
    """An APPEND on its way."""

    to: Place
    replaces: int = 0
    """UID in the selected mailbox of the message that goes (RFC 8508); 0: none does."""
    drafts: list[Draft] = field(default_factory=list)
    start: commands.AppendStart | None = None
    intake: Intake | None = None
    refusal: tuple[str, str] | None = None
    """Text and code of what went wrong; the rest is read and dropped."""

    def discard(self) -> None:
        """Forget all of it."""
        if self.intake is not None:
            self.intake.discard()
            self.intake = None
        for draft in self.drafts:
            draft.message.content.discard()
        self.drafts.clear()


async def on_start(session: Session, event: commands.AppendStart) -> None:
    """A message is announced. What can be refused is refused before it is sent."""
    upload: Upload | None = session.scratch.get("append")
    if upload is not None and event.index == 0:  # of a command that broke off on our side
        upload.discard()
        del session.scratch["append"]
    if upload is None or event.index == 0:
        find = session.needs.ops.access.find
        place = await find(session.user, event.mailbox, "i", counts=False)
        if isinstance(place, Refusal):
            session.engine.refuse()
            session.refuse(event.tag, place.text, into(place.kind))
            return
        upload = Upload(place)
        if event.replaces is not None and not _replaces(session, event, event.replaces, upload):
            session.engine.refuse()
            return
        session.scratch["append"] = upload
    limit = session.save_limit
    if limit and event.index >= limit:  # RFC 9738 §3.1: none of them is kept
        _refuse(session, event.tag, "Too many messages at once", codes.messagelimit(limit))
        return
    await _complete(session, upload)
    upload.start = event
    upload.intake = session.needs.intake(event.size, event.binary and not event.utf8)
    session.write(session.engine.accept())
    session.conn.flush()


def _replaces(
    session: Session, event: commands.AppendStart, what: commands.Replaced, upload: Upload
) -> bool:
    """Find the message that REPLACE takes away; False when that was refused (RFC 8508 §3.4)."""
    view = session.selected
    number = what.number or (view.uid(view.exists) if what.uid and view.exists else view.exists)
    seq = view.seq(number) if what.uid else number
    if not what.uid and not 0 < seq <= view.exists:
        session.write(render.bad(event.tag, "There is no message with that number"))
    elif not seq:
        session.refuse(event.tag, "There is no message with that UID")
    elif view.read_only or not view.rights >= {"t", "e"}:  # RFC 8508 §4.1
        session.refuse(event.tag, "You may not remove that message", codes.NOPERM)
    else:
        upload.replaces = view.uid(seq)
        return True
    return False


async def on_text(session: Session, event: events.CatenateText) -> None:
    """A piece of CATENATE comes as a literal."""
    upload: Upload | None = session.scratch.get("append")
    if upload is None or upload.intake is None:
        session.engine.refuse()
        return
    if _too_big(session, upload, event.size):
        _refuse(session, event.tag, "The message is too large", codes.TOOBIG)
        return
    session.write(session.engine.accept())
    session.conn.flush()


async def on_url(session: Session, event: events.CatenateUrl) -> None:
    """A piece of CATENATE is here already (RFC 4469 §3, §4)."""
    upload: Upload | None = session.scratch.get("append")
    if upload is None or upload.intake is None:
        session.engine.refuse()
        return
    async with found(session, event.url) as part:
        if part is None:
            text = "There is no such message, or no such part"
            _refuse(session, event.tag, text, codes.badurl(event.url))
            return
        if _too_big(session, upload, part.size):
            _refuse(session, event.tag, "The message is too large", codes.TOOBIG)
            return
        async for piece in part.pieces(session.needs.store):
            upload.intake.copy(piece)
    session.engine.accept()


def _too_big(session: Session, upload: Upload, more: int) -> bool:
    """RFC 4469 §4.2: the parts together may be no larger than a message that is sent whole."""
    intake = upload.intake
    return intake is not None and intake.received + more > session.needs.options.engine.append


def _refuse(session: Session, tag: str, text: str, code: str) -> None:
    """The command ends here; what comes of it is thrown away."""
    upload: Upload | None = session.scratch.pop("append", None)
    if upload is not None:
        upload.discard()
    session.engine.refuse()
    session.refuse(tag, text, code)


def on_chunk(session: Session, event: events.LiteralChunk) -> None:
    """Octets of the message; a disk that refuses them fails the command, not the session."""
    upload: Upload | None = session.scratch.get("append")
    if upload is None or upload.intake is None:
        return
    try:
        upload.intake.write(event.data)
    except PillarboxError as error:
        session.log.error("imap.append", error=str(error))
        upload.discard()
        upload.refusal = ("The message cannot be kept at the moment", codes.UNAVAILABLE)


async def _complete(session: Session, upload: Upload) -> None:
    """The message that was coming is all here."""
    start, intake = upload.start, upload.intake
    upload.start = upload.intake = None
    if start is None or intake is None:
        return
    message = await intake.finish()
    if isinstance(message, Refusal):
        upload.refusal = (message.text, codes.TOOBIG)
        return
    seconds, zone = int(session.needs.clock.now()), 0
    if start.date is not None:
        seconds = int(start.date.timestamp())
        offset = start.date.utcoffset()
        zone = int(offset.total_seconds() // 60) if offset else 0
    flags = scope(upload.to.rights).cut(start.flags)  # RFC 4314 §4: others are left out
    upload.drafts.append(Draft(message, flags, seconds, zone))


async def on_end(session: Session, event: commands.AppendEnd) -> None:
    """RFC 9051 §6.3.12: keep it, then say where."""
    upload: Upload | None = session.scratch.pop("append", None)
    if upload is None:
        return  # refused before
    try:
        await _complete(session, upload)
        if upload.refusal is not None:
            session.refuse(event.tag, *upload.refusal)
            return
        no = await _hooked(session, upload)
        if no is not None:
            session.refuse(event.tag, *no)
            return
        drafts, upload.drafts = upload.drafts, []
        box = upload.to.box
        old = (session.selected, upload.replaces) if upload.replaces else None
        result = await session.needs.ops.append(box.account, box.name, drafts, old, by=session.by)
    finally:
        upload.discard()
    if isinstance(result, Refusal):
        session.refuse(event.tag, result.text, into(result.kind))
        return
    uids = NumSet.of(one.uid for one in result)
    session.made(result[0].uidvalidity, uids)
    await session.happened("APPEND", box, uids)
    code = codes.appenduid(result[0].uidvalidity, uids)
    if not upload.replaces:
        session.finish(event.tag, "Kept", code)
        return
    session.write(render.ok("*", "Here is the new one", code))  # RFC 8508 §4.3: before EXPUNGE
    if session.qresync and session.selected.box.account == box.account:
        high = codes.highestmodseq(result[0].modseq)  # RFC 8508 §4.5, RFC 7162 §3.2.8
        session.finish(event.tag, "Replaced", high)
    else:
        session.finish(event.tag, "Replaced")


async def _hooked(session: Session, upload: Upload) -> tuple[str, str] | None:
    """Text and code of why the operator's own rules want none of it; else their tags are on it."""
    crew, box = session.needs.hooks, upload.to.box
    if crew is None or not crew.wants(Append):
        return None
    owner = await session.needs.store.account(box.account)
    for draft in upload.drafts:
        names = frozenset((*system_names(draft.flags.system), *draft.flags.keywords))
        message = Message(bytes(draft.message.content.view()))
        account = owner.address if owner is not None else ""
        decision = (
            await crew.ask(Append(account, box.name, session.user.address, names, message))
        ).decision
        if not decision.action.taken:
            later = decision.action is Action.DEFER
            return decision.reason, codes.UNAVAILABLE if later else codes.CANNOT
        if decision.tags:
            draft.flags = FlagSet(draft.flags.system, draft.flags.keywords | {*decision.tags})
    return None


def on_bad(session: Session, event: events.BadCommand) -> None:
    """Not a command; if it broke off an APPEND, that is forgotten."""
    upload: Upload | None = session.scratch.pop("append", None)
    if upload is not None:
        upload.discard()
    session.write(event.reply)


AT_ONCE = {
    events.LiteralChunk: on_chunk,
    events.BadCommand: on_bad,
}

HANDLERS = {
    events.CatenateText: on_text,
    events.CatenateUrl: on_url,
    commands.AppendStart: on_start,
    commands.AppendEnd: on_end,
}
