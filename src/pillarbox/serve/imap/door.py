"""All families of commands together: what ``app`` opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pillarbox.net.driver import Connection
from pillarbox.serve.imap import (
    append,
    batches,
    change,
    connection,
    fetch,
    filters,
    general,
    login,
    mailboxes,
    metadata,
    multisearch,
    notify,
    quota,
    rights,
    search,
    select,
    sieving,
    sorting,
    updating,
)
from pillarbox.serve.imap.options import Needs
from pillarbox.serve.imap.pulse import between
from pillarbox.serve.imap.session import AtOnce, Handler, Session

FAMILIES = (
    general,
    login,
    connection,
    mailboxes,
    select,
    append,
    fetch,
    change,
    search,
    sorting,
    multisearch,
    rights,
    quota,
    updating,
    notify,
    batches,
    metadata,
    sieving,
    filters,  # before the commands that search: behind their families here
)


def handlers() -> dict[type, Handler]:
    """Every command's handler by its type."""
    table: dict[type, Handler] = {}
    for family in FAMILIES:
        known: Mapping[type, Handler] = family.HANDLERS
        table.update(known)
    return table


def at_once() -> dict[type, AtOnce]:
    """What answers without waiting for anything, by type."""
    table: dict[type, AtOnce] = {}
    for family in (general, append):
        known: Mapping[type, AtOnce] = family.AT_ONCE
        table.update(known)
    return table


def imap_door(needs: Needs) -> Callable[[Connection], Awaitable[None]]:
    """The handler of connections that ``net.listen`` wants."""
    table, prompt = handlers(), at_once()

    async def serve(conn: Connection) -> None:
        await Session(conn, needs, table, prompt, between).run()

    return serve
