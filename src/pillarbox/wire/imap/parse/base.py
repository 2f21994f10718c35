"""The shape of a parser, and the commands that have no arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pillarbox.wire.imap.lex import Cursor

Parser = Callable[[Cursor, str], Any]
"""Reads a command's arguments from just behind its name; (cursor, tag) to a command value."""
Bare = dict[str, Callable[[str], Any]]
"""Commands without arguments, by name: only the class is needed."""


def bare(command: Callable[[str], Any]) -> Parser:
    """The parser of a command that takes nothing but its tag."""

    def parse(cur: Cursor, tag: str) -> Any:
        cur.end()
        return command(tag)

    return parse
