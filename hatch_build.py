"""Builds a wheel with some rooms compiled by mypyc, where ``PILLARBOX_COMPILE`` is set.

Without it the wheel is plain Python, as it is when this file is not there: what is compiled here is
a choice of modules that hold most of the work on a message and import nothing of asyncio, and their
``.py`` lies beside them and does the same. See docs/decisions/0077.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WISH = "PILLARBOX_COMPILE"
COMPILED = {
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
    "mailbox": ("common", "facts", "keys", "subject"),
    "wire/smtp": ("data", "grammar", "lines", "replies", "xtext"),
}
"""Modules by room."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for every wheel."""

    def dependencies(self) -> list[str]:
        """What is needed to build, beside hatchling."""
        return ["mypy>=1.11", "setuptools"] if os.environ.get(WISH) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have what came of it packed."""
        if not os.environ.get(WISH) or version == "editable":
            return
        source = Path(self.root, "src")
        self._made = Path(tempfile.mkdtemp(prefix="pillarbox-compiled-"))
        shutil.copytree(source / "pillarbox", self._made / "pillarbox")
        names = [f"pillarbox/{room}/{name}.py" for room in COMPILED for name in COMPILED[room]]
        command = [sys.executable, "-m", "mypyc", *names]
        subprocess.run(command, cwd=self._made, check=True)  # noqa: S603
        built = [path for path in self._made.rglob("*.so") if "build" not in path.parts]
        build_data["force_include"] |= {str(one): str(one.relative_to(self._made)) for one in built}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if hasattr(self, "_made"):
            shutil.rmtree(self._made)
