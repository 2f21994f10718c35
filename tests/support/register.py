"""The register of RFCs (docs/rfc.toml) and the citations in the source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from support.floors import STEPS
from support.tree import sources, toml

CITATION = re.compile(r"\bRFC (\d{3,5})\b")


def entries() -> list[dict[str, Any]]:
    """The register's entries, as they stand in the file."""
    found: list[dict[str, Any]] = toml("docs/rfc.toml")["rfc"]
    return found


def cited() -> Mapping[int, set[str]]:
    """RFC number to the modules that cite it."""
    found: dict[int, set[str]] = {}
    for source in sources():
        for number in CITATION.findall(source.text):
            found.setdefault(int(number), set()).add(source.module)
    return found


def covers(listed: str, module: str) -> bool:
    """Whether a listed package or module holds the module."""
    return module == listed or module.startswith(f"{listed}.")


def room_of(module: str) -> str:
    """What is listed for a module: its room, in wire/ and serve/ the part of it."""
    words = module.split(".")
    return ".".join(words[: 3 if words[1:2] and words[1] in STEPS else 2])
