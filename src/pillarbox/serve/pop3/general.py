"""What needs no maildrop: CAPA, LANG, UTF8, NOOP, lines in error, and a peer that is gone."""

from __future__ import annotations

import math

from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3 import capa, events, render
from pillarbox.wire.pop3.phrases import Phrase


async def on_capa(session: Session, _event: events.Capa) -> None:
    """RFC 2449 §5."""
    options, ctx = session.needs.options, session.context()
    authenticator = session.needs.authenticator
    offer = capa.Offer(
        implementation=options.implementation,
        stls=session.conn.can_start_tls,
        expire=options.expire,
        login_delay=math.ceil(options.login_delay),
    )
    now = capa.Situation(
        offer,
        authenticated=session.maildrop is not None,
        secure=ctx.secure,
        cleartext=authenticator.cleartext(ctx),
        mechanisms=authenticator.mechanisms(ctx),
    )
    session.write(capa.render(session.voice, now))


async def on_lang(session: Session, event: events.Lang) -> None:
    """RFC 6856 §3."""
    session.voice, answer = session.voice.choose(event)
    session.write(answer)


async def on_utf8(session: Session, _event: events.Utf8) -> None:
    """RFC 6856 §2.1: the engine knows the mode, ``reading`` asks it."""
    session.write(session.voice.ok(Phrase.UTF8_ON))


def on_noop(session: Session, _event: events.Noop) -> bool:
    """RFC 1939 §5."""
    session.write(render.OK)
    return True


async def on_fault(session: Session, event: events.Fault) -> None:
    """RFC 1939 §3: a line that cannot be obeyed gets -ERR; too many end the session."""
    session.write(session.voice.fault(event))
    if event.fatal:
        session.log.info("pop3.fault", kind=event.kind.value)
        session.over = True


async def on_eof(session: Session, _event: events.Eof) -> None:
    """RFC 1939 §6: without QUIT nothing is removed."""
    session.over = True


HANDLERS = {
    events.Capa: on_capa,
    events.Lang: on_lang,
    events.Utf8: on_utf8,
    events.Fault: on_fault,
    events.Eof: on_eof,
}
AT_ONCE = {events.Noop: on_noop}
