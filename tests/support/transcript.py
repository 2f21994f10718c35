"""Dialogues with a server, as text files that a person can read and write.

    # A comment. The first one says what the dialogue is about, after `Hostile.` where the client
    # means no good, or is as wrong as if it did not.
    @ secure                  what the network does or is, a word known to the test
    S: \\+OK .*                a regular expression that the next line must match as a whole
    C: USER ann               a line the client sends, CRLF is added
    c: PA                     octets the client sends as they are
    @ eof

In C and c lines the escapes \\r \\n \\t \\0 \\\\ and \\xHH stand for octets; `\\_` is a space that
would get lost at the end of a line, and `\\*N` behind a character repeats it N times. Everything a
client sends before the next S line arrives in one packet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "transcripts"

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([rnt0_\\]))")
_REPEAT = re.compile(r"(.)\\\*(\d+)")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "_": " ", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Step:
    """`kind` is C (octets to send), S (a line to expect) or @ (a word)."""

    kind: str
    text: str
    octets: bytes
    line: int


def scripts(room: str) -> list[Path]:
    """The dialogues of a room, in order."""
    return sorted((FOLDER / room).glob("*.txt"))


def is_hostile(path: Path) -> bool:
    """True for a dialogue whose first line calls the client hostile."""
    return path.read_text("utf-8").startswith("# Hostile")


def read(path: Path) -> list[Step]:
    """The steps of a dialogue."""
    steps = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        kind, text = line[0], line[2:].strip()
        if not re.match(r"[CcS]:|@ ", line):
            raise ValueError(f"{path.name}:{number}: neither C: nor S: nor @")
        octets = octets_of(text) if kind in "Cc" else b""
        steps.append(Step(kind.upper(), text, octets + b"\r\n" * (kind == "C"), number))
    return steps


def octets_of(text: str) -> bytes:
    """A client's line with its escapes resolved."""
    text = _REPEAT.sub(lambda m: m[1] * int(m[2]), text)

    def octet(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _PLAIN[match[2]]

    # UTF-8 as written; an escape is one octet.
    parts = re.split(r"(\\(?:x[0-9A-Fa-f]{2}|[rnt0_\\]))", text)
    return b"".join(
        _ESCAPE.sub(octet, part).encode("latin-1") if index % 2 else part.encode()
        for index, part in enumerate(parts)
    )


def play(
    path: Path,
    talk: Callable[[bytes], bytes],
    control: Callable[[str], bytes],
    greeting: bytes = b"",
) -> None:
    """Play a dialogue; fail where the server says something else, or more, or less."""
    heard = greeting
    waiting = b""
    for step in read(path):
        where = f"{path.name}:{step.line}"
        if step.kind == "C":
            waiting += step.octets
            continue
        if waiting:
            heard += talk(waiting)
            waiting = b""
        if step.kind == "@":
            heard += control(step.text)
            continue
        line, found, heard = heard.partition(b"\r\n")
        assert found, f"{where}: the server says nothing more, expected {step.text}"
        said = line.decode("utf-8", "backslashreplace")
        assert re.fullmatch(step.text, said), f"{where}: {said!r} does not match {step.text}"
    heard += talk(waiting) if waiting else b""
    assert heard == b"", f"{path.name}: the server also says {heard!r}"
