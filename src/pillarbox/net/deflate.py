"""Compression of a connection in both directions (RFC 4978), as a layer without sockets.

Raw DEFLATE (RFC 1951). Every flush ends in a sync flush, so that the peer can read all of what
was said. What is unpacked at once has a bound: a few octets can stand for megabytes, and the rest
stays packed until there is room.

One pair costs about 100 KB: a window of 32 KB to read with, since the peer chooses its own, and a
window of 8 KB and tables of 64 KB to write with, which is all that answers of IMAP gain from.
"""

from __future__ import annotations

import zlib
from typing import Final

from pillarbox.net.faults import DeflateFailed

_LEVEL: Final = 3
_WINDOW: Final = -13
"""8 KB; negative: without the header and checksum of zlib."""
_TABLES: Final = 6
_READ_WINDOW: Final = -15


class DeflateLayer:
    """Of one connection."""

    __slots__ = ("_full", "_limit", "_packer", "_tail", "_unpacker")

    def __init__(self, limit: int) -> None:
        """``limit``: octets that one ``unpack`` gives at most."""
        self._limit = limit
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _TABLES)
        self._unpacker = zlib.decompressobj(_READ_WINDOW)
        self._full = False
        """The last ``unpack`` gave all it may, so there can be more without new octets."""
        self._tail = b""
        """Came, and is not unpacked yet: less than what the kernel gives at once."""

    def pack(self, data: bytes) -> bytes:
        """What goes over the wire for ``data``; the peer can unpack all of it."""
        return self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def unpack(self, data: bytes) -> bytes:
        """What the octets mean, up to the limit; ask again with none while ``waiting``.

        Raises DeflateFailed.
        """
        try:
            plain = self._unpacker.decompress(self._tail + data, self._limit)
        except zlib.error as error:
            self._tail = b""
            raise DeflateFailed(f"not compressed as agreed: {error}") from error
        self._tail = self._unpacker.unconsumed_tail
        self._full = len(plain) >= self._limit
        return plain

    @property
    def waiting(self) -> bool:
        """There is more to unpack."""
        return (self._full or bool(self._tail)) and not self._unpacker.eof

    @property
    def ended(self) -> bool:
        """The peer has ended its stream: nothing more can come."""
        return self._unpacker.eof
