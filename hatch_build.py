"""Builds a wheel with some rooms compiled by mypyc, where ``PILLARBOX_COMPILE`` is set.

Without it the wheel is plain Python, as it is when this file is not there. What is compiled here is
a choice of modules that hold most of the work on a message or a command; their ``.py`` lies beside
them and does the same. Each group becomes a library of its own, so that they are compiled side by
side. ``MYPYC_OPT_LEVEL`` is the compiler's -O. See docs/decisions/0097.

mypyc refuses generators that are asynchronous, inheriting from two classes, and a class of ours
below a built-in one but Exception: modules with such stay out. So do those with Protocols that
classes of a plain module inherit from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WISH = "PILLARBOX_COMPILE"
COMPILED = {
    "base": ("buffer",),
    "mailbox": ("common", "facts", "intake", "keys", "subject"),
    "message": (
        "address",
        "casemap",
        "charset",
        "date",
        "freeze",
        "header",
        "imapform",
        "octets",
        "params",
        "part",
        "scan",
        "text",
        "transfer",
        "words",
    ),
    "net": ("driver", "stream", "waiter", "wakes"),
    "serve/imap": ("client", "general", "numbers", "session", "telling"),
    "serve/pop3": ("session",),
    "serve/smtp": ("asking", "header", "session", "trace", "transaction"),
    "store": ("rules", "telling"),
    "store/sqlite": ("accept", "envelope", "ids", "tx"),
    "wire/imap": ("commands", "draft", "events", "framing", "lex", "server", "state"),
    "wire/imap/parse": ("append", "base", "fetch", "mailbox", "message", "session"),
    "wire/imap/render": ("codes", "data", "fetch", "text"),
    "wire/pop3": ("commands", "events", "phrases", "render", "server", "stuff"),
    "wire/smtp": (
        "commands",
        "data",
        "envelope",
        "events",
        "grammar",
        "lines",
        "offer",
        "params",
        "reading",
        "replies",
        "server",
        "session",
        "states",
        "xtext",
    ),
}
"""Modules by room."""
LEVEL = "1"
"""What is compiled is mostly calls into Python; the next takes the compiler half as long again."""

_SETUP = """
from setuptools import setup
from mypyc.build import mypycify

groups = {groups!r}
names = [name for modules, _ in groups for name in modules]
modules = mypycify(names, separate=groups, opt_level={level!r}, debug_level="0")
setup(ext_modules=modules, py_modules=[])
"""
"""Whose own program makes one library of all, and does one thing after the other."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for every wheel."""

    def dependencies(self) -> list[str]:
        """What is needed to build, beside hatchling."""
        return ["mypy>=2.4", "setuptools"] if os.environ.get(WISH) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have what came of it packed."""
        if not os.environ.get(WISH) or version == "editable":
            return
        source = Path(self.root, "src")
        self._made = Path(tempfile.mkdtemp(prefix="pillarbox-compiled-"))
        shutil.copytree(source / "pillarbox", self._made / "pillarbox")
        script = self._made / "compile.py"
        level = os.environ.get("MYPYC_OPT_LEVEL", LEVEL)
        script.write_text(_SETUP.format(groups=_groups(), level=level), "utf-8")
        words = ["build_ext", "--inplace", "--parallel", str(os.cpu_count() or 1)]
        subprocess.run([sys.executable, script, *words], cwd=self._made, check=True)  # noqa: S603
        built = libraries(path.relative_to(self._made) for path in self._made.rglob("*.so"))
        build_data["force_include"] |= {str(self._made / one): str(one) for one in built}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if hasattr(self, "_made"):
            shutil.rmtree(self._made)


def libraries(found: Iterable[Path]) -> list[Path]:
    """Those to be packed, of paths that begin where it was compiled: one of each module and one of
    each group. Raises ``RuntimeError`` where a module has none: a plain wheel goes unnoticed."""
    packed = [path for path in found if path.parts[0] != "build"]  # the compiler's own
    there = {f"{(path.parent / path.name.partition('.')[0]).as_posix()}.py" for path in packed}
    missing = [name for names, _ in _groups() for name in names if name not in there]
    if missing:
        raise RuntimeError(f"nothing came of compiling {' '.join(missing)}")
    return packed


def _groups() -> list[tuple[list[str], str]]:
    """Paths of modules, and the library that they are in."""
    return [
        ([f"pillarbox/{room}/{name}.py" for name in names], f"pillarbox_{room.replace('/', '_')}")
        for room, names in COMPILED.items()
    ]
