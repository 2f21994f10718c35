"""A strict reader of ENVELOPE and BODYSTRUCTURE, written from the grammar of RFC 9051 §9 alone.

It shares no code with the room that writes them, accepts one spelling only (single spaces, no
trailing octets, 7-bit) and gives back plain tuples, strings as bytes and NIL as None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_NUMBER = re.compile(rb"0|[1-9]\d*")


@dataclass
class Body:
    """One body of a BODYSTRUCTURE."""

    type: bytes
    subtype: bytes
    params: tuple[tuple[bytes, bytes], ...] = ()
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes = b""
    octets: int = 0
    lines: int | None = None
    envelope: tuple[object, ...] | None = None
    embedded: Body | None = None
    parts: list[Body] = field(default_factory=list)
    extension: tuple[object, ...] | None = None


class Reader:
    """Reads one production after the other; an AssertionError says where the grammar broke."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, octets: bytes) -> None:
        assert self.data.startswith(octets, self.at), (octets, self.data[self.at : self.at + 60])
        self.at += len(octets)

    def sees(self, octets: bytes) -> bool:
        return self.data.startswith(octets, self.at)

    def end(self) -> None:
        assert self.at == len(self.data), self.data[self.at : self.at + 60]

    def string(self) -> bytes:
        quoted = _QUOTED.match(self.data, self.at)
        if quoted:
            self.at = quoted.end()
            return re.sub(rb"\\(.)", rb"\1", quoted[1])
        literal = _LITERAL.match(self.data, self.at)
        assert literal, self.data[self.at : self.at + 60]
        start = literal.end()
        self.at = start + int(literal[1])
        octets = self.data[start : self.at]
        assert len(octets) == int(literal[1])
        assert octets.isascii()
        assert b"\0" not in octets
        return octets

    def nstring(self) -> bytes | None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return None
        return self.string()

    def number(self) -> int:
        found = _NUMBER.match(self.data, self.at)
        assert found, self.data[self.at : self.at + 60]
        self.at = found.end()
        return int(found[0])

    def address(self) -> tuple[bytes | None, ...]:
        self.take(b"(")
        found = []
        for place in range(4):
            if place:
                self.take(b" ")
            found.append(self.nstring())
        self.take(b")")
        return tuple(found)

    def addresses(self) -> list[tuple[bytes | None, ...]] | None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return None
        self.take(b"(")
        found = [self.address()]
        while self.sees(b"("):
            found.append(self.address())
        self.take(b")")
        return found

    def envelope(self) -> tuple[object, ...]:
        self.take(b"(")
        found: list[object] = []
        for place in range(10):
            if place:
                self.take(b" ")
            found.append(self.addresses() if 2 <= place <= 7 else self.nstring())
        self.take(b")")
        return tuple(found)

    def params(self) -> tuple[tuple[bytes, bytes], ...]:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return ()
        self.take(b"(")
        found = []
        while True:
            name = self.string()
            self.take(b" ")
            found.append((name, self.string()))
            if not self.sees(b" "):
                break
            self.take(b" ")
        self.take(b")")
        return tuple(found)

    def disposition(self) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]] | None:
        if self.sees(b"NIL"):
            self.take(b"NIL")
            return None
        self.take(b"(")
        kind = self.string()
        self.take(b" ")
        params = self.params()
        self.take(b")")
        return kind, params

    def language(self) -> object:
        if not self.sees(b"("):
            return self.nstring()
        self.take(b"(")
        found = [self.string()]
        while self.sees(b" "):
            self.take(b" ")
            found.append(self.string())
        self.take(b")")
        return found

    def extension(self, first: object) -> tuple[object, ...]:
        self.take(b" ")
        disposition = self.disposition()
        self.take(b" ")
        language = self.language()
        self.take(b" ")
        return first, disposition, language, self.nstring()

    def body(self, extensible: bool) -> Body:
        self.take(b"(")
        if self.sees(b"("):
            parts = []
            while self.sees(b"("):
                parts.append(self.body(extensible))
            self.take(b" ")
            found = Body(b"MULTIPART", self.string(), parts=parts)
            if extensible:
                self.take(b" ")
                found.params = self.params()
                found.extension = self.extension(found.params)
        else:
            found = self.single(extensible)
        self.take(b")")
        return found

    def single(self, extensible: bool) -> Body:
        kind = self.string()
        self.take(b" ")
        subtype = self.string()
        self.take(b" ")
        params = self.params()
        self.take(b" ")
        ident = self.nstring()
        self.take(b" ")
        description = self.nstring()
        self.take(b" ")
        encoding = self.string()
        self.take(b" ")
        found = Body(kind, subtype, params, ident, description, encoding, self.number())
        assert kind.upper() != b"MULTIPART"
        if kind.upper() == b"TEXT":
            self.take(b" ")
            found.lines = self.number()
        elif kind.upper() == b"MESSAGE" and subtype.upper() in (b"RFC822", b"GLOBAL"):
            self.take(b" ")
            found.envelope = self.envelope()
            self.take(b" ")
            found.embedded = self.body(extensible)
            self.take(b" ")
            found.lines = self.number()
        if extensible:
            self.take(b" ")
            found.extension = self.extension(self.nstring())
        return found


def read_envelope(data: bytes) -> tuple[object, ...]:
    """The ten members of an ENVELOPE; addresses are tuples of four."""
    reader = Reader(data)
    found = reader.envelope()
    reader.end()
    return found


def read_body(data: bytes, extensible: bool) -> Body:
    """A BODYSTRUCTURE, or without extension data a BODY."""
    reader = Reader(data)
    found = reader.body(extensible)
    reader.end()
    return found


def numbered(body: Body) -> list[tuple[tuple[int, ...], Body]]:
    """All parts with the numbers a client gives them (RFC 9051 §6.4.5.1)."""

    def below(inside: Body, path: tuple[int, ...]) -> list[tuple[tuple[int, ...], Body]]:
        if not inside.parts:
            return part(inside, (*path, 1))
        return [
            each
            for number, child in enumerate(inside.parts, 1)
            for each in part(child, (*path, number))
        ]

    def part(one: Body, path: tuple[int, ...]) -> list[tuple[tuple[int, ...], Body]]:
        found = [(path, one)]
        if one.parts:
            found += below(one, path)
        elif one.embedded is not None:
            found += below(one.embedded, path)
        return found

    return below(body, ())


def as_imaplib_gives(response: bytes) -> list[bytes | tuple[bytes, bytes]]:
    """A response cut at its literals, as imaplib hands it to a parser."""
    found: list[bytes | tuple[bytes, bytes]] = []
    at = 0
    for literal in re.finditer(rb"\{(\d+)\}\r\n", response):
        if literal.start() < at:  # it stands inside of the one before
            continue
        end = literal.end() + int(literal[1])
        found.append((response[at : literal.end() - 2], response[literal.end() : end]))
        at = end
    found.append(response[at:])
    return found
