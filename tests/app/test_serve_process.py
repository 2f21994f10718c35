"""`pillarbox serve` as a process: signals, the service manager, sockets handed over."""

from __future__ import annotations

import io
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pillarbox.app import checkup
from pillarbox.app.demo import make_certificates
from pillarbox.app.run import is_journal
from pillarbox.base.clock import SystemClock
from pillarbox.cli.main import main
from pillarbox.config.checks import Bind
from pillarbox.config.load import load
from pillarbox.net.sockets import bind_tcp
from pillarbox.testing.clock import FakeClock
from support.needs import could_not_run

pytestmark = pytest.mark.slow  # starts processes

DOORS = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s", "sieve")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Every door on a free loopback port."""
    return write(tmp_path, "allow_root = true")


def write(directory: Path, who: str) -> Path:
    """A configuration with everything it names."""
    make_certificates(directory)
    (directory / "data").mkdir(mode=0o700)
    listen = "\n".join(f'{door} = "127.0.0.1:0"' for door in DOORS)
    path = directory / "pillarbox.toml"
    tls = directory / "tls"
    path.write_text(
        f'[server]\nhostname = "mail.example.test"\ndata = "{directory}/data"\n'
        f'{who}\ndrain = "5s"\n[listen]\n{listen}\n'
        f'[tls]\ncertificate = "{tls}/certificate.pem"\nkey = "{tls}/key.pem"\n'
        '[log]\nformat = "json"\n'
    )
    return path


