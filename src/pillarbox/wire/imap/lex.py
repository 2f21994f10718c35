"""Reading one complete command: a cursor over its text.

The engine hands over the command's lines joined, each literal announcement with its line end
replaced by one ``MARK``, and the literals beside them in order. A line never contains a line
feed, so a mark cannot be forged, the text is scanned once, and nothing is parsed again when a
literal has come.

Everything here raises ``Bad`` for what the grammar does not allow, and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from pillarbox.model.flags import FlagSet, flag_set, is_keyword
from pillarbox.model.mailbox import canonical_name
from pillarbox.model.numset import STAR, parse_ranges
from pillarbox.wire.imap import quirks, utf7
from pillarbox.wire.imap.commands import SAVED_RESULT, Ranges
from pillarbox.wire.imap.limits import DEFAULT, Limits

MARK = "\n"
MAX_NUMBER = 0xFFFFFFFF
MAX_NUMBER64 = 0x7FFFFFFFFFFFFFFF

# RFC 9051 §9: atom-specials are ( ) { SP CTL % * " \ ]; 8-bit characters are in no atom.
_ATOM = re.compile(r'[^\x00-\x20(){%*"\\\]\x7f-\U0010ffff]+')
_ASTRING = re.compile(r'[^\x00-\x20(){%*"\\\x7f-\U0010ffff]+')
_LIST_CHARS = re.compile(r'[^\x00-\x20(){"\\\x7f-\U0010ffff]+')
_QUOTED = re.compile(r'"([^"\\\x00\r\n]*)"')
_QUOTED_ESCAPED = re.compile(r'"((?:[^"\\\x00\r\n]|\\["\\])*)"')
_ESCAPE = re.compile(r'\\(["\\])')
_DIGITS = re.compile(r"[0-9]{1,20}")
_SET = re.compile(r"[0-9*][0-9:,*]*")
_SIMPLE_SET = re.compile(r"([1-9][0-9]{0,9})(?::(\*|[1-9][0-9]{0,9}))?\Z")
_PLAIN_SET = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*\Z")
_FLAGS = re.compile(r"\(([^()\"{\n]*)\)")
_FLAG = re.compile(r'\\?[^\x00-\x20(){%*"\\\]\x7f-\U0010ffff]+')

CACHED = 256
"""Arguments up to this many characters are parsed once and remembered: clients repeat them."""

T = TypeVar("T")


class Bad(Exception):
    """The command cannot be understood (BAD) or, with another ``status``, not be obeyed."""

    def __init__(self, text: str, code: str = "", status: str = "BAD") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.status = status


class Cursor:
    """A position in a command's text, and the productions that move it.

    ``utf8``: mailbox names are UTF-8 (after ENABLE UTF8=ACCEPT or IMAP4rev2), not modified
    UTF-7. ``offers``: the capabilities in force; syntax of others is refused by ``need``.
    ``uid_only``: message numbers are refused (after ENABLE UIDONLY). ``one_charset``: SEARCH
    names none (after ENABLE UTF8=ACCEPT).
    """

    __slots__ = (
        "depth", "limits", "literals", "offers", "one_charset", "pos", "supplied", "text",
        "uid_only", "utf8",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        literals: Sequence[bytes] = (),
        pos: int = 0,
        utf8: bool = False,
        offers: frozenset[str] = frozenset(),
        limits: Limits = DEFAULT,
        uid_only: bool = False,
        one_charset: bool = False,
    ) -> None:
        self.text = text
        self.literals = literals
        self.pos = pos
        self.utf8 = utf8
        self.offers = offers
        self.limits = limits
        self.uid_only = uid_only
        self.one_charset = one_charset
        self.depth = 0
        self.supplied = ""
        """How the client spelt the last mailbox name, '' where it is the name itself."""

    # --- punctuation

    def peek(self) -> str:
        """The next character, '' at the end."""
        return self.text[self.pos : self.pos + 1]

    def take(self, what: str) -> bool:
        """Step over ``what`` if it is next (exact case)."""
        if self.text.startswith(what, self.pos):
            self.pos += len(what)
            return True
        return False

    def expect(self, what: str) -> None:
        if not self.text.startswith(what, self.pos):
            raise Bad(f"Expected {what!r}")
        self.pos += len(what)

    def space(self) -> None:
        """SP, exactly one by the grammar (RFC 9051 §9, rule 2)."""
        pos = self.pos
        if not self.text.startswith(" ", pos):
            raise Bad("Missing argument" if pos >= len(self.text) else "Expected a space")
        pos += 1
        self.pos = quirks.extra_spaces(self.text, pos) if self.text.startswith(" ", pos) else pos

    def more(self) -> bool:
        """Step over SP if there is one: another argument follows."""
        if self.text.startswith(" ", self.pos):
            self.space()
            return True
        return False

    def end(self) -> None:
        """Nothing may follow."""
        if self.pos < len(self.text):
            raise Bad("Unexpected characters after the command")

    def at_end(self) -> bool:
        return self.pos >= len(self.text)

    def open(self) -> None:
        """An opening parenthesis; levels are counted against ``limits.depth``."""
        self.expect("(")
        self.pos = quirks.extra_spaces(self.text, self.pos)
        self.deeper()

    def close(self) -> bool:
        """Step over a closing parenthesis if it is next."""
        pos = quirks.extra_spaces(self.text, self.pos)
        if self.text.startswith(")", pos):
            self.pos = pos + 1
            self.depth -= 1
            return True
        return False

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > self.limits.depth:
            raise Bad("Nested too deeply", "LIMIT", "NO")

    def items(self, item: Callable[[], T], *, empty: bool = False) -> list[T]:
        """``(`` item ``SP`` item … ``)``; an empty list only where ``empty``."""
        self.open()
        found: list[T] = []
        if self.close():
            if not empty:
                raise Bad("The list is empty")
            return found
        while True:
            found.append(item())
            if self.close():
                return found
            self.space()

    # --- words and numbers

    def atom(self) -> str:
        found = _ATOM.match(self.text, self.pos)
        if found is None:
            raise Bad("Expected a word")
        self.pos = found.end()
        return found[0]

    def word(self) -> str:
        """A keyword of the grammar: an atom in upper case."""
        return self.atom().upper()

    def number(self, most: int = MAX_NUMBER) -> int:
        """``number`` (or ``number64`` with ``most``), RFC 9051 §9."""
        found = _DIGITS.match(self.text, self.pos)
        if found is None:
            raise Bad("Expected a number")
        value = int(found[0])
        self.pos = found.end()
        if value > most or self.peek().isdigit():
            raise Bad("The number is too large")
        return value

    def nz_number(self, most: int = MAX_NUMBER) -> int:
        value = self.number(most)
        if not value:
            raise Bad("The number must not be 0")
        return value

    def ranges(self, *, star: bool = True, saved: bool = True) -> Ranges:
        """``sequence-set``; ``star`` False where ``*`` is not allowed, ``saved`` where ``$``."""
        found = _SET.match(self.text, self.pos)
        if found is None:
            if saved and self.take("$"):
                self.need("SEARCHRES")  # RFC 5182 §2.1
                return SAVED_RESULT
            raise Bad("Expected a message set")
        self.pos = found.end()
        ranges = read_ranges(found[0], self.limits.ranges)
        if not star and any(STAR in pair for pair in ranges):
            raise Bad("* is not allowed here")
        return ranges

    def need(self, capability: str) -> None:
        """What follows belongs to an extension; refuse it where that is not offered."""
        if capability not in self.offers:
            raise Bad(f"{capability} is not supported")

    def need_one(self, *capabilities: str) -> None:
        """The same where several extensions bring it."""
        if self.offers.isdisjoint(capabilities):
            raise Bad(f"{capabilities[0]} is not supported")

    # --- strings

    def literal(self) -> bytes | None:
        """The octets of the literal here, None if there is none."""
        text = self.text
        if not text.startswith(MARK, self.pos):
            return None
        octets = self.literals[text.count(MARK, 0, self.pos)]
        self.pos += 1
        return octets

    def quoted(self) -> str | None:
        """The quoted string here with escapes undone, None if there is none."""
        if not self.text.startswith('"', self.pos):
            return None
        found = _QUOTED.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()
            return found[1]
        found = _QUOTED_ESCAPED.match(self.text, self.pos)
        if found is None:
            raise Bad("The quoted string is not well formed")
        self.pos = found.end()
        return _ESCAPE.sub(r"\1", found[1])

    def octets(self, chars: re.Pattern[str] = _ASTRING) -> bytes:
        """``astring`` as octets, whatever charset they are in."""
        text = self.quoted()
        if text is not None:
            return text.encode("utf-8", "surrogateescape")
        octets = self.literal()
        if octets is not None:
            return octets
        found = chars.match(self.text, self.pos)
        if found is None:
            raise Bad("Expected a string")
        self.pos = found.end()
        return found[0].encode("ascii")

    def astring(self, chars: re.Pattern[str] = _ASTRING) -> str:
        """``astring`` as Unicode; octets that are not UTF-8 are refused."""
        found = chars.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()
            return found[0]
        text = self.quoted()
        if text is None:
            octets = self.literal()
            if octets is None:
                raise Bad("Expected a string")
            if b"\0" in octets:
                raise Bad("NUL is not allowed")  # RFC 9051 §9, rule 3
            return from_utf8(octets)
        return text if text.isascii() else from_utf8(text.encode("utf-8", "surrogateescape"))

    def string(self) -> str:
        """``string``: quoted or literal, not a bare word."""
        if self.peek() not in ('"', MARK):
            raise Bad("Expected a quoted string or a literal")
        return self.astring()

    def nstring(self) -> str | None:
        """``nstring``: a string or NIL."""
        if self.peek() in ('"', MARK):
            return self.astring()
        if self.word() != "NIL":
            raise Bad("Expected a quoted string, a literal or NIL")
        return None

    # --- mail's own productions

    def mailbox(self) -> str:
        """``mailbox`` as Unicode in normal form, INBOX canonical (RFC 9051 §5.1, RFC 5198 §2)."""
        said = self._name(self.astring())
        name = canonical_name(said if said.isascii() else unicodedata.normalize("NFC", said))
        self.supplied = "" if name == said else said
        return name

    def list_mailbox(self) -> str:
        """``list-mailbox``: a mailbox name with wildcards."""
        return self._name(self.astring(_LIST_CHARS))

    def _name(self, text: str) -> str:
        if self.utf8:
            return text
        name = utf7.decode(text)
        if name is None:
            raise Bad("The mailbox name is not valid modified UTF-7", "CANNOT", "NO")
        return name

    def flag(self) -> str:
        found = _FLAG.match(self.text, self.pos)
        if found is None:
            raise Bad("Expected a flag")
        self.pos = found.end()
        return found[0]

    def modseq(self) -> int:
        """``mod-sequence-valzer`` (RFC 7162 §7)."""
        return self.number(MAX_NUMBER64)

    def flags(self) -> FlagSet:
        """``flag-list``, the parentheses included."""
        found = _FLAGS.match(self.text, self.pos)
        if found is None:
            raise Bad("Expected a list of flags")
        self.pos = found.end()
        return read_flags(found[1])


def from_utf8(octets: bytes) -> str:
    """Octets of a literal as text; Bad where they are not UTF-8."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("The string is not valid UTF-8") from None


