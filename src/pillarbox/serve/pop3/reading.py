"""RETR and TOP: a message goes out piece by piece, as the client takes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

from pillarbox.message import header
from pillarbox.message.downgrade import to_ascii
from pillarbox.model.refusal import Refusal
from pillarbox.net.faults import NetFault
from pillarbox.serve.pop3.maildrop import missing
from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3 import events, render
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.stuff import CHUNK, DotStuffer, TopCutter

_HEADER_END = b"\r\n\r\n"


class _Begun(NamedTuple):
    """A message whose first octets are here."""

    first: bytes
    grown: int
    """Octets by which they are longer than those stored."""
    rest: AsyncIterator[bytes]


async def on_retr(session: Session, event: events.Retr) -> None:
    """RFC 1939 §5."""
    found = await _found(session, event.number)
    if isinstance(found, bytes) and len(found) <= CHUNK and _fits(session, found):
        stuffer = DotStuffer()
        session.write(session.voice.ok(Phrase.OCTETS, octets=len(found)))
        session.fetched += 1
        await session.send(stuffer.feed(found) + stuffer.end())
        return
    begun = await _begin(session, found)
    if begun is not None:
        octets = session.drop.size(event.number) + begun.grown
        session.write(session.voice.ok(Phrase.OCTETS, octets=octets))
        await _send(session, begun, None)


async def on_top(session: Session, event: events.Top) -> None:
    """RFC 1939 §7."""
    begun = await _begin(session, await _found(session, event.number))
    if begun is not None:
        session.write(session.voice.ok(Phrase.TOP))
        await _send(session, begun, TopCutter(event.lines))


async def _found(session: Session, number: int) -> bytes | AsyncIterator[bytes] | None:
    """The message as it is stored; None when -ERR was said."""
    answer = missing(session, number)
    if answer is not None:
        session.write(answer)
        return None
    found = await session.drop.read(number)
    if isinstance(found, Refusal):
        session.write(session.voice.err(Phrase.NO_SUCH_MESSAGE))
        return None
    return found


def _fits(session: Session, message: bytes) -> bool:
    """Whether a message may go out as it is: its header is ASCII, or any will do."""
    end = message.find(_HEADER_END)
    return session.engine.utf8 or (message if end < 0 else message[:end]).isascii()


async def _begin(session: Session, found: bytes | AsyncIterator[bytes] | None) -> _Begun | None:
    """The message, read so far that +OK can be said; None when -ERR was."""
    if found is None:
        return None
    rest = _cut(found) if isinstance(found, bytes) else found
    if session.engine.utf8:
        return _Begun(await anext(rest, b""), 0, rest)
    begun = await _in_ascii(rest, session.needs.options.max_header)
    if begun is None:
        session.write(session.voice.err(Phrase.NEEDS_UTF8, render.UTF8))  # RFC 6856 §5
    return begun


async def _cut(message: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(message), CHUNK):
        yield message[start : start + CHUNK]


async def _in_ascii(rest: AsyncIterator[bytes], limit: int) -> _Begun | None:
    """The message with its header in ASCII (RFC 6856 §2.1); None when that cannot be said."""
    held = b""
    ended = False
    while not ended and _HEADER_END not in held and len(held) <= limit:
        piece = await anext(rest, b"")
        ended = not piece
        held += piece
    if held.isascii():
        return _Begun(held, 0, rest)
    end = header.section(held, 0, len(held)).body_start
    whole = ended or end < len(held) or held.endswith(_HEADER_END)
    made = to_ascii(held[:end]) if whole or held[:end].isascii() else None
    if made is None:
        await _let_go(rest)
        return None
    return _Begun(made + held[end:], len(made) - end, rest)


async def _send(session: Session, begun: _Begun, cutter: TopCutter | None) -> None:
    """The message, stuffed and ended. One that breaks off ends the session without its dot."""
    stuffer = DotStuffer()
    piece = begun.first
    try:
        while piece and not (cutter and cutter.done):
            await session.send(stuffer.feed(cutter.feed(piece) if cutter else piece))
            piece = await anext(begun.rest, b"") if not (cutter and cutter.done) else b""
    except NetFault:
        raise
    except Exception as error:
        session.log.error("pop3.broken-off", exc=error)
        session.over = True
        return
    finally:
        await _let_go(begun.rest)
    session.fetched += cutter is None
    await session.send(stuffer.end())


async def _let_go(rest: AsyncIterator[bytes]) -> None:
    if isinstance(rest, AsyncGenerator):
        await rest.aclose()


HANDLERS = {
    events.Retr: on_retr,
    events.Top: on_top,
}
