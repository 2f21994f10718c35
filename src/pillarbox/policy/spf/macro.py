"""Macro strings (RFC 7208 §7): text to a template, a template and values to text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


class Malformed(ValueError):
    """What a domain published is not what the grammar allows; ``args[0]`` says where."""


@dataclass(frozen=True, slots=True)
class Literal:
    """``text`` stands for itself; ``escape`` when it was written %%, %_ or %- (§7.1)."""

    text: str
    escape: bool = False


@dataclass(frozen=True, slots=True)
class Expansion:
    """``%{...}``. ``keep``: right-hand parts to keep, 0 for all; ``delimiters`` split the value."""

    letter: str
    keep: int = 0
    reverse: bool = False
    delimiters: str = "."
    url: bool = False

    def of(self, value: str) -> str:
        """``value`` transformed (§7.3)."""
        parts = re.split(f"[{re.escape(self.delimiters)}]", value)
        if self.reverse:
            parts.reverse()
        text = ".".join(parts[-self.keep :] if self.keep else parts)
        return quote(text, safe="") if self.url else text  # RFC 3986 §2.3


@dataclass(frozen=True, slots=True)
class Template:
    """A macro string that was read. ``letters``: the values that expanding it takes."""

    parts: tuple[Literal | Expansion, ...]
    letters: frozenset[str]

    def expand(self, values: Mapping[str, str]) -> str:
        """``values`` has a value for each of ``letters``."""
        return "".join(
            part.text if isinstance(part, Literal) else part.of(values[part.letter])
            for part in self.parts
        )


IN_TERMS = frozenset("slodipvh")
IN_EXPLANATIONS = IN_TERMS | frozenset("crt")
_TOKEN = re.compile(
    r"%\{(?P<letter>[A-Za-z])(?P<keep>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[.\-+,/_=]*)\}"
    r"|%(?P<escape>[%_\-])"
    r"|(?P<literal>[\x21-\x24\x26-\x7e]+)"
    r"|(?P<space>\x20+)"
)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_TOPLABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")
_MOST_PARTS = 999


def read_template(
    text: str, letters: frozenset[str] = IN_TERMS, *, spaces: bool = False
) -> Template:
    """``macro-string``, or ``explain-string`` with ``spaces`` (§12). Malformed when it is not."""
    parts: list[Literal | Expansion] = []
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None or (token["space"] and not spaces):
            raise Malformed(f"not a macro string at {text[place : place + 20]!r}")
        place = token.end()
        if token["letter"]:
            parts.append(_expansion(token, letters))
        elif token["escape"]:
            parts.append(Literal(_ESCAPES[token["escape"]], escape=True))
        else:
            parts.append(Literal(token[0]))
    needed = frozenset(part.letter for part in parts if isinstance(part, Expansion))
    return Template(tuple(parts), needed)


def _expansion(token: re.Match[str], letters: frozenset[str]) -> Expansion:
    letter = token["letter"].lower()
    if letter not in letters:
        raise Malformed(f"no macro letter here: {token[0]!r}")
    digits = token["keep"].lstrip("0")
    if token["keep"] and not digits:
        raise Malformed(f"keeps no part: {token[0]!r}")  # §7.3: the value MUST be nonzero
    keep = int(digits) if digits and len(digits) <= 3 else _MOST_PARTS if digits else 0
    return Expansion(
        letter,
        keep,
        bool(token["reverse"]),
        token["delimiters"] or ".",
        token["letter"].isupper(),
    )


def read_domain_spec(text: str) -> Template:
    """``domain-spec``: a macro string that ends in a top label or a macro (§12)."""
    template = read_template(text)
    last = template.parts[-1] if template.parts else Literal("")
    if isinstance(last, Literal) and not last.escape:
        _, dot, top = last.text.removesuffix(".").rpartition(".")
        if not dot or not _TOPLABEL.match(top) or top.isdigit():
            raise Malformed(f"not a domain: {text[:60]!r}")
    return template
