"""ihave (RFC 5463): trying out what there is."""

from __future__ import annotations

from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word


def _ihave(state: State, node: Node) -> bool:
    names = {str(name) for name in node.texts("capabilities")}
    if not names <= state.available | state.frame.has:
        return False
    state.frame.enabled |= names
    return True


def _error(state: State, node: Node) -> None:
    raise Failed(state.text(node.text("message")))


EXTENSIONS = (
    Extension(
        "ihave",
        "RFC 5463",
        commands=(Word("error", _error, (Arg("message", Kind.STRING),)),),
        tests=(Word("ihave", _ihave, (Arg("capabilities", Kind.STRINGS, constant=True),)),),
        static=True,
    ),
)
