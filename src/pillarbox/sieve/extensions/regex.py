"""regex (draft-murchison-sieve-regex): extended regular expressions as a match type."""

from __future__ import annotations

from pillarbox.sieve.words import Extension, Tag

EXTENSIONS = (
    Extension(
        "regex",
        "draft-murchison-sieve-regex-07",
        tags=(
            Tag("regex", ("MATCH",), group="match"),
            Tag("quoteregex", ("set", "extracttext"), group="20"),
        ),
    ),
)
