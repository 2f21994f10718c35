"""A tree to nodes that can run: every name known, every argument in its place (RFC 5228 §2.10).

Strict, and it goes on after a complaint, so that an author sees them all at once. Extension
checking is put off to run time where the script requires ``ihave`` (RFC 5463 §4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.sieve import parse as tree
from pillarbox.sieve.extensions.table import ALWAYS, BY_NAME, COMMANDS, TAGS, TESTS, Entry
from pillarbox.sieve.limits import DEFAULT, Limits
from pillarbox.sieve.match import complaint, regex_size
from pillarbox.sieve.problem import Invalid, Place, Problem, Wrong
from pillarbox.sieve.text import decoded, template
from pillarbox.sieve.words import Arg, Kind, Node, Program, Tag, Template, Tests, Text, Value, Word


def _never(*_: object) -> None:
    """What a word that nobody knows does; its node's complaint is raised before."""


_UNKNOWN = Word("", _never)


@dataclass(slots=True)
class _Use:
    """What is found out about one node while it is read."""

    word: Word
    place: Place
    missing: set[str] = field(default_factory=set)
    complaint: str = ""
    values: dict[str, Value] = field(default_factory=dict)


class _Checker:
    def __init__(self, limits: Limits, offered: frozenset[str]) -> None:
        self._limits = limits
        self._regex = 0
        """Characters of regular expressions so far."""
        self._offered = offered
        self._has: set[str] = set(ALWAYS)
        self._frozen = frozenset(ALWAYS)
        self._lenient = False
        self._around: list[str] = []
        self.problems: list[Problem] = []

    # ------------------------------------------------------------------ the whole script

    def program(self, commands: Sequence[tree.Command]) -> Program:
        """The nodes; complaints are in ``problems``."""
        start = 0
        while start < len(commands) and commands[start].name == "require":
            self._require(commands[start])
            start += 1
        self._frozen = frozenset(self._has)
        self._lenient = "ihave" in self._has
        nodes = self._block(commands[start:])
        return Program(nodes, self._frozen)

    def _require(self, command: tree.Command) -> None:
        """RFC 5228 §3.2."""
        argument = command.arguments[0] if len(command.arguments) == 1 else None
        if (
            command.tests
            or command.block is not None
            or not isinstance(argument, (tree.String, tree.StringList))
        ):
            self._complain(command.place, '"require" takes one string or list of strings')
            return
        for item in (argument,) if isinstance(argument, tree.String) else argument.items:
            if item.value in self._offered:
                self._has.add(item.value)
                self._has.update(BY_NAME[item.value].implies)
            elif item.value not in ALWAYS:
                self._complain(item.place, f'there is no extension "{item.value}" here')

    def _complain(self, place: Place, text: str) -> None:
        self.problems.append(Problem(place, text))
        if len(self.problems) >= self._limits.problems:
            raise Invalid(self.problems)

    def _block(self, commands: Sequence[tree.Command]) -> tuple[Node, ...]:
        nodes: list[Node] = []
        before = ""
        for command in commands:
            if command.name == "require":
                self._complain(command.place, '"require" stands at the beginning of a script only')
                continue
            try:
                nodes.append(self._command(command, before))
            except Wrong as wrong:
                self._complain(wrong.problem.place, wrong.problem.text)
            before = command.name
        return tuple(nodes)

    # ------------------------------------------------------------------ one word

    def _command(self, command: tree.Command, before: str) -> Node:
        entry = COMMANDS.get(command.name)
        if entry is None:
            what = "this is a test, not a command" if command.name in TESTS else "unknown command"
            return self._node(
                self._unknown(command, f'{what}: "{command.name}"'), (), command.block
            )
        word = entry.word
        if word.after and before not in word.after:
            raise Wrong(command.place, f'"{word.name}" stands only after {_one_of(word.after)}')
        if word.block and command.block is None:
            raise Wrong(command.place, f'"{word.name}" needs a block')
        if not word.block and command.block is not None:
            raise Wrong(command.place, f'"{word.name}" takes no block')
        if word.inside and word.inside not in self._around:
            raise Wrong(command.place, f'"{word.name}" stands only inside "{word.inside}"')
        use = self._use(entry, command)
        return self._node(use, self._tests(command, word), command.block or ())

    def _test(self, test: tree.Test) -> Node:
        entry = TESTS.get(test.name)
        if entry is None:
            what = "this is a command, not a test" if test.name in COMMANDS else "unknown test"
            return self._node(self._unknown(test, f'{what}: "{test.name}"'), (), ())
        use = self._use(entry, test)
        return self._node(use, self._tests(test, entry.word), ())

    def _unknown(self, thing: tree.Command | tree.Test, text: str) -> _Use:
        if not self._lenient:
            raise Wrong(thing.place, text)
        return _Use(_UNKNOWN, thing.place, complaint=text)

    def _node(
        self, use: _Use, tests: tuple[Node, ...], block: Sequence[tree.Command] | None
    ) -> Node:
        self._around.append(use.word.name)
        inner = self._block(block) if block else ()
        self._around.pop()
        missing = frozenset(use.missing)
        if missing and not self._lenient:
            raise Wrong(use.place, f'"{use.word.name}" needs: require {_quoted(sorted(missing))};')
        node = Node(
            *(use.word, use.place, use.values, tests, inner),
            deferred=missing,
            complaint=use.complaint,
            has=self._frozen,
        )
        if not use.complaint:
            if "MATCH" in use.word.takes:
                self._regex += regex_size(node)
                if self._regex > self._limits.regex:
                    raise Wrong(use.place, "the script has too many regular expressions")
            text = use.word.check(node) if use.word.check else ""
            if text := text or (complaint(node) if "MATCH" in use.word.takes else ""):
                raise Wrong(use.place, text)
        return node

    def _tests(self, thing: tree.Command | tree.Test, word: Word) -> tuple[Node, ...]:
        if word.tests is Tests.NONE and thing.tests:
            raise Wrong(thing.tests[0].place, f'"{word.name}" takes no test')
        if word.tests is Tests.ONE and (thing.listed or not thing.tests):
            raise Wrong(thing.place, f'"{word.name}" needs one test')
        if word.tests is Tests.LIST and not thing.listed:
            raise Wrong(thing.place, f'"{word.name}" needs a list of tests in parentheses')
        return tuple(self._test(test) for test in thing.tests)

    # ------------------------------------------------------------------ arguments

    def _use(self, entry: Entry, thing: tree.Command | tree.Test) -> _Use:
        use = _Use(entry.word, thing.place)
        self._need(use, entry.any_of)
        for name in entry.word.also:
            self._need(use, (name,))
        waiting = list(thing.arguments)
        positional: list[tree.Argument] = []
        groups: dict[str, str] = {}
        while waiting:
            argument = waiting.pop(0)
            if not isinstance(argument, tree.Tag):
                positional.append(argument)
                continue
            if positional:
                raise Wrong(argument.place, f'":{argument.name}" stands after a plain argument')
            self._tag(use, argument, waiting, groups)
        self._relations(use)
        self._positional(use, positional)
        return use

    def _need(self, use: _Use, any_of: Sequence[str]) -> None:
        """One of these capabilities must be required; else the first is missing."""
        if any_of and not self._has.intersection(any_of):
            use.missing.add(any_of[0])

    def _tag(
        self, use: _Use, found: tree.Tag, waiting: list[tree.Argument], groups: dict[str, str]
    ) -> None:
        bearers = {use.word.name, *use.word.takes}
        fitting = [
            (tag, names) for tag, names in TAGS.get(found.name, ()) if bearers.intersection(tag.on)
        ]
        if not fitting:
            text = f'"{use.word.name}" knows no ":{found.name}"'
            if not self._lenient:
                raise Wrong(found.place, text)
            use.complaint = use.complaint or text
            return
        tag, names = fitting[0]
        self._need(use, names)
        if tag.name in use.values:
            raise Wrong(found.place, f'":{tag.name}" is there twice')
        if tag.group:
            if tag.group in groups:
                raise Wrong(
                    found.place, f'":{tag.name}" and ":{groups[tag.group]}" exclude each other'
                )
            groups[tag.group] = tag.name
        if tag.value is None:
            use.values[tag.name] = True
            return
        if not waiting or isinstance(waiting[0], tree.Tag):
            raise Wrong(found.place, f'":{tag.name}" needs {tag.value.kind.value}')
        use.values[tag.name] = self._value(use, tag.value, waiting.pop(0), f'":{tag.name}"')

    def _relations(self, use: _Use) -> None:
        """Tags that need or ban others."""
        bearers = {use.word.name, *use.word.takes}
        for name in use.values:
            for tag, _ in TAGS[name]:
                if bearers.intersection(tag.on):
                    self._relation(use, tag)
                    break

    @staticmethod
    def _relation(use: _Use, tag: Tag) -> None:
        if tag.needs and not any(name in use.values for name in tag.needs):
            raise Wrong(use.place, f'":{tag.name}" needs {_one_of([f":{n}" for n in tag.needs])}')
        for name in tag.bans:
            if name in use.values:
                raise Wrong(use.place, f'":{tag.name}" and ":{name}" exclude each other')

    def _positional(self, use: _Use, found: list[tree.Argument]) -> None:
        wanted = use.word.args
        if use.complaint:
            return
        least = [arg for arg in wanted if not arg.optional]
        if not len(least) <= len(found) <= len(wanted):
            what = ", ".join(f"{arg.name} ({arg.kind.value})" for arg in wanted) or "none"
            raise Wrong(
                use.place, f'"{use.word.name}" has {len(found)} plain arguments; it takes: {what}'
            )
        spare = len(found) - len(least)
        waiting = iter(found)
        for arg in wanted:
            if arg.optional:
                if not spare:
                    continue
                spare -= 1
            use.values[arg.name] = self._value(use, arg, next(waiting), f"{arg.name}")

    def _value(self, use: _Use, arg: Arg, found: tree.Argument, what: str) -> Value:
        if isinstance(found, tree.Number):
            if arg.kind is Kind.NUMBER:
                return found.value
        elif isinstance(found, tree.String):
            if arg.kind is Kind.STRING:
                return self._text(use, arg, found)
            if arg.kind is Kind.STRINGS:
                return (self._text(use, arg, found),)
        elif isinstance(found, tree.StringList) and arg.kind is Kind.STRINGS:
            return tuple(self._text(use, arg, item) for item in found.items)
        raise Wrong(found.place, f'{what} of "{use.word.name}" is to be {arg.kind.value}')

    def _text(self, use: _Use, arg: Arg, found: tree.String) -> Text:
        text: Text = found.value
        try:
            if "encoded-character" in self._has:
                text = decoded(found.value)
            if "variables" in self._has:
                text = template(str(text), self._frozen)
        except ValueError as error:
            raise Wrong(found.place, str(error)) from None
        if isinstance(text, Template):
            if arg.constant:
                raise Wrong(found.place, f"{arg.name} is constant: it takes no variables")
        elif arg.check is not None and (complaint := arg.check(text)):
            raise Wrong(found.place, complaint)
        if arg.name == "comparator" and isinstance(text, str):
            self._need(use, () if text in ALWAYS_COMPARATORS else (f"comparator-{text}",))
        return text


ALWAYS_COMPARATORS = frozenset({"i;octet", "i;ascii-casemap"})
"""RFC 5228 §2.7.3: these need no require."""


def _one_of(names: Sequence[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _quoted(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def check(
    source: bytes, limits: Limits = DEFAULT, offered: frozenset[str] | None = None
) -> Program:
    """A script's octets to a program. Raises ``Invalid`` with every complaint found.

    ``offered``: the capabilities that may be required; all of them unless said.
    """
    commands = tree.parse(source, limits)
    checker = _Checker(limits, frozenset(BY_NAME) if offered is None else offered)
    program = checker.program(commands)
    if checker.problems:
        raise Invalid(checker.problems)
    return program
