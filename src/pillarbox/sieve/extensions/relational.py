"""relational (RFC 5231): comparing for order, and counting."""

from __future__ import annotations

from pillarbox.sieve.compare import RELATIONS
from pillarbox.sieve.words import Arg, Extension, Kind, Tag


def _relation(text: str) -> str:
    return "" if text.lower() in RELATIONS else f'"{text}" is none of {", ".join(RELATIONS)}'


_ARG = Arg("relation", Kind.STRING, constant=True, check=_relation)

EXTENSIONS = (
    Extension(
        "relational",
        "RFC 5231",
        tags=(
            Tag("value", ("MATCH",), _ARG, group="match"),
            Tag("count", ("MATCH",), _ARG, group="match"),
        ),
    ),
)
