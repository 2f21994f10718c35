"""What the house finds out about a message when it arrives, so that nothing is parsed again."""

from __future__ import annotations

from pillarbox.base.log import Logger
from pillarbox.mailbox import common, keys
from pillarbox.message import header, imapform, text
from pillarbox.message.freeze import freeze
from pillarbox.message.octets import Readable, readable
from pillarbox.message.part import Envelope, LineEnds, Part, Scan
from pillarbox.message.scan import scan
from pillarbox.store.api import Facts

log = Logger("mailbox")

_ID = 500
"""Octets of a Message-ID that the journal remembers."""


def facts_of(data: Readable) -> Facts:
    """The facts of a message, whatever its bytes.

    The scanner is total. Should it or a renderer have a bug all the same, the message is kept as
    one opaque part, and the bug is in the log: a message nobody can take apart is no reason to
    lose it, or to have its sender try for five days.
    """
    octets = readable(data)
    try:
        found = scan(octets)
        kept = keys.keys_of(octets, found)
        return Facts(
            envelope=imapform.envelope(found),
            bodystructure=imapform.bodystructure(found),
            common=common.pack(octets, found),
            scan=freeze(found, header=False),
            keys=keys.pack(kept),
            preview=text.preview(found, octets),
            kin=keys.kin(kept),
            message_id=_shown(kept.message_id),
        )
    except Exception as error:
        log.error("intake.facts_failed", exc=error, size=len(octets))
        return _opaque(len(octets))


def passing_facts(head: Readable) -> Facts:
    """Of a message that comes into no mailbox, so that nobody will ask for the others: its
    Message-ID, for the journal. ``head``: its beginning."""
    found = header.first(bytes(head), b"message-id") or b""
    return Facts(b"", b"", b"", b"", message_id=_shown(keys.own_id(found)))


def _shown(message_id: bytes) -> str:
    return message_id[:_ID].decode("utf-8", "replace")


def _opaque(size: int) -> Facts:
    root = Part(0, 0, size, b"application", b"octet-stream", (), b"binary")
    found = Scan(size, root, [], Envelope(), LineEnds.NONE, True, True, set())
    return Facts(
        envelope=imapform.envelope(found),
        bodystructure=imapform.bodystructure(found),
        common=bytes((common.INCOMPLETE,)),
        scan=freeze(found, header=False),
        keys=keys.pack(keys.EMPTY),
    )
