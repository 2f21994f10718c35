"""The repository as data: its tracked files, and the source read once as syntax trees."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "pillarbox"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: `path` from the root, dotted `module`, its `text` and its `tree`."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first word after `pillarbox.`: the floor room; empty for the package itself."""
        return self.module.partition(".")[2].partition(".")[0]


def read(path: Path) -> Source:
    """Parse one file of the repository."""
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    if parts[0] == "src":
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return Source(relative.as_posix(), ".".join(parts), text, ast.parse(text, str(relative)))


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every module of the package, tracked or not yet."""
    return tuple(read(path) for path in sorted(PACKAGE.rglob("*.py")))


@functools.cache
def tracked() -> tuple[Path, ...]:
    """The files git keeps, as paths from the root; without git, those of the known folders."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "docs", "scripts", "packaging", "bench", ".ci")
        found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
        found += ROOT.glob("*.*")
        return tuple(sorted(path.relative_to(ROOT) for path in found if path.is_file()))
    names = [name for name in out.decode().split("\0") if name]
    return tuple(Path(name) for name in names if (ROOT / name).is_file())


def text_of(path: Path) -> str | None:
    """A tracked file's text, None when it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def toml(path: str) -> dict[str, Any]:
    """A TOML file of the repository."""
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def definitions(tree: ast.Module, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Every function and class with its dotted name inside the module, nested ones too."""
    stack: list[tuple[str, ast.AST]] = [(prefix, tree)]
    while stack:
        outer, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{outer}.{child.name}".lstrip(".")
                yield name, child
            stack.append((name, child))
