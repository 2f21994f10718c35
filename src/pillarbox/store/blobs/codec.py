"""How inline bodies lie in their rows: plain or compressed, said by a number in the row."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import zstandard

from pillarbox.base.errors import Permanent

PLAIN = 0
ZSTD = 1

LEVEL = 1
"""Level 3 takes half as long again and saves 2 % more on mail."""
WORTH_TRYING = 256
_GAIN = 8  # a body must shrink by an eighth, or reading it plain is the better bargain


class _Contexts(threading.local):
    """zstd contexts are fast when used again and belong to one thread."""

    def __init__(self) -> None:
        self.shrink = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False)
        self.grow = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def encode(data: bytes | memoryview) -> tuple[int, bytes]:
    """Codec and bytes to keep."""
    if len(data) >= WORTH_TRYING:
        packed = _contexts.shrink.compress(data)
        if len(packed) <= len(data) - len(data) // _GAIN:
            return ZSTD, packed
    return PLAIN, bytes(data)


def decode(codec: int, data: bytes, size: int) -> bytes:
    """The bytes of the message; ``size`` bounds what a damaged row can unfold to."""
    if codec == PLAIN:
        return data
    if codec != ZSTD:
        raise Permanent(f"body in unknown codec {codec}", hint="written by a newer version?")
    try:
        return _contexts.grow.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Permanent(f"damaged body: {error}") from error


class Folded(NamedTuple):
    """A body as it lies in its row."""

    codec: int
    data: bytes
    size: int

    def unfold(self) -> bytes:
        """The bytes of the message. Raises Permanent when they are damaged."""
        return decode(self.codec, self.data, self.size)


def decode_all(
    codecs: Sequence[int], bodies: Sequence[bytes | None], sizes: Sequence[int]
) -> list[bytes | None]:
    """``decode`` of many, None where there is none here. Those that are packed are unfolded in
    one call: a thread that does so leaves the interpreter to others meanwhile."""
    out = list(bodies)
    packed: dict[int, bytes] = {}
    for at, (codec, data, size) in enumerate(zip(codecs, bodies, sizes, strict=True)):
        if codec == ZSTD and data is not None:
            packed[at] = data
        elif data is not None:
            out[at] = decode(codec, data, size)
    if packed:
        lengths = array("Q", [sizes[at] for at in packed]).tobytes()
        try:
            grown = _contexts.grow.multi_decompress_to_buffer(
                list(packed.values()), decompressed_sizes=lengths
            )
        except zstandard.ZstdError as error:
            raise Permanent(f"damaged body: {error}") from error
        for number, at in enumerate(packed):
            out[at] = grown[number].tobytes()
    return out
