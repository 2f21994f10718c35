"""offlineimap: two-way sync by another author's reading of the standard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.served import Person, Served, crlf, ok, quoted

pytestmark = pytest.mark.needs("offlineimap")


def message(name: str, lines: int = 3) -> bytes:
    head = (
        f"From: a@elsewhere.example\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
        f"Subject: {name}\r\nMessage-ID: <{name}@x.example>\r\n\r\n"
    )
    return head.encode() + crlf([b"%d of " % n + name.encode() for n in range(lines)] + [b"."])


class Local:
    """The maildirs of the local side; a folder's path has dots in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self, box: str) -> dict[str, Path]:
        """Subject to file."""
        found = [path for part in ("cur", "new") for path in (self.root / box / part).glob("*")]
        subject = re.compile(rb"^Subject: (.*)$", re.MULTILINE)
        return {subject.findall(path.read_bytes())[0].decode().strip(): path for path in found}

    def texts(self, box: str) -> list[bytes]:
        """Messages as on the wire."""
        return sorted(crlf(path.read_bytes().splitlines()) for path in self.files(box).values())

    def flags(self, box: str, subject: str) -> str:
        return self.files(box)[subject].name.partition(":2,")[2]

    def flag(self, box: str, subject: str, flags: str) -> None:
        path = self.files(box)[subject]
        path.rename(self.root / box / "cur" / f"{path.name.partition(':')[0]}:2,{flags}")

    def add(self, box: str, text: bytes) -> None:
        for part in ("cur", "new", "tmp"):
            (self.root / box / part).mkdir(parents=True, exist_ok=True)
        name = f"1767607200_{len(list(self.root.rglob('*')))}.1.here"
        (self.root / box / "new" / name).write_bytes(text.replace(b"\r\n", b"\n"))

    def all(self) -> set[Path]:
        return {path for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def offlineimap(house: Served, run, tmp_path: Path):
    """`offlineimap(person)`: one run of everything."""
    (tmp_path / "Mail").mkdir()

    def offlineimap(person: Person, *, mechanism: str = "PLAIN", status=0) -> bytes:
        rc = tmp_path / "offlineimaprc"
        lines = [
            "[general]", "accounts = house", f"metadata = {tmp_path / 'meta'}",
            "socktimeout = 20", "fsync = no",
            "[Account house]", "localrepository = here", "remoterepository = there",
            "[Repository here]", "type = Maildir", f"localfolders = {tmp_path / 'Mail'}",
            "[Repository there]", "type = IMAP", "remotehost = localhost",
            f"remoteport = {house.port('imaps')}", f"remoteuser = {person.address}",
            f"remotepass = {person.password}", f"auth_mechanisms = {mechanism}",
            "ssl = yes", f"sslcacertfile = {house.ca}",
        ]  # fmt: skip
        rc.write_text("\n".join(lines) + "\n")
        done = run("offlineimap", "-c", rc, "-o", "-u", "basic", status=status)
        said = done.stdout + done.stderr
        assert status or b"Traceback" not in said
        return said

    return offlineimap


def texts(house: Served, person: Person, box: str = "INBOX") -> list[bytes]:
    """What is on the server, without the field by which offlineimap finds its own uploads."""
    raw = [stored.raw for stored in house.mailbox(person, box)]
    return sorted(re.sub(rb"X-OfflineIMAP: .*\r\n", b"", text) for text in raw)


def flags(house: Served, person: Person, subject: str) -> frozenset[str]:
    wanted = f"\r\nSubject: {subject}\r\n".encode()
    [found] = [stored.flags for stored in house.mailbox(person) if wanted in stored.raw]
    return found - {"\\Recent"}


# Not with STARTTLS: offlineimap 8.0 with imaplib2 3.05 reads and writes one TLS session from two
# threads, and when session tickets (RFC 8446 §4.6.1) wake its reader before it has anything to
# read, one run in ten its next command never leaves the client.
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_two_ways(house: Served, offlineimap, tmp_path: Path, mechanism: str) -> None:
    ann, here = house.person("ann"), Local(tmp_path / "Mail")

    def sync() -> bytes:
        return offlineimap(ann, mechanism=mechanism)

    def again() -> None:
        """Nothing is left to do, on either side."""
        before = here.all(), house.modseq(ann)
        said = sync()
        assert b"Copy message" not in said
        assert b"Deleting" not in said
        assert (here.all(), house.modseq(ann)) == before

    for name in ("one", "two", "three", "four", "five"):
        house.append(ann, "INBOX", message(name), "\\Seen" if name == "one" else "")
    with house.imap(ann) as client:
        ok(client.create(quoted("Archive/2026")))
    house.append(ann, "Archive/2026", message("old", 2000), "(\\Flagged)")

    sync()
    assert here.texts("INBOX") == texts(house, ann)
    assert here.texts("Archive.2026") == [message("old", 2000)]
    assert here.flags("INBOX", "one") == "S"
    assert here.flags("Archive.2026", "old") == "F"
    again()

    # Both sides change at once.
    here.add("INBOX", message("from here"))
    here.add("Work", message("work"))
    here.add("Work.Deep", message("deep"))
    here.flag("INBOX", "two", "FRS")
    here.files("INBOX")["three"].unlink()
    house.append(ann, "INBOX", message("from there"))
    with house.imap(ann) as client:
        ok(client.select("INBOX"))
        ok(client.store("1", "-FLAGS", "(\\Seen)"))
        ok(client.store("4", "+FLAGS", "(\\Answered \\Draft)"))
        ok(client.store("5", "+FLAGS", "(\\Deleted)"))
        ok(client.expunge())
    sync()
    names = ("one", "two", "four", "from here", "from there")
    assert texts(house, ann) == sorted(message(name) for name in names)
    assert here.texts("INBOX") == texts(house, ann)
    assert flags(house, ann, "two") == {"\\Flagged", "\\Answered", "\\Seen"}
    assert flags(house, ann, "one") == frozenset()
    assert here.flags("INBOX", "one") == ""
    assert here.flags("INBOX", "four") == "DR"
    assert texts(house, ann, "Work") == [message("work")]
    assert texts(house, ann, "Work/Deep") == [message("deep")]
    again()

    # Everything goes, here and there.
    here.files("INBOX")["one"].unlink()
    here.files("Archive.2026")["old"].unlink()
    with house.imap(ann) as client:
        ok(client.select("INBOX"))
        ok(client.store("2:*", "+FLAGS", "(\\Deleted)"))
        ok(client.expunge())
    sync()
    assert house.mailbox(ann) == house.mailbox(ann, "Archive/2026") == []
    assert here.files("INBOX") == here.files("Archive.2026") == {}
    again()


def test_a_wrong_password(house: Served, offlineimap) -> None:
    ann = house.person("ann")
    said = offlineimap(Person(ann.address, "wrong"), status=1)
    assert b"AUTHENTICATIONFAILED" in said
