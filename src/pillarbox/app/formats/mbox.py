"""mbox: one file a mailbox, messages one after the other, each behind a ``From `` line.

The mboxrd rule is read and written: inside a message every line that begins with ``From ``, after
any number of ``>``, has one ``>`` more in the file. Nothing else of a message changes, except that
a last line without end gets one.

Flags are the fields Status, X-Status and X-Keywords that mail programs put into the header. They
stay in the message, because nobody can tell whether they belonged to it; only the three that
``Writer`` puts in front of everything are taken off again, so that what was exported comes back
octet for octet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.utils import formatdate, mktime_tz, parsedate_tz
from pathlib import Path
from typing import BinaryIO

from pillarbox.app.formats.found import PIECE, Found, Kept, below
from pillarbox.base.errors import Misuse
from pillarbox.message.header import every, first
from pillarbox.model.flags import (
    ANSWERED,
    DELETED,
    DRAFT,
    FLAGGED,
    SEEN,
    FlagSet,
    is_keyword,
)

MAX_HEADER = 1 << 20
"""Octets of a message that are looked at for flags."""

STATUS = {"R": SEEN}
X_STATUS = {"A": ANSWERED, "D": DELETED, "F": FLAGGED, "T": DRAFT}

# A From line ends in a date; what mail programs write before the year differs widely.
_FROM = re.compile(rb"From (?:.*\s)?\d{1,2}:\d\d(?::\d\d)?\s.*\d{4}")
_QUOTED = re.compile(rb">+From ")
_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)
_OURS = re.compile(rb"Status: [A-Z]*\r?\nX-Status: [A-Z]*\r?\nX-Keywords:[^\r\n]*\r?\n")
_INTERNAL = b"DON'T DELETE THIS MESSAGE"


def read(path: Path, mailbox: str) -> Iterator[Found]:
    """Every message of an mbox file, or of a directory of them (one mailbox a file)."""
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file() and _looks_like(entry):
                name = entry.relative_to(path).as_posix().removesuffix(".mbox")
                levels = [level for level in name.split("/") if level.upper() != "INBOX"]
                yield from _file(entry, below(mailbox, *levels))
        return
    if path.stat().st_size and not _looks_like(path):
        raise Misuse(
            f"{path} is not an mbox file: it does not begin with a From line",
            hint="for a single message use: pillarbox import eml-dir DIRECTORY",
        )
    yield from _file(path, mailbox)


def _looks_like(path: Path) -> bool:
    with path.open("rb") as file:
        return _FROM.match(file.readline(PIECE)) is not None


def _file(path: Path, mailbox: str) -> Iterator[Found]:
    with path.open("rb") as file:
        lines = _Lines(file)
        while (start := lines.next_message()) is not None:
            offset, separator = start
            body = _Message(lines)
            if not body.internal:
                yield Found(
                    f"{path} at octet {offset}",
                    mailbox,
                    body.chunks,
                    body.flags,
                    _date(separator),
                )
            lines.skip()


class _Lines:
    """Lines of an mbox, in pieces of bounded length, cut at the From lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0
        self._separator: tuple[int, bytes] | None = None
        self._inside = self._read_message()

    def _read_message(self) -> Iterator[bytes]:
        """Pieces of one message; ends before the next From line, without the blank line there."""
        blank = b""
        fresh = True  # at the start of a line
        after_blank = self._offset == 0
        while piece := self._file.readline(PIECE):
            offset, self._offset = self._offset, self._offset + len(piece)
            if fresh and after_blank and _FROM.match(piece):
                self._separator = (offset, piece)
                return
            if blank:
                yield blank
                blank = b""
            after_blank = fresh and piece in {b"\n", b"\r\n"}
            if after_blank:
                blank = piece
            else:
                yield piece[1:] if fresh and _QUOTED.match(piece) else piece
            fresh = piece.endswith(b"\n")

    def next_message(self) -> tuple[int, bytes] | None:
        """Where the next message begins, and its From line."""
        self.skip()
        found, self._separator = self._separator, None
        if found is not None:
            self._inside = self._read_message()
        return found

    def pieces(self) -> Iterator[bytes]:
        """The rest of this message."""
        return self._inside

    def skip(self) -> None:
        """Leave the rest of this message."""
        for _ in self._inside:
            pass


class _Message:
    """One message: its header is read ahead for the flags, the rest as it is asked for."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        head: list[bytes] = []
        held = 0
        for piece in lines.pieces():
            head.append(piece)
            held += len(piece)
            if piece in {b"\n", b"\r\n"} or held > MAX_HEADER:
                break
        self._head = b"".join(head)
        ours = _OURS.match(self._head)
        self.flags = _flags(ours[0] if ours else self._head)
        if ours is not None:
            self._head = self._head[ours.end() :]
        subject = first(self._head, b"subject") or b""
        #: The message in which some servers keep their own notes.
        self.internal = subject.startswith(_INTERNAL) and bool(first(self._head, b"x-imap"))

    def chunks(self) -> Iterator[bytes]:
        yield self._head
        yield from self._lines.pieces()


def _flags(head: bytes) -> FlagSet:
    system = 0
    for name, table in ((b"status", STATUS), (b"x-status", X_STATUS)):
        for letter in (first(head, name) or b"").decode("ascii", "replace"):
            system |= table.get(letter, 0)
    words = b" ".join(every(head, b"x-keywords")).decode("utf-8", "replace").split()
    return FlagSet(system, frozenset(word for word in words if is_keyword(word)))


def _date(separator: bytes) -> int:
    """Seconds since 1970 of a From line, taken as UTC where it names no zone; 0 if unreadable."""
    words = separator.decode("ascii", "replace").split()
    for start in (2, 1, 3):
        try:
            parsed = parsedate_tz(" ".join(words[start:]))
            if parsed is not None:
                return max(0, int(mktime_tz(parsed)))
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    return 0


class Writer:
    """Writes mailboxes as files: ``INBOX.mbox``, ``Lists/python.mbox``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.lost: dict[str, set[str]] = {}

    def open(self, mailbox: str) -> MailboxWriter:
        """Begin a mailbox. Raises Misuse where a file of that name cannot be."""
        path = self._directory.joinpath(*mailbox.split("/"))
        path = path.with_name(path.name + ".mbox")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return MailboxWriter(path.open("wb"))
        except OSError as error:
            raise Misuse(f"cannot write mailbox {mailbox}: {error.strerror}") from error

    def close(self) -> None:
        """All is written."""


class MailboxWriter:
    """One mbox file being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, message: Kept, chunks: Iterator[bytes]) -> None:
        """One message, with its flags in front."""
        day, number, month, year, time = re.split(r"[ ,]+", formatdate(message.internaldate))[:5]
        self._file.write(
            f"From MAILER-DAEMON {day} {month} {int(number):2d} {time} {year}\r\n"
            f"Status: {_letters(message.flags, STATUS)}O\r\n"
            f"X-Status: {_letters(message.flags, X_STATUS)}\r\n"
            f"X-Keywords: {' '.join(sorted(message.flags.keywords))}\r\n".encode()
        )
        last = b"\n"
        for piece in _quoted(chunks):
            self._file.write(piece)
            last = piece[-1:] or last
        self._file.write(b"\r\n" if last == b"\n" else b"\r\n\r\n")

    def close(self) -> None:
        """The mailbox is complete."""
        self._file.close()


def _letters(flags: FlagSet, table: dict[str, int]) -> str:
    return "".join(letter for letter, bit in table.items() if flags.system & bit)


def _quoted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One ``>`` more before ``From `` at the start of a line, wherever the chunks were cut."""
    held = b""
    fresh = True  # what is held begins a line
    for chunk in chunks:
        data = held + chunk
        cut = data.rfind(b"\n") + 1
        whole, held = data[:cut], data[cut:]
        if whole:
            start = 0 if fresh else whole.find(b"\n") + 1
            yield whole[:start] + _TO_QUOTE.sub(b">", whole[start:])
            fresh = True
        if len(held) > PIECE:
            yield _TO_QUOTE.sub(b">", held) if fresh else held
            held, fresh = b"", False
    if held:
        yield _TO_QUOTE.sub(b">", held) if fresh else held
