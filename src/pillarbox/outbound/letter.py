"""The message as it goes out: without our own Return-Path, signed, in 7 bits where it must be.

The stored message stays what it is; what changes is a new beginning and, rarely, a whole new
form. Pieces are read from the store as they are sent, so a large message costs no memory; one that
is no longer than the beginning that is looked at anyway is read once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from pillarbox.message import header, trace
from pillarbox.message.sevenbit import seven_bit
from pillarbox.model.transaction import Envelope, Sender
from pillarbox.outbound.paths import Wish
from pillarbox.queue.wishes import deliver_by, passed_on
from pillarbox.store.api import Blobs, QueueItem

_HEAD = 256 * 1024
"""Octets of the beginning that are looked at."""

Pieces = Callable[[], AsyncIterator[bytes]]
Sign = Callable[[Envelope, Pieces], Awaitable[bytes]]
"""Header fields to put in front (RFC 6376 §3.5), b'' for none, of a message given in pieces."""


async def unsigned(envelope: Envelope, pieces: Pieces) -> bytes:  # noqa: ARG001
    """A ``Sign`` that signs nothing."""
    return b""


@dataclass(frozen=True, slots=True)
class Letter:
    """``size`` in octets; ``pieces`` may be called again for every attempt."""

    sender: Sender
    size: int
    pieces: Pieces
    ascii_header: bool = True

    def plain(self) -> Letter:
        """The same without SMTPUTF8 where only its sender's program thought it needed it."""
        address = self.sender.address
        if not self.ascii_header or (address is not None and not address.is_ascii):
            return self
        return replace(self, sender=replace(self.sender, smtputf8=False))


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a message, all of it if it is short, and where its fields are."""

    data: bytes
    section: header.Section

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field with this (lower-case) name."""
        for field in self.section.fields:
            if field.name == name:
                return header.value(self.data, field)
        return None


class Letters:
    """Makes the forms of one queued message, each once."""

    def __init__(
        self,
        item: QueueItem,
        blobs: Blobs,
        sign: Sign = unsigned,
        *,
        now: float = 0.0,
        front: bytes = b"",
    ) -> None:
        """``now``: seconds since 1970. ``front``: header fields that these copies get."""
        self._front = front
        self._now = now
        self._item = item
        self._blobs = blobs
        self._sign = sign
        self._made: Letter | None = None
        self._narrow: Letter | None = None
        self._tried = False
        self._began: _Head | None = None

    async def came_round(self) -> bool:
        """Whoever is about to send it on did so before (RFC 5321 §6.3)."""
        mine = trace.delivered_to(self._front)
        if not mine:
            return False
        return bool(mine & trace.delivered_to((await self._head()).data))

    async def _head(self) -> _Head:
        """The beginning, read once and its fields found once."""
        if self._began is None:
            data = await self._blobs.read(self._item.blob, 0, _HEAD)
            self._began = _Head(data, header.section(data, 0, len(data)))
        return self._began

    async def wish(self) -> Wish:
        """What its sender says about TLS. The option goes before the field (RFC 8689 §4.1)."""
        sender = self._item.envelope.sender
        if "REQUIRETLS" in sender.params:
            return Wish.REQUIRED if sender.address is not None else Wish.USUAL
        head = await self._head()
        value = head.first(b"tls-required")
        return Wish.OPTIONAL if (value or b"").strip().lower() == b"no" else Wish.USUAL

    async def letter(self) -> Letter:
        """The message as it is."""
        if self._made is None:
            blob = self._item.blob
            head = await self._head()
            skip = _return_path(head.section)
            whole = len(head.data) == self._item.size

            async def pieces() -> AsyncIterator[bytes]:
                if self._front:
                    yield self._front
                if whole:
                    yield head.data[skip:]
                    return
                async for piece in self._blobs.stream(blob, skip):
                    yield piece

            self._made = await self._finish(
                pieces,
                self._item.size - skip + len(self._front),
                self._item.envelope.sender.body,
                head.data[: head.section.body_start].isascii(),
            )
        return self._made

    async def seven_bit(self) -> Letter | None:
        """The message in ASCII; None when it has no such form (RFC 6152 §3)."""
        if not self._tried:
            self._tried = True
            skip = _return_path((await self._head()).section)
            data = await self._blobs.read(self._item.blob, skip)
            converted = seven_bit(self._front + data)
            if converted is not None:

                async def pieces() -> AsyncIterator[bytes]:
                    yield converted

                self._narrow = await self._finish(pieces, len(converted), "7BIT", True)
        return self._narrow

    async def _finish(self, pieces: Pieces, size: int, body: str, ascii_header: bool) -> Letter:
        """Sign, and count the signature in."""
        front = await self._sign(self._item.envelope, pieces)

        async def signed() -> AsyncIterator[bytes]:
            if front:
                yield front
            async for piece in pieces():
                yield piece

        size += len(front)
        sender = replace(self._item.envelope.sender, size=size, body=body)
        by = deliver_by(self._item.envelope)
        if by is not None:
            sender = replace(sender, params={**sender.params, "BY": passed_on(by, self._now)})
        return Letter(sender, size, signed, ascii_header)


def _return_path(section: header.Section) -> int:
    """Octets of the Return-Path that our door wrote in front: it is for final delivery only
    (RFC 5321 §4.4)."""
    if section.fields and section.fields[0].name == b"return-path":
        return section.fields[0].end
    return 0
