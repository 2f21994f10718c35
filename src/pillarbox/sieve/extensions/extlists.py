"""extlists (RFC 6134): lists that lie outside the script."""

from __future__ import annotations

from pillarbox.sieve.ask import ListExists
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _valid(state: State, node: Node) -> bool:
    return all(state.ask(*(ListExists(one) for one in state.texts(node.texts("lists")))))


EXTENSIONS = (
    Extension(
        "extlists",
        "RFC 6134",
        tests=(Word("valid_ext_list", _valid, (Arg("lists", Kind.STRINGS),)),),
        tags=(
            Tag("list", ("MATCH",), group="match"),
            Tag("list", ("redirect",)),
        ),
    ),
)
