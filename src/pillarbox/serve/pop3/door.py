"""All families of events together: what ``app`` opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pillarbox.net.driver import Connection
from pillarbox.serve.pop3 import general, login, maildrop, reading
from pillarbox.serve.pop3.options import Needs
from pillarbox.serve.pop3.pace import Pace
from pillarbox.serve.pop3.session import AtOnce, Handler, Session
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.render import SYS_TEMP, Voice

FAMILIES = (general, login, maildrop, reading)

TOO_BUSY = Voice().err(Phrase.TOO_MANY, SYS_TEMP)
"""For ``net.listen.Door``: what a client over the limits is told."""


def handlers() -> dict[type, Handler]:
    """Every event's handler by its type."""
    table: dict[type, Handler] = {}
    for family in FAMILIES:
        known: Mapping[type, Handler] = family.HANDLERS
        table.update(known)
    return table


def at_once() -> dict[type, AtOnce]:
    """What answers an event without waiting, by its type; of some events only where it can."""
    table: dict[type, AtOnce] = {}
    for family in (general, maildrop, reading):
        known: Mapping[type, AtOnce] = family.AT_ONCE
        table.update(known)
    return table


def pop3_door(needs: Needs) -> Callable[[Connection], Awaitable[None]]:
    """The handler of connections that ``net.listen`` wants.

    One for all ports of a house: it keeps the time between logins.
    """
    table, prompt = handlers(), at_once()
    pace = Pace(needs.clock, needs.options.login_delay)

    async def serve(conn: Connection) -> None:
        await Session(conn, needs, pace, table, prompt).run()

    return serve
