"""Header fields as the tests of several extensions look at them."""

from __future__ import annotations

import re

from pillarbox.message import address, params, words
from pillarbox.model.address import Address
from pillarbox.sieve.mail import HeaderField
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Node

NAME = re.compile(r"[!-9;-~]+")
"""A field name (RFC 5322 §3.6.8)."""

_MAX_PARAMETERS = 64


def field_name(name: str) -> str:
    """A complaint about a name that no field can have."""
    return "" if NAME.fullmatch(name) else f'"{name}" is no name of a header field'


def selected(state: State, node: Node, names: list[str]) -> list[HeaderField]:
    """The fields a test looks at, by ``:mime`` and ``:anychild`` (RFC 5703 §4.1) and by
    ``:index`` and ``:last`` (RFC 5260 §6)."""
    found: list[HeaderField] = []
    for name in names:
        fields = _named(state, node, name.lower())
        if node.flag("index"):
            number = node.number("index")
            if node.flag("last"):
                fields = fields[::-1]
            fields = fields[number - 1 : number] if number > 0 else []
        found += fields
    return found


def _named(state: State, node: Node, name: str) -> list[HeaderField]:
    if not node.flag("mime"):
        return state.header(name)
    frame, mail = state.frame, state.mail
    here = frame.part if frame.part is not None else frame.base
    paths = mail.below(here) if node.flag("anychild") else [here]
    state.spend(len(paths))
    return [one for path in paths for one in mail.part_fields(path) if one.name == name]


def contents(node: Node, one: HeaderField, state: State) -> list[str]:
    """The values of a field that a test compares: all of it, or what ``:type``, ``:subtype``,
    ``:contenttype`` or ``:param`` take out (RFC 5703 §4.1)."""
    wanted = node.chosen(("type", "subtype", "contenttype", "param"), "")
    if not wanted:
        return [one.value()]
    kind, more = _parsed(one)
    if wanted == "param":
        asked = [
            name.lower().encode("utf-8", "replace") for name in state.texts(node.texts("param"))
        ]
        return [text for name in asked if (text := params.text(more, name)) is not None]
    if kind is None:
        return [] if one.name in {"content-type", "content-disposition"} else [""]
    main, _, sub = kind.partition("/")
    return [{"type": main, "subtype": sub, "contenttype": kind}[wanted]]


def _parsed(one: HeaderField) -> tuple[str | None, params.Params]:
    """The type of a MIME field, None for what has none, and its parameters."""
    value = one.octets()
    if one.name == "content-type":
        read = params.media_type(value, _MAX_PARAMETERS)
        if read is None:
            return None, ()
        return f"{read[0].decode('ascii')}/{read[1].decode('ascii')}", read[2]
    semicolon = value.find(b";")
    more = params.parse(value, semicolon + 1, _MAX_PARAMETERS) if semicolon >= 0 else ()
    if one.name == "content-disposition":
        said = params.disposition(value, _MAX_PARAMETERS)
        return (said[0].decode("ascii", "replace") if said else None), more
    return None, more


def addresses(one: HeaderField) -> list[Address]:
    """The addresses of a field, in order."""
    return [
        Address(_text(entry.mailbox), _text(entry.host))
        for entry in address.parse(one.octets())
        if entry.host is not None and (entry.mailbox or entry.host)
    ]


def _text(octets: bytes | None) -> str:
    return words.decode(octets or b"")


PARTS = ("all", "localpart", "domain", "user", "detail")


def address_part(part: str, found: Address, separator: str) -> str | None:
    """One part (RFC 5228 §2.7.4, RFC 5233 §4); None where the address has none."""
    if part == "localpart":
        return found.local
    if part == "domain":
        return found.domain or None
    if part in {"user", "detail"}:
        user, mark, detail = (
            found.local.partition(separator) if separator else (found.local, "", "")
        )
        return user if part == "user" else (detail if mark else None)
    return f"{found.local}@{found.domain}" if found.domain else found.local
