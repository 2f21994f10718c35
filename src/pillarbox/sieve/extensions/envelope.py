"""envelope (RFC 5228 §5.4), and the parts that RFC 6009 §3 adds."""

from __future__ import annotations

from pillarbox.model.address import Address, parse_address
from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.extensions.fields import PARTS, address_part
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word

_ADDRESSES = frozenset({"from", "to"})
_DSN = ("notify", "orcpt", "ret", "envid")
_BY = ("bytimeabsolute", "bytimerelative", "bymode", "bytrace")
_NEEDS = {
    **dict.fromkeys(_ADDRESSES, ""),
    **dict.fromkeys(_DSN, "envelope-dsn"),
    **dict.fromkeys(_BY, "envelope-deliverby"),
}


def _part(name: str) -> str:
    return "" if name.lower() in _NEEDS else f'an envelope has no part "{name}"'


def _complaint(node: Node) -> str:
    chosen = [str(name).lower() for name in node.texts("parts") if isinstance(name, str)]
    for name in chosen:
        if (need := _NEEDS.get(name)) and need not in node.has and "ihave" not in node.has:
            return f'"{name}" needs: require "{need}";'
        if name not in _ADDRESSES and node.chosen(PARTS, ""):
            return f'"{name}" is no address and has no parts'  # RFC 6009 §3
    return ""


def _envelope(state: State, node: Node) -> bool:
    envelope = state.context.envelope
    if envelope is None:  # RFC 6785 §4.6
        raise Failed("there is no envelope at an IMAP event")
    values: list[str] = []
    part = node.chosen(PARTS, "all")
    for name in state.texts(node.texts("parts")):
        name = name.lower()
        if name not in _NEEDS:
            raise Failed(f'an envelope has no part "{name}"')
        if name not in envelope:
            continue
        value: str | None = envelope[name]
        # RFC 5228 §5.4: the null sender is the empty string whatever part is asked for.
        if name in _ADDRESSES and value:
            found = parse_address(value) or Address(value, "")
            value = address_part(part, found, state.context.separator)
        if value is not None:
            values.append(value)
    return matches(state, node, values, state.texts(node.texts("keys")))


EXTENSIONS = (
    Extension(
        "envelope",
        "RFC 5228",
        tests=(
            Word(
                "envelope",
                _envelope,
                (Arg("parts", Kind.STRINGS, check=_part), KEYS),
                ("MATCH", "ADDRESS"),
                check=_complaint,
            ),
        ),
    ),
    Extension("envelope-dsn", "RFC 6009"),
    Extension("envelope-deliverby", "RFC 6009"),
)
