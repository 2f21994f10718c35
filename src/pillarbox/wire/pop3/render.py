"""Answers as bytes: status lines in the client's language, listings in bounded pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pillarbox.wire.pop3.events import AuthEnd, AuthFailed, Fault, FaultKind, Lang
from pillarbox.wire.pop3.phrases import LANGUAGES, Phrase, match

MAX_LINE = 512
"""Octets of a first line with its CRLF (RFC 1939 §3, RFC 2449 §4)."""
PIECE = 65_536
"""Octets, about, that a listing grows to before it is handed out."""
END = b".\r\n"
OK = b"+OK\r\n"

# Response codes (RFC 2449 §8, RFC 3206 §4-5, RFC 6856 §5).
IN_USE = "IN-USE"
LOGIN_DELAY = "LOGIN-DELAY"
SYS_TEMP = "SYS/TEMP"
SYS_PERM = "SYS/PERM"
AUTH = "AUTH"
UTF8 = "UTF8"

_FIELD = re.compile(r"\{[a-z]+\}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\ud800-\udfff]")


def status(positive: bool, text: str = "", code: str = "") -> bytes:
    """One status line. ``text`` cannot break out of it, nor pass for a response code."""
    head = "+OK" if positive else "-ERR"
    if code:
        head += f" [{code}]"
    text = _UNSAFE.sub(" ", text)
    if text.startswith("[") and not code:
        text = " " + text  # RFC 2449 §6.4: what begins with [ is a code
    line = f"{head} {text}" if text else head
    data = line.encode()
    if len(data) > MAX_LINE - 2:
        data = data[: MAX_LINE - 2].decode(errors="ignore").encode()
    return data + b"\r\n"


@dataclass(frozen=True, slots=True)
class Voice:
    """In which language a session is answered; ``preferred`` is the house's own, for ``LANG *``.

    A value: ``choose`` returns a new one.
    """

    language: str = "en"
    preferred: str = "en"

    def ok(self, phrase: Phrase, **fields: object) -> bytes:
        """A positive answer."""
        return status(True, phrase.in_language(self.language, **fields))

    def counted(self, phrase: Phrase, *numbers: int) -> bytes:
        """A positive answer with nothing but numbers to fill in, in the order of its fields: what
        is said for every message, so the line is made once."""
        return _counted(phrase, self.language) % numbers

    def err(self, phrase: Phrase, code: str = "", **fields: object) -> bytes:
        """A negative answer, with a response code of this module or none."""
        return status(False, phrase.in_language(self.language, **fields), code)

    def fault(self, fault: Fault) -> bytes:
        """The answer to a line that cannot be obeyed."""
        usage = f"{fault.verb} {fault.usage}".rstrip()
        return self.err(_FAULTS[fault.kind], verb=fault.verb, usage=usage)

    def auth_failed(self, event: AuthFailed) -> bytes:
        """The answer to an exchange that was cancelled or garbled.

        Without the code AUTH: nothing is said about the credentials (RFC 3206 §6).
        """
        cancelled = event.why is AuthEnd.CANCELLED
        return self.err(Phrase.AUTH_CANCELLED if cancelled else Phrase.AUTH_MALFORMED)

    def choose(self, event: Lang) -> tuple[Voice, bytes]:
        """Do as LANG asks: the voice from here on, and the answer (RFC 6856 §3.2)."""
        if not event.wanted:
            rows = [f"{tag} {name}\r\n".encode() for tag, name in LANGUAGES.items()]
            return self, self.ok(Phrase.LANGUAGES_FOLLOW) + b"".join(rows) + END
        tag = match(event.wanted, self.preferred)
        if not tag:
            return self, self.err(Phrase.LANGUAGE_UNKNOWN)
        voice = Voice(tag, self.preferred)
        return voice, status(True, f"{tag} {Phrase.LANGUAGE_CHOSEN.in_language(tag)}")

    def mechanisms(self, names: Iterable[str]) -> bytes:
        """The answer to AUTH without argument."""
        rows = b"".join(f"{name}\r\n".encode() for name in names)
        return self.ok(Phrase.MECHANISMS) + rows + END


_FAULTS = {
    FaultKind.UNKNOWN: Phrase.UNKNOWN,
    FaultKind.SYNTAX: Phrase.USAGE,
    FaultKind.STATE: Phrase.WRONG_STATE,
    FaultKind.USER_FIRST: Phrase.USER_FIRST,
    FaultKind.NOT_OFFERED: Phrase.NOT_OFFERED,
    FaultKind.TLS_ACTIVE: Phrase.TLS_ACTIVE,
    FaultKind.AFTER_UTF8: Phrase.AFTER_UTF8,
    FaultKind.TOO_LONG: Phrase.TOO_LONG,
    FaultKind.FOREIGN: Phrase.FOREIGN,
    FaultKind.FLOOD: Phrase.FLOOD,
}


@cache
def _counted(phrase: Phrase, language: str) -> bytes:
    """The positive answer with ``%d`` for each field."""
    text = _FIELD.sub("%d", phrase.in_language(language).replace("%", "%%"))
    return status(True, text)


def stat(count: int, octets: int) -> bytes:
    """The drop listing: numbers and nothing else (RFC 1939 §5)."""
    return b"+OK %d %d\r\n" % (count, octets)


def scan_listing(number: int, octets: int) -> bytes:
    """LIST of one message."""
    return b"+OK %d %d\r\n" % (number, octets)


def unique_id_listing(number: int, unique_id: str) -> bytes:
    """UIDL of one message."""
    return b"+OK %d %b\r\n" % (number, unique_id.encode("ascii"))


def list_all(first: bytes, sizes: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """LIST of all: (number, octets) pairs, without the marked ones."""
    return _pieces(first, (b"%d %d\r\n" % pair for pair in sizes))


def uidl_all(first: bytes, ids: Iterable[tuple[int, str]]) -> Iterator[bytes]:
    """UIDL of all: (number, unique-id) pairs, without the marked ones."""
    return _pieces(first, (f"{number} {uid}\r\n".encode("ascii") for number, uid in ids))


def unique_id(uidvalidity: int, uid: int) -> str:
    """The house's unique-id: never reused, since UIDs are not (RFC 9051 §2.3.1.1)."""
    return f"{uidvalidity:08x}{uid:08x}"


def is_unique_id(text: str) -> bool:
    """True for 1 to 70 characters from 0x21 to 0x7E (RFC 1939 §7): for ids brought along."""
    return 1 <= len(text) <= 70 and all("!" <= c <= "~" for c in text)


def _pieces(first: bytes, rows: Iterable[bytes]) -> Iterator[bytes]:
    """A multi-line answer in pieces of about ``PIECE`` octets. No row begins with a dot."""
    piece: list[bytes] = [first]
    size = 0
    for row in rows:
        piece.append(row)
        size += len(row)
        if size >= PIECE:
            yield b"".join(piece)
            piece.clear()
            size = 0
    piece.append(END)
    yield b"".join(piece)


def capability_lines(first: bytes, lines: Sequence[str]) -> bytes:
    """The answer to CAPA; each line at most 512 octets (RFC 2449 §5)."""
    rows = [line.encode("ascii", "replace")[: MAX_LINE - 2] + b"\r\n" for line in lines]
    return first + b"".join(rows) + END
