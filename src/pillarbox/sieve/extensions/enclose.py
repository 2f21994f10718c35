"""enclose (RFC 5703 §6): the message as an attachment of a new one."""

from __future__ import annotations

import hashlib

from pillarbox.message import compose
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _enclose(state: State, node: Node) -> None:
    mail = state.mail
    octets = mail.octets()
    if len(octets) > state.limits.message // 2 or len(mail.enclosed) >= state.limits.includes:
        raise Failed("the message gets too large")
    state.spend(1 + len(octets) // 4096)
    asked = {name.lower() for name in state.texts(node.texts("headers"))}
    if not node.flag("subject"):
        asked.add("subject")
    copied = [one for one in mail.fields if one.name in asked]
    names = {one.name for one in copied}
    fields = [one.raw if one.raw.endswith(b"\n") else one.raw + b"\r\n" for one in copied]
    if node.flag("subject"):
        fields.append(compose.field("Subject", state.text(node.text("subject"))))
    if "from" not in names:
        fields.append(compose.address_field("From", [("", state.context.owner)]))
    if "date" not in names:
        fields.append(compose.date_field(state.context.now))
    kind = "message/rfc822" if _plain_header(octets) else "message/global"
    pieces = [
        compose.text(state.text(node.text("text"))),
        compose.piece(kind, octets),
    ]
    mark = hashlib.sha256(octets).hexdigest()[:24]
    made = compose.message(fields, compose.multipart("mixed", f"enclosed-{mark}", pieces))
    mail.enclosed.append(state.message())
    mail.rebuild(made)


def _plain_header(octets: bytes) -> bool:
    end = octets.find(b"\r\n\r\n")
    return octets[: end if end >= 0 else len(octets)].isascii()


EXTENSIONS = (
    Extension(
        "enclose",
        "RFC 5703",
        commands=(Word("enclose", _enclose, (Arg("text", Kind.STRING),)),),
        tags=(
            Tag("subject", ("enclose",), Arg("subject", Kind.STRING)),
            Tag("headers", ("enclose",), Arg("headers", Kind.STRINGS)),
        ),
    ),
)
