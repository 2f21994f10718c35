"""The one way in for message bytes: from chunks to a scanned message that a store can keep.

SMTP's DATA and BDAT, LMTP, IMAP's APPEND and CATENATE, imports and the house's own notices all
come through here, so that a message is measured, put into the documented form (CRLF line ends)
and scanned in one place, once.
"""

from __future__ import annotations

from typing import Protocol

from pillarbox.base.lanes import Lane
from pillarbox.mailbox.facts import facts_of, passing_facts
from pillarbox.message import header
from pillarbox.message.normalise import CrlfNormaliser
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import Content, NewMessage, Staging

SCAN_ON_LOOP = 256 * 1024
"""Octets up to which a message is scanned at once: a millisecond or two."""


class Stages(Protocol):
    """What is needed of the store."""

    def stage(self, expected: int = 0) -> Staging: ...


class Intake:
    """One message on its way in.

    ``write`` the octets as they come, then ``finish``, or ``discard`` at any point. ``lane`` is
    where large messages are scanned; without one they are scanned on the loop. ``max_size``
    bounds what is written (0: unbounded); what ``prepend`` adds does not count, because the
    sender did not send it. ``binary``: the octets are no text (BINARYMIME, RFC 3030; literal8,
    RFC 3516) and keep their line ends.
    """

    __slots__ = ("_lane", "_max_size", "_normaliser", "_staging", "received", "too_big")

    def __init__(
        self,
        blobs: Stages,
        *,
        lane: Lane | None = None,
        max_size: int = 0,
        expected: int = 0,
        binary: bool = False,
    ) -> None:
        self._staging: Staging | None = blobs.stage(expected)
        self._lane = lane
        self._max_size = max_size
        self._normaliser = None if binary else CrlfNormaliser()
        self.received = 0
        """Octets written so far, as they came."""
        self.too_big = False
        """More came than allowed. Going on to write is harmless: nothing more is kept."""

    def prepend(self, header: bytes) -> None:
        """Put whole header lines (Return-Path, Received) before the message.

        Only before the first ``write``; they must end in CRLF.
        """
        if self.received or self._staging is None:
            raise ValueError("header lines come before the message")
        self._staging.write(header)

    def write(self, chunk: bytes) -> None:
        """Add octets. Raises Temporary when the disk refuses."""
        self._add(chunk, self._normaliser.feed(chunk) if self._normaliser else chunk)

    def copy(self, chunk: bytes) -> None:
        """Add octets of a message that is kept here already, as they are (RFC 4469 §3)."""
        if self._normaliser is not None:
            self._normaliser.skip(chunk)
        self._add(chunk, chunk)

    def _add(self, chunk: bytes, normal: bytes) -> None:
        self.received += len(chunk)
        if self._staging is None:
            return
        if self._max_size and self.received > self._max_size:
            self.too_big = True
            self.discard()
            return
        self._staging.write(normal)

    def view(self) -> memoryview:
        """What was written so far; b'' when it was too much."""
        return self._staging.view() if self._staging is not None else memoryview(b"")

    async def finish(self, front: bytes = b"", *, passing: bool = False) -> NewMessage | Refusal:
        """The scanned message, or TOO_BIG. Call it once. ``front``: whole header lines that were
        not known before the message was (Authentication-Results). ``passing``: it comes into no
        mailbox here, and is not scanned.

        The content belongs to the caller then: the store takes it with ``accept``, or it is
        discarded.
        """
        staging, self._staging = self._staging, None
        if self.too_big:
            return Refusal(Kind.TOO_BIG, f"the message is larger than {self._max_size} octets")
        if staging is None:
            raise ValueError("finished or discarded already")
        try:
            content = await staging.finish(front)
        except BaseException:
            staging.discard()
            raise
        return await scanned(content, self._lane, passing=passing)

    def discard(self) -> None:
        """Forget the message. Does nothing after ``finish``."""
        staging, self._staging = self._staging, None
        if staging is not None:
            staging.discard()


async def scanned(
    content: Content, lane: Lane | None = None, *, passing: bool = False
) -> NewMessage:
    """A content with its facts; discards it when that fails."""
    try:
        if passing:
            return NewMessage(content, passing_facts(content.view()[: header.TOP]))
        if lane is None or content.size <= SCAN_ON_LOOP:
            return NewMessage(content, facts_of(content.view()))
        return NewMessage(content, await lane.run(facts_of, content.view()))
    except BaseException:
        content.discard()
        raise


async def whole(blobs: Stages, data: bytes, lane: Lane | None = None) -> NewMessage:
    """A message that is at hand already, kept as it is."""
    staging = blobs.stage(len(data))
    try:
        staging.write(data)
    except BaseException:
        staging.discard()
        raise
    return await scanned(await staging.finish(), lane)
