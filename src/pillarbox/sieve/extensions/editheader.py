"""editheader (RFC 5293): adding header fields and taking them away."""

from __future__ import annotations

from pillarbox.sieve.extensions.fields import field_name
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _name(state: State, node: Node) -> str:
    name = state.text(node.text("field"))
    if complaint := field_name(name):
        raise Failed(complaint)
    return name


def _addheader(state: State, node: Node) -> None:
    name, value = _name(state, node), state.text(node.text("value"))
    if len(value) > state.limits.header_value:
        raise Failed("this value is too long for a header field")
    state.additions += 1
    if state.additions > state.limits.additions:
        raise Failed("the script adds too many header fields")
    if not state.mail.add(name, value, last=node.flag("last")):
        state.warn(f'the field "{name}" cannot be added')


def _deleteheader(state: State, node: Node) -> None:
    """RFC 5293 §5: counting comes before comparing."""
    fields = state.mail.named(_name(state, node))
    if node.flag("index"):
        number = node.number("index")
        turned = fields[::-1] if node.flag("last") else fields
        fields = turned[number - 1 : number] if number > 0 else []
    patterns = state.texts(node.texts("patterns"))
    if "patterns" in node.values:
        if node.flag("count"):
            if not matches(state, node, [one.value() for one in fields], patterns):
                return
        else:
            fields = [one for one in fields if matches(state, node, [one.value()], patterns)]
    state.mail.delete(fields)


_FIELD = Arg("field", Kind.STRING, check=field_name)

EXTENSIONS = (
    Extension(
        "editheader",
        "RFC 5293",
        commands=(
            Word("addheader", _addheader, (_FIELD, Arg("value", Kind.STRING))),
            Word(
                "deleteheader",
                _deleteheader,
                (_FIELD, Arg("patterns", Kind.STRINGS, optional=True)),
                ("MATCH",),
            ),
        ),
        tags=(
            Tag("last", ("addheader",)),
            Tag("index", ("deleteheader",), Arg("index", Kind.NUMBER)),
            Tag("last", ("deleteheader",), needs=("index",)),
        ),
    ),
)
