"""fetchmail: POP3 and IMAP download, handed to a program message by message."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.served import Person, Served

pytestmark = pytest.mark.needs("fetchmail")

MESSAGES = [
    b"From: a@elsewhere.example\r\nSubject: %d\r\nMessage-ID: <%d@elsewhere.example>\r\n\r\n"
    b"Text %d\r\n.\r\n..\r\nFrom here\r\nend\r\n" % (n, n, n)
    for n in range(5)
]
NO_MAIL = 1
"""fetchmail's status when there was nothing to fetch."""
NO_LOGIN = 3


@pytest.fixture
def fetchmail(house: Served, run, tmp_path: Path, agent):
    """`fetchmail(person, protocol, *words)`: one poll, over TLS with the authority checked."""

    def fetchmail(
        person: Person, protocol: str, *words: str, door: str = "", status=0, more: str = ""
    ):
        door = door or {"pop3": "pop3s", "imap": "imaps"}[protocol]
        tls = "ssl" if door.endswith("s") else 'sslproto "tls1.2+"'
        rc = tmp_path / "fetchmailrc"
        rc.write_text(
            f"poll localhost protocol {protocol} service {house.port(door)} timeout 20 {more}\n"
            f'  user "{person.address}" password "{person.password}"\n'
            f'  {tls} sslcertck sslcertfile "{house.ca}"\n'
            f'  mda "{" ".join(agent.command)}"\n'
        )
        rc.chmod(0o600)
        ids = ("--idfile", tmp_path / "ids", "--pidfile", tmp_path / "pid")
        return run("fetchmail", "-f", rc, *ids, "-v", *words, status=status)

    return fetchmail


BODIES = sorted(message.partition(b"\r\n\r\n")[2] for message in MESSAGES)


@pytest.mark.parametrize("door", ["pop3s", "pop3", "imaps", "imap"])
def test_fetch_and_delete(house: Served, fetchmail, agent, door: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    done = fetchmail(ann, door.removesuffix("s"), "--nokeep", door=door)
    assert agent.bodies == BODIES
    assert house.mailbox(ann) == []
    assert b"TLS" in done.stdout
    fetchmail(ann, door.removesuffix("s"), "--nokeep", door=door, status=NO_MAIL)
    assert agent.bodies == BODIES


def test_pop3_keep(house: Served, fetchmail, agent) -> None:
    """What was fetched once is known by its UID, and not fetched again."""
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES[:3])
    fetchmail(ann, "pop3", "--keep", "--uidl")
    assert len(agent.bodies) == 3
    fetchmail(ann, "pop3", "--keep", "--uidl", status=NO_MAIL)
    house.deliver(ann, *MESSAGES[3:])
    fetchmail(ann, "pop3", "--keep", "--uidl")
    assert agent.bodies == BODIES
    assert len(house.mailbox(ann)) == 5


def test_imap_keep(house: Served, fetchmail, agent) -> None:
    """By IMAP what was fetched is marked as seen."""
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    fetchmail(ann, "imap", "--keep")
    assert agent.bodies == BODIES
    assert all("\\Seen" in message.flags for message in house.mailbox(ann))
    fetchmail(ann, "imap", "--keep", status=NO_MAIL)
    assert len(agent.bodies) == 5


def test_imap_folders(house: Served, fetchmail, agent) -> None:
    ann = house.person("ann")
    house.append(ann, "Junk", MESSAGES[0])
    house.append(ann, "Archive", MESSAGES[1])
    fetchmail(ann, "imap", "--nokeep", "--folder", "Junk,Archive")
    assert agent.bodies == BODIES[:2]
    assert house.mailbox(ann, "Junk") == house.mailbox(ann, "Archive") == []


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_a_wrong_password(house: Served, fetchmail, agent, protocol: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    fetchmail(Person(ann.address, "wrong"), protocol, status=NO_LOGIN)
    assert agent.bodies == []
    assert len(house.mailbox(ann)) == 5
