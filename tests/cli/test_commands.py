"""The command line: what it prints, what it refuses, and how that reads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pillarbox
from pillarbox.cli import document, output
from pillarbox.cli.main import COMMANDS, main
from support.tree import ROOT

pytestmark = pytest.mark.slow

ANN = "ann@example.test"


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with closed doors, made by `pillarbox init`."""
    path = tmp_path / "pillarbox.toml"
    arguments = ["--config", str(path), "--data", str(tmp_path / "data")]
    assert main(["init", *arguments, "--hostname", "mail.example.test", "--no-self-signed"]) == 0
    return str(path)


class Run:
    """Runs commands on one configuration."""

    def __init__(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._config = config
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        self._capsys.readouterr()
        status = main([*words, "--config", self._config])
        out, err = self._capsys.readouterr()
        return status, out, err

    def value(self, *words: str) -> Any:
        """What it prints as JSON; it must succeed."""
        status, out, err = self(*words, "--json")
        assert (status, err) == (0, ""), err
        return json.loads(out)

    def refused(self, *words: str, status: int = 1) -> str:
        """What it says when it refuses."""
        code, out, err = self(*words)
        assert (code, out) == (status, "")
        assert err.startswith("error: ")
        assert "Traceback" not in err
        return err


@pytest.fixture
def run(config: str, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(config, capsys)


@pytest.fixture
def ann(run: Run) -> Run:
    """With one account in example.test."""
    run.value("domain", "add", "example.test")
    run.value("account", "add", ANN, "--generate")
    return run


def test_domains(run: Run) -> None:
    said = run("domain", "add", "Example.TEST")[1]
    assert said.splitlines()[0] == "mail for example.test is taken, and signed with 2 keys"
    assert len(run("domain", "keys", "example.test")[1].splitlines()) == 3
    assert "example.test. MX 10 " in run("dns", "example.test")[1]
    run.value("domain", "add", "other.test", "--catchall", ANN)
    found = run.value("domain", "list")["domains"]
    assert [(d["name"], d["catchall"]) for d in found] == [
        ("example.test", ""),
        ("other.test", ANN),
    ]
    assert "other.test" in run("domain", "list")[1]
    assert run.value("domain", "remove", "other.test") == {"name": "other.test"}
    assert "no" in run.refused("domain", "remove", "other.test")
    assert "is not a domain" in run.refused("domain", "add", "a b")


def test_accounts(ann: Run) -> None:
    (account,) = ann.value("account", "list")["accounts"]
    assert account["address"] == ANN
    assert account["enabled"] is True
    ann.value(
        "account", "set", ANN, "--quota", "2G", "--pop3", "keep", "--disable", "--name", "Ann"
    )
    (account,) = ann.value("account", "list", "--domain", "example.test")["accounts"]
    assert account["quota"] == 2 << 30
    assert account["pop3"] == "keep"
    assert account["enabled"] is False
    assert account["display_name"] == "Ann"
    assert account["imap_mask"] == []
    masked = ann.value("account", "set", ANN, "--imap-mask", "UIDONLY QRESYNC")
    assert masked["imap_mask"] == ["QRESYNC", "UIDONLY"]
    assert "UIDONLI" in ann.refused("account", "set", ANN, "--imap-mask", "UIDONLI")
    assert ann.value("account", "set", ANN, "--imap-mask", "")["imap_mask"] == []
    assert "2.0G" in ann("account", "list")[1]
    assert ann.value("account", "list", "--domain", "other.test") == {"accounts": []}
    assert "domain remove" not in ann.refused("domain", "remove", "example.test")
    assert "hint: add --yes" in ann.refused("account", "remove", ANN)
    ann.value("account", "remove", ANN, "--yes")
    assert "hint: see: pillarbox account list" in ann.refused(
        "account", "passwd", ANN, "--generate"
    )


def test_accounts_need_their_domain(run: Run) -> None:
    said = run.refused("account", "add", "ann@nowhere.test", "--generate")
    assert "hint: first: pillarbox domain add nowhere.test" in said
    assert "is not a mail address" in run.refused("account", "add", "ann", "--generate")


def test_aliases(ann: Run) -> None:
    ann.value("alias", "add", "office@example.test", ANN, "boss@example.test")
    (alias,) = ann.value("alias", "list")["aliases"]
    assert alias == {"address": "office@example.test", "targets": [ANN, "boss@example.test"]}
    assert f"office@example.test  {ANN} boss@example.test" in ann("alias", "list")[1]
    ann.value("alias", "remove", "office@example.test")
    ann.refused("alias", "remove", "office@example.test")


def test_circles_of_aliases_and_forwarding_are_refused(ann: Run) -> None:
    ann.value("alias", "add", "office@example.test", ANN)
    said = ann.refused("account", "forward", ANN, "office@example.test")
    assert f"{ANN} leads to office@example.test leads to {ANN}" in said
    ann.refused("account", "forward", ANN, ANN)
    ann.refused("alias", "add", "a@example.test", "a@example.test")


def test_forwarding(ann: Run) -> None:
    assert ann("account", "forward", ANN)[1] == f"{ANN} forwards nothing\n"
    said = ann("account", "forward", ANN, "Ann@Far.test", "a@b.test", "--no-keep")[1]
    assert said == f"{ANN} forwards to ann@far.test a@b.test and keeps nothing\n"
    value = ann.value("account", "forward", ANN, "--keep")
    assert value == {"address": ANN, "forward": ["ann@far.test", "a@b.test"], "keep_copy": True}
    assert ann.value("account", "forward", ANN, "--off")["forward"] == []
    ann.refused("account", "forward", ANN, "x@y.test", "--off", status=2)


def test_lists(ann: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = "talk@example.test"
    said = ann("list", "add", talk, "--title", "Talk")[1]
    assert said == f"list {talk} is there\nmail to talk-owner@example.test reaches its owners\n"
    ann.refused("list", "add", talk)
    assert ann.value("list", "join", talk, ANN, "--owner")["members"][0]["owner"] is True
    monkeypatch.setattr("sys.stdin", io.StringIO("a@far.test\n\nb@far.test\n"))
    assert ann("list", "join", talk, "--stdin")[1] == f"2 on the list {talk}\n"
    ann.refused("list", "join", talk, talk)
    ann.refused("list", "join", talk, status=2)
    assert f"{ANN}  owner" in ann("list", "members", talk)[1]
    ann.value("list", "set", talk, "--others", "hold", "--post", "anyone")
    ann.refused("list", "set", talk, status=2)
    (one,) = ann.value("list", "list")["lists"]
    assert (one["members"], one["post"], one["others"]) == (3, "anyone", "hold")
    ann.value("list", "leave", talk, "a@far.test")
    ann.refused("list", "leave", talk, "a@far.test")
    ann.refused("account", "add", talk, "--generate")
    ann.value("list", "remove", talk, "--yes")
    ann.refused("list", "members", talk)


def test_suppressions(ann: Run) -> None:
    assert ann("suppression", "list")[1] == "nothing is suppressed\n"
    ann.refused("suppression", "add", "nobody@example.test", "a@far.test")
    ann.value("suppression", "add", ANN, "A@far.test", "b@far.test")
    assert f"{ANN}  a@far.test  operator" in ann("suppression", "list", ANN)[1]
    ann.value("suppression", "remove", ANN, "a@far.test")
    ann.refused("suppression", "remove", ANN, "a@far.test")
    assert len(ann.value("suppression", "list")["suppressions"]) == 1


def test_filters_that_learn(ann: Run, tmp_path: Path) -> None:
    for name, words in (("Junk", "cheap pills"), ("Archive", "minutes of the meeting")):
        source = tmp_path / name / "cur"
        source.mkdir(parents=True)
        letter = f"From: a@x.test\r\nSubject: x\r\n\r\n{words}\r\n"
        (source / "1:2,S").write_bytes(letter.encode())
        (source / "2:2,").write_bytes(letter.replace("x\r", "y\r").encode())
        ann.value("import", "maildir", str(source.parent), "--account", ANN, "--mailbox", name)
    learned = ann.value("junk", "learn", ANN)
    # What was not read yet may be junk that nobody saw.
    assert [learned[key] for key in ("new", "junk", "good", "speaks")] == [3, 2, 1, False]
    assert ann.value("junk", "learn", ANN)["new"] == 0
    assert "before it learned 20 of each" in ann("junk", "status", ANN)[1]
    ann.value("junk", "forget", ANN)
    value = ann.value("junk", "status", ANN)
    assert (value["junk"], value["good"], value["words"], value["needed"]) == (0, 0, 0, 20)
    assert "there is no account" in ann.refused("junk", "status", "nobody@example.test")


def test_passwords_come_from_standard_input(ann: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\nmore\n"))
    ann.value("account", "add", "bob@example.test", "--password-stdin")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert "empty" in ann.refused("account", "passwd", ANN, "--password-stdin")
    assert "--password-stdin" in ann.refused("account", "passwd", ANN)
    words = ("account", "passwd", ANN, "--password-stdin", "--generate")
    assert "exclude" in ann.refused(*words, status=2)


def test_made_up_passwords_are_told_once(ann: Run) -> None:
    password = ann.value("account", "passwd", ANN, "--generate")["password"]
    assert len(password) == 20
    assert "password" not in ann.value("account", "list")["accounts"][0]
    assert "password " in ann("account", "passwd", ANN, "--generate")[1]


def test_import_and_export(ann: Run, tmp_path: Path) -> None:
    source = tmp_path / "mail"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.eml").write_bytes(b"Subject: %d\n\nx\n" % number)
    done = ann.value("import", "eml-dir", str(source), "--account", ANN, "--mailbox", "Old")
    assert (done["imported"], done["mailboxes"]) == (3, {"Old": 3})
    words = ("import", "eml-dir", str(source), "--account", ANN, "--mailbox", "Old", "--resume")
    assert ann(*words)[1] == "imported 0 messages, 0; 3 were there already\n"
    (source / "9.eml").symlink_to(tmp_path / "gone")
    status, out, err = ann(*words)
    assert status == 1
    assert "1 could not be read" in out
    assert "9.eml" in err
    done = ann.value("export", "--account", ANN, "--to", str(tmp_path / "out"), "--format", "eml")
    assert done["mailboxes"]["Old"] == 3
    assert (tmp_path / "out" / "Old" / "1.eml").read_bytes() == b"Subject: 0\r\n\r\nx\r\n"
    only = ("--to", str(tmp_path / "one"), "--mailbox", "Old", "--format", "mbox")
    assert "exported 3 messages" in ann("export", "--account", ANN, *only)[1]
    assert "not empty" in ann.refused("export", "--account", ANN, "--to", str(tmp_path / "out"))
    assert "no account" in ann.refused("import", "mbox", str(source), "--account", "x@example.test")
    assert "--tree is for" in ann.refused(
        "import", "mbox", str(source), "--account", ANN, "--tree", status=2
    )


def test_undelete_without_anything_deleted(ann: Run) -> None:
    assert ann("undelete", "list", "--account", ANN)[1] == "nothing\n"
    assert ann.value("undelete", "restore", "--account", ANN, "--all")["restored"] == []
    assert "say what" in ann.refused("undelete", "restore", "--account", ANN, status=2)
    assert "a time" in ann.refused("undelete", "list", "--account", ANN, "--since", "x", status=2)
    ann.value("undelete", "list", "--account", ANN, "--since", "2d")


def test_queue(ann: Run) -> None:
    assert ann("queue", "list")[1] == "the queue is empty\n"
    for word in ("hold", "release", "retry", "expire", "drop", "flush", "show"):
        assert "queue item 7" in ann.refused("queue", word, "7")
    for word in ("hold", "drop"):
        assert "say which" in ann.refused("queue", word, status=2)
    assert ann("queue", "flush")[1] == "nothing to do\n"
    assert ann("queue", "hold", "--domain", "x.test", "--older", "2h")[1] == "nothing to do\n"
    assert ann("queue", "list", "--state", "held")[1] == "nothing\n"


def test_why_and_audit_without_server(ann: Run, tmp_path: Path) -> None:
    assert "nothing is known" in ann.refused("why", "<1@x.test>")
    message = tmp_path / "one.eml"
    message.write_bytes(b"Message-ID: <1@x.test>\r\nSubject: \x1b[2J\r\n\r\nhello\r\n")
    ann("import", "eml-dir", str(tmp_path), "--account", ANN, "--mailbox", "Old")
    assert (
        "Put into mailbox Old of ann@example.test, UID 1 by an import" in ann("why", "1@x.test")[1]
    )
    assert ann.value("why", "<1@x.test>")["stories"][0]["events"][0]["kind"] == "appended"
    assert ann("audit")[1].splitlines()[0] == "1 messages"
    assert ann.value("audit", "--repair")["ends"] == {"in a mailbox": 1}


def test_status_without_server(ann: Run) -> None:
    status, out, _ = ann("status")
    assert status == 1
    assert "running   no" in out
    assert "accounts  1" in out


def test_a_full_name_is_needed(run: Run) -> None:
    assert "did you mean domain?" in run.refused("domian", "list", status=2)
    assert "see: pillarbox domain --help" in run.refused("domain", "lst", status=2)
    assert "hint: see: pillarbox" in run.refused("frobnicate", status=2)


def test_init_does_not_replace(run: Run, config: str, tmp_path: Path) -> None:
    said = run.refused("init", "--data", str(tmp_path / "data"))
    assert "is there already" in said
    assert "--force" in said
    done = run.value("init", "--data", str(tmp_path / "data"), "--hostname", "a.test", "--force")
    assert Path(done["certificate"]).exists()
    assert (Path(done["certificate"]).parent / "key.pem").stat().st_mode & 0o077 == 0
    assert 'hostname = "a.test"' in Path(config).read_text()
    assert any(f"pillarbox check --config {config}" == step for step in done["next"])
    assert "host name" in run.refused("init", "--hostname", "-bad-", "--force")
    assert "go together" in run.refused("init", "--certificate", config, status=2)


def test_check(ann: Run, config: str) -> None:
    status, out, _ = ann("check")
    text = Path(config).read_text().replace("#allow_root = false", "allow_root = true")
    Path(config).write_text(text)
    found = {f["subject"]: f for f in json.loads(ann("check", "--json")[1])["findings"]}
    assert found["hostname"]["level"] == "ok"
    assert found["certificate"]["level"] == "warning"
    assert found["store"]["text"].startswith("1 domains, 1 accounts")
    assert found["data"]["level"] == "ok"
    assert "listen.imap" in found
    assert out.startswith("ok       config")
    assert status == (1 if os.geteuid() == 0 else status)  # root without a user to become


def test_mistakes_in_the_configuration_are_named(run: Run, config: str) -> None:
    Path(config).write_text("[server]\nhostnam = 'x'\n\n[mail]\nretention = 'soon'\n")
    said = run.refused("domain", "list")
    assert f"error: {config}:2: server.hostnam" in said
    assert f"error: {config}:5: mail.retention" in said
    assert "hint: every key is described in docs/config.md" in said


def test_no_configuration_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    done = subprocess.run(
        [sys.executable, "-m", "pillarbox", "domain", "list"],
        env={**os.environ, "PILLARBOX_CONFIG": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: there is no configuration file {path}\n"
        f"hint: make one with: pillarbox init --config {path}\n"
    )


def test_version_is_quick_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert f"pillarbox {pillarbox.__version__}" in capsys.readouterr().out
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["libraries"]["apsw"]
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pillarbox", "version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    loaded = {line.rpartition("|")[2].strip() for line in seen.splitlines()}
    assert "click" in loaded
    assert not loaded & {"asyncio", "apsw", "cryptography", "ssl", "pillarbox.app", "json"}


def test_help_reads_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    for name in COMMANDS:
        assert main([name, "-h"]) == 0
        assert "Usage: pillarbox " + name in capsys.readouterr().out


def test_the_page_of_commands_is_current() -> None:
    page = ROOT / "docs" / "cli.md"
    assert page.read_text("utf-8") == document.markdown(), "run: make docs"


def test_tables_do_not_pass_on_what_strangers_wrote() -> None:
    lines = list(output.table(("a", "n"), [("x\x1b[2Jy", 5), ("long text", 12)]))
    assert lines == ["a           n", "x�[2Jy      5", "long text  12"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1536, "1.5K"),
        (20 << 20, "20M"),
        (5 << 30, "5.0G"),
        (1 << 60, "1024P"),
    ],
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert output.octets(count) == text


def test_an_interrupt_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pillarbox.cli.main.cli.main", interrupted)
    assert main(["version"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_broken_hand_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr("pillarbox.cli.main.cli.main", broken)
    assert main(["version"]) == 1
    assert capsys.readouterr().err == "error: /somewhere: Permission denied\n"
