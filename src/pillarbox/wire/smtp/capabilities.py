"""What a server says it can do (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pillarbox.wire.smtp.options import Extension


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The lines of an EHLO reply, by keyword in upper case, values as sent."""

    name: str = ""
    """What the server calls itself."""
    keywords: Mapping[str, str] = field(default_factory=dict)

    def has(self, extension: Extension) -> bool:
        return extension.value in self.keywords

    @property
    def max_size(self) -> int:
        """Largest message in octets; 0 when not said or without limit (RFC 1870 §4)."""
        value = self.keywords.get("SIZE", "")
        return int(value) if _is_number(value) else 0

    @property
    def takes_size(self) -> bool:
        return "SIZE" in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms, upper case, in the server's order."""
        return tuple(dict.fromkeys(self.keywords.get("AUTH", "").upper().split()))

    def limit(self, name: str) -> int:
        """A limit of RFC 9422 (RCPTMAX, MAILMAX, RCPTDOMAINMAX); 0 when there is none."""
        for item in self.keywords.get("LIMITS", "").split():
            key, _, value = item.partition("=")
            if key.upper() == name and _is_number(value):
                return int(value)
        return 0


def parse_capabilities(lines: Sequence[str]) -> Capabilities:
    """Read the text lines of a positive EHLO or LHLO reply; the first holds the name."""
    keywords: dict[str, str] = {}
    for line in lines[1:]:
        keyword, _, value = line.strip().partition(" ")
        # Drafts of AUTH wrote "AUTH=LOGIN"; servers still repeat it for old clients.
        old, equals, mechanisms = keyword.partition("=")
        if equals and old.upper() == "AUTH":
            keyword, value = "AUTH", f"{mechanisms} {value}".strip()
        keyword = keyword.upper()
        if not keyword.isascii():
            continue
        if keyword == "AUTH" and keyword in keywords:
            value = f"{keywords[keyword]} {value}"
        keywords[keyword] = value.strip()
    name = lines[0].split(" ")[0] if lines else ""
    return Capabilities(name, keywords)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
