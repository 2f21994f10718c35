"""curl: three protocols from a shell, and every command it does not know by -X."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.served import Person, Served, crlf

pytestmark = pytest.mark.needs("curl")

MESSAGE = b"From: a@elsewhere.example\r\nSubject: curl %d\r\n\r\nText %d\r\n.\r\n..\r\n\r\nend\r\n"
BAD_LOGIN = 67
REFUSED = 78
SEND_REFUSED = 55


@pytest.fixture
def curl(house: Served, run):
    """`curl(person, scheme, path, …)`; implicit TLS, the authority checked."""

    def curl(
        person: Person, scheme: str, path: str = "", *words: object, **more
    ) -> subprocess.CompletedProcess[bytes]:
        url = f"{scheme}://localhost:{house.port(scheme)}/{path}"
        login = ("--user", f"{person.address}:{person.password}")
        trust = ("--cacert", house.ca, "--max-time", 20)
        return run("curl", "-sS", *trust, *login, url, *words, **more)

    return curl


def lists(done: subprocess.CompletedProcess[bytes]) -> list[bytes]:
    return done.stdout.split(b"\r\n")[:-1]


def send_options(person: Person, *recipients: Person) -> list[object]:
    words: list[object] = ["--mail-from", person.address]
    for recipient in recipients:
        words += ["--mail-rcpt", recipient.address]
    return words


def test_smtps_upload(house: Served, curl) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    text = MESSAGE % (1, 1)
    curl(ann, "smtps", "client.example", *send_options(ann, ann, bob), "-T", "-", stdin=text)
    for person in (ann, bob):
        [message] = house.inbox(person)
        assert message.endswith(text)
        assert house.mailbox(person)[0].raw == message


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_starttls_and_mechanisms(house: Served, run, mechanism: str) -> None:
    """On the three ports that begin in the clear."""
    ann = house.person("ann")
    house.deliver(ann, MESSAGE % (7, 7))
    common = (
        "-sS", "-v", "--ssl-reqd", "--cacert", house.ca, "--user", f"{ann.address}:{ann.password}",
        "--login-options", f"AUTH={mechanism}", "--max-time", 20,
    )  # fmt: skip
    url = f"smtp://localhost:{house.port('submission')}"
    run("curl", *common, url, *send_options(ann, ann), "-T", "-", stdin=MESSAGE % (8, 8))
    assert len(house.inbox(ann)) == 2
    done = run("curl", *common, f"pop3://localhost:{house.port('pop3')}/1")
    assert done.stdout == house.inbox(ann)[0]
    done = run("curl", *common, f"imap://localhost:{house.port('imap')}/INBOX;UID=2")
    assert done.stdout == house.inbox(ann)[1]


def test_refusals(house: Served, curl) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    wrong = Person(ann.address, "wrong")
    for scheme in ("imaps", "pop3s"):
        curl(wrong, scheme, status=BAD_LOGIN)
    curl(wrong, "smtps", "", *send_options(ann, bob), "-T", "-", stdin=b"x\r\n", status=BAD_LOGIN)
    words = ("--mail-from", bob.address, "--mail-rcpt", bob.address)
    done = curl(ann, "smtps", "", *words, "-T", "-", stdin=b"x\r\n", status=SEND_REFUSED)
    assert b"553" in done.stderr
    curl(ann, "imaps", "NoSuchBox", "-X", "NOOP", status=BAD_LOGIN)  # it says so for SELECT too
    curl(ann, "imaps", "INBOX;UID=99", status=REFUSED)
    assert house.mailbox(bob) == []


def test_imaps(house: Served, curl, tmp_path: Path) -> None:
    """One mailbox from its making to its end."""
    ann = house.person("ann")
    texts = [MESSAGE % (n, n) for n in range(3)]
    curl(ann, "imaps", "", "-X", "CREATE Archive/2026")
    assert house.names(ann) >= {"INBOX", "Archive/2026"}
    assert b'* LIST (\\HasNoChildren) "/" "Archive/2026"' in lists(curl(ann, "imaps"))

    for text in texts:
        (tmp_path / "message").write_bytes(text)
        curl(ann, "imaps", "Archive%2F2026", "-T", tmp_path / "message")
    stored = house.mailbox(ann, "Archive/2026")
    assert [message.raw for message in stored] == texts

    for message in stored:
        path = f"Archive%2F2026;UID={message.uid}"
        assert curl(ann, "imaps", path).stdout == message.raw
    header = curl(ann, "imaps", f"Archive%2F2026;UID={stored[0].uid};SECTION=HEADER")
    assert header.stdout == texts[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    text = curl(ann, "imaps", f"Archive%2F2026;UID={stored[0].uid};SECTION=TEXT")
    assert text.stdout == texts[0].partition(b"\r\n\r\n")[2]

    found = curl(ann, "imaps", "Archive%2F2026?SUBJECT%20%22curl%201%22")
    assert lists(found) == [b"* SEARCH 2"]
    listed = curl(ann, "imaps", "Archive%2F2026", "-X", "FETCH 1:* (FLAGS RFC822.SIZE)")
    assert len(lists(listed)) == 3
    assert b"RFC822.SIZE %d" % len(texts[0]) in listed.stdout

    command = f"UID STORE {stored[1].uid} +FLAGS (\\Deleted \\Flagged $Label1)"
    curl(ann, "imaps", "Archive%2F2026", "-X", command)
    flags = house.mailbox(ann, "Archive/2026")[1].flags
    assert flags >= {"\\Deleted", "\\Flagged", "$Label1", "\\Seen"}
    curl(ann, "imaps", "Archive%2F2026", "-X", "EXPUNGE")
    assert [m.raw for m in house.mailbox(ann, "Archive/2026")] == [texts[0], texts[2]]

    curl(ann, "imaps", "Archive%2F2026", "-X", "UID COPY 1:* INBOX")
    assert house.inbox(ann) == [texts[0], texts[2]]
    curl(ann, "imaps", "Archive%2F2026", "-X", "MOVE 1 INBOX")
    assert len(house.inbox(ann)) == 3
    curl(ann, "imaps", "", "-X", "RENAME Archive/2026 Old")
    assert "Old" in house.names(ann)
    curl(ann, "imaps", "", "-X", "DELETE Old")
    assert "Old" not in house.names(ann)
    status = curl(ann, "imaps", "", "-X", "STATUS INBOX (MESSAGES UNSEEN UIDNEXT SIZE)")
    assert b"MESSAGES 3" in status.stdout
    assert {"MOVE", "STATUS=SIZE"} <= house.spoken(ann)


def test_pop3s(house: Served, curl) -> None:
    ann = house.person("ann")
    house.deliver(ann, *(MESSAGE % (n, n) for n in range(3)))
    there = [message.raw for message in house.mailbox(ann)]
    sizes = [b"%d %d" % (number, len(raw)) for number, raw in enumerate(there, 1)]
    assert lists(curl(ann, "pop3s")) == sizes
    for number, raw in enumerate(there, 1):
        assert curl(ann, "pop3s", str(number)).stdout == raw
    head = curl(ann, "pop3s", "", "-X", "TOP 1 1").stdout
    assert head == there[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\nText 0\r\n"
    before = lists(curl(ann, "pop3s", "", "-X", "UIDL"))
    assert len({line.split()[1] for line in before}) == 3
    curl(ann, "pop3s", "2", "-X", "DELE", "--list-only")
    assert [message.raw for message in house.mailbox(ann)] == [there[0], there[2]]
    after = lists(curl(ann, "pop3s", "", "-X", "UIDL"))
    assert [line.split()[1] for line in after] == [before[0].split()[1], before[2].split()[1]]


def test_a_long_message(house: Served, curl, tmp_path: Path) -> None:
    """Too large for the database, in by SMTP, out by IMAP and POP3."""
    ann = house.person("ann")
    lines = [b"%08d " % n + b"x" * 60 for n in range(60_000)]
    text = b"Subject: long\r\n\r\n" + crlf(lines)
    (tmp_path / "long").write_bytes(text)
    curl(ann, "smtps", "", *send_options(ann, ann), "-T", tmp_path / "long")
    by_imap = curl(ann, "imaps", "INBOX;UID=1").stdout
    assert by_imap.endswith(text)
    assert curl(ann, "pop3s", "1").stdout == by_imap
