"""The documented line-end rule: what is kept of a message that did not come with CRLF.

Every LF that has no CR before it gets one. Nothing else changes: not a CR alone, not a NUL, not
a last line without end. A message whose lines end in CRLF is therefore kept octet for octet, and
one with bare LFs comes back with CRLFs, from IMAP, POP3 and SMTP alike (RFC 5322 §2.3 knows no
other line end). The rule applied twice is the rule applied once.

A CR alone stays because it ends a line nowhere in this house: turning it into CRLF would make a
line, perhaps a boundary or a lone dot, where the sender had none, and dropping it would break
what was binary. What arrives as binary (BINARYMIME, RFC 3030; literal8, RFC 3516) is not text and
must not be passed through here.
"""

from __future__ import annotations


def to_crlf(data: bytes) -> bytes:
    """The normal form of ``data``; the same object when it is in it already."""
    if data.count(b"\n") == data.count(b"\r\n"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class CrlfNormaliser:
    """`to_crlf` for chunks: holds nothing back but one bit."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, chunk: bytes) -> bytes:
        """The normal form of the next octets."""
        if not chunk:
            return chunk
        after_cr, self._after_cr = self._after_cr, chunk.endswith(b"\r")
        if after_cr and chunk.startswith(b"\n"):
            return b"\n" + to_crlf(chunk[1:])
        return to_crlf(chunk)

    def skip(self, chunk: bytes) -> None:
        """Octets that come in between as they are, in normal form or not text."""
        if chunk:
            self._after_cr = chunk.endswith(b"\r")

    def close(self) -> bytes:
        """Nothing is left to say; the object can be used again."""
        self._after_cr = False
        return b""
