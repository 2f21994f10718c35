"""What CAPABILITY lists: a door has few kinds of connections, and the list of each is made once."""

from __future__ import annotations

from pillarbox.auth.context import Context
from pillarbox.net.driver import Connection
from pillarbox.serve.imap.options import Needs
from pillarbox.wire.imap import capability
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.state import State


def announced(
    needs: Needs, conn: Connection, ctx: Context, state: State, masked: frozenset[str]
) -> str:
    """CAPABILITY and its words, as a response code has them."""
    kind = (
        state is State.NOT_AUTHENTICATED,
        conn.can_start_tls,
        conn.can_compress,
        needs.authenticator.cleartext(ctx),
        needs.authenticator.mechanisms(ctx),
        masked,
    )
    known = needs.announced.get(kind)
    if known is None:
        names = capability.names(state, _facts(needs, conn, ctx), masked)
        known = needs.announced[kind] = codes.capability(names)
    return known


def _facts(needs: Needs, conn: Connection, ctx: Context) -> capability.Facts:
    options = needs.options
    return capability.Facts(
        starttls=conn.can_start_tls,
        login=needs.authenticator.cleartext(ctx),
        mechanisms=needs.authenticator.mechanisms(ctx),
        append_limit=options.engine.append,
        literal_minus=options.engine.literal_minus,
        message_limit=options.message_limit or options.save_limit,
        sieve_url=options.managesieve_url,
        conditions=frozenset(
            name
            for name, holds in (
                ("compress", conn.can_compress),
                ("messagelimit", options.message_limit),
                ("savelimit", options.save_limit and not options.message_limit),
                ("jmap", options.jmap_url),
                ("imapsieve", options.managesieve_url),
                ("filter", needs.filtering is not None),
            )
            if holds
        ),
    )
