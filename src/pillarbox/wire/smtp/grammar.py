"""Paths, mailboxes and address literals (RFC 5321 §4.1.2-4.1.3, RFC 6531 §3.3).

Two roads lead through: one regular expression for the address that nearly every command has, and
a careful one for quoted strings, source routes, literals and UTF-8. Both give the same answers.
Octets beyond ASCII pass here; whether the transaction may have them is judged in ``commands``,
which alone knows the parameters.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from pillarbox.model.address import Address
from pillarbox.wire.smtp.quirks import DOMAIN_EXTRA

# Each set ends with a hyphen, so it goes last in a class.
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL = rf"A-Za-z0-9{DOMAIN_EXTRA}-"
_HIGH = r"\x80-\U0010ffff"

_PLAIN = re.compile(rf"<([{_ATEXT}]+(?:\.[{_ATEXT}]+)*)@([{_LABEL}]+(?:\.[{_LABEL}]+)*)>")
_ROUTE = re.compile(rf"(?:@[{_HIGH}.{_LABEL}]+,)*@[{_HIGH}.{_LABEL}]+:")
_DOT_STRING = re.compile(rf"[{_HIGH}{_ATEXT}]+(?:\.[{_HIGH}{_ATEXT}]+)*")
_QUOTED = re.compile(rf'"((?:[ !#-\[\]-~{_HIGH}]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_DOMAIN = re.compile(rf"[{_HIGH}{_LABEL}]+(?:\.[{_HIGH}{_LABEL}]+)*\Z")
_LITERAL = re.compile(r"\[([!-Z^-~]+)\]\Z")
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:.+\Z")

MAX_DOMAIN = 255  # RFC 5321 §4.5.3.1.2
MAX_LABEL = 63  # RFC 1035 §2.3.4


class Malformed(Exception):
    """Internal to this room: the argument is not what the grammar wants; ``args[0]`` says why."""


def parse_path(text: str, max_path: int) -> tuple[Address | None, str]:
    """The path at the start of ``text`` and what follows its closing bracket.

    None is the null path ``<>``; a path without domain has ``domain`` ''. Local parts longer
    than the 64 octets of RFC 5321 §4.5.3.1.1 pass, since bounce addresses with a signature in
    them often are; ``max_path`` bounds the whole. Raises Malformed.
    """
    match = _PLAIN.match(text)
    if match is not None and match.end() - 2 <= max_path:
        local, domain = match.groups()
        if len(domain) <= MAX_LABEL and "-" not in domain:  # the rest is for the careful road
            return Address(local, domain), text[match.end() :]
    return _parse_any_path(text, max_path)


def _parse_any_path(text: str, max_path: int) -> tuple[Address | None, str]:
    if not text.startswith("<"):
        raise Malformed("An address needs angle brackets")
    if text.startswith("<>"):
        return None, text[2:]
    pos = 1
    if text.startswith("@", 1):
        route = _ROUTE.match(text, 1)  # RFC 5321 §4.1.2: accepted and ignored
        if route is None:
            raise Malformed("Malformed source route")
        pos = route.end()
    local, pos = _parse_local(text, pos)
    domain = ""
    if text.startswith("@", pos):
        end = text.find(">", pos)
        domain = text[pos + 1 : end] if end >= 0 else text[pos + 1 :]
        check_domain(domain)
        pos = end if end >= 0 else len(text)
    if not text.startswith(">", pos):
        raise Malformed("Malformed address")
    if len(text[:pos].encode("utf-8", "surrogatepass")) - 1 > max_path:
        raise Malformed("Path too long")  # RFC 5321 §4.5.3.1.9
    return Address(local, domain), text[pos + 1 :]


def _parse_local(text: str, pos: int) -> tuple[str, int]:
    """Dot-string or quoted string at ``pos``; quotes and backslashes are taken off."""
    quoted = _QUOTED.match(text, pos)
    if quoted is not None:
        local = _QUOTED_PAIR.sub(r"\1", quoted[1])
        if not local:
            raise Malformed("Empty local part")
        return local, quoted.end()
    plain = _DOT_STRING.match(text, pos)
    if plain is None:
        raise Malformed("Malformed local part")
    return plain[0], plain.end()


def check_domain(domain: str) -> None:
    """Raise Malformed unless ``domain`` is a domain name or an address literal."""
    if domain.startswith("["):
        literal = _LITERAL.match(domain)
        if literal is None or not _is_literal(literal[1]):
            raise Malformed("Malformed address literal")
        return
    if _DOMAIN.match(domain) is None:
        raise Malformed("Malformed domain")
    if len(domain.encode("utf-8", "surrogatepass")) > MAX_DOMAIN:
        raise Malformed("Domain too long")
    for label in domain.split("."):
        if label[0] == "-" or label[-1] == "-":
            raise Malformed("Malformed domain")
        if label.isascii() and len(label) > MAX_LABEL:
            raise Malformed("Domain label too long")


def _is_literal(inside: str) -> bool:
    """What may stand between the brackets (RFC 5321 §4.1.3)."""
    try:
        if inside[:5].upper() == "IPV6:":
            return IPv6Address(inside[5:]).scope_id is None
        if ":" in inside:
            return _GENERAL_LITERAL.match(inside) is not None
        IPv4Address(inside)
    except AddressValueError:
        return False
    return True


def parse_mailbox(text: str) -> Address | None:
    """``local@domain`` without brackets, as inside AUTH=; None when it is not one."""
    try:
        address, rest = parse_path(f"<{text}>", len(text))
    except Malformed:
        return None
    return address if not rest and address is not None and address.domain else None
