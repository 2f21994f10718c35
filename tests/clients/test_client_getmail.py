"""getmail: POP3 and IMAP download, the server's messages exactly as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.served import Person, Served

pytestmark = pytest.mark.needs("getmail")

MESSAGES = [
    b"From: a@elsewhere.example\r\nSubject: %d\r\n\r\nText %d\r\n.\r\n..\r\n\r\nend\r\n" % (n, n)
    for n in range(5)
]


@pytest.fixture
def getmail(house: Served, run, tmp_path: Path, agent):
    """`getmail(person, door, option=value, …)`: one run, over TLS with the authority checked."""
    program, *arguments = agent.command

    def getmail(person: Person, door: str, *, status=0, retriever: str = "", **options: object):
        kind = {"pop3s": "SimplePOP3SSLRetriever", "imaps": "SimpleIMAPSSLRetriever"}[door]
        rc = tmp_path / "getmailrc"
        lines = [
            "[retriever]", f"type = {kind}", "server = localhost", f"port = {house.port(door)}",
            f"username = {person.address}", f"password = {person.password}", "timeout = 20",
            f"ca_certs = {house.ca}", "ssl_cert_hostname = localhost", retriever,
            "[destination]", "type = MDA_external", f"path = {program}",
            f"arguments = {tuple(arguments)!r}", "allow_root_commands = true",
            "unixfrom = false",
            "[options]", "delivered_to = false", "received = false",
            *(f"{name} = {value}" for name, value in options.items()),
        ]  # fmt: skip
        rc.write_text("\n".join(lines) + "\n")
        rc.chmod(0o600)
        return run("getmail", "--getmaildir", tmp_path, "--rcfile", rc, status=status)

    return getmail


def got(agent) -> list[bytes]:
    """What was handed over, without the fields that getmail adds over IMAP."""
    added = rb"X-getmail-retrieved-from-mailbox: .*\r\n|Return-Path: <unknown>\r\n"
    return sorted(re.sub(added, b"", message) for message in agent.got)


@pytest.mark.parametrize("door", ["pop3s", "imaps"])
def test_fetch_and_delete(house: Served, getmail, agent, door: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    there = sorted(house.inbox(ann))
    getmail(ann, door, delete="true", read_all="true")
    assert got(agent) == there
    assert house.mailbox(ann) == []
    getmail(ann, door, delete="true", read_all="true")
    assert got(agent) == there


@pytest.mark.parametrize("door", ["pop3s", "imaps"])
def test_keep_and_fetch_only_what_is_new(house: Served, getmail, agent, door: str) -> None:
    """It remembers messages by UIDL, and by UIDVALIDITY and UID."""
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES[:3])
    getmail(ann, door, delete="false", read_all="false")
    done = getmail(ann, door, delete="false", read_all="false")
    assert b"0 messages (0 bytes) retrieved, 3 skipped" in done.stdout
    house.deliver(ann, *MESSAGES[3:])
    done = getmail(ann, door, delete="false", read_all="false")
    assert b" retrieved, 3 skipped" in done.stdout
    assert got(agent) == sorted(house.inbox(ann))
    assert len(house.mailbox(ann)) == 5


def test_imap_moves_what_it_took(house: Served, getmail, agent) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    there = sorted(house.inbox(ann))
    getmail(ann, "imaps", retriever="move_on_delete = Archive", delete="true")
    assert got(agent) == there
    assert house.mailbox(ann) == []
    assert sorted(message.raw for message in house.mailbox(ann, "Archive")) == there


def test_imap_mailboxes(house: Served, getmail, agent) -> None:
    ann = house.person("ann")
    house.append(ann, "Junk", MESSAGES[0])
    house.append(ann, "Sent", MESSAGES[1])
    house.deliver(ann, MESSAGES[2])
    getmail(ann, "imaps", retriever="mailboxes = ('Junk', 'Sent')", delete="true")
    assert got(agent) == sorted(MESSAGES[:2])
    assert house.mailbox(ann, "Junk") == house.mailbox(ann, "Sent") == []
    assert len(house.mailbox(ann)) == 1


@pytest.mark.parametrize("door", ["pop3s", "imaps"])
def test_a_wrong_password(house: Served, getmail, agent, door: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    done = getmail(Person(ann.address, "wrong"), door, status=range(256))
    assert b"Login failed" in done.stderr or b"credential" in done.stderr
    assert got(agent) == []
    assert len(house.mailbox(ann)) == 5
