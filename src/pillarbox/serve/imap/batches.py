"""UIDBATCHES (RFC 10022): ranges of UIDs with about as many messages each, from the newest down."""

from __future__ import annotations

from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.render import codes

SMALLEST = 500
"""Messages in the smallest batch that may be asked for."""


async def on_uid_batches(session: Session, command: extensions.UidBatches) -> None:
    """Every batch has exactly as many messages as were asked for, but the last. A batch is told as
    its highest and lowest UID; what arrives later is in none."""
    if command.size < SMALLEST:
        text = f"A batch has {SMALLEST} messages at least"
        session.refuse(command.tag, text, codes.TOOFEW)
        return
    limit = session.message_limit
    size = min(command.size, limit) if limit else command.size
    view = session.selected
    first, last = command.wanted or (1, view.exists)
    batches = []
    for number in range(first, min(last, -(-view.exists // size)) + 1):
        high = view.exists - (number - 1) * size
        batches.append((view.uid(high), view.uid(max(high - size + 1, 1))))
    session.write(render.uid_batches(command.tag, batches))
    session.finish(command.tag, "These are the batches")


HANDLERS = {extensions.UidBatches: on_uid_batches}