def read_ranges(text: str, limit: int) -> Ranges:
    """A wire set, unresolved; the two common shapes, ``n`` and ``n:m``, go the short way."""
    found = _SIMPLE_SET.match(text)
    if found is not None:
        first, second = found.groups()
        low = int(first)
        high = low if second is None else STAR if second == "*" else int(second)
        if low <= MAX_NUMBER and high <= MAX_NUMBER:
            return ((low, high),)
    if text.count(",") >= limit:
        raise Bad("Too many ranges in the message set", "LIMIT", "NO")
    if _PLAIN_SET.match(text):  # a list without ranges, as long as sets ever get
        return tuple([(int(number), int(number)) for number in text.split(",")])
    ranges = parse_ranges(text, limit)
    if ranges is None:
        raise Bad("The message set is not well formed")
    return tuple(ranges)


def read_flags(text: str) -> FlagSet:
    """The inside of a flag list. \\Recent and unknown backslash flags cannot be stored and are
    dropped (RFC 9051 §2.3.2: a server may keep what flags it likes)."""
    return _read_flags(text) if len(text) <= CACHED else _read_flags.__wrapped__(text)


@lru_cache(1024)
def _read_flags(text: str) -> FlagSet:
    names = [name for name in text.split(" ") if name]
    for name in names:
        if not is_keyword(name.removeprefix("\\")):
            raise Bad("A flag is not well formed")
    return flag_set(names)
