"""Bringing in mail from files: read, put line ends in order, hand over in durable batches.

Messages go to the store a batch at a time, each batch one transaction, so an import that is cut
off has imported whole batches; with ``resume`` it looks at what is there and goes on with the
rest. A message that cannot be read is counted and named, and the next one follows.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pillarbox.app.channel import PIECE, Caller
from pillarbox.app.formats import eml, maildir, mbox
from pillarbox.app.formats.found import Found, Reader
from pillarbox.app.reading import Lines
from pillarbox.base.errors import Misuse, Permanent
from pillarbox.message.normalise import CrlfNormaliser
from pillarbox.model.flags import system_names

READERS: dict[str, Reader] = {
    "maildir": maildir.read,
    "mbox": mbox.read,
    "eml-dir": eml.read,
    "eml-tree": eml.read_tree,
}

BATCH_MESSAGES = 200
BATCH_OCTETS = 4 << 20
IN_MEMORY = 1 << 20
"""Octets of one message that are held in memory; a larger one waits in a temporary file."""
NAMED = 100
"""Bad messages that are named; further ones are only counted."""


@dataclass(slots=True)
class Tally:
    """How far an import is."""

    imported: int = 0
    skipped: int = 0
    """There already."""
    bad: int = 0
    octets: int = 0
    problems: list[str] = field(default_factory=list)
    mailboxes: Counter[str] = field(default_factory=Counter)

    def failed(self, where: str, error: object) -> None:
        """One message could not be imported."""
        self.bad += 1
        if len(self.problems) < NAMED:
            self.problems.append(f"{where}: {error}")

    def value(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "imported": self.imported,
            "skipped": self.skipped,
            "bad": self.bad,
            "octets": self.octets,
            "mailboxes": dict(self.mailboxes),
            "problems": self.problems,
        }


@dataclass(slots=True)
class _Ready:
    """A message read, measured and waiting for its batch."""

    found: Found
    file: IO[bytes]
    size: int
    digest: str

    def note(self) -> dict[str, Any]:
        flags = self.found.flags
        return {
            "size": self.size,
            "flags": [*system_names(flags.system), *flags.keywords],
            "internaldate": self.found.internaldate,
            "zone": self.found.zone,
        }


Progress = Callable[[Tally], None]


async def import_mail(
    caller: Caller,
    kind: str,
    path: Path,
    account: str,
    *,
    mailbox: str = "INBOX",
    resume: bool = False,
    enforce_quota: bool = True,
    progress: Progress = lambda _: None,
) -> Tally:
    """Import everything under ``path``. Raises Misuse where it is not of that ``kind``, and what
    the store raises where it cannot go on (a full disk, a full mailbox)."""
    await caller.call("mail.mailboxes", {"account": account})  # is there such an account?
    tally = Tally()
    batch = _Batch(caller, account, tally, enforce_quota=enforce_quota)
    there = _There(caller, account) if resume else None
    for found in _guarded(READERS[kind](path, mailbox), path):
        ready = _read(found, tally)
        if ready is None:
            continue
        if there is not None and await there.has(found.mailbox, ready.digest):
            ready.file.close()
            tally.skipped += 1
        else:
            await batch.add(ready)
        progress(tally)
    await batch.send()
    progress(tally)
    return tally


def _guarded(source: Iterable[Found], path: Path) -> Iterator[Found]:
    """Errors of the directory itself are the asker's business; those of messages come later."""
    if not path.exists():
        raise Misuse(f"there is no {path}")
    try:
        yield from source
    except OSError as error:
        raise Misuse(f"cannot read {error.filename or path}: {error.strerror}") from error


def _read(found: Found, tally: Tally) -> _Ready | None:
    """The message in the form it is kept in (docs: message.normalise), and its digest."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (outlives this)
    normaliser = CrlfNormaliser()
    hasher = hashlib.sha256()
    try:
        for chunk in found.chunks():
            piece = normaliser.feed(chunk)
            hasher.update(piece)
            file.write(piece)
    except OSError as error:
        file.close()
        tally.failed(found.where, error.strerror or error)
        return None
    return _Ready(found, file, file.tell(), hasher.hexdigest())


class _Batch:
    """Messages of one mailbox on their way."""

    def __init__(self, caller: Caller, account: str, tally: Tally, *, enforce_quota: bool) -> None:
        self._caller = caller
        self._account = account
        self._tally = tally
        self._enforce_quota = enforce_quota
        self._waiting: list[_Ready] = []
        self._octets = 0

    async def add(self, message: _Ready) -> None:
        if self._waiting and self._waiting[0].found.mailbox != message.found.mailbox:
            await self.send()
        self._waiting.append(message)
        self._octets += message.size
        if len(self._waiting) >= BATCH_MESSAGES or self._octets >= BATCH_OCTETS:
            await self.send()

    async def send(self) -> None:
        """Make what waits durable. A batch that is refused for good is tried one by one, to find
        out which message it was."""
        batch, self._waiting, self._octets = self._waiting, [], 0
        try:
            if batch:
                await self._append(batch)
        except Permanent:
            for message in batch:
                try:
                    await self._append([message])
                except Permanent as error:
                    self._tally.failed(message.found.where, error)
        finally:
            for message in batch:
                message.file.close()

    async def _append(self, batch: list[_Ready]) -> None:
        mailbox = batch[0].found.mailbox
        size = sum(message.size for message in batch)
        arguments = {
            "account": self._account,
            "mailbox": mailbox,
            "messages": [message.note() for message in batch],
            "enforce_quota": self._enforce_quota,
        }
        await self._caller.call("mail.append", arguments, body=_octets(batch), size=size)
        self._tally.imported += len(batch)
        self._tally.octets += size
        self._tally.mailboxes[mailbox] += len(batch)


async def _octets(batch: list[_Ready]) -> AsyncIterator[bytes]:
    for message in batch:
        message.file.seek(0)
        while piece := message.file.read(PIECE):
            yield piece


class _There:
    """What the mailboxes held before, each message to be matched once."""

    def __init__(self, caller: Caller, account: str) -> None:
        self._caller = caller
        self._account = account
        self._digests: dict[str, Counter[str]] = {}

    async def has(self, mailbox: str, digest: str) -> bool:
        held = self._digests.get(mailbox)
        if held is None:
            held = self._digests[mailbox] = await self._look(mailbox)
        if not held[digest]:
            return False
        held[digest] -= 1
        return True

    async def _look(self, mailbox: str) -> Counter[str]:
        lines = Lines()
        found: Counter[str] = Counter()

        async def sink(data: bytes) -> None:
            for line in lines.feed(data):
                found[json.loads(line)["sha256"]] += 1

        arguments = {"account": self._account, "mailbox": mailbox}
        await self._caller.call("mail.digests", arguments, sink=sink)
        return found
