"""Writing an account's mail into files that other programs read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from pillarbox.app.channel import PIECE, Caller
from pillarbox.app.formats import eml, maildir, mbox
from pillarbox.app.formats.found import Kept
from pillarbox.app.reading import Messages
from pillarbox.base.errors import Misuse
from pillarbox.model.flags import flag_set

IN_MEMORY = 1 << 20
"""Octets of one message that are held in memory; a larger one waits in a temporary file."""


class MailboxWriter(Protocol):
    """One mailbox being written."""

    def write(self, message: Kept, chunks: Iterator[bytes]) -> None: ...

    def close(self) -> None: ...


class Writer(Protocol):
    """A format being written; ``lost``: mailbox to keywords that it has no room for."""

    lost: dict[str, set[str]]

    def open(self, mailbox: str) -> MailboxWriter: ...

    def close(self) -> None: ...


WRITERS: dict[str, Callable[[Path], Writer]] = {
    "maildir": maildir.Writer,
    "mbox": mbox.Writer,
    "eml": eml.Writer,
}


@dataclass(slots=True)
class Tally:
    """How far an export is."""

    exported: int = 0
    octets: int = 0
    mailboxes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def value(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "exported": self.exported,
            "octets": self.octets,
            "mailboxes": self.mailboxes,
            "problems": self.problems,
        }


Progress = Callable[[Tally], None]


async def export_mail(
    caller: Caller,
    kind: str,
    account: str,
    directory: Path,
    *,
    mailboxes: tuple[str, ...] = (),
    progress: Progress = lambda _: None,
) -> Tally:
    """Write all mailboxes (or those named) into an empty or new directory.

    Every message is written octet for octet as it is kept, with CRLF line ends. Raises Misuse
    where the directory is not empty or cannot be written.
    """
    listed = await caller.call("mail.mailboxes", {"account": account})
    names = [box["name"] for box in listed["mailboxes"]]
    unknown = [name for name in mailboxes if name not in names]
    if unknown:
        raise Misuse(f"{account} has no mailbox {unknown[0]}")
    _make_empty(directory)
    writer = WRITERS[kind](directory)
    tally = Tally()
    try:
        for name in names:
            if not mailboxes or name in mailboxes:
                await _mailbox(caller, writer, account, name, tally, progress)
        writer.close()
    except OSError as error:
        raise Misuse(f"cannot write {error.filename or directory}: {error.strerror}") from error
    for name, keywords in writer.lost.items():
        if keywords:
            tally.problems.append(f"{name}: no room for the keywords {', '.join(sorted(keywords))}")
    return tally


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(0o700, parents=True, exist_ok=True)  # mail is nobody else's business
        if any(directory.iterdir()):
            raise Misuse(f"{directory} is not empty", hint="name a new directory")
    except OSError as error:
        raise Misuse(f"cannot write {directory}: {error.strerror}") from error


async def _mailbox(
    caller: Caller, writer: Writer, account: str, name: str, tally: Tally, progress: Progress
) -> None:
    try:
        out = writer.open(name)
    except Misuse as error:  # a name that the format cannot carry; the others can
        tally.problems.append(str(error))
        return
    taker = _Taker(out, tally, name, progress)
    tally.mailboxes[name] = 0
    try:
        arguments = {"account": account, "mailbox": name}
        await caller.call("mail.read", arguments, sink=Messages(taker).feed)
    finally:
        taker.abandon()
        out.close()


class _Taker:
    """Gathers one message at a time and hands it on whole."""

    def __init__(self, out: MailboxWriter, tally: Tally, name: str, progress: Progress) -> None:
        self._out = out
        self._tally = tally
        self._name = name
        self._progress = progress
        self._note: dict[str, Any] = {}
        self._file: IO[bytes] | None = None

    def begin(self, note: dict[str, Any]) -> None:
        self._note = note
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)

    def end(self) -> None:
        file = self._file
        if file is None:
            return
        note = self._note
        kept = Kept(
            note["uid"], note["size"], flag_set(note["flags"]), note["internaldate"], note["zone"]
        )
        self._out.write(kept, _chunks(file))
        self.abandon()
        self._tally.exported += 1
        self._tally.octets += kept.size
        self._tally.mailboxes[self._name] += 1
        self._progress(self._tally)

    def abandon(self) -> None:
        """Forget a message that did not come whole."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece
