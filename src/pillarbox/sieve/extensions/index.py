"""index (RFC 5260 §6): one field of several with the same name."""

from __future__ import annotations

from pillarbox.sieve.words import Arg, Extension, Kind, Tag

EXTENSIONS = (
    Extension(
        "index",
        "RFC 5260",
        tags=(
            Tag("index", ("INDEX",), Arg("index", Kind.NUMBER)),
            Tag("last", ("INDEX",), needs=("index",)),
        ),
    ),
)
