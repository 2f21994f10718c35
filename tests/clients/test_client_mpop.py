"""mpop: POP3 by pipelining, and UIDL to know what it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.served import Person, Served, crlf

pytestmark = pytest.mark.needs("mpop")

MESSAGES = [
    b"From: a@elsewhere.example\r\nSubject: %d\r\n\r\nText %d\r\n.\r\n..\r\nend\r\n" % (n, n)
    for n in range(12)
]


def configure(
    tmp_path: Path, house: Served, person: Person, *more: str, door: str = "pop3s"
) -> Path:
    path = tmp_path / "mpoprc"
    (tmp_path / "Maildir" / "cur").mkdir(parents=True, exist_ok=True)
    (tmp_path / "Maildir" / "new").mkdir(exist_ok=True)
    (tmp_path / "Maildir" / "tmp").mkdir(exist_ok=True)
    lines = [
        "account house", "host localhost", f"port {house.port(door)}", "tls on",
        f"tls_starttls {'on' if door == 'pop3' else 'off'}", f"tls_trust_file {house.ca}",
        f"user {person.address}", f"password {person.password}",
        f"delivery maildir {tmp_path / 'Maildir'}", f"uidls_file {tmp_path / 'uidls'}",
        "timeout 20", *more, "account default : house",
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def fetched(tmp_path: Path) -> list[bytes]:
    """What is in the maildir, with the line ends of the wire, in the order of arrival."""
    found = [crlf(path.read_bytes().splitlines()) for path in (tmp_path / "Maildir/new").iterdir()]
    return sorted(message[message.index(b"Return-Path") :] for message in found)


@pytest.mark.parametrize("door", ["pop3s", "pop3"])
@pytest.mark.parametrize("auth", ["user", "plain", "login", "scram-sha-256"])
def test_keep_and_fetch_only_what_is_new(
    house: Served, run, tmp_path: Path, door: str, auth: str
) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    rc = configure(tmp_path, house, ann, "keep on", f"auth {auth}", door=door)
    run("mpop", "-C", rc)
    assert fetched(tmp_path) == sorted(house.inbox(ann))
    assert len(fetched(tmp_path)) == len(MESSAGES)
    done = run("mpop", "-C", rc, "--debug")
    assert b"UIDL" in done.stdout
    assert b"RETR" not in done.stdout
    assert len(fetched(tmp_path)) == len(MESSAGES)
    house.deliver(ann, b"Subject: later\r\n\r\nlater\r\n")
    run("mpop", "-C", rc)
    assert fetched(tmp_path) == sorted(house.inbox(ann))


@pytest.mark.parametrize("pipelining", ["on", "off"])
def test_delete(house: Served, run, tmp_path: Path, pipelining: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    there = house.inbox(ann)
    rc = configure(tmp_path, house, ann, "keep off", f"pipelining {pipelining}")
    run("mpop", "-C", rc)
    assert fetched(tmp_path) == sorted(there)
    assert house.mailbox(ann) == []


def test_what_the_server_is(house: Served, run, tmp_path: Path) -> None:
    rc = configure(tmp_path, house, house.person("ann"))
    said = run("mpop", "-C", rc, "--serverinfo").stdout.decode()
    for word in ("PIPELINING", "TOP", "UIDL", "SCRAM-SHA-256", "EXPIRE", "LOGIN-DELAY"):
        assert word.lower() in said.lower(), said
