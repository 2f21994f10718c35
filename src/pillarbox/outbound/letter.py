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
    """``size`` in octets; ``pieces`` may be called again for every attempt. ``whole``: all of it,
    where it is short."""

    sender: Sender
    size: int
    pieces: Pieces
    ascii_header: bool = True
    whole: bytes | None = None

    def plain(self) -> Letter:
        """The same without SMTPUTF8 where only its sender's program thought it needed it."""
        if not self.sender.smtputf8:
            return self
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
            item, front, head = self._item, self._front, await self._head()
            skip, body = _return_path(head.section), item.envelope.sender.body
            ascii_header = head.data[: head.section.body_start].isascii()
            if len(head.data) == item.size:
                self._made = await self._short(front + head.data[skip:], body, ascii_header)
                return self._made

            async def pieces() -> AsyncIterator[bytes]:
                if front:
                    yield front
                async for piece in self._blobs.stream(item.blob, skip):
                    yield piece

            signature = await self._sign(item.envelope, pieces)

            async def signed() -> AsyncIterator[bytes]:
                if signature:
                    yield signature
                async for piece in pieces():
                    yield piece

            size = len(signature) + len(front) + item.size - skip
            self._made = Letter(self._sender(size, body), size, signed, ascii_header)
        return self._made

    async def seven_bit(self) -> Letter | None:
        """The message in ASCII; None when it has no such form (RFC 6152 §3)."""
        if not self._tried:
            self._tried = True
            skip = _return_path((await self._head()).section)
            data = await self._blobs.read(self._item.blob, skip)
            converted = seven_bit(self._front + data)
            if converted is not None:
                self._narrow = await self._short(converted, "7BIT", True)
        return self._narrow

    async def _short(self, text: bytes, body: str, ascii_header: bool) -> Letter:
        """What is in memory as it is."""
        whole = await self._sign(self._item.envelope, _at_hand(text)) + text
        sender = self._sender(len(whole), body)
        return Letter(sender, len(whole), _at_hand(whole), ascii_header, whole)

    def _sender(self, size: int, body: str) -> Sender:
        """The envelope's, as it goes to the next server."""
        sender = replace(self._item.envelope.sender, size=size, body=body)
        by = deliver_by(self._item.envelope)
        if by is None:
            return sender
        return replace(sender, params={**sender.params, "BY": passed_on(by, self._now)})


def _at_hand(text: bytes) -> Pieces:
    """One piece."""

    async def pieces() -> AsyncIterator[bytes]:
        yield text

    return pieces


def _return_path(section: header.Section) -> int:
    """Octets of the Return-Path that our door wrote in front: it is for final delivery only
    (RFC 5321 §4.4)."""
    if section.fields and section.fields[0].name == b"return-path":
        return section.fields[0].end
    return 0