class Manager:
    """What systemd hears."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(30)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def serving(
    config: Path, manager: Manager, command: list[str] | None = None, **more: object
) -> Iterator[subprocess.Popen[str]]:
    """`pillarbox serve`, killed in the end if it still runs."""
    command = command or [sys.executable, "-m", "pillarbox"]
    process = subprocess.Popen(
        [*command, "serve", "--config", str(config)],
        env={**os.environ, "NOTIFY_SOCKET": manager.path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_a_life(
    config: Path,
    manager: Manager,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pillarbox.app.datadir.PATIENCE", 0.1)
    with serving(config, manager) as process:
        assert "READY=1" in manager.heard()
        assert main(["status", "--config", str(config), "--json"]) == 0
        state = json.loads(capsys.readouterr().out)
        assert state["pid"] == process.pid
        assert {door["name"] for door in state["doors"]} == set(DOORS)
        assert main(["status", "--config", str(config)]) == 0
        assert "imaps" in capsys.readouterr().out
        assert main(["domain", "add", "example.test", "--config", str(config)]) == 0
        assert main(["check", "--config", str(config)]) == 0
        assert "held by the running server" in capsys.readouterr().out
        assert main(["serve", "--config", str(config)]) == 1
        assert f"in use by process {process.pid}" in capsys.readouterr().err

        config.write_text(config.read_text().replace('format = "json"', 'level = "debug"'))
        process.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in manager.heard()
        assert "READY=1" in manager.heard()
        config.write_text("nonsense = [")
        process.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in manager.heard()
        assert "READY=1" in manager.heard()

        process.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in manager.heard()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
    events = [json.loads(line) for line in err.splitlines()]
    named = [event["event"] for event in events]
    assert named.count("net.listening") == len(DOORS)
    assert "house.reloaded" in named
    assert "house.reload-failed" in named
    waiting = next(event for event in events if event["event"] == "house.restart-needed")
    assert waiting["keys"] == "log.format"
    assert not (config.parent / "data" / "control").exists()


def test_sockets_come_from_the_service_manager(config: Path, manager: Manager) -> None:
    listening = bind_tcp("127.0.0.1", 0)[0]
    port = listening.getsockname()[1]
    start = (
        "import os, sys\n"
        f"os.dup2({listening.fileno()}, 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='imap')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'pillarbox', *sys.argv[1:]])\n"
    )
    command = [sys.executable, "-c", start]
    with serving(config, manager, command, pass_fds=(listening.fileno(),)) as process:
        assert "READY=1" in manager.heard()
        listening.close()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(100).startswith(b"* OK ")
        process.terminate()
        assert process.wait(30) == 0


def test_what_keeps_it_from_starting_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = bind_tcp("127.0.0.1", 0)[0]
    port = taken.getsockname()[1]
    text = config.read_text()
    config.write_text(text.replace('imap = "127.0.0.1:0"', f'imap = "127.0.0.1:{port}"'))
    assert main(["serve", "--config", str(config)]) == 1
    assert re.search(rf"error: listen.imap: .*{port}", capsys.readouterr().err)
    assert main(["check", "--config", str(config)]) == 1
    out = capsys.readouterr().out
    assert "error    listen.imap" in out
    assert "another program listens there" in out
    taken.close()
    config.write_text(text.replace("allow_root = true", ""))
    if os.geteuid() == 0:
        assert main(["serve", "--config", str(config)]) == 1
        assert "hint: set server.user" in capsys.readouterr().err


def test_the_journal_is_recognised(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        found = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_journal(named, file.fileno)
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, file.fileno)
        assert not is_journal({}, file.fileno)
    assert not is_journal(named, io.StringIO().fileno)


def level(findings: list[checkup.Finding], subject: str) -> list[str]:
    return [finding.level for finding in findings if finding.subject == subject]


def test_certificates_are_looked_at(config: Path) -> None:
    loaded = load(config)
    clock = FakeClock(SystemClock().now())
    found = list(checkup.certificate(loaded, clock))
    assert [f.level for f in found] == ["ok"]
    clock = FakeClock(SystemClock().now() + 20 * 86400)
    assert level(list(checkup.certificate(loaded, clock)), "certificate") == ["warning"]
    clock = FakeClock(SystemClock().now() + 40 * 86400)
    (ended,) = checkup.certificate(loaded, clock)
    assert ended.level == "error"
    assert "ended" in ended.text
    config.write_text(config.read_text().replace("mail.example.test", "mx.other.test"))
    found = list(checkup.certificate(load(config), SystemClock()))
    assert [f.level for f in found] == ["ok", "warning"]
    (config.parent / "tls" / "key.pem").write_text("")
    assert [f.level for f in checkup.certificate(loaded, SystemClock())] == ["error"]


def test_the_server_must_be_able_to_read_a_renewed_certificate() -> None:
    nobody = someone()
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        loaded = load(write(place, 'user = "nobody"'))
        key = place / "tls" / "key.pem"

        def found() -> list[str]:
            return [one.text for one in checkup.certificate(loaded, SystemClock())][1:]

        assert all("nobody may not enter" in text for text in found())
        assert len(found()) == 2
        place.chmod(0o755)
        (place / "tls").chmod(0o755)
        (text,) = found()
        assert text.startswith(f"nobody may not read {key}")
        os.chown(key, 0, nobody.pw_gid)
        key.chmod(0o640)
        assert found() == []


def test_the_data_directory_is_looked_at(config: Path, tmp_path: Path) -> None:
    loaded = load(config)
    assert level(list(checkup.data(loaded)), "data") == ["ok"]
    loaded.server.data.chmod(0o755)
    assert level(list(checkup.data(loaded)), "data") == ["warning"]
    loaded.server.data.rmdir()
    (missing,) = checkup.data(loaded)
    assert (missing.level, missing.hint) == ("error", "make it with: pillarbox init")


def test_an_open_lmtp_door_is_warned_of(config: Path) -> None:
    text = config.read_text()
    config.write_text(text.replace("[listen]", '[listen]\nlmtp = "127.0.0.1:24"'))
    assert not list(checkup.exposure(load(config)))
    config.write_text(text.replace("[listen]", '[listen]\nlmtp = "0.0.0.0:24"'))
    assert level(list(checkup.exposure(load(config))), "lmtp") == ["warning"]


def test_a_port_that_is_free_is_free(config: Path) -> None:
    assert checkup.port("imap", Bind("127.0.0.1", 0)).level == "ok"
    assert checkup.port("imap", Bind("192.0.2.1", 143)).level == "error"


def someone() -> pwd.struct_passwd:
    """A user who is not root, and the right to become him."""
    if os.geteuid() != 0:
        could_not_run("not root")
    return pwd.getpwnam("nobody")


def own(path: Path, user: pwd.struct_passwd) -> None:
    for place in (path, *path.rglob("*")):
        os.chown(place, user.pw_uid, user.pw_gid)


def test_root_becomes_the_user_once_the_ports_are_bound() -> None:
    user = someone()
    with (
        tempfile.TemporaryDirectory() as name,  # pytest's own is closed to others
        closing(Manager(Path(name, "notify"))) as manager,
    ):
        config = write(Path(name), f'user = "{user.pw_name}"')
        own(config.parent / "data", user)
        config.parent.chmod(0o755)
        os.chown(manager.path, user.pw_uid, user.pw_gid)
        with serving(config, manager) as process:
            assert "READY=1" in manager.heard()
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(rf"^Uid:(\t{user.pw_uid}){{4}}$", status, re.MULTILINE)
            owners = {path.stat().st_uid for path in (config.parent / "data").rglob("*")}
            assert owners == {user.pw_uid}
            assert main(["domain", "add", "example.test", "--config", str(config)]) == 0


def test_who_was_root_can_still_read_every_character_set() -> None:
    """Python may lie in root's home, and loads a codec when a stranger first names it."""
    user = someone()
    program = (
        "import sys; from pillarbox.app.run import become; become('nobody', None); import os;"
        "print(os.getuid(), {'encodings.utf_16_be', 'encodings.koi8_r'} <= set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.decode().split() == [str(user.pw_uid), "True"]


def test_a_command_of_root_leaves_nothing_that_the_server_cannot_read() -> None:
    user = someone()
    with tempfile.TemporaryDirectory() as name:
        config = write(Path(name), f'user = "{user.pw_name}"')
        own(config.parent / "data", user)
        config.parent.chmod(0o755)
        command = [sys.executable, "-m", "pillarbox", "domain", "add", "example.test"]
        subprocess.run([*command, "--config", str(config)], check=True)
        found = list((config.parent / "data").rglob("*"))
        assert any(path.name == "lock" for path in found)
        assert {path.stat().st_uid for path in found} == {user.pw_uid}
