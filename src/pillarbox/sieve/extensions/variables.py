"""variables (RFC 5229): values that a script gives names to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.text import variable
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def _quoted(text: str) -> str:
    return "".join([f"\\{char}" if char in "*?\\" else char for char in text])


def _regex_quoted(text: str) -> str:
    return "".join([f"\\{char}" if char in "^$.*+?()[]{}|\\" else char for char in text])


def _url(text: str) -> str:
    """RFC 5435 §6: all but the unreserved characters of a URI."""
    return quote(text.encode("utf-8", "surrogateescape"), safe="-._~")


MODIFIERS: Mapping[str, Callable[[str], str]] = {
    "lower": lambda text: text.translate(_LOWER),
    "upper": lambda text: text.translate(_UPPER),
    "lowerfirst": lambda text: text[:1].translate(_LOWER) + text[1:],
    "upperfirst": lambda text: text[:1].translate(_UPPER) + text[1:],
    "quotewildcard": _quoted,
    "quoteregex": _regex_quoted,
    "encodeurl": _url,
    "length": lambda text: str(len(text)),
}
"""In the order in which they apply (RFC 5229 §4.1)."""


def modified(state: State, node: Node, text: str) -> str:
    """A value after the node's modifiers. Each may lengthen it, so it is cut between them."""
    for name, modify in MODIFIERS.items():
        if node.flag(name):
            text = modify(text[: state.limits.variable])
    return text


def variable_name(name: str) -> str:
    """A complaint about a name that cannot be set."""
    return "" if variable(name) else f'"{name}" is no name of a variable'


def space_complaint(node: Node) -> str:
    """A namespace needs its extension (RFC 5229 §3)."""
    ref = variable(str(node.text("variable")))
    if ref is not None and ref.namespace and "include" not in node.has:
        return 'the namespace "global" needs: require "include";'
    return ""


def store(state: State, node: Node, value: str) -> None:
    """Set the variable that the node names."""
    ref = variable(state.text(node.text("variable")))
    if ref is None:
        raise Failed("this is no name of a variable")
    state.set_variable(ref, modified(state, node, value))


def _set(state: State, node: Node) -> None:
    store(state, node, state.text(node.text("value")))


def _string(state: State, node: Node) -> bool:
    values = state.texts(node.texts("values"))
    count = sum(bool(value) for value in values)  # RFC 5229 §5
    return matches(state, node, values, state.texts(node.texts("keys")), count)


VARIABLE = Arg("variable", Kind.STRING, constant=True, check=variable_name)
_BEARERS = ("set", "extracttext")

EXTENSIONS = (
    Extension(
        "variables",
        "RFC 5229",
        commands=(Word("set", _set, (VARIABLE, Arg("value", Kind.STRING)), check=space_complaint),),
        tests=(Word("string", _string, (Arg("values", Kind.STRINGS), KEYS), ("MATCH",)),),
        tags=(
            Tag("lower", _BEARERS, group="40"),
            Tag("upper", _BEARERS, group="40"),
            Tag("lowerfirst", _BEARERS, group="30"),
            Tag("upperfirst", _BEARERS, group="30"),
            Tag("quotewildcard", _BEARERS, group="20"),
            Tag("length", _BEARERS, group="10"),
        ),
        static=True,
    ),
)
