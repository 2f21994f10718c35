"""A message as a script sees it: header fields that can be changed, and a tree of parts.

Its parts are looked for only when a script asks for them, and again after ``replace`` or
``enclose`` gave the message another body.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.message import compose, header, words
from pillarbox.message.octets import Data, Readable, readable
from pillarbox.message.part import Part, Scan
from pillarbox.message.scan import scan

_UNTOUCHED = frozenset(
    {"received", "delivered-to", "auto-submitted", "original-subject", "original-from"}
)
"""RFC 5293 §6, RFC 5703 §5: fields that a script cannot take away. By Delivered-To a message that
goes round is known: two scripts that redirect to each other must not hide it."""
_NO_ADDING = frozenset({"original-subject", "original-from"})


@dataclass(slots=True, eq=False)
class HeaderField:
    """``name`` in lower case; ``raw``: the octets, line end included. Never changed, but that its
    text is made once: a script asks twenty times for the same subject."""

    name: str
    raw: bytes
    _text: str | None = None

    def octets(self) -> bytes:
        """The unfolded value."""
        _, _, rest = self.raw.partition(b":")
        return header.unfold(rest)

    def value(self) -> str:
        """The unfolded value as text, encoded words decoded (RFC 5228 §2.7.2)."""
        if self._text is None:
            self._text = words.decode(self.octets()).strip(" \t")
        return self._text


def fields_of(data: Data, start: int, end: int) -> list[HeaderField]:
    """The fields of a header section, stray lines left out."""
    found = header.section(data, start, end)
    return [
        HeaderField(one.name.decode("ascii"), bytes(data[one.start : one.end]))
        for one in found.fields
        if one.name
    ]


class Mail:
    """One message during one run."""

    def __init__(self, data: Readable, scanned: Scan | None = None) -> None:
        self.data: Data = readable(data)
        self._scan = scanned
        self.version = 0
        """Goes up with every change."""
        self._fields: list[HeaderField] | None = None
        self._edited = False
        self._rebuilt = False
        self._made: tuple[int, bytes] | None = None
        self.enclosed: list[bytes | None] = []
        """The message as it was before each ``enclose``; None for as it came."""

    @property
    def scan(self) -> Scan:
        """The tree of parts; made only for scripts that look into the body."""
        if self._scan is None:
            self._scan = scan(self.data)
        return self._scan

    # ------------------------------------------------------------------ the header

    @property
    def fields(self) -> list[HeaderField]:
        """The fields of the message as they are now."""
        if self._fields is None:
            self._fields = fields_of(self.data, 0, len(self.data))
        return self._fields

    def named(self, name: str) -> list[HeaderField]:
        """The fields of that name, in any case of ASCII letters."""
        wanted = name.lower()
        return [one for one in self.fields if one.name == wanted]

    def add(self, name: str, value: str, *, last: bool) -> bool:
        """Add a field (RFC 5293 §4); False where it may not be."""
        if name.lower() in _NO_ADDING:
            return False
        one = HeaderField(name.lower(), compose.field(name, value))
        self.fields.insert(len(self.fields) if last else 0, one)
        self._touch()
        return True

    def delete(self, doomed: list[HeaderField]) -> None:
        """Take fields away (RFC 5293 §5), those that may be."""
        gone = {id(one) for one in doomed if one.name not in _UNTOUCHED}
        if gone:
            self._fields = [one for one in self.fields if id(one) not in gone]
            self._touch()

    def _touch(self) -> None:
        self.version += 1
        self._edited = True

    # ------------------------------------------------------------------ the parts

    def part(self, path: tuple[int, ...]) -> Part | None:
        """The part that a path of child numbers leads to, None if it does not."""
        found = self.scan.root
        for number in path:
            if number >= len(found.children):
                return None
            found = found.children[number]
        return found

    def below(self, path: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The paths of a part and all its parts, depth first."""
        top = self.part(path)
        if top is None:
            return []
        found: list[tuple[int, ...]] = []
        waiting = [(path, top)]
        while waiting:
            here, part = waiting.pop()
            found.append(here)
            waiting.extend(
                ((*here, n), part.children[n]) for n in reversed(range(len(part.children)))
            )
        return found

    def part_fields(self, path: tuple[int, ...]) -> list[HeaderField]:
        """The MIME header of a part; the message's own, as changed, at the top."""
        if not path:
            return self.fields
        part = self.part(path)
        return fields_of(self.data, part.header_start, part.body_start) if part else []

    # ------------------------------------------------------------------ the whole

    @property
    def changed(self) -> bool:
        """It is not as it came."""
        return self._edited or self._rebuilt

    def octets(self) -> bytes:
        """The message as it is now; made once a version."""
        if self._made is None or self._made[0] != self.version:
            self._made = (self.version, self._octets())
        return self._made[1]

    def _octets(self) -> bytes:
        if not self._edited:
            return bytes(self.data[:])
        body = bytes(self.data[header.section(self.data, 0, len(self.data)).body_start :])
        head = [one.raw if one.raw.endswith(b"\n") else one.raw + b"\r\n" for one in self.fields]
        return b"".join([*head, b"\r\n", body])

    def rebuild(self, octets: bytes) -> None:
        """Go on with another message in its place."""
        self.data = octets
        self._scan = None
        self._fields = None
        self._edited = False
        self._rebuilt = True
        self.version += 1
