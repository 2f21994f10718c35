"""A message as SEARCH reads it: header fields and texts, decoded once, folded for comparing.

Of a message that is not inline only what is text is read, part by part; its attachments stay on
the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Final

from pillarbox.message import header, text, words
from pillarbox.message.casemap import fold
from pillarbox.message.octets import Data
from pillarbox.message.part import Part, Scan
from pillarbox.model.query import Text
from pillarbox.store.api import Blobs

MAX_TEXT: Final = 16 * 1024 * 1024
"""Octets of one part that are searched."""
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")  # RFC 5322 §2.2.3


class Needle:
    """A text to find as a substring, whatever the case, any white space counting as one space.

    Line breaks are where a sender's line was full, so a phrase is found across them.
    """

    __slots__ = ("_spaced", "_words", "value")

    def __init__(self, text: str) -> None:
        self.value = _one_space(fold(text))
        self._words = self.value.split() if " " in self.value else None
        self._spaced = re.compile(r"\s+".join(map(re.escape, self.value.split(" "))))

    def within(self, folded: str) -> bool:
        """True when it occurs in a folded text."""
        if self._words is None:
            return self.value in folded
        # Most texts lack one of the words, and looking for words costs a tenth of the rest.
        there = all(word in folded for word in self._words)
        return there and self._spaced.search(folded) is not None

    @property
    def words(self) -> Sequence[str]:
        """Its words, without each of which no text can hold it."""
        return self._words if self._words is not None else [self.value] if self.value else []

    @property
    def is_word(self) -> bool:
        """No white space is in it: what holds its one word holds it."""
        return self._words is None

    @property
    def octets(self) -> bytes | None:
        """The needle for ASCII octets, where no fold or line end can hide it; else None."""
        plain = self._words is None and self.value.isascii()
        return self.value.encode("ascii") if plain else None


def _one_space(text: str) -> str:
    joined = " ".join(text.split())
    if text[:1].isspace():
        joined = " " + joined
    if text[-1:].isspace() and joined != " ":
        joined += " "
    return joined


def _header_text(octets: bytes) -> str:
    """Folded text of a header section, decoded in one go: no encoded word reaches from one field
    into the next, whose name stands between."""
    return fold(words.decode(_FOLD.sub(b"", octets)))


def field_value(field: bytes) -> str:
    """Folded value of one raw field."""
    return fold(words.decode(header.unfold(field.partition(b":")[2])))


def field_values(section: bytes, name: bytes) -> list[str]:
    """Folded values of the fields of this (lower-case) name in a header section."""
    return [
        field_value(section[field.start : field.end])
        for field in header.fields(section)
        if field.name == name
    ]


class Document:
    """One message while it is searched."""

    __slots__ = ("_headers", "_more_texts", "_texts", "header", "octets", "parts", "scan")

    def __init__(self, scan: Scan, header_octets: bytes, parts: list[tuple[Part, Data]]) -> None:
        """``parts``: parts of interest, each with octets that its offsets count in."""
        self.scan = scan
        self.header = header_octets
        self.parts = parts
        self.octets = len(header_octets) + sum(part.size for part, _ in parts)
        """How much there is to look at."""
        self._texts: list[str] = []
        self._more_texts = self._body_texts()
        self._headers: list[str] | None = None

    def texts(self) -> Iterator[str]:
        """What BODY looks into: text parts, and the headers of embedded messages, each made when
        it is asked for: most often the first one answers, and HTML costs most."""
        at = 0
        while True:
            if at == len(self._texts):
                found = next(self._more_texts, None)
                if found is None:
                    return
                self._texts.append(fold(found))
            yield self._texts[at]
            at += 1

    def headers(self) -> list[str]:
        """What TEXT looks into besides: the headers of all parts, the message's own the first.

        Needs Depth.PARTS.
        """
        if self._headers is None:
            self._headers = [
                _header_text(data[part.header_start : part.body_start]) for part, data in self.parts
            ]
        return self._headers

    def _body_texts(self) -> Iterator[str]:
        for part, data in self.parts:
            if part.type == b"text":
                yield text.part_text(part, data, MAX_TEXT)
            elif (root := part.embedded) is not None:
                yield text.header_text(data, root.header_start, root.body_start)


class Depth(IntEnum):
    """How much of a message is wanted."""

    HEADER = 0
    TEXTS = 1
    PARTS = 2
    """The texts and the headers of all parts."""


def depth_for(texts: Sequence[Text]) -> Depth:
    """The depth that answers these."""
    if not texts:
        return Depth.HEADER
    return Depth.TEXTS if all(text.scope == "body" for text in texts) else Depth.PARTS


async def read(store: Blobs, blob: int, scan: Scan, body: bytes | None, depth: Depth) -> Document:
    """The document of a message, from its octets where they are at hand."""
    root = scan.root
    wanted = [
        part
        for part in (root.walk() if depth else ())
        if depth is Depth.PARTS or part.type == b"text" or part.embedded is not None
    ]
    if body is not None:
        parts: list[tuple[Part, Data]] = [(part, body) for part in wanted]
        return Document(scan, body[root.header_start : root.body_start], parts)
    top = await store.read(blob, root.header_start, root.body_start - root.header_start)
    found = []
    for part in wanted:
        inner = part.embedded
        if part.type == b"text":
            stop = min(part.body_end, part.body_start + MAX_TEXT)
        else:
            stop = inner.body_start if inner is not None else part.body_start
        octets = await store.read(blob, part.header_start, stop - part.header_start)
        found.append((_shifted(part, part.header_start, stop), octets))
    return Document(scan, top, [*found])


def _shifted(part: Part, by: int, stop: int) -> Part:
    """The part as if the message began at ``by`` and ended at ``stop``."""
    inner = part.embedded
    children = []
    if inner is not None:
        children = [
            replace(
                inner,
                header_start=inner.header_start - by,
                body_start=inner.body_start - by,
                body_end=stop - by,
                children=[],
            )
        ]
    return replace(
        part,
        header_start=part.header_start - by,
        body_start=part.body_start - by,
        body_end=stop - by,
        children=children,
    )
