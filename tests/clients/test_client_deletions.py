"""What a POP3 client deletes can be brought back, and need not go at all, as the account says."""

from __future__ import annotations

import poplib

import pytest

from support.served import Person, Served

MESSAGES = [
    b"From: a@elsewhere.example\r\nSubject: %d\r\n\r\nText %d\r\n" % (n, n) for n in range(4)
]


def mpop(house: Served, run, person: Person, agent) -> None:
    """Fetch everything and delete it, as mpop does unless told otherwise."""
    run(
        "mpop", "--host=localhost", f"--port={house.port('pop3s')}", "--tls=on",
        "--tls-starttls=off", f"--tls-trust-file={house.ca}", f"--user={person.address}",
        f"--passwordeval=echo {person.password}", "--auth=plain", "--keep=off",
        "--received-header=off",
        f"--delivery=mda,{' '.join(agent.command)}",
    )  # fmt: skip


@pytest.mark.needs("mpop")
def test_undelete(house: Served, run, agent) -> None:
    """A download that emptied the mailbox, undone: the same messages, with new UIDs."""
    ann = house.person("ann")
    house.deliver(ann, *MESSAGES)
    before = house.mailbox(ann)
    mpop(house, run, ann, agent)
    assert agent.got == sorted(stored.raw for stored in before)
    assert house.mailbox(ann) == []

    listed = house.asked("undelete", "list", "--account", ann.address)["messages"]
    assert [(entry["mailbox"], entry["uid"], entry["subject"]) for entry in listed] == [
        ("INBOX", stored.uid, str(n)) for n, stored in enumerate(before)
    ]
    assert {entry["by"] for entry in listed} == {f"pop3 {ann.address} from 127.0.0.1"}

    house.pillarbox(
        "undelete", "restore", "--account", ann.address, "--mailbox", "INBOX",
        "--uid", str(before[1].uid),
    )  # fmt: skip
    assert [stored.raw for stored in house.mailbox(ann)] == [before[1].raw]
    done = house.asked("undelete", "restore", "--account", ann.address, "--all")
    assert sum(box["messages"] for box in done["restored"]) == 3
    after = house.mailbox(ann)
    assert sorted(stored.raw for stored in after) == sorted(stored.raw for stored in before)
    assert min(stored.uid for stored in after) > max(stored.uid for stored in before)
    assert house.asked("undelete", "list", "--account", ann.address)["messages"] == []
    # The next download has them again.
    mpop(house, run, ann, agent)
    assert len(agent.got) == 8


@pytest.mark.needs("mpop")
def test_keep(house: Served, run, agent) -> None:
    """pop3 = keep: gone for POP3 clients, untouched for IMAP."""
    ann = house.person("ann", "--pop3", "keep")
    house.deliver(ann, *MESSAGES)
    before = house.mailbox(ann)
    mpop(house, run, ann, agent)
    assert len(agent.got) == 4
    assert house.mailbox(ann) == before
    assert house.inbox(ann) == []
    house.deliver(ann, MESSAGES[0])
    mpop(house, run, ann, agent)
    assert len(agent.got) == 5
    assert len(house.mailbox(ann)) == 5
    # After another choice for the account, what was hidden stays hidden from POP3.
    house.pillarbox("account", "set", ann.address, "--pop3", "delete")
    house.deliver(ann, MESSAGES[1])
    mpop(house, run, ann, agent)
    assert house.inbox(ann) == []
    assert len(house.mailbox(ann)) == 5


@pytest.mark.needs("mpop")
def test_archive(house: Served, run, agent) -> None:
    """pop3 = archive: what a POP3 client deletes is in the Archive mailbox."""
    ann = house.person("ann", "--pop3", "archive")
    house.deliver(ann, *MESSAGES)
    before = sorted(stored.raw for stored in house.mailbox(ann))
    mpop(house, run, ann, agent)
    assert agent.got == before
    assert house.mailbox(ann) == []
    assert sorted(stored.raw for stored in house.mailbox(ann, "Archive")) == before


@pytest.mark.parametrize("mode", ["delete", "keep", "archive"])
def test_what_the_client_is_told(house: Served, mode: str) -> None:
    """EXPIRE and the answer to DELE hold in every mode; UIDs stay what they were."""
    ann = house.person("ann", "--pop3", mode)
    house.deliver(ann, *MESSAGES)
    with house.pop3(ann) as client:
        before = client.uidl()[1]
        assert client.dele(2).startswith(b"+OK")
        with pytest.raises(poplib.error_proto):
            client.retr(2)
    with house.pop3(ann) as client:
        after = client.uidl()[1]
        assert [row.split()[1] for row in after] == [before[n].split()[1] for n in (0, 2, 3)]
