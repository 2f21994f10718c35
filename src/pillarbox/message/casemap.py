"""i;unicode-casemap (RFC 5051): how the house compares text when case must not matter.

SORT and THREAD must use it (RFC 5256 §7), SEARCH should (RFC 5255 §4.1), so everything here is
folded by the same function: title-case each code point, then decompose it. ASCII text takes a
path without tables, and gives what ``i;ascii-casemap`` would.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_MAX_TABLE: Final = 1 << 16


class _Table(dict[int, str]):
    """Folded forms by code point, filled as they are met; a bound keeps odd mail from filling it
    with all of Unicode."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        # RFC 5051 §2 (2)(a) means the simple mapping of UnicodeData.txt. Python's is the full
        # one: where that gives several characters (ß), there is no simple one.
        title = char.title()
        folded = unicodedata.normalize("NFKD", title if len(title) == 1 else char)
        if len(self) >= _MAX_TABLE:
            self.clear()
        self[code] = folded
        return folded


_table = _Table()


def fold(text: str) -> str:
    """The form in which texts are compared, ordered and searched for substrings."""
    return text.upper() if text.isascii() else text.translate(_table)
