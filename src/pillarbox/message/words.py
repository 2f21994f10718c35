"""Encoded words (RFC 2047), read as real mail writes them and written as the RFC asks."""

from __future__ import annotations

import binascii
import re

from pillarbox.message import charset, transfer

# RFC 2047 §2, RFC 2231 §5 for the language. Wider than the grammar: white space inside the text
# is common and harmless to accept.
_WORD = re.compile(rb"=\?([^?*\s]++)(?:\*[^?\s]*+)?\?([bBqQ])\?([^?]*+)\?=")
_LIMIT = 75  # RFC 2047 §2: octets of one encoded word
_B_OCTETS = (_LIMIT - len("=?utf-8?b??=")) // 4 * 3
_Q_OCTETS = _LIMIT - len("=?utf-8?q??=")
# RFC 2047 §5 (3): what may stand for itself in a phrase, the strictest place.
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_TABLE = [chr(n) if n in _Q_PLAIN else "_" if n == 32 else f"={n:02X}" for n in range(256)]
_Q_AT_MOST = 300


def decode(value: bytes, hint: bytes | None = None) -> str:
    """Text of an unfolded header value; total.

    ``hint``: the charset to try for raw octets that are not UTF-8. Octets of neighbouring words
    in one charset are joined before they are decoded, because senders split inside characters.
    """
    if b"=?" not in value:
        return value.decode("ascii") if value.isascii() else charset.decode_raw(value, hint)
    runs: list[tuple[bytes | None, list[bytes]]] = []
    end = 0
    for word in _WORD.finditer(value):
        gap = value[end : word.start()]
        # RFC 2047 §6.2: white space between two encoded words is not part of the text.
        if gap and not (runs and runs[-1][0] is not None and gap.isspace()):
            runs.append((None, [gap]))
        name, kind, text = word[1].lower(), word[2], word[3]
        octets = transfer.base64(text) if kind in b"bB" else binascii.a2b_qp(text, header=True)
        if runs and runs[-1][0] == name:
            runs[-1][1].append(octets)
        else:
            runs.append((name, [octets]))
        end = word.end()
    runs.append((None, [value[end:]]))
    return "".join(
        charset.decode_raw(b"".join(octets), hint)
        if name is None
        else charset.decode(b"".join(octets), name)
        for name, octets in runs
    )


def encode(text: str) -> bytes:
    """One or more encoded words in UTF-8, separated by spaces where a header may be folded.

    Lone surrogates, which are no text, become question marks.
    """
    octets = text.encode("utf-8", "replace")
    if len(octets) <= _Q_AT_MOST:
        plain = sum(n in _Q_PLAIN or n == 32 for n in octets)
        if plain * 2 > len(octets):  # mostly legible
            return _encode_q(octets)
    return _encode_b(octets)


def _encode_b(octets: bytes) -> bytes:
    words: list[bytes] = []
    start = 0
    while start < len(octets) or not words:
        end = _char_start(octets, start + _B_OCTETS)
        digits = binascii.b2a_base64(octets[start:end], newline=False)
        words.append(b"=?utf-8?b?" + digits + b"?=")
        start = end
    return b" ".join(words)


def _encode_q(octets: bytes) -> bytes:
    words = []
    line = ""
    start = 0
    while start < len(octets):
        end = _char_start(octets, start + 1, forward=True)
        piece = "".join(_Q_TABLE[n] for n in octets[start:end])
        if len(line) + len(piece) > _Q_OCTETS:
            words.append(line)
            line = ""
        line += piece
        start = end
    words.append(line)
    return b" ".join(b"=?utf-8?q?" + word.encode("ascii") + b"?=" for word in words)


def _char_start(octets: bytes, at: int, forward: bool = False) -> int:
    """The start of a character at or next to ``at``: RFC 2047 §5 forbids to split one."""
    if at >= len(octets):
        return len(octets)
    step = 1 if forward else -1
    while at < len(octets) and octets[at] & 0xC0 == 0x80:
        at += step
    return at


def needs_encoding(text: str) -> bool:
    """True when ``text`` cannot stand in a header as it is, or would be misread there."""
    return not text.isascii() or "=?" in text or any(c < " " and c != "\t" for c in text)


def downgrade(value: bytes, hint: bytes | None = None) -> bytes:
    """A 7-bit form of a header value: raw octets become encoded words, the rest stays.

    Existing encoded words are kept. Runs of words with raw octets, spaces between included,
    become one encoded text, so that it reads the same when decoded.
    """
    if value.isascii():
        return value
    out: list[bytes] = []
    run: list[str] = []
    for word in charset.decode_raw(value, hint).split(" "):
        if not word.isascii():
            run.append(word)
            continue
        if run:
            out.append(_encode_run(run, out, word))
            run = []
        out.append(word.encode("ascii"))
    if run:
        out.append(_encode_run(run, out, ""))
    return b" ".join(out)


def _encode_run(run: list[str], before: list[bytes], after: str) -> bytes:
    """Encode a run; a space to a neighbouring encoded word goes inside, else it would vanish."""
    text = " ".join(run)
    if before and _WORD.fullmatch(before[-1]):
        text = " " + text
    if after.startswith("=?"):
        text += " "
    return encode(text)
