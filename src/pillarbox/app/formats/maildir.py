"""Maildir: one file a message, flags in its name, folders the Maildir++ way or as directories.

Read and written: ``cur`` and ``new``, the ``:2,`` suffix, ``dovecot-keywords`` for what the
letters a to z mean, folders as ``.Lists.python`` in modified UTF-7. A file's time is the message's
internal date. Folder levels that hold a dot are written with ``\\2e`` in its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pillarbox.app.formats.found import Found, Kept, below, file_chunks
from pillarbox.base.errors import Misuse
from pillarbox.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, FlagSet, is_keyword
from pillarbox.wire.imap import utf7

KEYWORDS = "dovecot-keywords"
LETTERS = {"D": DRAFT, "F": FLAGGED, "R": ANSWERED, "S": SEEN, "T": DELETED}
FORWARDED = "$Forwarded"
"""What the letter P (passed) is called in IMAP."""
MAX_NAME = 255
"""Octets of a file name on every file system that matters."""

_SUFFIX = re.compile(r"[:;!]2,([A-Za-z]*)\Z")  # FAT allows no colon, so some write ; or !
_ORDER = re.compile(r"(\d+)")


def read(path: Path, mailbox: str) -> Iterator[Found]:
    """Every message of a Maildir and its folders; raises Misuse where there is none."""
    folders = list(_folders(path, mailbox, top=True))
    if not folders:
        raise Misuse(
            f"{path} is not a Maildir: there is no cur or new in it",
            hint="name the directory that holds cur, new and tmp, or directories of that kind",
        )
    for folder, name in folders:
        yield from _messages(folder, name)


def _folders(path: Path, mailbox: str, *, top: bool = False) -> Iterator[tuple[Path, str]]:
    """The Maildirs at and below a path, with the mailbox that each becomes."""
    if _is_maildir(path):
        yield path, mailbox
    for entry in sorted(path.iterdir()):
        if not entry.is_dir() or entry.name in {"cur", "new", "tmp"}:
            continue
        if entry.name.startswith("."):
            if _is_maildir(entry):
                yield entry, below(mailbox, *_levels(entry.name[1:]))
        elif top and entry.name.upper() == "INBOX":
            yield from _folders(entry, mailbox)
        elif not entry.is_symlink():  # a link may lead back up
            yield from _folders(entry, below(mailbox, *_levels(entry.name, separator="/")))


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() or (path / "new").is_dir()


def _levels(name: str, separator: str = ".") -> list[str]:
    levels = [level.replace("\\2e", ".") for level in name.split(separator)]
    return [_decoded(level) for level in levels if level]


def _decoded(name: str) -> str:
    """Modified UTF-7 where it is that, else as it stands (plain UTF-8)."""
    read = utf7.decode(name)
    return name if read is None else read


def _messages(folder: Path, mailbox: str) -> Iterator[Found]:
    keywords = _keywords(folder / KEYWORDS)
    names = [
        (entry, kind)
        for kind in ("cur", "new")
        if (folder / kind).is_dir()
        for entry in os.listdir(folder / kind)
        if not entry.startswith(".")
    ]
    for name, kind in sorted(names, key=_arrival):
        path = folder / kind / name
        try:
            internaldate = int(path.stat().st_mtime)
        except OSError:
            internaldate = 0  # reading it says what is wrong
        flags = _flags(name, keywords)
        yield Found(str(path), mailbox, partial(file_chunks, path), flags, internaldate)


def _arrival(name: tuple[str, str]) -> tuple[int, str]:
    """Names begin with the second of delivery."""
    match = _ORDER.match(name[0])
    return (int(match[1]) if match else 0, name[0])


def _flags(name: str, keywords: dict[str, str]) -> FlagSet:
    match = _SUFFIX.search(name)
    letters = match[1] if match else ""
    system = 0
    for letter in letters:
        system |= LETTERS.get(letter, 0)
    names = {keywords[letter] for letter in letters if letter in keywords}
    if "P" in letters:
        names.add(FORWARDED)
    return FlagSet(system, frozenset(names))


def _keywords(path: Path) -> dict[str, str]:
    """Letter to keyword, as Dovecot writes it: ``0 $Junk`` is what ``a`` means."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return found
    for line in lines:
        number, _, name = line.partition(" ")
        if number.isdecimal() and int(number) < 26 and is_keyword(name):
            found[chr(ord("a") + int(number))] = name
    return found


class Writer:
    """Writes mailboxes as a Maildir++ tree whose top is INBOX."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.lost: dict[str, set[str]] = {}
        """Mailbox to keywords there was no letter for."""

    def open(self, mailbox: str) -> MailboxWriter:
        """Begin a mailbox. Raises Misuse where its name is too long for a directory."""
        folder = self._directory
        if mailbox != "INBOX":
            name = "." + ".".join(utf7.encode(lv).replace(".", "\\2e") for lv in mailbox.split("/"))
            if len(name) > MAX_NAME:
                raise Misuse(f"the name of mailbox {mailbox} is too long for a Maildir folder")
            folder = folder / name
        for kind in ("cur", "new", "tmp"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        if mailbox != "INBOX":
            (folder / "maildirfolder").touch()  # the Maildir++ mark of a folder
        return MailboxWriter(folder, self.lost.setdefault(mailbox, set()))

    def close(self) -> None:
        """All is written."""


class MailboxWriter:
    """One folder being written."""

    def __init__(self, folder: Path, lost: set[str]) -> None:
        self._folder = folder
        self._letters: dict[str, str] = {}
        self._lost = lost

    def write(self, message: Kept, chunks: Iterator[bytes]) -> None:
        """One message, under a name of its own that no reader saw unfinished."""
        base = f"{message.internaldate}.U{message.uid}.pillarbox,S={message.size}"
        temporary = self._folder / "tmp" / base
        with temporary.open("wb") as file:
            file.writelines(chunks)
        os.utime(temporary, (message.internaldate, message.internaldate))
        temporary.replace(self._folder / "cur" / f"{base}:2,{self._suffix(message.flags)}")

    def _suffix(self, flags: FlagSet) -> str:
        letters = {letter for letter, bit in LETTERS.items() if flags.system & bit}
        for keyword in sorted(flags.keywords):
            if keyword.lower() == FORWARDED.lower():
                letters.add("P")
            elif keyword in self._letters or len(self._letters) < 26:
                letters.add(self._letters.setdefault(keyword, chr(ord("a") + len(self._letters))))
            else:
                self._lost.add(keyword)
        return "".join(sorted(letters))

    def close(self) -> None:
        """Write what the letters mean."""
        if self._letters:
            lines = [f"{number} {name}\n" for number, name in enumerate(self._letters)]
            (self._folder / KEYWORDS).write_text("".join(lines), "utf-8")
