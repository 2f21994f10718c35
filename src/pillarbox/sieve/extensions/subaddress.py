"""subaddress (RFC 5233): the parts of ``user+detail@domain``."""

from __future__ import annotations

from pillarbox.sieve.words import Extension, Tag

EXTENSIONS = (
    Extension(
        "subaddress",
        "RFC 5233",
        tags=(
            Tag("user", ("ADDRESS",), group="part"),
            Tag("detail", ("ADDRESS",), group="part"),
        ),
    ),
)
