"""include (RFC 6609): scripts within scripts, and variables that they share."""

from __future__ import annotations

from pillarbox.sieve.ask import ScriptNamed
from pillarbox.sieve.names import script_name
from pillarbox.sieve.problem import Failed, Invalid
from pillarbox.sieve.state import Frame, Return, State
from pillarbox.sieve.text import variable
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _include(state: State, node: Node) -> None:
    name, site = state.text(node.text("script")), node.flag("global")
    key = (name, site)
    recursive = any((frame.name, frame.site) == key for frame in state.frames)
    if node.flag("once") and (recursive or key in state.included):
        return
    if recursive:
        raise Failed(f'the script "{name}" includes itself')
    if len(state.frames) > state.limits.includes or state.inclusions >= state.limits.including:
        raise Failed("too many scripts are included")
    source = state.ask(ScriptNamed(name, site))[0]
    if not isinstance(source, bytes):
        if node.flag("optional"):
            return
        raise Failed(f'there is no script "{name}"')
    state.spend(1 + len(source) // 8)
    try:
        program = state.read(source)
    except Invalid as invalid:
        raise Failed(f'the script "{name}" is not valid: {invalid.problems[0]}') from None
    state.included.add(key)
    state.inclusions += 1
    outer = state.frame
    base = outer.part if outer.part is not None else outer.base  # RFC 6609 §3.5
    state.frame = Frame(name, site, program.requires, base=base)
    state.frames.append(state.frame)
    try:
        state.block(program.nodes)
    except Return:
        pass
    except Failed as failed:
        # The place is one in the other script.
        where = f"line {failed.place.line}: " if failed.place else ""
        raise Failed(f'in the script "{name}", {where}{failed.text}') from None
    finally:
        state.frames.pop()
        state.frame = outer


def _return(state: State, node: Node) -> None:
    raise Return


def _global(state: State, node: Node) -> None:
    for name in state.texts(node.texts("names")):
        ref = variable(name)
        if ref is None or ref.namespace:
            raise Failed(f'"{name}" is no name of a variable')
        if ref.name in state.frame.variables:  # RFC 6609 §3.4.1
            raise Failed(f'"{name}" is a variable of this script already')
        state.frame.shared.add(ref.name)


def _plain(name: str) -> str:
    ref = variable(name)
    return "" if ref is not None and not ref.namespace else f'"{name}" is no name of a variable'


EXTENSIONS = (
    Extension(
        "include",
        "RFC 6609",
        commands=(
            Word(
                "include",
                _include,
                (Arg("script", Kind.STRING, constant=True, check=script_name),),
            ),
            Word("return", _return),
            Word(
                "global",
                _global,
                (Arg("names", Kind.STRINGS, constant=True, check=_plain),),
                also=("variables",),
            ),
        ),
        tags=(
            Tag("personal", ("include",), group="location"),
            Tag("global", ("include",), group="location"),
            Tag("once", ("include",)),
            Tag("optional", ("include",)),
        ),
    ),
)
