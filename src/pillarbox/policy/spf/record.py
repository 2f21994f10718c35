"""SPF records (RFC 7208 §12): text to a list of directives and two modifiers. No DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from pillarbox.policy.spf.macro import (
    IN_EXPLANATIONS,
    Malformed,
    Template,
    read_domain_spec,
    read_template,
)
from pillarbox.policy.spf.result import Verdict

VERSION = b"v=spf1"
QUALIFIERS = {
    "+": Verdict.PASS,
    "-": Verdict.FAIL,
    "~": Verdict.SOFTFAIL,
    "?": Verdict.NEUTRAL,
}


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism with what it leads to when it matches (§4.6.2).

    ``domain`` is None where the record names none. ``prefix4`` and ``prefix6`` are bits.
    """

    mechanism: str
    verdict: Verdict
    text: str
    domain: Template | None = None
    network: IPv4Address | IPv6Address | None = None
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    directives: tuple[Directive, ...] = ()
    redirect: Template | None = None
    explanation: Template | None = None


def choose(texts: Iterable[bytes]) -> list[bytes]:
    """The TXT records that are SPF records (§4.5); more than one is an error of the domain."""
    return [text for text in texts if text[:7].lower() in {VERSION, VERSION + b" "}]


@lru_cache(maxsize=256)
def read_record(data: bytes) -> Record:
    """A record that ``choose`` chose. Malformed when any of it breaks the grammar (§4.6)."""
    try:
        text = data.decode("ascii")  # §3.1
    except UnicodeDecodeError:
        raise Malformed("not US-ASCII") from None
    directives: list[Directive] = []
    modifiers: dict[str, Template] = {}
    for term in text[len(VERSION) :].split(" "):
        if not term:
            continue
        found = _MODIFIER.match(term)
        if found is None:
            directives.append(_directive(term))
            continue
        name, value = found["name"].lower(), found["value"]
        if name not in {"redirect", "exp"}:
            read_template(value, IN_EXPLANATIONS)  # §6: ignored, but its syntax is not
        elif name in modifiers:
            raise Malformed(f"{name} twice")  # §6
        else:
            modifiers[name] = read_domain_spec(value)
    final = any(one.mechanism == "all" for one in directives)  # §6.1: redirect is ignored then
    redirect = None if final else modifiers.get("redirect")
    return Record(tuple(directives), redirect, modifiers.get("exp"))


_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9\-_.]*)=(?P<value>.*)\Z", re.DOTALL)
_DIRECTIVE = re.compile(r"([+\-~?]?)([A-Za-z][A-Za-z0-9]*)((?:[:/].*)?)\Z", re.DOTALL)
_PREFIX4 = r"(?:/(0|[1-9][0-9]?))?"
_PREFIX6 = r"/(0|[1-9][0-9]{0,2})"
_DUAL = re.compile(_PREFIX4 + r"(?:/" + _PREFIX6 + r")?\Z")
_IP4 = re.compile(r":([0-9.]+)" + _PREFIX4 + r"\Z")
_IP6 = re.compile(r":([0-9A-Fa-f:.]+)(?:" + _PREFIX6 + r")?\Z")


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.match(term)
    read = _MECHANISMS.get(found[2].lower()) if found else None
    if found is None or read is None:
        raise Malformed(f"no such term: {term[:60]!r}")
    return read(found[2].lower(), QUALIFIERS[found[1] or "+"], term, found[3])


def _bare(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    if rest:
        raise Malformed(f"takes no argument: {term[:60]!r}")
    return Directive(mechanism, verdict, term)


def _named(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    if not rest.startswith(":"):
        raise Malformed(f"needs a domain: {term[:60]!r}")
    return Directive(mechanism, verdict, term, read_domain_spec(rest[1:]))


def _perhaps_named(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    read = _named if rest else _bare
    return read(mechanism, verdict, term, rest)


def _hosts(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    # A domain may hold slashes too: only what fits at the very end is a prefix length.
    tail = max(rest.rfind("}"), len(rest) - len("/32//128"), 0)
    dual = next(
        found for place in range(tail, len(rest) + 1) if (found := _DUAL.match(rest, place))
    )
    domain = rest[: dual.start()]
    if domain and not domain.startswith(":"):
        raise Malformed(f"neither a domain nor a length: {term[:60]!r}")
    return Directive(
        mechanism,
        verdict,
        term,
        read_domain_spec(domain[1:]) if domain else None,
        prefix4=_prefix(dual[1], 32),
        prefix6=_prefix(dual[2], 128),
    )


def _ip4(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    if (found := _IP4.match(rest)) is None:
        raise Malformed(f"not an IPv4 network: {term[:60]!r}")
    try:
        network = IPv4Address(found[1])
    except ValueError:
        raise Malformed(f"not an IPv4 network: {term[:60]!r}") from None
    return Directive(mechanism, verdict, term, network=network, prefix4=_prefix(found[2], 32))


def _ip6(mechanism: str, verdict: Verdict, term: str, rest: str) -> Directive:
    if (found := _IP6.match(rest)) is None:
        raise Malformed(f"not an IPv6 network: {term[:60]!r}")
    try:
        network = IPv6Address(found[1])
    except ValueError:
        raise Malformed(f"not an IPv6 network: {term[:60]!r}") from None
    return Directive(mechanism, verdict, term, network=network, prefix6=_prefix(found[2], 128))


def _prefix(digits: str | None, most: int) -> int:
    length = most if digits is None else int(digits)
    if length > most:
        raise Malformed(f"prefix longer than {most}")
    return length


_MECHANISMS: dict[str, Callable[[str, Verdict, str, str], Directive]] = {
    "all": _bare,
    "include": _named,
    "a": _hosts,
    "mx": _hosts,
    "ptr": _perhaps_named,
    "ip4": _ip4,
    "ip6": _ip6,
    "exists": _named,
}
