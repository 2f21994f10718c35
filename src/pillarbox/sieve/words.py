"""How a word of the language is described, and what checking makes of its use.

Every extension is one table (``Extension``) of such descriptions; checking and running know no
word by name. Where tags belong to a family of words (match types, comparators, places of a header
field), the words name the family in ``takes`` and the tags in ``on``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pillarbox.sieve.problem import Place


class Kind(Enum):
    """What an argument is; a string is taken where a list is expected (RFC 5228 §2.4.2.1)."""

    NUMBER = "a number"
    STRING = "a string"
    STRINGS = "a list of strings"


@dataclass(frozen=True, slots=True)
class Ref:
    """A variable in a string: ``${name}``, or ``${namespace.name}``, or a match by number."""

    name: str
    namespace: str = ""
    number: int = -1


@dataclass(frozen=True, slots=True)
class Template:
    """A string with variables in it (RFC 5229 §3). ``source``: before any expansion."""

    parts: tuple[str | Ref, ...]
    source: str


Text = str | Template
Value = int | str | Template | tuple[Text, ...] | bool


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument. ``check`` sees constant strings, one by one, and returns a complaint or ''.

    ``constant``: variables are an error (RFC 5229 §3).
    """

    name: str
    kind: Kind
    constant: bool = False
    check: Callable[[str], str] | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged argument.

    ``on``: words or families that may bear it. ``group``: only one of a group is allowed.
    ``needs``: other tags of which one must be there. ``bans``: tags that may not stand beside it.
    """

    name: str
    on: tuple[str, ...]
    value: Arg | None = None
    group: str = ""
    needs: tuple[str, ...] = ()
    bans: tuple[str, ...] = ()


class Tests(Enum):
    """How many tests a word takes."""

    NONE = 0
    ONE = 1
    LIST = 2


@dataclass(frozen=True, slots=True)
class Word:
    """A command or test. ``do`` gets the run's state and the node: a test returns its result.

    ``after``: words right before it, one of which must be there (elsif, else). ``check``: further
    complaints about a whole node. ``also``: capabilities needed besides the extension's own.
    """

    name: str
    do: Callable[..., object]
    args: tuple[Arg, ...] = ()
    takes: tuple[str, ...] = ()
    tests: Tests = Tests.NONE
    block: bool = False
    after: tuple[str, ...] = ()
    check: Callable[[Node], str] | None = None
    also: tuple[str, ...] = ()
    inside: str = ""
    """A word around it that must be there."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One capability: what it adds to the language and the text that says so.

    ``implies``: capabilities it brings with it. ``static``: it changes how a script is read, so
    that ``ihave`` may not enable it (RFC 5463 §4). ``delivery``: only for new mail, not for IMAP
    events (RFC 6785 §3.11).
    """

    name: str
    text: str
    commands: tuple[Word, ...] = ()
    tests: tuple[Word, ...] = ()
    tags: tuple[Tag, ...] = ()
    implies: tuple[str, ...] = ()
    static: bool = False
    delivery: bool = False


@dataclass(slots=True)
class Node:
    """A command or test that was checked.

    ``values``: arguments by name; tags without a value are True. ``deferred``: capabilities that
    an ``ihave`` must have enabled before this runs; ``complaint``: an error to raise if it ever
    runs (RFC 5463 §4 puts both off to run time).
    """

    word: Word
    place: Place
    values: Mapping[str, Value] = field(default_factory=dict)
    tests: tuple[Node, ...] = ()
    block: tuple[Node, ...] = ()
    deferred: frozenset[str] = frozenset()
    complaint: str = ""
    has: frozenset[str] = frozenset()
    """Capabilities of the script when this was read."""

    def flag(self, name: str) -> bool:
        """Whether a tag is there."""
        return name in self.values

    def chosen(self, group: tuple[str, ...], default: str) -> str:
        """Which of some tags is there."""
        return next((name for name in group if name in self.values), default)

    def number(self, name: str, default: int = 0) -> int:
        """A numeric argument."""
        value = self.values.get(name, default)
        return value if isinstance(value, int) else default

    def text(self, name: str, default: Text = "") -> Text:
        """A string argument, unexpanded."""
        value = self.values.get(name, default)
        return value if isinstance(value, (str, Template)) else default

    def texts(self, name: str) -> tuple[Text, ...]:
        """A list argument, unexpanded."""
        value = self.values.get(name, ())
        return value if isinstance(value, tuple) else ()


@dataclass(frozen=True, slots=True)
class Program:
    """A script that was checked. ``requires``: what it required, implied ones included."""

    nodes: tuple[Node, ...]
    requires: frozenset[str]
