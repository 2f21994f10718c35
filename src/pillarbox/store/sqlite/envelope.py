"""Envelopes and replies as text in a row, and back.

JSON by field name; fields at their default are left out, so a row written before a field came
to be reads as one with its default, and an unknown field of a later version is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from enum import Enum
from functools import cache
from typing import Any

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import (
    Envelope,
    Listed,
    Local,
    Part,
    Peer,
    Recipient,
    Remote,
    Role,
    Route,
    Sender,
)
from pillarbox.model.verdict import Action, Finding, Verdict

_ROUTES: dict[str, type[Route]] = {"local": Local, "remote": Remote, "list": Listed}
_KIND_OF = {kind: name for name, kind in _ROUTES.items()}


def freeze(envelope: Envelope) -> str:
    """Everything about the envelope; ASCII, whatever the addresses hold."""
    return json.dumps(_pack(envelope), separators=(",", ":"))


def thaw(text: str) -> Envelope:
    """The envelope that ``freeze`` was given."""
    frozen = _known(Envelope, json.loads(text))
    frozen["sender"] = _thaw_sender(frozen.get("sender", {}))
    frozen["recipients"] = tuple(_thaw_recipient(r) for r in frozen.get("recipients", ()))
    frozen["peer"] = Peer(**{"ip": "", **_known(Peer, frozen.get("peer", {}))})
    frozen["role"] = Role(frozen["role"])
    if "verdict" in frozen:
        frozen["verdict"] = _thaw_verdict(frozen["verdict"])
    return Envelope(**frozen)


def thaw_addresses(text: str) -> list[str]:
    """The recipients' addresses alone, for a fraction of what the whole envelope costs."""
    return [str(Address(*packed["address"])) for packed in json.loads(text).get("recipients", ())]


def freeze_reply(reply: Reply | None) -> str:
    """'' for none."""
    if reply is None:
        return ""
    return json.dumps([reply.code, reply.enhanced, reply.text], separators=(",", ":"))


def thaw_reply(text: str) -> Reply | None:
    """The reply that ``freeze_reply`` was given."""
    return Reply(*json.loads(text)) if text else None


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, _default(field)) for field in fields(kind))


def _default(field: Field[Any]) -> object:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def _pack(value: Any) -> dict[str, Any]:
    packed = {}
    for name, default in _fields(value.__class__):
        held = getattr(value, name)
        if held is not default and held != default:
            packed[name] = _plain(held)
    return packed


_AS_IT_IS = frozenset({str, int, float, bool, type(None)})


def _plain(value: object) -> object:
    if value.__class__ in _AS_IT_IS:
        return value
    match value:
        case Address():
            return [value.local, value.domain]
        case Local() | Remote() | Listed():
            return [_KIND_OF[type(value)], _pack(value)]
        case Sender() | Recipient() | Peer() | Verdict() | Finding() | Reply():
            return _pack(value)
        case Enum():
            return value.value
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return dict(value)
        case _:
            return value


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(name for name, _ in _fields(kind))


def _known(kind: Any, frozen: Mapping[str, Any]) -> dict[str, Any]:
    names = _names(kind)
    return {name: value for name, value in frozen.items() if name in names}


def _thaw_sender(frozen: Mapping[str, Any]) -> Sender:
    known = _known(Sender, frozen)
    pair = known.pop("address", None)
    return Sender(Address(*pair) if pair is not None else None, **known)


def _thaw_verdict(frozen: Mapping[str, Any]) -> Verdict:
    known = _known(Verdict, frozen)
    if "action" in known:
        known["action"] = Action(known["action"])
    if "reply" in known:
        known["reply"] = Reply(**_known(Reply, known["reply"]))
    known["findings"] = _thaw_findings(known.get("findings", ()))
    known["personal"] = _thaw_findings(known.get("personal", ()))
    known["junk_for"] = frozenset(known.get("junk_for", ()))
    known["tags"] = tuple(known.get("tags", ()))
    return Verdict(**known)


def _thaw_findings(frozen: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(
        Finding(**{**one, "properties": tuple(map(tuple, one.get("properties", ())))})
        for one in (_known(Finding, packed) for packed in frozen)
    )


def _thaw_recipient(frozen: Mapping[str, Any]) -> Recipient:
    known = _known(Recipient, frozen)
    known["address"] = Address(*known["address"])
    known["routes"] = tuple(_thaw_route(*route) for route in known.get("routes", ()))
    known["notify"] = frozenset(known.get("notify", ()))
    return Recipient(**known)


def _thaw_route(kind: str, packed: Mapping[str, Any]) -> Route:
    known = _known(_ROUTES[kind], packed)
    if "part" in known:
        known["part"] = Part(known["part"])
    return _ROUTES[kind](**known)
