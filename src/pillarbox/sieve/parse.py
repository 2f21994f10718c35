"""Tokens to a tree (RFC 5228 §8.2): generic commands, tests and arguments, no meaning yet."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.sieve.lex import Kind, Lexer, Token, text_of
from pillarbox.sieve.limits import DEFAULT, Limits
from pillarbox.sieve.problem import Invalid, Place, Wrong


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit applied."""

    value: int
    place: Place


@dataclass(frozen=True, slots=True)
class String:
    """A string with quoting removed; line ends are CRLF (RFC 5228 §2.4.2)."""

    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class StringList:
    """``["a", "b"]``."""

    items: tuple[String, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Tag:
    """``:name``, in lower case."""

    name: str
    place: Place


Argument = Number | String | StringList | Tag


@dataclass(frozen=True, slots=True)
class Test:
    """An identifier with arguments and perhaps tests of its own.

    ``listed``: the tests stood in parentheses.
    """

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple[Test, ...]
    listed: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Command:
    """A test's shape, ended by ``;`` (``block`` None) or a block."""

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple[Test, ...]
    listed: bool
    block: tuple[Command, ...] | None
    place: Place


def parse(source: bytes, limits: Limits = DEFAULT) -> tuple[Command, ...]:
    """The commands of a script. Raises ``Invalid`` with the first complaint."""
    try:
        if len(source) > limits.script:
            raise Wrong(Place(1, 1), f"the script is larger than {limits.script} octets")
        return _Parser(text_of(source), limits).script()
    except Wrong as wrong:
        raise Invalid([wrong.problem]) from None


class _Parser:
    def __init__(self, text: str, limits: Limits) -> None:
        self._lexer = Lexer(text)
        self._limits = limits
        self._count = 0
        self._token = self._lexer.next()

    def script(self) -> tuple[Command, ...]:
        """All commands up to the end."""
        commands = self._commands(0)
        if self._token.kind is not Kind.END:
            raise Wrong(self._token.place, f"unexpected {self._token}")
        return commands

    def _take(self) -> Token:
        token, self._token = self._token, self._lexer.next()
        return token

    def _is(self, mark: str) -> bool:
        return self._token.kind is Kind.MARK and self._token.text == mark

    def _expect(self, mark: str, where: str) -> None:
        if not self._is(mark):
            raise Wrong(self._token.place, f'expected "{mark}" {where}, found {self._token}')
        self._take()

    def _commands(self, depth: int) -> tuple[Command, ...]:
        found = []
        while self._token.kind is Kind.IDENTIFIER:
            found.append(self._command(depth))
        return tuple(found)

    def _named(self, depth: int) -> Token:
        self._count += 1
        if self._count > self._limits.commands:
            raise Wrong(self._token.place, "this script has too many commands and tests")
        if depth > self._limits.nesting:
            raise Wrong(self._token.place, "this is nested too deeply")
        return self._take()

    def _command(self, depth: int) -> Command:
        name = self._named(depth)
        arguments, tests, listed = self._arguments(0)
        if self._is("{"):
            self._take()
            block = self._commands(depth + 1)
            self._expect("}", "at the end of a block")
            return Command(name.text, arguments, tests, listed, block, name.place)
        if not self._is(";"):
            raise Wrong(
                self._token.place,
                f'expected ";" or a block after "{name.text}", found {self._token}',
            )
        self._take()
        return Command(name.text, arguments, tests, listed, None, name.place)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[Test, ...], bool]:
        arguments: list[Argument] = []
        while (argument := self._argument()) is not None:
            arguments.append(argument)
        if self._token.kind is Kind.IDENTIFIER:
            return tuple(arguments), (self._test(depth + 1),), False
        if not self._is("("):
            return tuple(arguments), (), False
        self._take()
        tests = [self._test(depth + 1)]
        while self._is(","):
            self._take()
            tests.append(self._test(depth + 1))
        self._expect(")", "at the end of a list of tests")
        return tuple(arguments), tuple(tests), True

    def _test(self, depth: int) -> Test:
        if self._token.kind is not Kind.IDENTIFIER:
            raise Wrong(self._token.place, f"expected a test, found {self._token}")
        name = self._named(depth)
        return Test(name.text, *self._arguments(depth), name.place)

    def _argument(self) -> Argument | None:
        token = self._token
        if token.kind is Kind.STRING:
            self._take()
            return String(token.text, token.place)
        if token.kind is Kind.NUMBER:
            self._take()
            return Number(token.number, token.place)
        if token.kind is Kind.TAG:
            self._take()
            return Tag(token.text, token.place)
        return self._list() if self._is("[") else None

    def _list(self) -> StringList:
        place = self._take().place
        items: list[String] = []
        while True:
            token = self._token
            if token.kind is not Kind.STRING:
                raise Wrong(token.place, f"expected a string in this list, found {token}")
            self._take()
            items.append(String(token.text, token.place))
            if not self._is(","):
                break
            self._take()
        self._expect("]", "at the end of a list of strings")
        return StringList(tuple(items), place)
