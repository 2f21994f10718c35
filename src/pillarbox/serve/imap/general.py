"""Commands of any state: CAPABILITY, NOOP, LOGOUT, ID, and ENABLE and IDLE."""

from __future__ import annotations

from pillarbox.serve.imap import quirks
from pillarbox.serve.imap.select import NOTHING_RECENT
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import capability, commands, events, render

UTF8 = frozenset({"UTF8=ACCEPT", "IMAP4rev2"})
"""Either makes mailbox names and quoted strings UTF-8 (RFC 6855 §3, RFC 9051 §5.1)."""

NAME = 100
"""Characters of a client's name that are remembered."""


def on_capability(session: Session, command: commands.Capability) -> None:
    """RFC 9051 §6.1.1."""
    session.write(render.capability(session.capabilities()))
    session.finish(command.tag)


def on_noop(session: Session, command: commands.Noop | commands.Check) -> None:
    """Also CHECK: everything is on disk already (RFC 3501 §6.4.1)."""
    session.finish(command.tag)


def on_logout(session: Session, command: commands.Logout) -> None:
    """RFC 9051 §6.1.3."""
    session.bye("Goodbye")
    session.write(render.ok(command.tag, "Logged out"))


async def on_id(session: Session, command: commands.Id) -> None:
    """RFC 2971. What the client says of itself is worth a line in the log."""
    said = {key: value for key, value in command.fields.items() if value}
    session.log.info("imap.id", name=said.get("name", ""), version=said.get("version", ""))
    session.client_mask = quirks.masked(said, session.needs.options.client_masks)
    session.client_name = f"{said.get('name', '')} {said.get('version', '')}".strip()[:NAME]
    if session.view is not None:
        session.view.by = session.by
    options = session.needs.options
    session.write(render.id_({"name": options.name, "version": options.version or None}))
    session.finish(command.tag)


async def on_enable(session: Session, command: commands.Enable) -> None:
    """RFC 5161 §3.1: what is not known is ignored."""
    names = capability.enabled(command.names, session.masked)
    if "METADATA" in names:
        await session.look_out()
    session.write(render.enabled(names))
    session.enable(*names)
    engine = session.engine
    engine.utf8 = bool(session.enabled & UTF8)
    engine.one_charset = "UTF8=ACCEPT" in session.enabled
    engine.uid_only = "UIDONLY" in session.enabled
    if session.view is not None and session.rev2:
        session.view.recent_from = NOTHING_RECENT
    session.finish(command.tag)


async def on_idle(session: Session, _command: commands.Idle) -> None:
    """RFC 2177 §3: from here on the loop tells what happens, until DONE."""
    session.write(session.engine.accept())
    session.idling = True
    session.sync(allow_expunge=True)


async def on_idle_done(session: Session, event: events.IdleDone) -> None:
    """DONE: the answer that IDLE was waiting for."""
    session.idling = False
    session.finish(event.tag, "Idle ended")


def on_send(session: Session, event: events.Send) -> None:
    """What the engine says of itself: a small literal may come."""
    session.write(event.data)


AT_ONCE = {
    events.Send: on_send,
    commands.Capability: on_capability,
    commands.Noop: on_noop,
    commands.Check: on_noop,
    commands.Logout: on_logout,
}

HANDLERS = {
    commands.Id: on_id,
    commands.Enable: on_enable,
    commands.Idle: on_idle,
    events.IdleDone: on_idle_done,
}
