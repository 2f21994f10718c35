"""The patterns of ``:matches`` (RFC 5228 §2.7.1): ``*`` any text, ``?`` one character, ``\\`` the
next character itself.

Wildcards take as little as they can, from the left (RFC 5229 §3.2). A pattern is cut at its
``*``; each piece is searched for once, so the work is bounded by pattern times text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

ANY = "\0*"  # parsed wildcards, which no parsed character equals: those have length one
ONE = "\0?"


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between two ``*``: a plain text, or one with ``?`` in it as an expression."""

    length: int
    plain: str
    pattern: re.Pattern[str] | None
    holes: tuple[int, ...]

    def at(self, text: str, start: int) -> bool:
        """Whether it stands there."""
        if self.pattern is None:
            return text.startswith(self.plain, start)
        return self.pattern.match(text, start) is not None

    def find(self, text: str, start: int, end: int) -> int:
        """Where it first stands, -1 for nowhere."""
        if self.pattern is None:
            return text.find(self.plain, start, end)
        found = self.pattern.search(text, start, end)
        return -1 if found is None else found.start()


def _tokens(pattern: str) -> list[str]:
    out: list[str] = []
    chars = iter(pattern)
    for char in chars:
        if char == "\\":
            out.append(next(chars, "\\"))
        else:
            out.append({"*": ANY, "?": ONE}.get(char, char))
    return out


def _piece(tokens: list[str], write: Callable[[str], str]) -> _Piece:
    if ONE not in tokens:
        plain = write("".join(tokens))
        return _Piece(len(plain), plain, None, ())
    source, holes, length = "", [], 0
    for token in tokens:
        if token == ONE:
            holes.append(length)
            source += "(?:.)"
            length += 1
        else:
            written = write(token)
            source += re.escape(written)
            length += len(written)
    return _Piece(length, "", re.compile(source, re.DOTALL), tuple(holes))


@lru_cache(maxsize=256)
def _pieces(pattern: str, write: Callable[[str], str]) -> tuple[_Piece, ...]:
    runs: list[list[str]] = [[]]
    for token in _tokens(pattern):
        if token == ANY:
            runs.append([])
        else:
            runs[-1].append(token)
    return tuple(_piece(run, write) for run in runs)


def match(
    pattern: str, text: str, write: Callable[[str], str], piecewise: bool
) -> tuple[str, ...] | None:
    """None, or the whole text and what each wildcard took of it, in the order of the pattern.

    ``piecewise`` comparators know octets, so that ``?`` takes one of those (RFC 5228 §2.7.1);
    what it takes of a longer character is no text and becomes U+FFFD.
    """
    if piecewise and "?" in pattern and not text.isascii():
        found = _match(_octets(pattern), _octets(text), write, piecewise)
        return None if found is None else tuple(_characters(piece) for piece in found)
    return _match(pattern, text, write, piecewise)


def _octets(text: str) -> str:
    """A character for each octet."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _characters(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")


def _match(
    pattern: str, text: str, write: Callable[[str], str], piecewise: bool
) -> tuple[str, ...] | None:
    written, origin = _written(text, write, piecewise)
    spans = _spans(_pieces(pattern, write), written)
    if spans is None:
        return None
    if origin is not None:
        spans = [(origin[start], origin[end]) for start, end in spans]
    return (text, *(text[start:end] for start, end in spans))


def _written(
    text: str, write: Callable[[str], str], piecewise: bool
) -> tuple[str, list[int] | None]:
    """The text in comparable form; where lengths differ, from which character each came."""
    if piecewise:
        return write(text), None
    forms = [write(char) for char in text]
    if all(len(form) == 1 for form in forms):
        return "".join(forms), None
    origin: list[int] = []
    for index, form in enumerate(forms):
        origin += [index] * len(form)
    return "".join(forms), [*origin, len(text)]


def _spans(pieces: tuple[_Piece, ...], text: str) -> list[tuple[int, int]] | None:
    first, *rest = pieces
    if not rest:
        if len(text) != first.length or not first.at(text, 0):
            return None
        return [(hole, hole + 1) for hole in first.holes]
    if not first.at(text, 0):
        return None
    spans = [(hole, hole + 1) for hole in first.holes]
    at = first.length
    last = rest.pop()
    stop = len(text) - last.length
    for piece in rest:
        found = piece.find(text, at, len(text))
        if found < 0:
            return None
        spans.append((at, found))
        spans += [(found + hole, found + hole + 1) for hole in piece.holes]
        at = found + piece.length
    if stop < at or not last.at(text, stop):
        return None
    spans.append((at, stop))
    spans += [(stop + hole, stop + hole + 1) for hole in last.holes]
    return spans
