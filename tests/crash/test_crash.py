"""A few quick rounds of rounds.py, and proof that it would notice what it looks for."""

from __future__ import annotations

import argparse
import imaplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crash import rounds
from crash.rounds import ARCHIVE, GONE, INBOX, Failed, House, Known

USER = "user0@example.test"


def test_quick_rounds() -> None:
    """Killed three times in mid-work, and between that while it starts."""
    script = Path(rounds.__file__)
    done = subprocess.run(
        [sys.executable, script, "--rounds", "3", "--longest", "0.8"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing twice, nothing damaged" in done.stdout


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, [sys.executable, "-m", "pillarbox"])
    house.start()
    yield house
    house.stop()


def lose(client: imaplib.IMAP4) -> None:
    client.store("1", "+FLAGS", "(\\Deleted)")
    client.expunge()


def double(client: imaplib.IMAP4) -> None:
    client.copy("1", ARCHIVE)


def move(client: imaplib.IMAP4) -> None:
    client.uid("MOVE", "1:*", ARCHIVE)


def damage(client: imaplib.IMAP4) -> None:
    raw = rounds.message("a-0", 5).replace(b"\r\n\r\n", b"\r\n\r\nx")
    client.append(INBOX, "", "", raw)


def forget(client: imaplib.IMAP4) -> None:
    client.store("1", "-FLAGS", "(\\Flagged)")


def invent(client: imaplib.IMAP4) -> None:
    client.append(INBOX, "", "", rounds.message("nobody sent this", 5))


FAULTS = {
    lose: r"is in no mailbox",
    double: r"is in \['INBOX', 'Archive'\]",
    move: r"is in \['Archive'\]",
    damage: r"a damaged message",
    forget: r"lost its flag",
    invent: r"never sent to them",
}


def test_the_look_notices(house: House) -> None:
    """One house after the other would take long, so each fault is mended again."""
    known = Known()
    client = house.imap(USER)
    client.select(INBOX)
    for fault, complaint in FAULTS.items():
        number = f"{fault.__name__}-1"
        rounds.write_one(client, known, USER, number, 0.25)  # appended and flagged
        assert rounds.look(house, known) == 1
        fault(client)
        with pytest.raises(Failed, match=complaint):
            rounds.look(house, known)
        empty(client)
        known = Known(uids=known.uids, uidnext=known.uidnext, uidvalidity=known.uidvalidity)
        assert rounds.look(house, known) == 0
    client.logout()


def empty(client: imaplib.IMAP4) -> None:
    for box in (ARCHIVE, INBOX):
        client.select(box)
        client.store("1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()


@pytest.mark.parametrize("promise", ["uidnext", "uidvalidity", "uids"])
def test_the_look_notices_uids(house: House, promise: str) -> None:
    known = Known()
    client = house.imap(USER)
    client.select(INBOX)
    rounds.write_one(client, known, USER, "one", 0.5)
    known.uidnext[USER, INBOX] = 1
    assert rounds.look(house, known) == 1
    changes: dict[str, Callable[[], object]] = {
        "uidnext": lambda: known.uidnext.update({(USER, INBOX): 99}),
        "uidvalidity": lambda: known.uidvalidity.update({(USER, INBOX): 1}),
        "uids": lambda: known.uids.update({(USER, INBOX, 1): "another"}),
    }
    changes[promise]()
    with pytest.raises(Failed, match=r"UID"):
        rounds.look(house, known)
    client.logout()


def test_what_was_not_there_must_not_come_later(house: House) -> None:
    known = Known()
    known.trying(("late", USER), INBOX)
    assert rounds.look(house, known) == 0
    assert known.places["late", USER] == {GONE}
    client = house.imap(USER)
    client.append(INBOX, "", "", rounds.message("late", 5))
    client.logout()
    with pytest.raises(Failed, match="late"):
        rounds.look(house, known)


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    house = House(tmp_path, [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(Failed, match="did not start"):
        rounds.rounds(house, Known(), argparse.Namespace(seed=1, rounds=1, longest=1, look_every=1))


def test_no_database_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no database"):
        rounds.check_databases(tmp_path)
    (tmp_path / "mail.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(Exception, match=r"malformed|not a database|disk image"):
        rounds.check_databases(tmp_path)
