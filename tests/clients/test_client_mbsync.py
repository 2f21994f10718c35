"""mbsync (isync): both sides change, both end up the same, and then there is nothing to do."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from support.served import Person, Served, crlf, ok, quoted

pytestmark = pytest.mark.needs("mbsync")


def message(name: str, lines: int = 3) -> bytes:
    head = f"From: a@elsewhere.example\r\nSubject: {name}\r\nMessage-ID: <{name}@x.example>\r\n\r\n"
    return head.encode() + crlf([b"%d of " % n + name.encode() for n in range(lines)] + [b"."])


class Local:
    """The maildirs of the near side."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self, box: str) -> dict[str, Path]:
        """Subject to file."""
        found = [path for part in ("cur", "new") for path in (self.root / box / part).glob("*")]
        subject = re.compile(rb"^Subject: (.*)$", re.MULTILINE)
        return {subject.findall(path.read_bytes())[0].decode(): path for path in found}

    def texts(self, box: str) -> list[bytes]:
        """Messages as on the wire, without the field by which mbsync finds its own uploads."""
        raw = [crlf(path.read_bytes().splitlines()) for path in self.files(box).values()]
        return sorted(re.sub(rb"X-TUID: .*\r\n", b"", text) for text in raw)

    def flags(self, box: str, subject: str) -> str:
        return self.files(box)[subject].name.partition(":2,")[2]

    def flag(self, box: str, subject: str, flags: str) -> None:
        path = self.files(box)[subject]
        path.rename(self.root / box / "cur" / f"{path.name.partition(':')[0]}:2,{flags}")

    def add(self, box: str, text: bytes) -> None:
        for part in ("cur", "new", "tmp"):
            (self.root / box / part).mkdir(parents=True, exist_ok=True)
        name = f"{len(list((self.root / box).rglob('*')))}.made-here"
        (self.root / box / "new" / name).write_bytes(text.replace(b"\r\n", b"\n"))


@pytest.fixture
def mbsync(house: Served, run, tmp_path: Path):
    """`mbsync(person)`: one run; the counts that it ends with."""
    (tmp_path / "Mail").mkdir()

    def mbsync(
        person: Person, *words: str, mechanism: str = "*", door: str = "imaps", status=0
    ) -> dict[str, str]:
        rc = tmp_path / "mbsyncrc"
        lines = [
            "IMAPAccount house", "Host localhost", f"Port {house.port(door)}",
            f"User {person.address}", f"Pass {person.password}", f"AuthMechs {mechanism}",
            f"SSLType {'IMAPS' if door == 'imaps' else 'STARTTLS'}", "SystemCertificates no",
            f"CertificateFile {house.ca}", "Timeout 20", "",
            "IMAPStore server", "Account house", "",
            "MaildirStore here", f"Path {tmp_path}/Mail/", f"Inbox {tmp_path}/Mail/INBOX",
            "SubFolders Verbatim", "",
            "Channel all", "Far :server:", "Near :here:", "Patterns *", "Create Both",
            "Remove Both", "Expunge Both", "SyncState *", "CopyArrivalDate yes",
        ]  # fmt: skip
        rc.write_text("\n".join(lines) + "\n")
        for folder in (tmp_path / "Mail").glob("**/"):
            os.utime(folder, (0, 0))  # or it waits until a second has passed
        # It counts for terminals only. F and N: what was done to the far and to the near side.
        command = shlex.join(["mbsync", "-c", str(rc), *words, "all"])
        said = run("script", "-qec", command, "/dev/null", status=status).stdout.decode()
        if status:
            return {}
        counted = re.findall(r"([FN]): \+(\d+)/\d+ \*(\d+)/\d+ #(\d+)/\d+", said)
        return {side: f"+{new} *{flags} #{gone}" for side, new, flags, gone in counted[-2:]}

    return mbsync


NOTHING = {"F": "+0 *0 #0", "N": "+0 *0 #0"}


def texts(house: Served, person: Person, box: str = "INBOX") -> list[bytes]:
    raw = [stored.raw for stored in house.mailbox(person, box)]
    return sorted(re.sub(rb"X-TUID: .*\r\n", b"", text) for text in raw)


def flags(house: Served, person: Person, subject: str, box: str = "INBOX") -> frozenset[str]:
    [found] = [
        stored.flags
        for stored in house.mailbox(person, box)
        if f"\r\nSubject: {subject}\r\n".encode() in stored.raw
    ]
    return found - {"\\Recent"}


