"""Bounds of what a script may be and do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """RFC 5228 §2.10.7 and the clauses named; none is below what its RFC asks for.

    ``steps`` is the currency of work: a command or test costs one, a comparison one more for
    every 4,096 characters it looks at, so that a script costs what its steps say whatever the mail.
    """

    script: int = 1 << 20
    """Octets of a script."""
    nesting: int = 32
    """Blocks in blocks, tests in tests (§2.10.7: at least fifteen each)."""
    commands: int = 20_000
    """Commands and tests in one script."""
    problems: int = 20
    """Complaints after which checking ends."""
    steps: int = 200_000
    again: int = 3
    """Times ``steps`` that all runs for the sake of questions may cost together."""
    variable: int = 16_384
    """Characters that a variable holds (RFC 5229 §6: at least 4,000)."""
    variables: int = 512
    """RFC 5229 §6: at least 128."""
    actions: int = 64
    redirects: int = 8
    """Different addresses, the script's whole chain together."""
    notices: int = 8
    """``notify`` actions."""
    includes: int = 16
    """Scripts within scripts (RFC 6609 §3.1: at least three)."""
    including: int = 255
    """Scripts included in one run."""
    questions: int = 200
    """Times that the outside is asked in one run."""
    header_value: int = 8_192
    """Characters of a field that ``addheader`` writes (RFC 5293 §4: at least 998)."""
    additions: int = 64
    """Header fields added in one run."""
    message: int = 64 << 20
    """Octets that ``replace`` and ``enclose`` may make of a message."""
    regex: int = 32_768
    """Characters of all regular expressions of a script: they are made when it is checked."""
    regex_text: int = 65_536
    """Characters of a value that ``:regex`` looks at."""
    regex_seconds: float = 0.05
    """Of one ``:regex`` match."""
    regex_total: float = 0.5
    """Of all in one run."""


DEFAULT = Limits()
