"""RETR and TOP: a message goes out piece by piece, as the client takes it; a short one at once.

Most clients take one message after the other. So while a client is busy with what it got, the
answer with the next one is made, if that was read already: unpacked, looked through, stuffed. It is
then sent in the same turn of the loop that the client's RETR comes in.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import NamedTuple

from pillarbox.message import header
from pillarbox.message.downgrade import to_ascii
from pillarbox.model.refusal import Refusal
from pillarbox.net.faults import NetFault
from pillarbox.serve.pop3.maildrop import missing
from pillarbox.serve.pop3.session import Made, Session
from pillarbox.wire.pop3 import events, render
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.stuff import CHUNK, DotStuffer, TopCutter, whole

SHORT = 2 * CHUNK
"""Octets of a message up to which its answer is one piece: what a longer one has on its way to the
client at most, too, and what is held made ready for a client that is silent."""

_HEADER_END = b"\r\n\r\n"


class _Begun(NamedTuple):
    """A message whose first octets are here."""

    first: bytes
    grown: int
    """Octets by which they are longer than those stored."""
    rest: AsyncIterator[bytes]


def on_retr(session: Session, event: events.Retr) -> bool:
    """RFC 1939 §5, of a short message that was read ahead, and of one that is not there."""
    number, made = event.number, session.made
    answer = missing(session, number)
    if answer is not None:
        session.write(answer)
        return True
    if made is None or made.number != number or made.voice is not session.voice:
        made = _made(session, number)
        if made is None:
            return False
    _send_made(session, made)
    return True


def _made(session: Session, number: int) -> Made | None:
    """The answer with a message that is at hand, short, and may go out as it is."""
    found = session.drop.at_hand(number, SHORT)
    answer = None if found is None else _short(session, found)
    return None if answer is None else Made(number, session.voice, answer)


def _short(session: Session, message: bytes) -> bytes | None:
    if len(message) > SHORT or not _fits(session, message):
        return None
    return whole(session.voice.counted(Phrase.OCTETS, len(message)), message)


def _send_made(session: Session, made: Made) -> None:
    """Send it, and have the next one made in a turn of its own, which is behind the sending."""
    session.write(made.answer)
    session.fetched += 1
    session.drop.taken(made.number)
    session.made = None
    session.conn.soon(partial(_make, session, made.number + 1))


def _make(session: Session, number: int) -> None:
    if session.maildrop is not None and session.made is None:
        with contextlib.suppress(Exception):  # whoever asks for it will be told
            session.made = _made(session, number)


async def on_retr_read(session: Session, event: events.Retr) -> None:
    """RFC 1939 §5, of any message."""
    found = await _found(session, event.number)
    answer = _short(session, found) if isinstance(found, bytes) else None
    if answer is not None:
        _send_made(session, Made(event.number, session.voice, answer))
        return
    begun = await _begin(session, found)
    if begun is not None:
        octets = session.drop.size(event.number) + begun.grown
        session.write(session.voice.counted(Phrase.OCTETS, octets))
        await _send(session, begun, None)


def on_top(session: Session, event: events.Top) -> bool:
    """RFC 1939 §7, of a short message that was read ahead, and of one that is not there."""
    answer = missing(session, event.number)
    if answer is not None:
        session.write(answer)
        return True
    found = session.drop.at_hand(event.number, SHORT)
    if found is None or not _fits(session, found):
        return False
    session.write(whole(session.voice.counted(Phrase.TOP), TopCutter(event.lines).feed(found)))
    return True


async def on_top_read(session: Session, event: events.Top) -> None:
    """RFC 1939 §7, of any message."""
    begun = await _begin(session, await _found(session, event.number))
    if begun is not None:
        session.write(session.voice.counted(Phrase.TOP))
        await _send(session, begun, TopCutter(event.lines))


async def _found(session: Session, number: int) -> bytes | AsyncIterator[bytes] | None:
    """The message as it is stored; None when -ERR was said."""
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
    events.Retr: on_retr_read,
    events.Top: on_top_read,
}
AT_ONCE = {
    events.Retr: on_retr,
    events.Top: on_top,
}
