"""The dialogues that RFCs print, as steps that can be played.

The RFCs lie outside the repository: where PILLARBOX_RFCS says, else in `../shared/rfc` beside the
checkout. A dialogue is a run of lines that begin with `C:` or `S:`; it is named by its RFC, the
section it stands in and its place among the dialogues of that section: `9051 6.4.4 #2`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.tree import ROOT

ABSENT = "no RFCs (set PILLARBOX_RFCS, or put them in ../shared/rfc)"

_FURNITURE = re.compile(r"\S.*\[Page \d+\]\s*$|RFC \d+\s.*\d{4}\s*$")
_HEADING = re.compile(r"(?:Appendix )?(\d+(?:\.\d+)*|[A-Z](?:\.\d+)*)\.\s+\S")
_SAID = re.compile(r"\s*(?:Examples?:|or)?\s*([CS]): ?(.*)$")
_GOES_ON = re.compile(r"\s{5,}\S")
_ASIDE = re.compile(r"\s*(//|\.\.\.|\. \. \.|<|\[\.\.\.\]|\()")


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the client ('C') or of the server ('S'), folds undone."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A dialogue: `name` is `RFC section #place`."""

    name: str
    said: tuple[Said, ...]


@functools.cache
def folder() -> Path | None:
    """Where the RFCs are, None where there are none."""
    named = os.environ.get("PILLARBOX_RFCS")
    path = Path(named) if named else ROOT.parent / "shared" / "rfc"
    return path if path.is_dir() else None


def examples(number: int) -> list[Example]:
    """The dialogues of an RFC in which a client says something."""
    where = folder()
    path = where / f"rfc{number}.txt" if where else None
    if path is None or not path.is_file():
        return []
    found: list[Example] = []
    count: dict[str, int] = {}
    for section, lines in _runs(path.read_text("utf-8", "replace")):
        said = _unfolded(lines)
        if any(one.who == "C" for one in said):
            count[section] = count.get(section, 0) + 1
            found.append(Example(f"{number} {section} #{count[section]}", said))
    return found


def _runs(text: str) -> list[tuple[str, list[str]]]:
    """Sections and the lines of each dialogue in them; a blank line ends none, prose does."""
    section, run, runs = "", [""], []
    blank = False
    for line in text.split("\n"):
        if "\f" in line or _FURNITURE.match(line):
            continue
        heading = _HEADING.match(line)
        if heading and "..." not in line and ". . ." not in line:
            section = heading[1]
        if _SAID.match(line):
            if len(run) == 1:
                run = [section]
            run.append(line)
            blank = False
        elif len(run) > 1:
            if not line.strip():
                blank = True
            elif _ASIDE.match(line) or (not blank and _GOES_ON.match(line)):
                run.append(line)
            else:
                runs.append((run[0], run[1:]))
                run = [""]
    if len(run) > 1:
        runs.append((run[0], run[1:]))
    return runs


def _unfolded(lines: list[str]) -> tuple[Said, ...]:
    """Lines with their continuations; asides of the authors are left out."""
    said: list[Said] = []
    aside = False
    for line in lines:
        match = _SAID.match(line)
        if match:
            said.append(Said(match[1], match[2].strip()))
            aside = False
        elif _ASIDE.match(line) and not re.match(r"\s*\(", line):
            aside = True
        elif said and not aside:
            last = said[-1]
            said[-1] = Said(last.who, f"{last.text.removesuffix(chr(92))} {line.strip()}".rstrip())
    return tuple(_with_literals(said))


def _with_literals(said: list[Said]) -> Iterator[Said]:
    """The lines of a server's literal become one string, as `rfcplay` reads ours."""
    lines = list(said)
    while lines:
        line = lines.pop(0)
        while line.who == "S" and (match := re.search(r"~?\{(\d+)\}$", line.text)):
            data = ""
            while lines and lines[0].who == "S" and len(data) < int(match[1]):
                data += lines.pop(0).text + "\r\n"
            quoted = data.replace("\\", "\\\\").replace('"', '\\"')
            rest = lines.pop(0).text if lines and lines[0].text.startswith(")") else ")"
            line = Said("S", f'{line.text[: match.start()]}"{quoted}"{rest}')
        yield line
