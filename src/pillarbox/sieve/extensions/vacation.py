"""vacation (RFC 5230) and vacation-seconds (RFC 6131): an answer for those who write."""

from __future__ import annotations

import json

from pillarbox.message import address, header
from pillarbox.sieve.actions import Vacation
from pillarbox.sieve.extensions.fcc import copy_of
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State, source_of
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word

_DAY = 86_400


def mailbox_list(text: str) -> str:
    """A complaint about what can be no From field (RFC 5322 §3.6.2)."""
    if "\r" in text or "\n" in text:
        return "an address stands on one line"
    found = address.parse(text.encode("utf-8", "surrogateescape"))
    if not found or any(not one.mailbox or not one.host for one in found):
        return f'"{text}" is no address'
    return ""


def _seconds(state: State, node: Node) -> int:
    """RFC 5230 §4.1, RFC 6131 §2: what is out of bounds becomes the bound."""
    least, usual, most = state.context.vacation_days
    if node.flag("seconds"):
        return min(max(node.number("seconds"), state.context.vacation_seconds), most * _DAY)
    return min(max(node.number("days", max(usual, least)), least), most) * _DAY


def _handle(node: Node) -> str:
    """RFC 5230 §4.2: the handle, else what the answer is made of before any expansion."""
    if node.flag("handle"):
        return "h" + source_of(node.text("handle"))
    made = [source_of(node.text(name)) for name in ("subject", "from", "reason")]
    return "r" + json.dumps([*made, node.flag("mime")])


def _vacation(state: State, node: Node) -> None:
    sender = state.text(node.text("from"))
    if sender and (complaint := mailbox_list(sender)):
        raise Failed(complaint)
    reason = state.text(node.text("reason"))
    if node.flag("mime") and (complaint := _entity(reason)):
        raise Failed(complaint)
    state.act(
        Vacation(
            reason,
            _seconds(state, node),
            _handle(node),
            subject=state.text(node.text("subject")),
            from_=sender,
            addresses=tuple(state.texts(node.texts("addresses"))),
            mime=node.flag("mime"),
            fcc=copy_of(state, node),
        )
    )


def _entity(text: str) -> str:
    """RFC 5230 §5: a MIME header holds no raw 8-bit text."""
    octets = text.encode("utf-8", "surrogateescape")
    if not octets[: header.section(octets, 0, len(octets)).body_start].isascii():
        return "the header of a MIME entity is ASCII"
    return ""


def _complaint(node: Node) -> str:
    reason = node.text("reason")
    return _entity(reason) if node.flag("mime") and isinstance(reason, str) else ""


EXTENSIONS = (
    Extension(
        "vacation",
        "RFC 5230",
        commands=(Word("vacation", _vacation, (Arg("reason", Kind.STRING),), check=_complaint),),
        tags=(
            Tag("days", ("vacation",), Arg("days", Kind.NUMBER), group="period"),
            Tag("subject", ("vacation",), Arg("subject", Kind.STRING)),
            Tag("from", ("vacation",), Arg("from", Kind.STRING, check=mailbox_list)),
            Tag("addresses", ("vacation",), Arg("addresses", Kind.STRINGS)),
            Tag("mime", ("vacation",)),
            Tag("handle", ("vacation",), Arg("handle", Kind.STRING)),
        ),
        delivery=True,
    ),
    Extension(
        "vacation-seconds",
        "RFC 6131",
        tags=(Tag("seconds", ("vacation",), Arg("seconds", Kind.NUMBER), group="period"),),
        implies=("vacation",),
        delivery=True,
    ),
)
