"""Scripts listed, read, put, checked, renamed, removed, and made active."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.model.refusal import Kind, Refusal
from pillarbox.serve.managesieve.session import Handler, Session
from pillarbox.sieve.names import script_name
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script
from pillarbox.wire.managesieve import events, render

_CODES = {
    Kind.NONEXISTENT: "NONEXISTENT",
    Kind.ALREADY_EXISTS: "ALREADYEXISTS",
    Kind.IN_USE: "ACTIVE",
    Kind.LIMIT: "QUOTA/MAXSCRIPTS",
    Kind.TOO_BIG: "QUOTA/MAXSIZE",
    Kind.OVER_QUOTA: "QUOTA",
}


def _done(session: Session, refused: Refusal | None) -> None:
    if refused is None:
        session.ok()
    else:
        session.no(refused.text, _CODES.get(refused.kind, ""))


def _named(session: Session, name: str) -> bool:
    """Whether it can be a script's name; says so if it cannot."""
    complaint = script_name(name)
    if complaint:
        session.no(complaint)
    return not complaint


def _valid(session: Session, source: bytes) -> bool:
    """Whether a script can run; says what is wrong if it cannot (RFC 5804 §2.6)."""
    try:
        compile_script(source)
    except Invalid as invalid:
        session.no("\r\n".join(map(str, invalid.problems)))
        return False
    return True


async def on_list(session: Session, _event: events.ListScripts) -> None:
    """RFC 5804 §2.7."""
    for one in await session.needs.scripts.scripts(session.who):
        active = b" ACTIVE" if one.active else b""
        session.write(render.string(one.name) + active + b"\r\n")
    session.ok()


async def on_get(session: Session, event: events.GetScript) -> None:
    """RFC 5804 §2.9."""
    source = await session.needs.scripts.script(session.who, event.name)
    if source is None:
        session.no("there is no script of that name", "NONEXISTENT")
        return
    session.write(b"{%d}\r\n" % len(source) + source + b"\r\n")
    session.ok()


async def on_put(session: Session, event: events.PutScript) -> None:
    """RFC 5804 §2.6: checked before it is kept."""
    if _named(session, event.name) and _valid(session, event.source):
        scripts = session.needs.scripts
        _done(session, await scripts.put_script(session.who, event.name, event.source))


async def on_check(session: Session, event: events.CheckScript) -> None:
    """RFC 5804 §2.12."""
    if _valid(session, event.source):
        session.ok()


async def on_space(session: Session, event: events.HaveSpace) -> None:
    """RFC 5804 §2.5."""
    if _named(session, event.name):
        scripts = session.needs.scripts
        _done(session, await scripts.script_room(session.who, event.name, event.size))


async def on_active(session: Session, event: events.SetActive) -> None:
    """RFC 5804 §2.8."""
    _done(session, await session.needs.scripts.activate_script(session.who, event.name))


async def on_delete(session: Session, event: events.DeleteScript) -> None:
    """RFC 5804 §2.10."""
    _done(session, await session.needs.scripts.remove_script(session.who, event.name))


async def on_rename(session: Session, event: events.RenameScript) -> None:
    """RFC 5804 §2.11."""
    if _named(session, event.new):
        scripts = session.needs.scripts
        _done(session, await scripts.rename_script(session.who, event.name, event.new))


HANDLERS: Mapping[type, Handler] = {
    events.ListScripts: on_list,
    events.GetScript: on_get,
    events.PutScript: on_put,
    events.CheckScript: on_check,
    events.HaveSpace: on_space,
    events.SetActive: on_active,
    events.DeleteScript: on_delete,
    events.RenameScript: on_rename,
}
