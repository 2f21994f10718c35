"""The demo: what it prints, what its ready file promises, that it ends."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app.demo import Wish, demo, settle
from pillarbox.app.trial import Person
from pillarbox.base.errors import Misuse
from support.whole import memory_store, whole_house

pytestmark = pytest.mark.slow  # starts processes

KEYS = {
    "name", "host", "domain", "users", "user_format", "password", "pids", "cert", "smtp_port",
    "submission_port", "smtps_port", "lmtp_port", "imap_port", "imaps_port", "pop3_port",
    "pop3s_port", "sieve_port",
}  # fmt: skip


@contextmanager
def running(directory: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`pillarbox demo` as a process of its own, and its ready file."""
    ready = directory / "ready.json"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "pillarbox", "demo", "--ready-file", str(ready), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while not ready.exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        yield process, json.loads(ready.read_text())
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_once_sends_reads_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    assert demo(Wish(once=True), said.append) == 0
    text = "\n".join(said)
    assert "ann@example.test   password " in text
    assert "A first message went from ann@example.test" in text
    for door in ("smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s", "sieve"):
        assert f"  {door} " in text


def test_once_with_numbered_users() -> None:
    said: list[str] = []
    assert demo(Wish(users=5, password="x", once=True), said.append) == 0
    text = "\n".join(said)
    assert "and so on up to user4@example.test" in text
    assert "was read by user1@example.test" in text
    with pytest.raises(Misuse, match="nothing to try"):
        demo(Wish(users=0, once=True), said.append)


def test_the_ready_file_keeps_its_promise(tmp_path: Path) -> None:
    words = ("--users", "3", "--password", "a secret", "--dir", str(tmp_path / "house"))
    with running(tmp_path, *words) as (process, ready):
        assert set(ready) == KEYS
        assert ready["pids"] == [process.pid]
        assert ready["user_format"].format(2) == "user2@example.test"
        assert (ready["users"], ready["password"], ready["host"]) == (3, "a secret", "127.0.0.1")
        assert Path(ready["cert"]).read_text().startswith("-----BEGIN CERTIFICATE")
        with smtplib.SMTP(ready["host"], ready["smtp_port"], timeout=10) as client:
            client.sendmail(
                "x@elsewhere.test", ["user2@example.test"], b"Subject: kept\r\n\r\nx\r\n"
            )
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in out
    with running(tmp_path, *words[:3], "another", *words[4:]) as (process, ready):
        with smtplib.SMTP(ready["host"], ready["submission_port"], timeout=10) as client:
            client.login("user2@example.test", "another")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with running(tmp_path, "--users", "4", *words[2:]) as (process, ready):  # after a crash
        export = ["export", "--account", "user2@example.test", "--to", str(tmp_path / "out")]
        config = tmp_path / "c.toml"
        config.write_text(
            f"[server]\ndata = '{tmp_path}/house/data'\n"
            "[listen]\nsmtps = []\nimaps = []\npop3s = []\n"
        )
        done = subprocess.run(
            [sys.executable, "-m", "pillarbox", *export, "--config", str(config), "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)["mailboxes"]["INBOX"] == 1
        process.terminate()
        assert process.wait(30) == 0


async def test_people_settle_once(tmp_path: Path) -> None:
    people = [Person(f"user{n}@example.test", "x") for n in range(20)]
    async with whole_house(tmp_path, opener=memory_store) as house:
        store = house.core.store
        await settle(house, people[:10])
        first = [await store.credentials(account.id) for account in await store.accounts()]
        assert len(set(first)) == 1
        await settle(house, people)
        there = {account.address: account.id for account in await store.accounts()}
        assert set(there) == {person.address for person in people}
        old = [await store.credentials(there[person.address]) for person in people[:10]]
        assert old == first
        await settle(house, [Person("user3@example.test", "y")])
        assert await store.credentials(there["user3@example.test"]) != first[0]
        assert await store.credentials(there["user4@example.test"]) == first[0]
        with pytest.raises(Misuse, match="empty"):
            await settle(house, [Person("user3@example.test", "")])


@pytest.mark.needs("bash", "curl")
def test_the_lines_to_copy_work(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pillarbox", "demo"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "Ctrl-C ends it.":
            lines.append(process.stdout.readline().rstrip("\n"))
            assert process.poll() is None, lines
        first, last = lines.index("Try it:") + 1, lines.index("  # in neomutt")
        script = "\n".join(["set -e", *lines[first:last]]).replace("curl ", "curl -sS ")
        env = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(
            ["bash", "-c", script], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "* 2 FETCH (ENVELOPE " in done.stdout
        assert done.stdout.count("Subject: Welcome to Pillarbox") == 2
        assert "delivered to mailbox INBOX of bob@example.test, UID 2" in done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
