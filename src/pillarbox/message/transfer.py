"""Content transfer encodings (RFC 2045 §6): total, and the same in one piece or in chunks."""

from __future__ import annotations

import binascii
import re

_CANONICAL = {
    b"": b"7bit",  # RFC 2045 §6.1: the default
    b"7bit": b"7bit",
    b"7bits": b"7bit",
    b"8bit": b"8bit",
    b"8bits": b"8bit",
    b"binary": b"binary",
    b"base64": b"base64",
    b"quotedprintable": b"quoted-printable",
}
_NOISE = b" \t\r\n\"'-_;"
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)
# RFC 2045 §6.7 rule 3: white space at a line's end was added on the way. The look-behind keeps
# the search linear over long runs.
_PADDING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
# What a2b_qp would take for a soft line break, and eat the line with it.
_STRAY_CR = re.compile(rb"=\r(?!\n)")
_MAX_LINE = 1 << 16


def canonical(encoding: bytes) -> bytes | None:
    """The RFC 2045 §6.1 name of an encoding however it was spelt (``8-bit``); None if unknown."""
    return _CANONICAL.get(encoding.lower().translate(None, _NOISE))


def known(encoding: bytes) -> bool:
    """False where IMAP must answer UNKNOWN-CTE (RFC 9051 §6.4.5)."""
    return canonical(encoding) is not None


def decode(data: bytes, encoding: bytes) -> bytes:
    """The octets ``data`` stands for; an unknown encoding is left as it is."""
    decoder = Decoder(encoding)
    return decoder.feed(data) + decoder.close()


def base64(data: bytes) -> bytes:
    """RFC 2045 §6.8, skipping what is not of the alphabet; a broken tail loses its odd digit."""
    decoder = Base64Decoder()
    return decoder.feed(data) + decoder.close()


def quoted_printable(data: bytes) -> bytes:
    """RFC 2045 §6.7; what is no valid escape stays as it is."""
    if (
        b" \n" in data
        or b" \r" in data
        or b"\t\n" in data
        or b"\t\r" in data
        or data[-1:] in b" \t"
    ):
        data = _PADDING.sub(b"", data)
    if b"=\r" in data:
        data = _STRAY_CR.sub(b"=3D\r", data)
    return binascii.a2b_qp(data)


class Base64Decoder:
    """Streaming base64. Ends at padding that completes a group; the rest is ignored."""

    __slots__ = ("_done", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._done = False

    def feed(self, chunk: bytes) -> bytes:
        """Decoded octets; keeps fewer than four digits back."""
        if self._done:
            return b""
        digits = self._rest + chunk.translate(None, _NOT_BASE64)
        if b"=" in digits:
            digits = self._until_padding(digits)
        whole = len(digits) & ~3
        self._rest = digits[whole:]
        return binascii.a2b_base64(digits[:whole])

    def _until_padding(self, digits: bytes) -> bytes:
        """Cut at a ``=`` after two or three digits of a group; drop one anywhere else."""
        kept: list[bytes] = []
        count = 0
        pieces = digits.split(b"=")
        for piece in pieces[:-1]:
            kept.append(piece)
            count += len(piece)
            if count & 3 >= 2:
                self._done = True
                break
        else:
            kept.append(pieces[-1])
        return b"".join(kept)

    def close(self) -> bytes:
        """What the last, unpadded group holds."""
        rest, self._rest, self._done = self._rest, b"", True
        if len(rest) < 2:
            return b""
        return binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


class QuotedPrintableDecoder:
    """Streaming quoted-printable: decodes whole lines, keeps at most 64 KiB of an endless one."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Decoded octets of the lines that are complete."""
        data = self._rest + chunk
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > _MAX_LINE:
            cut = _between_escapes(data, cut)
        self._rest = data[cut:]
        return quoted_printable(data[:cut]) if cut else b""

    def close(self) -> bytes:
        """Decoded octets of the last line."""
        rest, self._rest = self._rest, b""
        return quoted_printable(rest)


def _between_escapes(data: bytes, low: int) -> int:
    """A place near the end that splits neither an escape nor white space; the end if none."""
    for at in range(len(data), max(low, len(data) - _MAX_LINE), -1):
        if b"=" not in data[at - 2 : at] and data[at - 1] not in b" \t\r":
            return at
    return len(data)


class Identity:
    """7bit, 8bit, binary, and encodings nobody knows."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> bytes:
        """The chunk itself."""
        return chunk

    def close(self) -> bytes:
        """Nothing."""
        return b""


_DECODERS: dict[bytes | None, type[Base64Decoder | QuotedPrintableDecoder]] = {
    b"base64": Base64Decoder,
    b"quoted-printable": QuotedPrintableDecoder,
}


class Decoder:
    """The streaming decoder for an encoding by name."""

    __slots__ = ("_inner",)

    def __init__(self, encoding: bytes) -> None:
        self._inner: Base64Decoder | QuotedPrintableDecoder | Identity = _DECODERS.get(
            canonical(encoding), Identity
        )()

    def feed(self, chunk: bytes) -> bytes:
        """Octets that are certain so far."""
        return self._inner.feed(chunk)

    def close(self) -> bytes:
        """The last octets."""
        return self._inner.close()
