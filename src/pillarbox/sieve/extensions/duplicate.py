"""duplicate (RFC 7352): whether a message came before."""

from __future__ import annotations

from pillarbox.sieve.actions import Remember
from pillarbox.sieve.ask import Seen
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _id(state: State, node: Node) -> str | None:
    if node.flag("uniqueid"):
        return state.text(node.text("uniqueid"))
    found = state.header(state.text(node.text("header", "message-id")))
    return found[0].value() if found else None  # RFC 7352 §3.1: the first only


def _duplicate(state: State, node: Node) -> bool:
    usual, most = state.context.duplicate_seconds
    seconds = min(node.number("seconds", usual), most)
    id_ = _id(state, node)
    if id_ is None or not seconds:
        return False
    handle, renew = state.text(node.text("handle")), node.flag("last")
    seen = bool(state.ask(Seen(handle, id_))[0])
    remember = Remember(handle, id_, seconds, renew)
    if (not seen or renew) and remember not in state.actions:
        state.act(remember)
    return seen


EXTENSIONS = (
    Extension(
        "duplicate",
        "RFC 7352",
        tests=(Word("duplicate", _duplicate),),
        tags=(
            Tag("handle", ("duplicate",), Arg("handle", Kind.STRING)),
            Tag("header", ("duplicate",), Arg("header", Kind.STRING), group="id"),
            Tag("uniqueid", ("duplicate",), Arg("uniqueid", Kind.STRING), group="id"),
            Tag("seconds", ("duplicate",), Arg("seconds", Kind.NUMBER)),
            Tag("last", ("duplicate",)),
        ),
        delivery=True,
    ),
)
