"""Strings that say more than they show: encoded characters and variables. Pure."""

from __future__ import annotations

import re

from pillarbox.sieve.words import Ref, Template, Text

_HEX = re.compile(
    r"\$\{(?:(hex):[ \t\r\n]*((?:[0-9a-f]{1,2})(?:[ \t\r\n]+[0-9a-f]{1,2})*)[ \t\r\n]*"
    r"|(unicode):[ \t\r\n]*([0-9a-f]+(?:[ \t\r\n]+[0-9a-f]+)*)[ \t\r\n]*)\}",
    re.IGNORECASE,
)
_REF = re.compile(r"\$\{((?:[A-Za-z_][A-Za-z0-9_]*\.)*)([A-Za-z_][A-Za-z0-9_]*|[0-9]+)\}")
_VARIABLE = re.compile(r"(?:(?P<space>[A-Za-z_][A-Za-z0-9_]*)\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)")

MATCHES = 99
"""The highest match variable (RFC 5229 §6: at least 9)."""
NAMESPACES = {"global": "include"}
"""Namespaces and the capability each belongs to (RFC 6609 §3.4.2)."""


def decoded(text: str) -> str:
    """``${hex:…}`` and ``${unicode:…}`` replaced (RFC 5228 §2.4.2.4). ValueError for a character
    that does not exist. Octets that make no UTF-8 become surrogates, as in mail that is read."""
    if "${" not in text:
        return text
    octets = _HEX.sub(_octets, text)
    # Neighbouring ${hex:} may make one character between them.
    return octets.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _octets(found: re.Match[str]) -> str:
    if found[1]:
        return bytes.fromhex("".join(one.zfill(2) for one in found[2].split())).decode(
            "utf-8", "surrogateescape"
        )
    codes = [
        int(one[-8:] if one[:-8].strip("0") == "" else "7fffffff", 16) for one in found[4].split()
    ]
    for code in codes:
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ValueError("there is no such Unicode character")
    return "".join(map(chr, codes))


def template(text: str, has: frozenset[str]) -> Text:
    """A string with its variables found (RFC 5229 §3). ValueError for a namespace nobody knows,
    or that is not required, and for a match variable beyond what is kept."""
    if "${" not in text:
        return text
    parts: list[str | Ref] = []
    at = 0
    for found in _REF.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        parts.append(_ref(found[1][:-1].lower(), found[2].lower(), has))
        at = found.end()
    if not parts:
        return text
    if at < len(text):
        parts.append(text[at:])
    return Template(tuple(parts), text)


def _ref(namespace: str, name: str, has: frozenset[str]) -> Ref:
    if namespace:
        if namespace not in NAMESPACES:
            raise ValueError(f'there is no namespace "{namespace}" of variables')
        if NAMESPACES[namespace] not in has:
            raise ValueError(
                f'the namespace "{namespace}" needs: require "{NAMESPACES[namespace]}";'
            )
        if name[0].isdigit():
            raise ValueError(f'"{name}" is no name of a variable in "{namespace}"')
        return Ref(name, namespace)
    if not name[0].isdigit():
        return Ref(name)
    number = int(name[-9:]) if name[:-9].strip("0") == "" else MATCHES + 1
    if number > MATCHES:
        raise ValueError(f"there are no more than {MATCHES} match variables")
    return Ref(name, number=number)


def variable(name: str) -> Ref | None:
    """A variable that can be set, None if the name is not one (RFC 5229 §4)."""
    found = _VARIABLE.fullmatch(name)
    if found is None or (found["space"] or "global").lower() not in NAMESPACES:
        return None
    return Ref(found["name"].lower(), (found["space"] or "").lower())
