"""swaks: says exactly what it is told, by every way in."""

from __future__ import annotations

import email
import email.policy
import subprocess
from pathlib import Path

import pytest

from support.served import Person, Served

pytestmark = pytest.mark.needs("swaks")

SUBMISSION = ("--protocol", "ESMTPS", "--tls")
SMTPS = ("--protocol", "ESMTPS", "--tls-on-connect")


def swaks(run, house: Served, door: str, *words: object, **more) -> subprocess.CompletedProcess:
    """One transaction through a door, the authority checked where there is TLS."""
    server = ("--server", "localhost", "--port", house.port(door), "--timeout", 20)
    trust = ("--tls-verify", "--tls-ca-path", house.ca)
    return run("swaks", *server, *trust, *words, **more)


def sign_in(person: Person, mechanism: str = "PLAIN") -> tuple[str, ...]:
    return (
        "--auth", mechanism, "--auth-user", person.address, "--auth-password", person.password,
        "--auth-hide-password",
    )  # fmt: skip


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("door", "tls"), [("submission", "--tls"), ("smtps", "--tls-on-connect")])
def test_submission(house: Served, run, door: str, tls: str, mechanism: str) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    body = "First line\n.a dot begins this one\n.\n..\nlast"
    swaks(
        run, house, door, tls, *sign_in(ann, mechanism), "--from", ann.address,
        "--to", f"{bob.address},{ann.address}", "--header", "Subject: by swaks", "--body", body,
    )  # fmt: skip
    for person in (ann, bob):
        [stored] = house.mailbox(person)
        message = email.message_from_bytes(stored.raw, policy=email.policy.default)
        assert message["Subject"] == "by swaks"
        assert message["Return-Path"] == f"<{ann.address}>"
        assert message.get_payload() == f"{body}\n\n\n".replace("\n", "\r\n")  # swaks adds two
        assert "\\Seen" not in stored.flags
        assert "ESMTPSA" in message["Received"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password(house: Served, run, mechanism: str) -> None:
    ann = house.person("ann")
    wrong = Person(ann.address, "not the password")
    done = swaks(
        run, house, "smtps", "--tls-on-connect", *sign_in(wrong, mechanism),
        "--from", ann.address, "--to", ann.address, status=28,
    )  # fmt: skip
    assert b"535 5.7.8" in done.stdout
    assert house.mailbox(ann) == []


def test_no_password_before_tls_and_none_needed_after(house: Served, run) -> None:
    """Mail from another server needs none, and relays nothing."""
    bob = house.person("bob")
    to = ("--from", "someone@elsewhere.example", "--to")
    done = swaks(run, house, "submission", "--tls", *to, bob.address, status=23)
    assert b"530 5.7.0" in done.stdout
    swaks(run, house, "smtp", "--tls", *to, bob.address)
    assert b"ESMTPS " in house.mailbox(bob)[0].raw
    done = swaks(run, house, "smtp", "--tls", *to, "who@elsewhere.example", status=24)
    assert b"550 5.7.1" in done.stdout
    done = swaks(run, house, "smtp", *to, "nobody@example.test", status=24)
    assert b"550 5.1.1" in done.stdout


def test_lmtp(house: Served, run) -> None:
    """One answer for each recipient, and the unknown one refused on its own."""
    ann, bob = house.person("ann"), house.person("bob")
    done = swaks(
        run, house, "lmtp", "--protocol", "LMTP", "--from", "<>",
        "--to", f"{ann.address},nobody@example.test,{bob.address}", "--body", "by LMTP",
    )  # fmt: skip
    answers = [line[4:] for line in done.stdout.splitlines() if line.startswith((b"<-  ", b"<** "))]
    assert [answer[:9] for answer in answers[-6:]] == [
        b"550 5.1.1", b"250 2.1.5", b"354 Send ", b"250 2.1.5", b"250 2.1.5", b"221 2.0.0",
    ]  # fmt: skip
    for person in (ann, bob):
        [message] = house.inbox(person)
        assert b"Return-Path: <>\r\n" in message
        assert b"\r\n\r\nby LMTP\r\n" in message


def test_an_attachment(house: Served, run, tmp_path: Path) -> None:
    ann = house.person("ann")
    octets = bytes(range(256)) * 2000
    (tmp_path / "everything.bin").write_bytes(octets)
    swaks(
        run, house, "smtps", "--tls-on-connect", *sign_in(ann), "--from", ann.address,
        "--to", ann.address, "--attach-type", "application/octet-stream",
        "--attach-name", "everything.bin", "--attach", f"@{tmp_path / 'everything.bin'}",
    )  # fmt: skip
    message = email.message_from_bytes(house.inbox(ann)[0], policy=email.policy.default)
    [attached] = message.iter_attachments()
    assert attached.get_filename() == "everything.bin"
    assert attached.get_content() == octets


def test_pipelining_and_a_message_as_it_stands(house: Served, run, tmp_path: Path) -> None:
    """Every octet of a message comes back, by both ways of reading."""
    ann = house.person("ann")
    text = (
        b"From: <a@elsewhere.example>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
        b"X-Folded: one\r\n\ttwo\r\nMessage-ID: <p@elsewhere.example>\r\n\r\n"
        + "Grüße\r\n.\r\n..\r\n\r\n \t\r\nend".encode()
        + b"\r\n"
    )
    (tmp_path / "message").write_bytes(text)
    swaks(
        run, house, "smtp", "--tls", "--pipeline", "--from", "a@elsewhere.example",
        "--to", ann.address, "--data", f"@{tmp_path / 'message'}",
    )  # fmt: skip
    [stored] = house.mailbox(ann)
    assert stored.raw.rstrip(b"\r\n").endswith(text.rstrip(b"\r\n"))
    assert house.inbox(ann) == [stored.raw]
