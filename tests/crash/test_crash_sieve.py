"""Killed between verdict, script and delivery: nothing is lost, nothing filed or passed on twice.

Bob's script files every message and redirects it to Carol. A sender hands over one message after
another, again and again until there is an answer, while the server is killed and started again.
"""

from __future__ import annotations

import base64
import contextlib
import random
import smtplib
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from crash.rounds import PASSWORD, House

BOB, CAROL = "user1@example.test", "user2@example.test"
SCRIPT = (
    'require ["fileinto", "copy", "vacation"];\n'
    f'fileinto "Archive"; redirect :copy "{CAROL}"; vacation "away";\n'
)
ROUNDS = 4
SECONDS = 0.5
SETTLED = 30.0
"""Seconds until everything that was queued has arrived."""


def letter(number: str) -> bytes:
    head = f"From: user0@example.test\r\nTo: {BOB}\r\nSubject: {number}\r\nMessage-ID: <{number}@x>"
    return f"{head}\r\n\r\nText of {number}\r\n".encode()


class Sender(threading.Thread):
    """Gives up no message before it has an answer."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.house = house
        self.over = threading.Event()
        self.accepted: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            name = f"m{number}"
            with contextlib.suppress(OSError, smtplib.SMTPException):
                with smtplib.SMTP("127.0.0.1", self.house.port("smtp"), timeout=10) as client:
                    client.sendmail("user0@example.test", [BOB], letter(name))
                self.accepted.append(name)
                number += 1
                continue
            time.sleep(0.05)


def subjects(house: House, user: str, box: str) -> Counter[str]:
    client = house.imap(user)
    found: Counter[str] = Counter()
    status, _ = client.select(box, readonly=True)
    if status == "OK":
        _, rows = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for row in rows:
            if isinstance(row, tuple):
                found[row[1].decode().strip().removeprefix("Subject: ")] += 1
    client.logout()
    return found


def put_script(house: House) -> None:
    """By ManageSieve, in the clear: it does not leave the machine."""
    secret = base64.b64encode(f"\0{BOB}\0{PASSWORD}".encode()).decode()
    source = SCRIPT.replace("\n", "\r\n")
    lines = [
        f'AUTHENTICATE "PLAIN" "{secret}"',
        f'PUTSCRIPT "main" {{{len(source)}+}}\r\n{source}',
        'SETACTIVE "main"',
        "LOGOUT",
    ]
    with socket.create_connection(("127.0.0.1", house.port("sieve")), timeout=20) as conn:
        conn.sendall("".join([f"{line}\r\n" for line in lines]).encode())
        said = b""
        while piece := conn.recv(65536):
            said += piece
    assert said.count(b"OK") == 5, said


def test_filed_and_redirected_once(tmp_path: Path) -> None:
    house = House(tmp_path, [sys.executable, "-m", "pillarbox"])
    house.start()
    put_script(house)
    chance = random.Random(5)
    sender = Sender(house)
    sender.start()
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.2, SECONDS))
        house.kill()
        house.start()
    sender.over.set()
    sender.join(60)
    assert not sender.is_alive()
    try:
        until = time.monotonic() + SETTLED
        while True:
            redirected = subjects(house, CAROL, "INBOX")
            if set(sender.accepted) <= set(redirected) or time.monotonic() > until:
                break
            time.sleep(0.5)
        filed = subjects(house, BOB, "Archive")
    finally:
        house.stop()
    assert len(sender.accepted) > 3
    lost = [name for name in sender.accepted if not filed[name] or not redirected[name]]
    assert not lost
    assert not [name for name, count in redirected.items() if count > 1]
    assert not [name for name, count in filed.items() if count > 1]
    assert set(filed) == set(redirected)
