"""replace (RFC 5703 §5): other content for a part or the whole message."""

from __future__ import annotations

from pillarbox.message import compose, header, words
from pillarbox.sieve.extensions.vacation import mailbox_list
from pillarbox.sieve.mail import HeaderField, Mail, fields_of
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def entity(text: str, *, mime: bool) -> tuple[bytes, bytes]:
    """Header and body of a replacement: a MIME entity, or plain text to be made one."""
    if not mime:
        piece = compose.text(text)
        return piece.fields, piece.body
    octets = text.encode("utf-8", "surrogateescape")
    found = header.section(octets, 0, len(octets))
    kept = b"".join([one.raw for one in fields_of(octets, 0, found.body_start)])
    return kept, octets[found.body_start :]


def _is_mime(one: HeaderField) -> bool:
    return one.name.startswith("content-") or one.name == "mime-version"


def _whole(state: State, node: Node, mail: Mail, head: bytes, body: bytes) -> bytes:
    """RFC 5703 §5: all fields but those of MIME stay; what is overridden stays under another
    name."""
    kept = [one for one in mail.fields if not _is_mime(one)]
    new: list[bytes] = []
    if not node.flag("mime"):
        for tag, name in (("subject", "Subject"), ("from", "From")):
            if node.flag(tag):
                kept, more = _renamed(kept, name, state.text(node.text(tag)))
                new += more
    raw = [one.raw if one.raw.endswith(b"\n") else one.raw + b"\r\n" for one in kept]
    return b"".join([*raw, *new, b"MIME-Version: 1.0\r\n", head, b"\r\n", body])


def _renamed(
    kept: list[HeaderField], name: str, value: str
) -> tuple[list[HeaderField], list[bytes]]:
    old = [one for one in kept if one.name == name.lower()]
    rest = [one for one in kept if one.name != name.lower()]
    originals = [compose.raw_field(f"Original-{name}", one.octets()) for one in old[:1]]
    if name == "From":
        octets = words.downgrade(value.encode("utf-8", "replace"))
        return rest, [compose.raw_field(name, octets), *originals]
    return rest, [compose.field(name, value), *originals]


def _replace(state: State, node: Node) -> None:
    if node.flag("from") and (complaint := mailbox_list(state.text(node.text("from")))):
        raise Failed(complaint)
    mail = state.mail
    head, body = entity(state.text(node.text("replacement")), mime=node.flag("mime"))
    path = state.frame.part if state.frame.part is not None else state.frame.base
    if not path:
        octets = _whole(state, node, mail, head, body)
    else:
        if mail.changed:
            mail.rebuild(mail.octets())  # so that the offsets are those of the octets
        part = mail.part(path)
        if part is None:
            return
        data = mail.data
        octets = b"".join([data[: part.header_start], head, b"\r\n", body, data[part.body_end :]])
    if len(octets) > state.limits.message:
        raise Failed("the message gets too large")
    state.spend(1 + len(octets) // 4096)
    mail.rebuild(octets)


def _complaint(node: Node) -> str:
    if node.flag("mime") and (node.flag("subject") or node.flag("from")):
        return '":mime" goes with neither ":subject" nor ":from"'
    return ""


EXTENSIONS = (
    Extension(
        "replace",
        "RFC 5703",
        commands=(Word("replace", _replace, (Arg("replacement", Kind.STRING),), check=_complaint),),
        tags=(
            Tag("mime", ("replace",)),
            Tag("subject", ("replace",), Arg("subject", Kind.STRING)),
            Tag("from", ("replace",), Arg("from", Kind.STRING, check=mailbox_list)),
        ),
    ),
)
