"""Names of scripts (RFC 5804 §1.6)."""

from __future__ import annotations

import unicodedata

MAX_OCTETS = 512
"""RFC 5804 §1.6: at least 128 characters, up to 512 octets."""


def script_name(name: str) -> str:
    """A complaint about what can be no name of a script, '' if it can.

    A slash is allowed: names are keys of the store, never paths.
    """
    if not name:
        return "the name of a script is not empty"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_OCTETS:
        return f"the name of a script has at most {MAX_OCTETS} octets"
    if any(_unfit(char) for char in name):
        return "the name of a script has no control characters and no line ends"
    return ""


def _unfit(char: str) -> bool:
    code = ord(char)
    return (
        code < 0x20
        or 0x7F <= code <= 0x9F
        or code in {0x2028, 0x2029}
        or unicodedata.category(char) == "Cs"
    )
