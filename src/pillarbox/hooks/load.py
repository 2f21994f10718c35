"""Hooks out of files and installed packages.

A file runs with all rights of the server, so it is read only where nobody else can have written:
the file and every directory above it belong to root or to the server, and others may not write.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, ModuleType

from pillarbox.base.errors import Misuse
from pillarbox.hooks.mark import Function, marks
from pillarbox.hooks.values import ALLOWED, Value

GROUP = "pillarbox.hooks"
"""Of the entry points that packages offer."""
LARGEST = 1 << 20
"""Octets of a file."""
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Defaults:
    """For hooks that do not say it themselves. ``seconds``: a hook's budget."""

    seconds: float = 5.0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """One function at one event. ``name``: file (without ending) and function, for logs."""

    name: str
    event: type[Value]
    run: Function
    seconds: float
    closed: bool
    doors: frozenset[str]


def load(
    files: Iterable[Path], names: Iterable[str], defaults: Defaults, owners: Iterable[int] = ()
) -> tuple[Hook, ...]:
    """The hooks of files, in order, then those of entry points. ``owners``: user ids beside root
    and this process whose files are good. Raises Misuse, naming the place, for what is not."""
    found: list[Hook] = []
    stems: dict[str, Path] = {}
    for path in files:
        if stems.setdefault(path.stem, path) != path:
            raise Misuse(f"{path}: {stems[path.stem]} has the same name; hooks are told by it")
        found += _hooks(path.stem, _functions(_run(path, owners)), defaults, str(path))
    for name in names:
        found += _hooks(name, _installed(name), defaults, f"entry point {name}")
    return tuple(found)


def source(path: Path, owners: Iterable[int] = ()) -> CodeType:
    """The code of a file, not run. Raises Misuse."""
    try:
        with path.open("rb") as file:
            # What was opened is what is looked at: no race with somebody who puts another there.
            _safe(path, os.fstat(file.fileno()), {0, os.geteuid(), *owners})
            for parent in path.resolve().parents:
                _safe_folder(parent, {0, os.geteuid(), *owners})
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise Misuse(f"{path}: {error.strerror}") from error
    if len(text) > LARGEST:
        raise Misuse(f"{path} is larger than {LARGEST} octets")
    try:
        return compile(text, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}:" if isinstance(error, SyntaxError) else ""
        raise Misuse(f"{path}:{line} {error}") from None


def _safe(path: Path, found: os.stat_result, owners: set[int]) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Misuse(f"{path} is not a file")
    if found.st_mode & _OTHERS:
        raise Misuse(f"{path} can be written by others", hint=f"chmod go-w {path}")
    if found.st_uid not in owners:
        raise Misuse(f"{path} belongs to uid {found.st_uid}", hint=f"chown root {path}")


def _safe_folder(path: Path, owners: set[int]) -> None:
    found = path.stat()
    if found.st_mode & _OTHERS and not found.st_mode & stat.S_ISVTX:
        raise Misuse(
            f"others may put files into {path}, where hooks are", hint=f"chmod go-w {path}"
        )
    if found.st_uid not in owners:
        raise Misuse(f"{path}, where hooks are, belongs to uid {found.st_uid}")


def _run(path: Path, owners: Iterable[int]) -> ModuleType:
    code = source(path, owners)
    module = ModuleType(f"pillarbox_hooks_{path.stem}")
    module.__file__ = str(path)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # where dataclasses look for the names in annotations
    try:
        exec(code, module.__dict__)  # noqa: S102  (that is what a hook file is for)
    except BaseException as error:
        if before is not None:
            sys.modules[module.__name__] = before
        else:
            del sys.modules[module.__name__]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Misuse(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _installed(name: str) -> list[Function]:
    """What a package offers under a name: a module, or one function."""
    offered = [*entry_points(group=GROUP, name=name)]
    if not offered:
        raise Misuse(f"no installed package offers hooks as {name!r}", hint=f"group {GROUP}")
    try:
        thing = offered[0].load()
    except Exception as error:
        raise Misuse(f"hooks of {name!r}: {type(error).__name__}: {error}") from error
    return _functions(thing) if isinstance(thing, ModuleType) else [thing]


def _functions(module: ModuleType) -> list[Function]:
    """All that is marked, in the order of the file, each once."""
    return [*{id(one): one for one in vars(module).values() if marks(one)}.values()]


def _hooks(
    stem: str, functions: Sequence[Function], defaults: Defaults, place: str
) -> Iterator[Hook]:
    if not any(map(marks, functions)):
        raise Misuse(f"{place}: no function there is a hook", hint="mark one: @hooks.on(EVENT)")
    for function in functions:
        for mark in marks(function):
            closed = defaults.closed if mark.fault is None else mark.fault == "closed"
            yield Hook(
                f"{stem}.{function.__name__}",
                mark.event,
                function,
                mark.seconds if mark.seconds is not None else defaults.seconds,
                closed and ALLOWED[mark.event].closed,
                mark.doors,
            )
