"""The header fields that clients ask for when they list a mailbox, kept beside the envelope.

The column is one octet of version and then the raw fields, in message order and without the blank
line. The version says which names were looked for, so that a name not found is known to be
absent; 0 says that the fields were too long to keep and the message itself must be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pillarbox.message import header
from pillarbox.message.octets import Data
from pillarbox.message.part import Scan

MAX_OCTETS: Final = 16 * 1024
"""Of the kept fields of a message. A References field of a long thread has its 4 KB."""

VERSIONS: Final = (
    frozenset[bytes](),
    # Never change a set: append a new one.
    header.COMMON
    | frozenset(
        b"content-transfer-encoding envelope-to list-archive list-owner list-subscribe"
        b" mime-version organization user-agent x-mailer x-spam-flag x-spam-status".split()
    ),
)
CURRENT: Final = len(VERSIONS) - 1
INCOMPLETE: Final = 0


def pack(data: Data, scan: Scan) -> bytes:
    """The column of a message. ``data``: the message or at least its header."""
    names = VERSIONS[CURRENT]
    fields = [field for field in scan.fields if field.name in names]
    if sum(field.end - field.start for field in fields) > MAX_OCTETS:
        return bytes((INCOMPLETE,))
    pieces = [data[field.start : field.end] for field in fields]
    if pieces and not pieces[-1].endswith(b"\n"):
        pieces.append(b"\r\n")
    return bytes((CURRENT,)) + b"".join(pieces)


def covered(names: Iterable[bytes]) -> bool:
    """True when the column of a message of today answers for these (lower-case) names."""
    return VERSIONS[CURRENT].issuperset(names)


def unpack(column: bytes, names: Iterable[bytes]) -> bytes | None:
    """The kept fields (raw, no blank line); None when they do not answer for ``names``."""
    version = column[0] if column else INCOMPLETE
    if version == INCOMPLETE or version > CURRENT or not VERSIONS[version].issuperset(names):
        return None
    return column[1:]
