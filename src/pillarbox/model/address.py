"""Mail addresses as the house compares them.

An ``Address`` keeps the spelling it came with (it goes back out unchanged) and knows its normal
form, which is what directories, lockouts and logs compare: the domain in lower-case A-labels
(RFC 5891), the local part case-folded and NFC-normalised. RFC 5321 §2.4 leaves the case of a
local part to its host; this host ignores it, as every large one does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_COMMON = re.compile(r"[A-Za-z0-9_+=-]+(?:\.[A-Za-z0-9_+=-]+)*\Z")
_BLANK = re.compile(r"[\s\x00-\x1f]")
_DOT_ATOM_SPECIALS = frozenset('()<>[]:;@\\," ')


@dataclass(frozen=True, slots=True)
class Address:
    """``local@domain`` with quoting removed; ``domain`` may be empty for ``<postmaster>``.

    The null reverse-path ``<>`` is not an Address: fields that may hold it are
    ``Address | None`` (RFC 5321 §4.5.5).
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """The form between angle brackets, quoted where RFC 5321 §4.1.2 needs it."""
        local = self.local
        if _COMMON.match(local) is None and not is_dot_string(local):
            local = quote_local(local)
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def is_ascii(self) -> bool:
        """False when carrying it needs SMTPUTF8 (RFC 6531 §3.1)."""
        return self.local.isascii() and self.domain.isascii()

    def normal(self) -> str:
        """The form that is compared and looked up."""
        return f"{normal_local(self.local)}@{normal_domain(self.domain)}"

    def without_detail(self, separator: str = "+") -> tuple[Address, str]:
        """Split ``ann+lists@x`` into ``ann@x`` and ``lists`` (RFC 5233 §4); detail may be ''."""
        base, found, detail = self.local.partition(separator)
        if not found or not base:
            return self, ""
        return Address(base, self.domain), detail


def parse_address(text: str) -> Address | None:
    """Read ``local@domain`` as people type it in configuration; None when it is not one.

    Wire grammar (source routes, quoting, literals) is the SMTP engine's business.
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or _BLANK.search(text) is not None:
        return None
    if len(local) >= 2 and local[0] == local[-1] == '"':
        local = local[1:-1].replace("\\", "")
    return Address(local, domain)


def is_dot_string(local: str) -> bool:
    """True when ``local`` needs no quotes: atoms joined by single dots (RFC 5321 §4.1.2)."""
    if _COMMON.match(local):
        return True
    if not local or local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    return not any(c in _DOT_ATOM_SPECIALS or ord(c) < 33 or ord(c) == 127 for c in local)


def quote_local(local: str) -> str:
    """Quoted-string form of a local part (RFC 5321 §4.1.2)."""
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def normal_local(local: str) -> str:
    """Case-folded NFC form of a local part (RFC 6532 §3.1 asks for NFC)."""
    if local.isascii():
        return local.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())


def normal_domain(domain: str) -> str:
    """Lower-case A-label form without the root dot; address literals are only lower-cased.

    A domain that IDNA refuses is returned lower-cased: it will match nothing, which is the
    right answer for a name that cannot exist.
    """
    domain = domain.rstrip(".")
    if domain.isascii() or domain.startswith("["):
        return domain.lower()
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain.lower()
