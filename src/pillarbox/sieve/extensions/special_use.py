"""special-use (RFC 8579): mailboxes by what they are for."""

from __future__ import annotations

import re

from pillarbox.sieve.ask import SpecialUseExists
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word

_ATTRIBUTE = re.compile(r"\\[A-Za-z][A-Za-z0-9-]*")


def _attribute(text: str) -> str:
    return "" if _ATTRIBUTE.fullmatch(text) else f'"{text}" is no special use such as "\\\\Junk"'


def _exists(state: State, node: Node) -> bool:
    """RFC 8579 §3: one mailbox for each attribute, or the named one for all."""
    box = state.text(node.text("mailbox"))
    names = state.texts(node.texts("attributes"))
    return all(state.ask(*(SpecialUseExists(name, box) for name in names)))


_TAG = Arg("specialuse", Kind.STRING, check=_attribute)

EXTENSIONS = (
    Extension(
        "special-use",
        "RFC 8579",
        tests=(
            Word(
                "specialuse_exists",
                _exists,
                (
                    Arg("mailbox", Kind.STRING, optional=True),
                    Arg("attributes", Kind.STRINGS, check=_attribute),
                ),
            ),
        ),
        tags=(
            Tag("specialuse", ("fileinto",), _TAG),
            Tag("specialuse", ("vacation", "notify"), _TAG, needs=("fcc",)),
        ),
    ),
)
