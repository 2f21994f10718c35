"""Directories of .eml files: one message a file and nothing around it.

The format has no place for flags and dates, so ``Writer`` puts a list beside the messages of each
directory (``messages.jsonl``, one JSON object a line), and the reader uses one where it finds it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from pillarbox.app.formats.found import Found, Kept, below, file_chunks
from pillarbox.base.errors import Misuse
from pillarbox.model.flags import FlagSet, flag_set, is_keyword, system_names

LIST = "messages.jsonl"


def read(path: Path, mailbox: str) -> Iterator[Found]:
    """Every .eml at and below a directory (or the one file), all into one mailbox."""
    if path.is_file():
        yield _found(path, mailbox, {})
        return
    for directory, files in _walk(path):
        notes = _notes(directory / LIST)
        for name in files:
            yield _found(directory / name, mailbox, notes.get(name, {}))


def read_tree(path: Path, mailbox: str) -> Iterator[Found]:
    """The same, with a mailbox for each directory; the top is ``mailbox``."""
    for directory, files in _walk(path):
        notes = _notes(directory / LIST)
        named = notes.get("", {}).get("mailbox")
        levels = directory.relative_to(path).parts
        if isinstance(named, str):
            box = mailbox if named == "INBOX" else below(mailbox, *named.split("/"))
        else:
            box = below(mailbox, *(level for level in levels if level.upper() != "INBOX"))
        for name in files:
            yield _found(directory / name, box, notes.get(name, {}))


def _walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    for directory, below_it, names in os.walk(path):
        below_it.sort()
        files = sorted(name for name in names if name.lower().endswith(".eml"))
        if files:
            yield Path(directory), files


def _found(path: Path, mailbox: str, note: Mapping[str, Any]) -> Found:
    try:
        internaldate = int(path.stat().st_mtime)
    except OSError:
        internaldate = 0  # reading it says what is wrong
    return Found(
        str(path),
        mailbox,
        partial(file_chunks, path),
        _flags(note.get("flags")),
        _number(note.get("internaldate"), internaldate),
        _number(note.get("zone"), 0),
    )


def _flags(names: object) -> FlagSet:
    listed = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return flag_set(name for name in listed if name.startswith("\\") or is_keyword(name))


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _notes(path: Path) -> dict[str, dict[str, Any]]:
    """What the list says, by file name; "" is about the mailbox. Lines that are no JSON are
    passed over: the messages matter more."""
    found: dict[str, dict[str, Any]] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    note = json.loads(line)
                except ValueError:
                    continue
                if isinstance(note, dict):
                    found[str(note.get("file", ""))] = note
    except OSError:
        pass
    return found


class Writer:
    """Writes mailboxes as directories: ``INBOX/1.eml``, ``Lists/python/7.eml``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.lost: dict[str, set[str]] = {}

    def open(self, mailbox: str) -> MailboxWriter:
        """Begin a mailbox. Raises Misuse where a directory of that name cannot be."""
        folder = self._directory.joinpath(*mailbox.split("/"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            notes = (folder / LIST).open("w", encoding="utf-8")
        except OSError as error:
            raise Misuse(f"cannot write mailbox {mailbox}: {error.strerror}") from error
        notes.write(json.dumps({"mailbox": mailbox}) + "\n")
        return MailboxWriter(folder, notes)

    def close(self) -> None:
        """All is written."""


class MailboxWriter:
    """One directory being written."""

    def __init__(self, folder: Path, notes: TextIO) -> None:
        self._folder = folder
        self._notes = notes

    def write(self, message: Kept, chunks: Iterator[bytes]) -> None:
        """One message, and its line in the list."""
        path = self._folder / f"{message.uid}.eml"
        with path.open("wb") as file:
            file.writelines(chunks)
        os.utime(path, (message.internaldate, message.internaldate))
        note = {
            "file": path.name,
            "uid": message.uid,
            "internaldate": message.internaldate,
            "zone": message.zone,
            "flags": [*system_names(message.flags.system), *sorted(message.flags.keywords)],
        }
        self._notes.write(json.dumps(note) + "\n")

    def close(self) -> None:
        """The mailbox is complete."""
        self._notes.close()
