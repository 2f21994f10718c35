"""SASLprep (RFC 4013): the form in which user names and passwords are compared and hashed.

Without it ``é`` typed as one code point on a telephone would not match ``é`` typed as two on a
desk. The tables are those of Unicode 3.2, which RFC 3454 fixes for good and the standard library
carries.
"""

from __future__ import annotations

import stringprep
from unicodedata import ucd_3_2_0

_PROHIBITED = (  # RFC 4013 §2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str | None:
    """``text`` prepared, or None when it holds what may not be in a name or password.

    ``stored``: it will be kept (a new password), so code points unassigned in Unicode 3.2 are
    refused; in what is only compared they pass (RFC 3454 §7). The result may be empty: most
    callers must refuse that themselves (RFC 4616 §2).
    """
    if text.isascii():
        return text if text.isprintable() else None  # C.2.1 is all of ASCII that is prohibited
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c  # RFC 4013 §2.1
        for c in text
        if not stringprep.in_table_b1(c)
    )
    prepared = ucd_3_2_0.normalize("NFKC", mapped)  # §2.2
    if any(prohibited(c) for c in prepared for prohibited in _PROHIBITED):
        return None
    if stored and any(stringprep.in_table_a1(c) for c in prepared):
        return None  # §2.5
    return prepared if _bidi_sound(prepared) else None


def _bidi_sound(text: str) -> bool:
    """RFC 3454 §6: right-to-left text begins and ends so, with no left-to-right letter inside."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    if any(map(stringprep.in_table_d2, text)):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
