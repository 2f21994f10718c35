"""Commands about the connection itself: UNAUTHENTICATE and LANGUAGE."""

from __future__ import annotations

from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.state import State

LANGUAGES = ("en",)
"""Texts are in English; ``i-default`` is the same (RFC 5255 §3.1)."""


async def on_unauthenticate(session: Session, command: extensions.Unauthenticate) -> None:
    """RFC 8437 §2: as before the login, with nothing enabled; TLS and compression stay."""
    await session.unselect()
    session.look_away()
    session.unnotify()
    session.account = None
    session.enabled.clear()
    session.engine.utf8 = session.engine.one_charset = False
    session.engine.uid_only = False
    session.engine.state = State.NOT_AUTHENTICATED
    session.ask_who()
    session.write(render.ok(command.tag, "Who are you?", session.capabilities()))


async def on_compress(session: Session, command: extensions.Compress) -> None:
    """RFC 4978 §3: the OK is the last plain line."""
    conn, engine = session.conn, session.engine
    if not conn.can_compress:
        text = "The connection is compressed already"
        session.write(render.bad(command.tag, text, codes.COMPRESSIONACTIVE))
        return
    session.finish(command.tag, "Compressed from here on")
    engine.accept()
    leftover, engine.leftover = engine.leftover, b""
    conn.start_compress(leftover)


async def on_language(session: Session, command: extensions.Language) -> None:
    """RFC 5255 §3.2."""
    if not command.ranges:
        session.write(render.language([*LANGUAGES, "i-default"]))
        session.finish(command.tag)
        return
    for wanted in command.ranges:
        word = wanted.lower()
        if word in {"default", "i-default", "*"} or word.split("-")[0] == "en":
            session.write(render.language(["i-default" if word == "i-default" else "en"]))
            session.finish(command.tag)
            return
    session.refuse(command.tag, "Only English is spoken here")


async def on_jmap_access(session: Session, command: extensions.GetJmapAccess) -> None:
    """RFC 9698 §4."""
    url = session.needs.options.jmap_url
    if not url:
        session.refuse(command.tag, "There is no JMAP here", codes.CANNOT)
        return
    session.write(render.jmap_access(url))
    session.finish(command.tag)


HANDLERS = {
    extensions.Compress: on_compress,
    extensions.GetJmapAccess: on_jmap_access,
    extensions.Unauthenticate: on_unauthenticate,
    extensions.Language: on_language,
}
