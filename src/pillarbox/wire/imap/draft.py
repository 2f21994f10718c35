"""A command while it is being received: its lines and small literals, until it can be parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pillarbox.wire.imap import quirks
from pillarbox.wire.imap.framing import Announced
from pillarbox.wire.imap.lex import MARK, Bad, Cursor
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.parse.append import AppendReader, Piece
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.table import STREAMED
from pillarbox.wire.imap.state import NUMBERED, TABLE, Gate, State, allows

Commands = Mapping[str, tuple[Parser, Gate, Callable[[str], Any] | None]]
"""What may be said now: name to parser, gate, and for those without arguments the class."""

# RFC 9051 §9: tag = 1*<any ASTRING-CHAR except "+">
_TAG_CHARS = r'([^\x00-\x20(){%*"\\+\x7f-\U0010ffff]{1,255})'
_START = re.compile(_TAG_CHARS + r" (?:([Uu][Ii][Dd]) )?([A-Za-z]+)")
_TAG = re.compile(_TAG_CHARS + " ")
_LITERAL = Gate.LITERAL
_LITERAL_MINUS = 4096  # RFC 7888 §5


class Draft:
    """One connection's, used for command after command. Everything raises Bad and nothing else."""

    __slots__ = (
        "bare", "gate", "limits", "literals", "offers", "one_charset", "parser", "pos", "reader",
        "size", "tag", "text", "uid_only",
    )  # fmt: skip

    def __init__(self, limits: Limits, offers: frozenset[str]) -> None:
        self.limits = limits
        self.offers = offers
        self.uid_only = False
        self.one_charset = False
        self.clear()

    def clear(self) -> None:
        """Forget the command."""
        self.tag = ""
        self.text = ""
        self.pos = 0
        self.literals: list[bytes] = []
        self.size = 0
        self.reader: AppendReader | None = None

    def start(self, line: bytes, literal: Announced | None, commands: Commands) -> None:
        """Take the first line: who speaks, what is wanted, may it be said now."""
        text = line.decode("utf-8", "surrogateescape")
        found = _START.match(text)
        if found is None or MARK in text:
            self.tag = self.tag_of(text)
            raise Bad("This is not a command")
        self.tag, uid, name = found.groups()
        if uid:
            name = "UID " + name
        known = commands.get(name) or commands.get(name.upper())
        if known is None:
            raise Bad(self._why_not(name.upper()))
        self.parser, self.gate, self.bare = known
        if self.uid_only and name.upper() in NUMBERED:
            raise Bad("Message numbers are not used any more", "UIDREQUIRED")
        self.text = text
        self.pos = found.end()
        if self.gate is _LITERAL:
            name = name.upper()
            self.reader = AppendReader(self.tag, name) if name in STREAMED else None
        if literal is not None or self.reader is not None:
            self.text, self.pos, self.size = text[self.pos :], 0, len(line)
            self._cut(literal)

    @staticmethod
    def tag_of(text: str) -> str:
        """The tag that ``text`` begins with, ``*`` if it does not."""
        found = _TAG.match(text)
        return found[1] if found else "*"

    def _why_not(self, name: str) -> str:
        rule = TABLE.get(name)
        if rule is None or not any(allows(rule, state, self.offers) for state in State):
            return "Unknown command"
        return f"{name} is not allowed now"

    def extend(self, line: bytes, literal: Announced | None) -> None:
        """Take a line behind a literal."""
        text = line.decode("utf-8", "surrogateescape")
        if MARK in text:
            raise Bad("A line feed without carriage return")
        self.text += text
        self.size += len(line)
        self._cut(literal)

    def _cut(self, literal: Announced | None) -> None:
        """An announcement gives way to a mark, once the literal is admitted; ``~`` stays."""
        if literal is not None:
            self.text = self.text[: self.text.rindex("{")]

    def admit(self, literal: Announced, most: int) -> None:
        """A literal that belongs to the command's text is to come; ``most`` octets are allowed."""
        limits = self.limits
        self.size += literal.size
        if (
            literal.size > most
            or self.size > limits.command
            or len(self.literals) >= limits.literals
        ):
            raise Bad("The literal is too large", "TOOBIG")
        self._check_minus(literal)
        self.text += MARK

    def _check_minus(self, literal: Announced) -> None:
        if self.limits.literal_minus and not literal.sync and literal.size > _LITERAL_MINUS:
            raise Bad("Use a synchronizing literal", "TOOBIG")

    def _cursor(self, utf8: bool, *, whole: bool) -> Cursor:
        text = self.text
        if whole and text.endswith(" "):
            text = quirks.trailing_space(text)
        return Cursor(
            text, self.literals, self.pos, utf8, self.offers, self.limits, self.uid_only,
            self.one_charset,
        )  # fmt: skip

    def parse(self, utf8: bool) -> Any:
        """The complete command as a value."""
        if self.bare is not None and self.pos == len(self.text):
            return self.bare(self.tag)
        return self.parser(self._cursor(utf8, whole=True), self.tag)

    def pieces(self, literal: Announced | None, utf8: bool) -> list[Piece] | None:
        """What a fragment of APPEND says, up to the message literal that ends it or to the end
        of the command; None when the literal is to be admitted to the fragment first."""
        if self.reader is None:
            return None
        found = self.reader.read(self._cursor(utf8, whole=literal is None), literal)
        if found is not None:
            self.text, self.literals, self.size = "", [], 0
            if literal is not None:
                if literal.size > self.limits.append:  # RFC 7889 §4, RFC 4469 §4
                    raise Bad(f"A message may have {self.limits.append} octets", "TOOBIG", "NO")
                self._check_minus(literal)
        return found
