"""environment (RFC 5183): where and when a script runs."""

from __future__ import annotations

from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.match import matches
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word


def _environment(state: State, node: Node) -> bool:
    value = state.context.environment.get(state.text(node.text("item")).lower())
    if value is None:  # RFC 5183 §4: MUST fail, and is no error
        return False
    return matches(state, node, [value], state.texts(node.texts("keys")), int(bool(value)))


EXTENSIONS = (
    Extension(
        "environment",
        "RFC 5183",
        tests=(Word("environment", _environment, (Arg("item", Kind.STRING), KEYS), ("MATCH",)),),
    ),
)
