"""Hooks out of files: what is found there, and what is not trusted."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from pillarbox import hooks
from pillarbox.base.errors import Misuse
from pillarbox.hooks import load as loading
from pillarbox.hooks.load import Defaults, Hook, load

ONE = """
from __future__ import annotations
from dataclasses import dataclass
from pillarbox import hooks

@dataclass
class Rule:
    word: str

@hooks.on("data", fault="closed")
async def second(mail: hooks.Data) -> hooks.Decision | None:
    return hooks.junk(Rule("x").word)

@hooks.on("rcpt", seconds=1.5)
async def first(rcpt: hooks.Rcpt) -> None: ...

again = second
"""


def written(path: Path, text: str = ONE, mode: int = 0o644) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def loaded(*paths: Path, closed: bool = False) -> tuple[Hook, ...]:
    return load(paths, [], Defaults(5.0, closed))


def test_a_file(tmp_path: Path) -> None:
    found = loaded(written(tmp_path / "mine.py"))
    assert [(one.name, one.event, one.seconds, one.closed) for one in found] == [
        ("mine.second", hooks.Data, 5.0, True),
        ("mine.first", hooks.Rcpt, 1.5, False),
    ]


def test_what_cannot_fail_closed_does_not(tmp_path: Path) -> None:
    text = ONE.replace('"data", fault="closed"', '"deliver"')
    found = loaded(written(tmp_path / "mine.py", text), closed=True)
    assert [one.closed for one in found] == [False, True]


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_not_run(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "mine.py", "raise SystemExit('it ran')", mode)
    with pytest.raises(Misuse, match="written by others"):
        loaded(path)


def test_a_folder_that_others_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "open" / "below"
    folder.mkdir(parents=True)
    path = written(folder / "mine.py")
    folder.parent.chmod(0o777)
    with pytest.raises(Misuse, match="put files into"):
        loaded(path)
    folder.parent.chmod(0o1777)  # as /tmp: nobody can replace what belongs to another
    assert loaded(path)


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "mine.py")
    seen = loading._safe

    def another(path: Path, found: object, owners: set[int]) -> None:
        seen(path, found, owners - {path.stat().st_uid})  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "_safe", another)
    with pytest.raises(Misuse, match="belongs to uid"):
        loaded(path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def (", "line 1"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "no function there"),
        ("from pillarbox import hooks\n@hooks.on('date')\nasync def f(v): ...", "no event"),
        ("x = '\0'", "null"),
    ],
)
def test_a_file_that_is_not_good(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(Misuse, match=word) as told:
        loaded(written(tmp_path / "bad.py", text))
    assert "bad.py" in str(told.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="No such file"):
        loaded(tmp_path / "none.py")
    with pytest.raises(Misuse, match="irectory"):
        loaded(tmp_path)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(Misuse, match="same name"):
        loaded(written(tmp_path / "mine.py"), written(tmp_path / "b" / "mine.py"))


def test_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("offered_hooks")
    namespace = module.__dict__
    monkeypatch.setitem(sys.modules, "offered_hooks", module)
    exec(ONE, namespace)  # noqa: S102
    points = {
        "rules": EntryPoint("rules", "offered_hooks", loading.GROUP),
        "one": EntryPoint("one", "offered_hooks:first", loading.GROUP),
        "gone": EntryPoint("gone", "offered_hooks:nobody", loading.GROUP),
    }

    def offered(*, group: str, name: str) -> list[EntryPoint]:
        assert group == "pillarbox.hooks"
        return [points[name]] if name in points else []

    monkeypatch.setattr(loading, "entry_points", offered)
    found = load([], ["rules", "one"], Defaults())
    assert [one.name for one in found] == ["rules.second", "rules.first", "one.first"]
    for name in ("gone", "unknown"):
        with pytest.raises(Misuse, match=name):
            load([], [name], Defaults())
