"""Message bytes held in memory until a row takes them."""

from __future__ import annotations


class BytesContent:
    """A message small enough to be held."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Octets."""
        return len(self._data)

    def view(self) -> memoryview:
        """All bytes."""
        return memoryview(self._data)

    def discard(self) -> None:
        """Nothing to remove: memory goes with the last reference."""


class BytesStaging:
    """A message being written to memory."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """Add octets."""
        self._pieces.append(bytes(chunk))

    def view(self) -> memoryview:
        """What was written so far, in one piece."""
        self._pieces = [b"".join(self._pieces)]
        return memoryview(self._pieces[0])

    def pieces(self) -> list[bytes]:
        """Hand over what was written so far."""
        pieces, self._pieces = self._pieces, []
        return pieces

    async def finish(self, front: bytes = b"") -> BytesContent:
        """Join what was written, ``front`` before it."""
        pieces = [front, *self.pieces()] if front else self.pieces()
        return BytesContent(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def discard(self) -> None:
        """Forget what was written."""
        self._pieces = []
