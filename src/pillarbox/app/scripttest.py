"""Trying a script out over a message, without a house: what would it do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pillarbox
from pillarbox.message import address, header
from pillarbox.sieve.actions import Outcome
from pillarbox.sieve.ask import (
    Asks,
    ListExists,
    ListHas,
    ListMembers,
    Metadata,
    Question,
    ScriptNamed,
    Seen,
)
from pillarbox.sieve.context import Context
from pillarbox.sieve.run import compile_script, run
from pillarbox.sieve.show import shown


@dataclass(frozen=True, slots=True)
class Tried:
    """``asked``: what the script wanted to know, with the answers that were assumed."""

    outcome: Outcome
    asked: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        return [*(f"assumed: {line}" for line in self.asked), *shown(self.outcome)]


def try_script(
    source: bytes,
    message: bytes,
    *,
    sender: str = "",
    recipient: str = "",
    now: float,
    folder: Path | None = None,
) -> Tried:
    """Run a script. Raises Invalid for one that is not good.

    Without ``sender`` and ``recipient`` (addresses) those of the header are taken. Mailboxes are
    there, lists are empty, nothing was seen before; other scripts are looked for in ``folder``
    under their names with ``.sieve``.
    """
    script = compile_script(source)
    envelope = {
        "from": sender or _first(message, (b"return-path", b"sender", b"from")),
        "to": recipient or _first(message, (b"delivered-to", b"to")),
    }
    context = Context(
        envelope=envelope,
        now=datetime.fromtimestamp(now, UTC).astimezone(),
        environment={
            "location": "MDA",
            "phase": "during",
            "name": "Pillarbox",
            "version": pillarbox.__version__,
            "host": "localhost",
            "domain": "localhost",
            "remote-host": "",
            "remote-ip": "127.0.0.1",
        },
        owner=envelope["to"],
    )
    answers: dict[Question, object] = {}
    asked: list[str] = []
    while True:
        ended = run(script, message, context, answers=answers)
        if not isinstance(ended, Asks):
            return Tried(ended, tuple(asked))
        for question in ended.questions:
            answers[question], words = _assumed(question, folder)
            asked.append(words)


def _assumed(question: Question, folder: Path | None) -> tuple[object, str]:
    """An answer, and how it is told."""
    match question:
        case ScriptNamed(name=name):
            path = (folder or Path()) / f"{name}.sieve"
            found = path.read_bytes() if "/" not in name and path.is_file() else None
            return found, f"the script {name!r} is {'in ' + path.name if found else 'not there'}"
        case Seen(id=number):
            return False, f"{number!r} was not seen before"
        case ListHas(list=name, value=value):
            return False, f"{value!r} is not on the list {name!r}"
        case ListExists(list=name):
            return False, f"there is no list {name!r}"
        case ListMembers(list=name):
            return None, f"there is no list {name!r}"
        case Metadata(entry=entry):
            return None, f"there is no annotation {entry!r}"
        case _:
            return True, f"{question} is there"


def _first(message: bytes, names: Sequence[bytes]) -> str:
    for name in names:
        for value in header.every(message, name):
            for one in address.parse(value):
                if one.mailbox and one.host:
                    return (one.mailbox + b"@" + one.host).decode("utf-8", "replace")
    return ""
