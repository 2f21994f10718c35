"""All families of events together: what ``app`` opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pillarbox.net.driver import Connection
from pillarbox.serve.managesieve import login, scripts
from pillarbox.serve.managesieve.options import Needs
from pillarbox.serve.managesieve.session import Handler, Session
from pillarbox.wire.managesieve import render

TOO_BUSY = render.line("BYE", "too many connections; try again later", "TRYLATER")
"""For ``net.listen.Door``: what a client over the limits is told."""


def managesieve_door(needs: Needs) -> Callable[[Connection], Awaitable[None]]:
    """The handler of connections that ``net.listen`` wants."""
    table: dict[type, Handler] = {**login.HANDLERS, **scripts.HANDLERS}

    async def serve(conn: Connection) -> None:
        await Session(conn, needs, table).run()

    return serve
