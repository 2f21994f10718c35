"""Every room says in at most forty lines what it is for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.floors import STEPS
from support.tree import PACKAGE, ROOT, definitions, sources, text_of, tracked

README_LINES = 40
DOCSTRING = re.compile(r'(#.*\n)*\s*[rR]?"""\s*\S')


def rooms() -> Iterator[Path]:
    """The folders of the rooms that hold code, the parts of wire/ and serve/ among them."""
    for folder in sorted(PACKAGE.rglob("*")):
        depth = folder.relative_to(PACKAGE).parts
        part = len(depth) == 2 and depth[0] in STEPS
        if folder.is_dir() and (len(depth) == 1 or part) and any(folder.glob("*.py")):
            yield folder


def test_every_room_has_a_short_readme() -> None:
    lacking = [path.relative_to(ROOT) for path in rooms() if not (path / "README.md").is_file()]
    assert not lacking, [f"{path}/README.md is missing" for path in lacking]
    lengths = {path: len((path / "README.md").read_text().splitlines()) for path in rooms()}
    assert not {path: count for path, count in lengths.items() if not 0 < count <= README_LINES}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path)
        for path in tracked()
        if path.suffix == ".py" and not DOCSTRING.match(text_of(path) or "")
    ]
    assert not silent, silent
    assert not [source.path for source in sources() if not ast.get_docstring(source.tree)]


def is_value(node: ast.AST) -> bool:
    """A class that only names fields: Copy(uids, target) says what it is by itself."""
    return isinstance(node, ast.ClassDef) and not any(
        isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body
    )


def test_everything_public_says_why() -> None:
    silent = [
        f"{source.path}:{node.lineno}: {name}"
        for source in sources()
        for name, node in definitions(source.tree)
        if "." not in name and not name.startswith("_")
        if not is_value(node) and not ast.get_docstring(node)
    ]
    assert not silent, "\n" + "\n".join(silent)
