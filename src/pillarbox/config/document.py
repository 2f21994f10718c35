"""The schema as people read it: the reference page and a file to start from."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from pillarbox.config.schema import SECTIONS

_HEAD = """\
# Configuration

One TOML file, by default `/etc/pillarbox/pillarbox.toml`; `pillarbox init` writes it. Unknown keys
and wrong values are refused with their line. Times may be written as `"90s"`, `"10m"`, `"4h"`,
`"30d"`, sizes as `"50M"`. This page is made from the schema in `pillarbox.config.schema`.
"""


def markdown() -> str:
    """The text of ``docs/config.md``."""
    lines = [_HEAD]
    for name, section in SECTIONS.items():
        lines += [f"## [{name}]", "", str(section.__doc__), ""]
        lines += ["| key | default | meaning |", "| --- | --- | --- |"]
        for field in dataclasses.fields(section):
            default, meaning = toml(field.metadata["default"]), field.metadata["doc"]
            lines.append(f"| `{field.name}` | `{default}` | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def starter(chosen: Mapping[tuple[str, str], Any]) -> str:
    """A configuration file: what was ``chosen``, and every other key as a comment with its
    default and meaning."""
    lines: list[str] = []
    for name, section in SECTIONS.items():
        lines += [f"# {section.__doc__}", f"[{name}]"]
        for field in dataclasses.fields(section):
            lines += [f"# {line}" for line in textwrap.wrap(field.metadata["doc"], 90)]
            value = chosen.get((name, field.name))
            if value is None:
                lines.append(f"#{field.name} = {toml(field.metadata['default'])}")
            else:
                lines.append(f"{field.name} = {toml(value)}")
        lines.append("")
    return "\n".join(lines)


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, (int, float)):
        return str(value)
    return json.dumps(str(value))  # a JSON string is a TOML basic string
