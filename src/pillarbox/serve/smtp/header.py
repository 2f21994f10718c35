"""What a door does to the header of a message that passes through it.

The header arrives in pieces in front of the body. It is held back, bounded, until its end is
seen; then it is counted (hops), mended where the door may mend (submission, RFC 6409 §8), and
let go, past whoever inspects it (mail from other servers). The body is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pillarbox.base.ids import Rng
from pillarbox.filters.personal import FIELD
from pillarbox.message import authres, compose
from pillarbox.model.verdict import Verdict

_HIDDEN = (b"bcc", b"resent-bcc")
"""RFC 5322 §3.6.3: the blind copies are in the envelope, and nowhere else."""


@dataclass(frozen=True, slots=True)
class Mender:
    """Submission's own rules: what a user's program left out is added, Bcc does not travel, and
    nobody but us says in our name what was found out about a message (RFC 8601 §5)."""

    hostname: str
    now: float
    """Seconds since 1970 UTC."""
    rng: Rng
    author: str = ""
    """Whose mail it is where it does not say: what has no From is not signed, and others refuse
    it."""

    def mend(self, raw: bytes) -> bytes:
        """``raw`` is a header section with its blank line; the same as it may go out."""
        return compose.add_missing(
            authres.without_forged(compose.without(raw, _HIDDEN), self.hostname),
            when=datetime.fromtimestamp(self.now, UTC),
            message_id=f"<{self.rng.token(24)}@{self.hostname}>",
            author=self.author,
        )


Mend = Callable[[bytes], bytes]


class Inspection(Protocol):
    """Who looks at a message that comes in (``policy.inbound``)."""

    def header(self, raw: bytes) -> bytes:
        """The header as it came; as it may be kept."""
        ...

    def body(self, data: bytes) -> None: ...

    async def verdict(self) -> Verdict: ...

    def abandon(self) -> None: ...


_OURS = (FIELD.lower().encode(),)


def cleaned(inspection: Inspection) -> Mend:
    """What an inspection keeps of a header, without what strangers say in our filters' name."""

    def mend(raw: bytes) -> bytes:
        return compose.without(inspection.header(raw), _OURS)

    return mend


See = Callable[[bytes], object]


class HeaderGate:
    """Holds the header back until it is whole, then lets the message through."""

    __slots__ = ("_held", "_limit", "_mend", "_see", "hops", "too_long")

    def __init__(self, limit: int, mend: Mend | None = None, see: See | None = None) -> None:
        """``limit``: octets that are held at most. A longer header passes as it is; where it
        would have to be mended it makes ``too_long``, for half of it may hide a Bcc or an author.
        ``see`` is shown the body."""
        self._limit = limit
        self._mend = mend
        self._see = see
        self._held: bytearray | None = bytearray()
        self.too_long = False
        """The header cannot be mended: the message must not be taken."""
        self.hops = 0
        """Received fields seen, once the header is through."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be written now; ``chunk`` comes with CRLF line ends."""
        if self._held is None:
            if self._see is not None:
                self._see(chunk)
            return chunk
        if not self._held:  # nearly always all of it comes at once
            end = _end(chunk, 0)
            if end:
                return self._release(chunk, end)
        begin = max(0, len(self._held) - 3)
        self._held += chunk
        end = _end(self._held, begin)
        if end:
            return self._release(bytes(self._held), end)
        if len(self._held) <= self._limit:
            return b""
        if self._mend is not None:
            self.too_long = True
            self._held.clear()
            return b""
        return self._release(bytes(self._held), len(self._held))

    def close(self) -> bytes:
        """The message is over: what is still held."""
        return b"" if self._held is None else self._release(bytes(self._held), len(self._held))

    def _release(self, data: bytes, end: int) -> bytes:
        """``data`` is what came so far; the header is over at ``end``."""
        self._held = None
        raw = data[:end]
        self.hops = _hops(raw)
        if self._mend is None and self._see is None:
            return data
        rest = data[end:]
        if self._mend is not None:
            raw = self._mend(raw)
        if self._see is not None:
            self._see(rest)
        return raw + rest


def _end(data: bytes | bytearray, begin: int) -> int:
    """Behind the header section; 0 where it is not whole yet, ``begin`` being where to look."""
    if data.startswith(b"\r\n"):
        return 2
    found = data.find(b"\r\n\r\n", begin)
    return found + 4 if found >= 0 else 0


def _hops(raw: bytes) -> int:
    """Received fields of a header section, told by how their lines begin: taking every field
    apart to count them costs ten times as much. RFC 5322 §4.5 lets white space come before the
    colon."""
    lines = b"\n" + raw.lower()
    return sum(map(lines.count, (b"\nreceived:", b"\nreceived ", b"\nreceived\t")))