@pytest.mark.parametrize(
    ("door", "mechanism"),
    [("imaps", "PLAIN"), ("imap", "SCRAM-SHA-256"), ("imaps", "LOGIN")],
)
def test_two_ways(house: Served, mbsync, tmp_path: Path, door: str, mechanism: str) -> None:
    ann, here = house.person("ann"), Local(tmp_path / "Mail")

    def sync() -> dict[str, str]:
        return mbsync(ann, mechanism=mechanism, door=door)

    for name in ("one", "two", "three", "four", "five"):
        house.append(ann, "INBOX", message(name), "\\Seen" if name == "one" else "")
    with house.imap(ann) as client:
        ok(client.create(quoted("Archive/2026")))
    house.append(ann, "Archive/2026", message("old", 2000), "(\\Flagged)")

    # Down: everything, with flags and folders.
    assert sync() == {"F": "+0 *0 #0", "N": "+6 *0 #0"}
    assert here.texts("INBOX") == texts(house, ann)
    assert here.texts("Archive/2026") == [message("old", 2000)]
    assert here.flags("INBOX", "one") == "S"
    assert here.flags("Archive/2026", "old") == "F"
    assert sync() == NOTHING

    # Both sides change at once.
    here.add("INBOX", message("from here"))
    here.add("Work/Deep", message("work"))
    here.flag("INBOX", "two", "FRS")
    here.flag("INBOX", "three", "T")
    house.append(ann, "INBOX", message("from there"))
    with house.imap(ann) as client:
        ok(client.select("INBOX"))
        ok(client.store("1", "-FLAGS", "(\\Seen)"))
        ok(client.store("4", "+FLAGS", "(\\Answered \\Draft)"))
        ok(client.store("5", "+FLAGS", "(\\Deleted)"))
        ok(client.expunge())
    sync()
    there = texts(house, ann)
    names = ("one", "two", "four", "from here", "from there")
    assert there == sorted(message(name) for name in names)
    assert here.texts("INBOX") == there
    assert flags(house, ann, "two") == {"\\Flagged", "\\Answered", "\\Seen"}
    assert flags(house, ann, "one") == frozenset()
    assert here.flags("INBOX", "one") == ""
    assert here.flags("INBOX", "four") == "DR"
    assert texts(house, ann, "Work/Deep") == [message("work")]
    assert sync() == NOTHING

    # Everything goes, here and there.
    here.flag("INBOX", "one", "T")
    here.flag("Archive/2026", "old", "FT")
    with house.imap(ann) as client:
        ok(client.select("INBOX"))
        ok(client.store("2:*", "+FLAGS", "(\\Deleted)"))
        ok(client.expunge())
    sync()
    assert house.mailbox(ann) == house.mailbox(ann, "Archive/2026") == []
    assert here.files("INBOX") == here.files("Archive/2026") == {}
    assert sync() == NOTHING
    assert {"NAMESPACE", "COMPRESS=DEFLATE", "LITERAL+"} <= house.spoken(ann)


def test_a_mailbox_that_was_deleted(house: Served, mbsync, tmp_path: Path) -> None:
    """Deleted there, it goes here too, once it is empty."""
    ann = house.person("ann")
    with house.imap(ann) as client:
        ok(client.create("Passing"))
    mbsync(ann)
    assert (tmp_path / "Mail/Passing/cur").is_dir()
    with house.imap(ann) as client:
        ok(client.delete("Passing"))
    mbsync(ann)
    assert not (tmp_path / "Mail/Passing").exists()
    assert mbsync(ann) == NOTHING


def test_many_messages_up_and_down(house: Served, mbsync, tmp_path: Path) -> None:
    """Uploads are pipelined, literals and all."""
    ann, here = house.person("ann"), Local(tmp_path / "Mail")
    wanted = [message(f"up {n}", 1 + n % 50 * 40) for n in range(150)]
    for text in wanted:
        here.add("INBOX", text)
    assert mbsync(ann)["F"] == "+150 *0 #0"
    assert texts(house, ann) == sorted(wanted)
    house.deliver(ann, *(message(f"down {n}") for n in range(50)))
    assert mbsync(ann)["N"] == "+50 *0 #0"
    assert here.texts("INBOX") == texts(house, ann)
    assert mbsync(ann) == NOTHING


def test_a_wrong_password(house: Served, mbsync) -> None:
    ann = house.person("ann")
    mbsync(Person(ann.address, "wrong"), status=1)
