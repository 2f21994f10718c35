"""The DEFLATE layer by itself and under a connection."""

from __future__ import annotations

import asyncio
import random
import zlib

import pytest

from pillarbox.net.deflate import DeflateLayer
from pillarbox.net.faults import DeflateFailed


def pack(data: bytes, *, end: bool = False) -> bytes:
    made = zlib.compressobj(6, zlib.DEFLATED, -15)
    return made.compress(data) + made.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)


def drained(layer: DeflateLayer, data: bytes) -> bytes:
    out = [layer.unpack(data)]
    while layer.waiting:
        out.append(layer.unpack(b""))
    return b"".join(out)


def test_what_is_packed_can_be_read_at_once() -> None:
    layer, reader = DeflateLayer(1000), zlib.decompressobj(-15)
    for line in (b"* OK done\r\n", b"", b"* 1 FETCH (FLAGS ())\r\n" * 50):
        assert reader.decompress(layer.pack(line)) == line


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_any_cut_of_what_comes(step: int) -> None:
    layer = DeflateLayer(1000)
    plain = random.Random(4978).randbytes(3000) + b"a NOOP\r\n" * 4000
    packed = pack(plain)
    got = b"".join(drained(layer, packed[i : i + step]) for i in range(0, len(packed), step))
    assert got == plain
    assert not layer.waiting


def test_a_bomb_comes_out_in_bounded_pieces() -> None:
    layer = DeflateLayer(4096)
    size = 50_000_000
    piece = layer.unpack(pack(bytes(size)))
    total = len(piece)
    while layer.waiting:
        assert len(piece) <= 4096
        piece = layer.unpack(b"")
        total += len(piece)
        if total > 5_000_000:
            break
    assert total > 4096


@pytest.mark.parametrize("limit", [1, 2, 3, 255, 258, 4096])
def test_nothing_stays_behind_at_the_limit(limit: int) -> None:
    layer = DeflateLayer(limit)
    plain = bytes(5000) + b"end"
    assert drained(layer, pack(plain)) == plain


def test_what_is_no_stream() -> None:
    layer = DeflateLayer(1000)
    with pytest.raises(DeflateFailed):
        layer.unpack(b"a NOOP\r\n\xff\xff\xff\xff")


def test_a_stream_that_ends() -> None:
    layer = DeflateLayer(1000)
    assert layer.unpack(pack(b"last words", end=True) + b"more") == b"last words"
    assert layer.ended
    assert not layer.waiting
    assert layer.unpack(b"more") == b""


async def test_the_loop_is_not_needed() -> None:
    """The layer is plain: it works wherever it is."""
    layer = DeflateLayer(10)
    assert await asyncio.to_thread(layer.unpack, pack(b"0123456789ab")) == b"0123456789"
    assert layer.waiting
