"""msmtp: submission with STARTTLS and with TLS from the first octet, every mechanism it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.served import Person, Served, crlf

pytestmark = pytest.mark.needs("msmtp")

MESSAGE = (
    b"From: Ann <%s>\nTo: <%s>\nSubject: by msmtp\nMessage-ID: <m1@example.test>\n\n"
    b"Text\n.\n..dots\n\nend\n"
)


def configure(
    tmp_path: Path, house: Served, person: Person, door: str, *more: str, auth: str = "on"
) -> Path:
    """The configuration file, read by its owner only."""
    path = tmp_path / "msmtprc"
    lines = [
        "account house", "host localhost", f"port {house.port(door)}", f"from {person.address}",
        "tls on", f"tls_starttls {'on' if door == 'submission' else 'off'}",
        f"tls_trust_file {house.ca}", f"auth {auth}", f"user {person.address}",
        f"password {person.password}", "timeout 20", *more, "account default : house",
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("door", ["submission", "smtps"])
@pytest.mark.parametrize("auth", ["on", "plain", "login", "scram-sha-256"])
def test_submission(house: Served, run, tmp_path: Path, door: str, auth: str) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    rc = configure(tmp_path, house, ann, door, auth=auth)
    text = MESSAGE % (ann.address.encode(), bob.address.encode())
    run("msmtp", "-C", rc, "-t", stdin=text)
    [message] = house.inbox(bob)
    # Trace fields of the server, a Date of msmtp, then what it was given, octet by octet.
    assert message.endswith(crlf(text.splitlines()))
    assert b"\r\nDate: " in message
    [stored] = house.mailbox(bob)
    assert stored.raw == message


def test_several_recipients_and_one_of_them_hidden(house: Served, run, tmp_path: Path) -> None:
    ann, bob, eve = (house.person(name) for name in ("ann", "bob", "eve"))
    rc = configure(tmp_path, house, ann, "smtps", "remove_bcc_headers off")
    text = f"From: {ann.address}\nTo: {bob.address}\nBcc: {eve.address}\nSubject: hidden\n\nhello\n"
    run("msmtp", "-C", rc, "-t", stdin=text)
    for person in (bob, eve):
        [message] = house.inbox(person)
        assert b"Subject: hidden\r\n" in message
        assert b"Bcc" not in message
        assert eve.address.encode() not in message


def test_refusals(house: Served, run, tmp_path: Path) -> None:
    """A wrong password, a stranger's sender address, a recipient elsewhere: each its own status."""
    ann, bob = house.person("ann"), house.person("bob")
    rc = configure(tmp_path, house, Person(ann.address, "wrong"), "smtps")
    done = run("msmtp", "-C", rc, bob.address, stdin="Subject: x\n\nx\n", status=77)
    assert b"535 5.7.8" in done.stderr
    rc = configure(tmp_path, house, ann, "smtps")
    done = run("msmtp", "-C", rc, "-f", bob.address, bob.address, stdin="Subject: x\n\n", status=65)
    assert b"5.7.1" in done.stderr
    done = run("msmtp", "-C", rc, "who@elsewhere.example", stdin="Subject: x\n\nx\n", status=65)
    assert b"550 5.3.2" in done.stderr
    assert house.mailbox(bob) == []


def test_a_server_it_does_not_trust(house: Served, run, tmp_path: Path) -> None:
    """The certificate is checked: with another authority it goes no further."""
    ann = house.person("ann")
    rc = configure(tmp_path, house, ann, "smtps")
    rc.write_text(rc.read_text().replace(str(house.ca), "/etc/ssl/certs/ca-certificates.crt"))
    run("msmtp", "-C", rc, ann.address, stdin="Subject: x\n\nx\n", status=(69, 76, 78))
    assert house.mailbox(ann) == []


def test_what_the_server_is(house: Served, run, tmp_path: Path) -> None:
    rc = configure(tmp_path, house, house.person("ann"), "submission", auth="off")
    said = run("msmtp", "-C", rc, "--serverinfo").stdout.decode()
    assert "PIPELINING" in said
    assert "SIZE" in said
    assert "SCRAM-SHA-256" in said
