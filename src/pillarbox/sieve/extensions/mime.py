"""mime (RFC 5703 §4): tests on the header fields of parts."""

from __future__ import annotations

from pillarbox.sieve.words import Arg, Extension, Kind, Tag

_OPTIONS = ("MIMEOPTS",)

EXTENSIONS = (
    Extension(
        "mime",
        "RFC 5703",
        tags=(
            Tag("mime", ("MIME",)),
            Tag("anychild", ("MIME",), needs=("mime",)),
            Tag("type", _OPTIONS, group="option", needs=("mime",)),
            Tag("subtype", _OPTIONS, group="option", needs=("mime",)),
            Tag("contenttype", _OPTIONS, group="option", needs=("mime",)),
            Tag("param", _OPTIONS, Arg("param", Kind.STRINGS), "option", ("mime",)),
        ),
    ),
)
