"""What the room reads from: bytes, or a file mapped into memory."""

from __future__ import annotations

from mmap import mmap

Data = bytes | mmap
"""Has `find`, and slices that are `bytes`."""

Readable = bytes | bytearray | memoryview | mmap
"""What callers may pass; see `readable`."""

_BLOCK = 1 << 20


def readable(data: Readable) -> Data:
    """``data`` in a form with `find`, copied only if it must be.

    A view over the whole of a bytes object or of a mapped file is replaced by that object; any
    other view, and a bytearray, is copied. So a large message should be passed as its mapping.
    """
    if isinstance(data, bytes | mmap):
        return data
    if isinstance(data, memoryview):
        whole = data.obj
        if isinstance(whole, bytes | mmap) and data.contiguous and data.nbytes == len(whole):
            return whole
    return bytes(data)


def count(data: Data, octet: bytes, start: int, end: int) -> int:
    """How often ``octet`` occurs in ``data[start:end]``, without copying all of a mapping."""
    if isinstance(data, bytes):
        return data.count(octet, start, end)
    return sum(data[at : min(at + _BLOCK, end)].count(octet) for at in range(start, end, _BLOCK))
