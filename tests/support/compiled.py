"""What ``hatch_build.py`` compiles, and whether it is that which runs."""

from __future__ import annotations

import ast
from importlib import import_module

from support.tree import ROOT


def modules() -> list[str]:
    """Its table. The file imports what only a build has, so it is read, not imported."""
    tree = ast.parse((ROOT / "hatch_build.py").read_text(encoding="utf-8"))
    (found,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED"
    ]
    rooms: dict[str, tuple[str, ...]] = ast.literal_eval(found)
    return [
        f"pillarbox.{room.replace('/', '.')}.{name}"
        for room, names in rooms.items()
        for name in names
    ]


def plain() -> list[str]:
    """Modules of the table that were imported from their source."""
    return [name for name in modules() if not str(import_module(name).__file__).endswith(".so")]
