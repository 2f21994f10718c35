"""The operator's scripts from their directory, and a script tried out without a house."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pillarbox.app import checkup
from pillarbox.app.scripts import site
from pillarbox.app.scripttest import try_script
from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config, Sieve
from pillarbox.sieve.problem import Invalid

MAIL = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\nMessage-ID: <1@b>\r\n\r\nhi\r\n"


def config(directory: Path | None, **more: object) -> Config:
    return dataclasses.replace(Config(), sieve=Sieve(directory=directory, **more))  # type: ignore[arg-type]


def test_nothing_is_read_without_a_directory() -> None:
    made = site(config(None, max_redirects=3, vacation_least=9), "1")
    assert (made.before, made.after, made.shared, made.lists) == ((), (), {}, {})
    assert made.limits.redirects == 3
    assert made.vacation_days == (9, 9, 60)


def test_a_directory_is_read_by_name(tmp_path: Path) -> None:
    for name, text in {
        "before/20-b.sieve": "keep;",
        "before/10-a.sieve": "stop;",
        "before/notes.txt": "nonsense",
        "after/z.sieve": "discard;",
        "global/common.sieve": "keep;",
        "lists/Friends": "# people\nA@b.example # she\n\nc@d.example\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    made = site(config(tmp_path, timezone="Europe/Oslo"), "1")
    assert [one.name for one in made.before] == ["10-a", "20-b"]
    assert [one.source for one in made.after] == [b"discard;"]
    assert made.shared == {"common": b"keep;"}
    assert made.list_named("tag:x,2026:friends") == ("a@b.example", "c@d.example")
    assert made.list_named("none") is None
    assert str(made.zone) == "Europe/Oslo"


def test_a_bad_script_is_told(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "x.sieve").write_text("nonsense;")
    with pytest.raises(Misuse, match=r"x\.sieve: line 1, column 1: unknown command"):
        site(config(tmp_path), "1")
    with pytest.raises(Misuse, match="no directory"):
        site(config(tmp_path / "none"), "1")


def test_check_looks_at_them(tmp_path: Path) -> None:
    assert list(checkup.scripts(config(None))) == []
    (tmp_path / "after").mkdir()
    (tmp_path / "after" / "x.sieve").write_text("keep;")
    assert [one.level for one in checkup.scripts(config(tmp_path))] == ["ok"]
    (tmp_path / "after" / "x.sieve").write_text("keep")
    (found,) = checkup.scripts(config(tmp_path))
    assert (found.level, found.subject) == ("error", "sieve")


def test_trying_a_script_out(tmp_path: Path) -> None:
    (tmp_path / "other.sieve").write_text('require "fileinto"; fileinto "there";')
    source = b"""require ["include", "envelope", "duplicate", "mailbox"];
    if allof (envelope "from" "a@b.example", mailboxexists "x", not duplicate) {
        include "other"; include :optional "none"; }"""
    tried = try_script(source, MAIL, now=1_700_000_000.0, folder=tmp_path)
    lines = tried.lines()
    assert lines[-2:] == ['remember "<1@b>" for 604800 seconds', 'fileinto "there"']
    assert "assumed: '<1@b>' was not seen before" in lines
    assert "assumed: the script 'none' is not there" in lines
    named = try_script(
        b'require ["envelope", "reject"]; if envelope "to" "z@y.example" { reject "no"; }',
        MAIL, recipient="z@y.example", now=0.0,
    )  # fmt: skip
    assert named.lines() == ['reject "no"']
    with pytest.raises(Invalid):
        try_script(b"nonsense", MAIL, now=0.0)
