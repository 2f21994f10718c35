"""imap4flags (RFC 5232): flags of the copies that are filed."""

from __future__ import annotations

from pillarbox.sieve.extensions.flagset import flags
from pillarbox.sieve.extensions.variables import variable_name
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.text import variable
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Ref, Tag, Word


def _ref(state: State, node: Node) -> Ref | None:
    """The variable that an action works on; None for the internal one."""
    if "variable" not in node.values:
        return None
    ref = variable(state.text(node.text("variable")))
    if ref is None:
        raise Failed("this is no name of a variable")
    return ref


def _get(state: State, ref: Ref | None) -> tuple[str, ...]:
    return (state.flags or ()) if ref is None else flags([state.variable(ref)])


def _put(state: State, ref: Ref | None, value: tuple[str, ...]) -> None:
    if ref is None:
        state.flags = value
    else:
        state.set_variable(ref, " ".join(value))


def _given(state: State, node: Node) -> tuple[str, ...]:
    return flags(state.texts(node.texts("names")))


def _setflag(state: State, node: Node) -> None:
    _put(state, _ref(state, node), _given(state, node))


def _addflag(state: State, node: Node) -> None:
    ref = _ref(state, node)
    _put(state, ref, flags([*_get(state, ref), *_given(state, node)]))


def _removeflag(state: State, node: Node) -> None:
    ref = _ref(state, node)
    gone = {flag.lower() for flag in _given(state, node)}
    _put(state, ref, tuple(flag for flag in _get(state, ref) if flag.lower() not in gone))


def _hasflag(state: State, node: Node) -> bool:
    """RFC 5232 §4: a key is a list of flags too; ``:count`` sums over the variables."""
    if "variables" in node.values:
        refs = [variable(name) for name in state.texts(node.texts("variables"))]
        found = [flag for ref in refs if ref is not None for flag in _get(state, ref)]
    else:
        found = list(_get(state, None))
    keys = state.texts(node.texts("names"))
    if not node.flag("count"):
        keys = [word for key in keys for word in key.split()]
    return matches(state, node, found, keys, len(found))


def _needs_variables(node: Node) -> str:
    named = "variable" in node.values or "variables" in node.values
    if named and "variables" not in node.has:
        return f'"{node.word.name}" with a variable needs: require "variables";'
    return ""


_VARIABLE = Arg("variable", Kind.STRING, check=variable_name, optional=True)
_LIST = Arg("names", Kind.STRINGS)
_TAG = Arg("flags", Kind.STRINGS)

EXTENSIONS = (
    Extension(
        "imap4flags",
        "RFC 5232",
        commands=tuple(
            Word(name, do, (_VARIABLE, _LIST), check=_needs_variables)
            for name, do in (
                ("setflag", _setflag),
                ("addflag", _addflag),
                ("removeflag", _removeflag),
            )
        ),
        tests=(
            Word(
                "hasflag",
                _hasflag,
                (Arg("variables", Kind.STRINGS, check=variable_name, optional=True), _LIST),
                ("MATCH",),
                check=_needs_variables,
            ),
        ),
        tags=(
            Tag("flags", ("keep", "fileinto"), _TAG),
            Tag("flags", ("vacation", "notify"), _TAG, needs=("fcc",)),
        ),
    ),
)
