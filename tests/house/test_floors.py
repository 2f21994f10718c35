"""The floors by our own reading of the source: late and hidden imports too."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from support.floors import FLOORS, LEVEL, STEPS, allowed
from support.tree import PACKAGE, Source, read, sources, toml

# What only some rooms may know of the world outside: SQL, sockets and TLS, the time, chance.
ONLY = {
    "apsw": {"store"},
    "sqlite3": {"store"},
    "socket": {"net", "bus", "app", "cli", "testing"},
    "ssl": {"net", "app", "cli", "testing"},
    "time": {"base"},
    "random": {"base"},
    "secrets": {"base"},
    "uuid": {"base"},
    "click": {"cli"},
    "tomllib": {"config"},
}
# Languages and values: bytes in, facts out.
PURE = {"model", "message", "wire", "sieve"}
EFFECTS = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
}
# Modules that may break a line of the tables above: module, imported name, why.
EXCEPTIONS: dict[tuple[str, str], str] = {}

NOW = {"now", "utcnow", "today"}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement inside, at any depth. Expressions, which are most of a tree, hold none."""
    stack = [tree]
    while stack:
        node = stack.pop()
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, ())
            if isinstance(inner, list):  # a lambda's body is an expression
                yield from inner
                stack += inner


_FOUND: dict[str, tuple[tuple[str, int], ...]] = {}


def imports_of(source: Source) -> tuple[tuple[str, int], ...]:
    """Every module that a source imports anywhere, and the line; found once, by path."""
    if source.path not in _FOUND:
        _FOUND[source.path] = tuple(imports(source.tree, source))
    return _FOUND[source.path]


