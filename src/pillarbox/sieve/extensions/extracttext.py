"""extracttext (RFC 5703 §7): a part's text into a variable."""

from __future__ import annotations

from pillarbox.sieve.extensions.body import decoded
from pillarbox.sieve.extensions.variables import VARIABLE, space_complaint, store
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _extracttext(state: State, node: Node) -> None:
    path = state.frame.part
    part = state.mail.part(path) if path is not None else None
    text = ""
    if part is not None and part.type == b"text":
        text = decoded(part, state.mail.data)
        state.look_at(len(text))
    store(state, node, text[: node.number("first", len(text))])


EXTENSIONS = (
    Extension(
        "extracttext",
        "RFC 5703",
        commands=(
            Word(
                "extracttext",
                _extracttext,
                (VARIABLE,),
                check=space_complaint,
                also=("variables", "foreverypart"),
                inside="foreverypart",
            ),
        ),
        tags=(Tag("first", ("extracttext",), Arg("first", Kind.NUMBER)),),
    ),
)
