"""APPEND: a message streams in, then all of the command is kept or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.base.errors import PillarboxError
from pillarbox.mailbox.access import Place
from pillarbox.mailbox.intake import Intake
from pillarbox.mailbox.ops import Draft
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import scope
from pillarbox.serve.imap.refusals import into
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, events
from pillarbox.wire.imap.render import codes


@dataclass(slots=True)
class Upload:
    """An APPEND on its way."""

    to: Place
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
        place = await session.needs.ops.access.find(session.user, event.mailbox, "i")
        if isinstance(place, Refusal):
            session.engine.refuse()
            session.refuse(event.tag, place.text, into(place.kind))
            return
        upload = session.scratch["append"] = Upload(place)
    await _complete(session, upload)
    upload.start = event
    upload.intake = session.needs.intake(event.size, event.binary and not event.utf8)
    session.write(session.engine.accept())
    session.conn.flush()


async def on_chunk(session: Session, event: events.LiteralChunk) -> None:
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
        drafts, upload.drafts = upload.drafts, []
        box = upload.to.box
        result = await session.needs.ops.append(box.account, box.name, drafts)
    finally:
        upload.discard()
    if isinstance(result, Refusal):
        session.refuse(event.tag, result.text, into(result.kind))
        return
    uids = NumSet.of(one.uid for one in result)
    session.made(result[0].uidvalidity, uids)
    session.finish(event.tag, "Kept", codes.appenduid(result[0].uidvalidity, uids))


async def on_bad(session: Session, event: events.BadCommand) -> None:
    """Not a command; if it broke off an APPEND, that is forgotten."""
    upload: Upload | None = session.scratch.pop("append", None)
    if upload is not None:
        upload.discard()
    session.write(event.reply)


HANDLERS = {
    commands.AppendStart: on_start,
    events.LiteralChunk: on_chunk,
    commands.AppendEnd: on_end,
    events.BadCommand: on_bad,
}
