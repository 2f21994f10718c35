"""Octets of a script to tokens (RFC 5228 §8.1).

Total but for ``Wrong``: any octets give tokens or one complaint with its place. Work and memory
are linear in the size of the script, which the caller bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pillarbox.sieve.problem import Place, Wrong

MAX_NUMBER = 2**63 - 1
"""RFC 5228 §2.4.1 asks for 31 bits and allows more."""


class Kind(Enum):
    """What a token is."""

    IDENTIFIER = "an identifier"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    MARK = "punctuation"
    END = "the end of the script"


@dataclass(frozen=True, slots=True)
class Token:
    """``text``: the name in lower case, the string without its quotes, or the mark."""

    kind: Kind
    text: str
    place: Place
    number: int = 0

    def __str__(self) -> str:
        if self.kind is Kind.MARK:
            return f'"{self.text}"'
        if self.kind is Kind.TAG:
            return f'":{self.text}"'
        if self.kind is Kind.IDENTIFIER:
            return f'"{self.text}"'
        return str(self.kind.value)


_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+\n?|/\*.*?\*/)++", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_NUMBER = re.compile(r"([0-9]++)([A-Za-z]?)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MULTILINE = re.compile(r"text:[ \t]*+(?:#[^\n]*+)?\r?\n", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_MARKS = frozenset("()[]{},;")


def text_of(source: bytes) -> str:
    """A script as text: UTF-8 (RFC 5228 §2.1), line ends as LF, without NUL."""
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8")
        raise Wrong(_place(before, len(before)), "this is not UTF-8") from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if (nul := text.find("\0")) >= 0:
        raise Wrong(_place(text, nul), "a script holds no NUL; write ${hex:00}")
    return text


def _place(text: str, at: int) -> Place:
    return Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


class Lexer:
    """Gives the tokens of a text one by one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._line_start = 0
        self._seen = 0

    def _here(self) -> Place:
        """The place of the next character; counts lines from where it last counted."""
        new = self._text.count("\n", self._seen, self._at)
        if new:
            self._line += new
            self._line_start = self._text.rfind("\n", self._seen, self._at) + 1
        self._seen = self._at
        return Place(self._line, self._at - self._line_start + 1)

    def next(self) -> Token:
        """The next token; ``Kind.END`` for ever at the end."""
        text = self._text
        if (blank := _BLANK.match(text, self._at)) is not None:
            self._at = blank.end()
        place = self._here()
        if self._at >= len(text):
            return Token(Kind.END, "", place)
        char = text[self._at]
        if char in _MARKS:
            self._at += 1
            return Token(Kind.MARK, char, place)
        if char == '"':
            return self._quoted(place)
        if char == ":":
            found = _NAME.match(text, self._at + 1)
            if found is None:
                raise Wrong(place, "a tag has a name right after its colon")
            self._at = found.end()
            return Token(Kind.TAG, found[0].lower(), place)
        if (found := _MULTILINE.match(text, self._at)) is not None:
            self._at = found.end()
            return self._multiline(place)
        if (found := _NAME.match(text, self._at)) is not None:
            self._at = found.end()
            return Token(Kind.IDENTIFIER, found[0].lower(), place)
        if (found := _NUMBER.match(text, self._at)) is not None:
            return self._number(found, place)
        if text.startswith("/*", self._at):
            raise Wrong(place, "this comment never ends")
        raise Wrong(place, f"unexpected character {char!r}")

    def _number(self, found: re.Match[str], place: Place) -> Token:
        """RFC 5228 §2.4.1: K, M and G are powers of two."""
        digits, unit = found[1], found[2].lower()
        if unit not in _UNITS:
            raise Wrong(place, f"a number ends in K, M or G, not in {found[2]!r}")
        number = int(digits[:32]) * _UNITS[unit]
        if len(digits) > 32 or number > MAX_NUMBER:
            raise Wrong(place, "this number is too large")
        self._at = found.end()
        if _NAME.match(self._text, self._at):
            raise Wrong(place, "a number is followed by a space or punctuation")
        return Token(Kind.NUMBER, found[0], place, number)

    def _quoted(self, place: Place) -> Token:
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise Wrong(place, "this string never ends")
        self._at = found.end()
        # RFC 5228 §2.4.2: a backslash before any other character is as if it were not there.
        inner = _ESCAPED.sub(r"\1", found[1]) if "\\" in found[1] else found[1]
        return Token(Kind.STRING, inner.replace("\n", "\r\n"), place)

    def _multiline(self, place: Place) -> Token:
        """RFC 5228 §2.4.2: lines up to one that is a single dot; leading dots are doubled."""
        text, at = self._text, self._at
        lines: list[str] = []
        while True:
            end = text.find("\n", at)
            line = text[at:] if end < 0 else text[at:end]
            if line.removesuffix("\r") == ".":
                self._at = len(text) if end < 0 else end + 1
                break
            if end < 0:
                raise Wrong(place, 'this text never ends: a line with a single "." is missing')
            lines.append(line.removeprefix(".") if line.startswith("..") else line)
            at = end + 1
        return Token(Kind.STRING, "".join([f"{line}\r\n" for line in lines]), place)
