"""sieve-connect: a client of ManageSieve by another hand, over STARTTLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from support.served import PASSWORD, Person, Served

pytestmark = pytest.mark.needs("sieve-connect")

SCRIPT = 'require "fileinto";\r\nif header :contains "subject" "file" { fileinto "Archive"; }\r\n'
LETTER = b"From: a@elsewhere.example\r\nSubject: %b\r\n\r\nText\r\n"


@pytest.fixture
def connect(house: Served, run, tmp_path: Path):  # type: ignore[no-untyped-def]
    def call(person: Person, *words: object, status: int = 0):  # type: ignore[no-untyped-def]
        secret = tmp_path / "secret"
        secret.write_text(person.password + "\n")
        with secret.open("rb") as passwords:
            return run(
                *("sieve-connect", "--server", "localhost", "--port", house.port("sieve")),
                *("--tlscafile", house.ca, "--user", person.address, "--nosslverify"),
                *("--passwordfd", 0, *words),
                stdin=passwords.read(),
                status=status,
            )

    return call


def test_scripts_are_put_run_and_taken_away(house: Served, connect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ann = house.person("ann")
    (tmp_path / "main.sieve").write_text(SCRIPT)
    connect(ann, "--localsieve", "main.sieve", "--remotesieve", "main", "--upload")
    connect(ann, "--remotesieve", "main", "--activate")
    assert b"main" in connect(ann, "--list").stdout
    connect(ann, "--remotesieve", "main", "--localsieve", "back.sieve", "--download")
    assert (tmp_path / "back.sieve").read_text().splitlines() == SCRIPT.splitlines()
    house.deliver(ann, LETTER % b"file this", LETTER % b"keep this")
    assert len(house.mailbox(ann, "Archive")) == 1
    assert len(house.mailbox(ann)) == 1
    connect(ann, "--deactivate")
    connect(ann, "--remotesieve", "main", "--delete")
    assert house.asked("sieve", "list", ann.address)["scripts"] == []


def test_a_bad_script_is_refused_with_its_place(house: Served, connect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ann = house.person("ann")
    (tmp_path / "bad.sieve").write_text("keep;\r\nnonsense;\r\n")
    words = ("--localsieve", "bad.sieve", "--remotesieve", "bad", "--upload")
    done = connect(ann, *words, status=1)
    assert b"line 2, column 1" in done.stdout + done.stderr
    assert house.asked("sieve", "list", ann.address)["scripts"] == []


class Talk:
    """A session by hand, in TLS."""

    def __init__(self, house: Served) -> None:
        plain = socket.create_connection(("127.0.0.1", house.port("sieve")), timeout=20)
        self.socket: socket.socket = plain
        self.stream = plain.makefile("rb")
        self.greeting = self.answer()
        plain.sendall(b"STARTTLS\r\n")
        assert self.answer()[-1].startswith(b"OK")
        tls: ssl.SSLContext = house.tls
        self.socket = tls.wrap_socket(plain, server_hostname="localhost")
        self.stream = self.socket.makefile("rb")
        self.inside = self.answer()

    def answer(self) -> list[bytes]:
        lines = [self.stream.readline()]
        while not lines[-1].startswith((b"OK", b"NO", b"BYE")):
            assert lines[-1], lines
            lines.append(self.stream.readline())
        return lines

    def say(self, line: bytes) -> list[bytes]:
        self.socket.sendall(line + b"\r\n")
        return self.answer()

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def test_a_session_by_hand(house: Served) -> None:
    ann = house.person("ann")
    talk = Talk(house)
    assert b'"STARTTLS"\r\n' in talk.greeting
    assert b'"SASL" ""\r\n' not in talk.inside
    assert b'"STARTTLS"\r\n' not in talk.inside
    assert any(b'"VERSION" "1.0"' in line for line in talk.inside)
    import base64

    right = base64.b64encode(f"\0{ann.address}\0{PASSWORD}".encode())
    wrong = base64.b64encode(f"\0{ann.address}\0nonsense".encode())
    assert talk.say(b"LISTSCRIPTS") == [b'NO "log in first"\r\n']
    assert talk.say(b'AUTHENTICATE "PLAIN" "' + wrong + b'"')[0].startswith(b"NO")
    assert talk.say(b'AUTHENTICATE "PLAIN" "' + right + b'"') == [b'OK "welcome"\r\n']
    assert f'"OWNER" "{ann.address}"\r\n'.encode() in talk.say(b"CAPABILITY")
    assert talk.say(b'PUTSCRIPT "a" {5+}\r\nkeep;') == [b"OK\r\n"]
    assert talk.say(b'HAVESPACE "b" 9999999')[0].startswith(b"NO (QUOTA/MAXSIZE)")
    assert talk.say(b'SETACTIVE "a"') == [b"OK\r\n"]
    assert talk.say(b'DELETESCRIPT "a"')[0].startswith(b"NO (ACTIVE)")
    assert talk.say(b'RENAMESCRIPT "a" "b"') == [b"OK\r\n"]
    assert talk.say(b"LISTSCRIPTS") == [b'"b" ACTIVE\r\n', b"OK\r\n"]
    assert talk.say(b'GETSCRIPT "b"') == [b"{5}\r\n", b"keep;\r\n", b"OK\r\n"]
    assert talk.say(b'GETSCRIPT "a"')[0].startswith(b"NO (NONEXISTENT)")
    assert talk.say(b'CHECKSCRIPT "fileinto 5;"')[0].startswith(b"NO ")
    assert talk.say(b'NOOP "x"') == [b'OK (TAG "x") "here"\r\n']
    assert talk.say(b"UNAUTHENTICATE") == [b"OK\r\n"]
    assert talk.say(b"LISTSCRIPTS") == [b'NO "log in first"\r\n']
    assert talk.say(b"LOGOUT")[0].startswith(b"OK")
    talk.close()