def imports(tree: ast.AST, source: Source) -> Iterator[tuple[str, int]]:
    """Every module named by an import statement, and its line."""
    package = source.path.endswith("__init__.py")
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = source.module.split(".")
                kept = up[: len(up) - node.level + package]
                base = ".".join([*kept, base] if base else kept)
            # `from pillarbox.wire import smtp` names pillarbox.wire.smtp
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def late_imports(source: Source) -> Iterator[tuple[str, int]]:
    """Imports of the house inside functions, and by name at run time."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found = imports(node, source)
            yield from (pair for pair in found if pair[0].split(".")[0] == "pillarbox")
        elif isinstance(node, ast.Name | ast.Attribute):
            word = node.id if isinstance(node, ast.Name) else node.attr
            if word in {"import_module", "__import__"}:
                yield word, node.lineno


def complaints(found: Iterator[str]) -> None:
    """Fail with every line at once, so that one run shows all there is to mend."""
    lines = sorted(set(found))
    assert not lines, "\n" + "\n".join(lines)


def test_every_room_is_in_the_table() -> None:
    complaints(
        f"{source.path}: there is no room {source.room} in tests/support/floors.py"
        for source in sources()
        if source.room and source.room not in LEVEL
    )


def test_lower_floors_never_import_higher_ones() -> None:
    complaints(
        f"{source.path}:{line}: {source.module} may not import {name}"
        for source in sources()
        for name, line in imports_of(source)
        if name.split(".")[0] == "pillarbox" and not allowed(source.module, known(name))
    )


@functools.cache
def known(name: str) -> str:
    """The imported name cut down to what is a module: `pillarbox.model.X` is in pillarbox.model."""
    words = name.split(".")
    here = PACKAGE.joinpath(*words[1:])
    while len(words) > 1 and not (here.is_dir() or here.with_suffix(".py").exists()):
        words.pop()
        here = PACKAGE.joinpath(*words[1:])
    return ".".join(words)


def test_nothing_is_imported_late_or_for_types_only() -> None:
    complaints(
        f"{source.path}:{line}: {name} inside a function; only cli loads its commands late"
        for source in sources()
        if source.room != "cli"
        for name, line in late_imports(source)
    )
    complaints(
        f"{source.path}: TYPE_CHECKING hides an import from the floors"
        for source in sources()
        if "TYPE_CHECKING" in source.text
    )


def test_the_world_comes_in_through_its_own_rooms() -> None:
    complaints(
        f"{source.path}:{line}: {source.room or 'the package'} may not import {top}"
        for source in sources()
        for name, line in imports_of(source)
        for top in [name.split(".")[0]]
        if (source.module, top) not in EXCEPTIONS
        and (
            (top in ONLY and source.room not in ONLY[top])
            or (source.room in PURE and top in EFFECTS)
        )
    )


def test_nobody_asks_the_time_but_the_clock() -> None:
    complaints(
        f"{source.path}:{node.lineno}: {ast.unparse(node)} asks for the time; take a clock"
        for source in sources()
        if source.room != "base"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in NOW
        and ast.unparse(node.func.value).rpartition(".")[2] in {"datetime", "date"}
    )


def test_exceptions_are_still_needed() -> None:
    used = {
        (source.module, name.split(".")[0])
        for source in sources()
        for name, _ in imports_of(source)
    }
    assert set(EXCEPTIONS) <= used


def test_third_party_imports_are_declared() -> None:
    project = toml("pyproject.toml")["project"]
    extras = project.get("optional-dependencies", {})
    lines = [*project["dependencies"], *extras.get("fast", [])]
    declared = {line.split(">=")[0].strip() for line in lines}
    distributions = packages_distributions()
    complaints(
        f"{source.path}:{line}: {top} is not declared in pyproject.toml"
        for source in sources()
        for name, line in imports_of(source)
        for top in [name.split(".")[0]]
        if top not in sys.stdlib_module_names
        and top != "pillarbox"
        and not (source.room == "testing" and top == "pytest")
        and declared.isdisjoint(distributions.get(top, [top]))
    )


def test_import_linter_knows_the_same_floors() -> None:
    contracts = {
        contract["id"]: [
            {room.strip(" ()").removeprefix("pillarbox.") for room in layer.split("|")}
            for layer in contract["layers"]
        ]
        for contract in toml("pyproject.toml")["tool"]["importlinter"]["contracts"]
    }
    assert contracts["floors"] == [set(rooms) for rooms in reversed(FLOORS)]
    for room, contract in (("wire", "languages"), ("serve", "doors")):
        steps = [{f"{room}.{part}" for part in parts} for parts in reversed(STEPS[room])]
        assert contracts[contract] == steps


@pytest.mark.parametrize(
    ("importer", "imported", "verdict"),
    [
        ("pillarbox.model.flags", "pillarbox.base.errors", True),
        ("pillarbox.base.errors", "pillarbox.model.flags", False),
        ("pillarbox.store.api", "pillarbox.net.tls", False),
        ("pillarbox.wire.imap.lex", "pillarbox.wire.smtp.data", False),
        ("pillarbox.wire.imap.lex", "pillarbox.wire.engine", True),
        ("pillarbox.wire.engine", "pillarbox.wire.imap", False),
        ("pillarbox.wire.sasl.plain", "pillarbox.wire.sasl.scram", True),
        ("pillarbox.serve.imap", "pillarbox.serve.smtp", False),
        ("pillarbox.cli.main", "pillarbox", True),
        ("pillarbox", "pillarbox.base", False),
    ],
)
def test_the_table_says(importer: str, imported: str, verdict: bool) -> None:
    assert allowed(importer, imported) is verdict


def test_the_reading_sees_through_every_kind_of_import() -> None:
    text = (
        "from . import lex\nfrom ..smtp import data\nimport pillarbox.store\n"
        "def f():\n    from pillarbox.cli import main\n"
    )
    source = Source("x/lex.py", "pillarbox.wire.imap.lex", text, ast.parse(text))
    found = {name for name, _ in imports_of(source)}
    assert found == {
        "pillarbox.wire.imap.lex",
        "pillarbox.wire.smtp.data",
        "pillarbox.store",
        "pillarbox.cli.main",
    }
    assert [name for name, _ in late_imports(source)] == ["pillarbox.cli.main"]
    assert read(PACKAGE / "__init__.py").module == "pillarbox"
