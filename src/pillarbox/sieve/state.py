"""One run while it lasts: what a word's ``do`` is given.

Words change nothing but this; the run's answer is made from it at the end (``run``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pillarbox.sieve.actions import (
    Action,
    FileInto,
    Keep,
    Notify,
    Redirect,
    Reject,
    Vacation,
)
from pillarbox.sieve.ask import Answers, Question, Unanswered
from pillarbox.sieve.context import Context
from pillarbox.sieve.limits import Limits
from pillarbox.sieve.mail import HeaderField, Mail
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.words import Node, Program, Ref, Template, Text

_DEEPEST = 120
"""Blocks and tests within each other, those of included scripts counted in."""
_CHARS_A_STEP = 4096
_NOT_WITH_REJECT = (Keep, FileInto, Redirect, Vacation)


class Stop(Exception):
    """``stop`` (RFC 5228 §3.3), through every include."""


class Return(Exception):
    """``return`` (RFC 6609 §3.3)."""


class Break(Exception):
    """``break`` (RFC 5703 §3)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(slots=True)
class Frame:
    """What belongs to one script alone, also where it is included by another."""

    name: str = ""
    site: bool = False
    has: frozenset[str] = frozenset()
    """Capabilities it required."""
    enabled: set[str] = field(default_factory=set)
    """Capabilities that an ``ihave`` found (RFC 5463 §4)."""
    variables: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """Names declared ``global``."""
    matched: tuple[str, ...] = ()
    """Match variables (RFC 5229 §3.2)."""
    base: tuple[int, ...] = ()
    """The part that is the whole message to it (RFC 6609 §3.5)."""
    part: tuple[int, ...] | None = None
    """The part a loop stands at (RFC 5703 §3)."""
    loops: list[str] = field(default_factory=list)


class State:
    """``actions`` holds what was decided so far; ``keeping``: the implicit keep is in effect."""

    def __init__(
        self,
        context: Context,
        mail: Mail,
        limits: Limits,
        answers: Answers,
        frame: Frame,
        read: Callable[[bytes], Program],
        available: frozenset[str],
    ) -> None:
        """``read`` checks an included script; ``available``: what ``ihave`` may enable."""
        self.read = read
        self.available = available
        self.context = context
        self.mail = mail
        self.limits = limits
        self.frame = frame
        self.frames: list[Frame] = [frame]
        self.included: set[tuple[str, bool]] = set()
        self.actions: list[Action] = []
        self.keeping = True
        self.flags: tuple[str, ...] | None = context.flags or None
        self.globals: dict[str, str] = {}
        self.warnings: list[str] = []
        self.steps = 0
        self.depth = 0
        self.additions = 0
        self.inclusions = 0
        self.regex_spent = 0.0
        self._answers = answers

    # ------------------------------------------------------------------ running

    def spend(self, steps: int) -> None:
        """Count work; Failed when there was too much."""
        self.steps += steps
        if self.steps > self.limits.steps:
            raise Failed("the script took more steps than it may")

    def look_at(self, chars: int) -> None:
        """Count a comparison over so many characters."""
        self.spend(1 + chars // _CHARS_A_STEP)

    def do(self, node: Node) -> bool:
        """Run one command or test."""
        self.spend(1)
        if node.complaint:
            raise Failed(node.complaint, node.place)
        if node.deferred and not node.deferred <= self.frame.enabled:
            missing = ", ".join(sorted(node.deferred - self.frame.enabled))
            raise Failed(f'"{node.word.name}" is used before ihave found: {missing}', node.place)
        self.depth += 1
        try:
            if self.depth > _DEEPEST:
                raise Failed("the scripts are nested too deeply")
            return bool(node.word.do(self, node))
        except Failed as failed:
            if failed.place is None:
                failed.place = node.place
            raise
        finally:
            self.depth -= 1

    def block(self, nodes: Sequence[Node]) -> None:
        """Run commands in turn. One that continues others (elsif, else) runs where they did not."""
        taken = False
        for node in nodes:
            if not (node.word.after and taken):
                taken = self.do(node)

    # ------------------------------------------------------------------ strings

    def text(self, value: Text) -> str:
        """A string with its variables put in (RFC 5229 §3)."""
        if isinstance(value, str):
            return value
        made = "".join(
            [part if isinstance(part, str) else self.variable(part) for part in value.parts]
        )
        self.look_at(len(made))
        return made

    def texts(self, values: Sequence[Text]) -> list[str]:
        """A list of them."""
        return [self.text(value) for value in values]

    def variable(self, ref: Ref) -> str:
        """A variable's value, '' for one never set."""
        if ref.number >= 0:
            return self.frame.matched[ref.number] if ref.number < len(self.frame.matched) else ""
        return self._space(ref).get(ref.name, "")

    def set_variable(self, ref: Ref, value: str) -> None:
        """Values too long are cut (RFC 5229 §6)."""
        space = self._space(ref)
        if ref.name not in space and len(space) >= self.limits.variables:
            raise Failed("there are too many variables")
        space[ref.name] = value[: self.limits.variable]

    def _space(self, ref: Ref) -> dict[str, str]:
        shared = ref.namespace == "global" or ref.name in self.frame.shared
        return self.globals if shared else self.frame.variables

    # ------------------------------------------------------------------ the message

    def header(self, name: str) -> list[HeaderField]:
        """The fields of that name that this script sees as the message's own."""
        wanted = name.lower()
        if not self.frame.base:
            return self.mail.named(wanted)
        return [one for one in self.mail.part_fields(self.frame.base) if one.name == wanted]

    def message(self) -> bytes | None:
        """The message as actions take it now; None for as it came."""
        return self.mail.octets() if self.mail.changed else None

    def forwarded(self) -> bytes | None:
        """The same without enclosures, which are not redirected (RFC 5703 §6)."""
        return self.mail.enclosed[0] if self.mail.enclosed else self.message()

    # ------------------------------------------------------------------ deciding

    def ask(self, *questions: Question) -> list[object]:
        """The answers, in order."""
        missing = tuple(one for one in questions if one not in self._answers)
        if missing:
            raise Unanswered(missing)
        return [self._answers[one] for one in questions]

    def act(self, action: Action, *, cancels: bool = False) -> None:
        """Decide something; ``cancels`` the implicit keep."""
        if len(self.actions) >= self.limits.actions:
            raise Failed("the script does too much")
        self._compatible(action)
        self.actions.append(action)
        kinds = (Redirect, self.limits.redirects), (Notify, self.limits.notices)
        for kind, most in kinds:
            if isinstance(action, kind) and sum(isinstance(a, kind) for a in self.actions) > most:
                raise Failed(f"the script does {kind.__name__.lower()} more than {most} times")
        if cancels:
            self.keeping = False

    def _compatible(self, action: Action) -> None:
        """RFC 5429 §2.4, RFC 5230 §4.7."""
        for before in self.actions:
            both = (before, action)
            if not any(isinstance(one, Reject) for one in both):
                if all(isinstance(one, Vacation) for one in both):
                    raise Failed("there can be one vacation only")
                continue
            if all(isinstance(one, Reject) for one in both):
                raise Failed("a message is refused once only")
            if any(isinstance(one, _NOT_WITH_REJECT) for one in both):
                raise Failed("a message is either refused or delivered and answered")

    def warn(self, text: str) -> None:
        """Say that something was passed over."""
        if len(self.warnings) < self.limits.problems:
            self.warnings.append(text)


def source_of(value: Text) -> str:
    """A string before its variables are put in (RFC 5230 §4.2)."""
    return value.source if isinstance(value, Template) else value
