"""body (RFC 5173): the text of a message."""

from __future__ import annotations

from collections.abc import Iterator

from pillarbox.message import charset, params, transfer
from pillarbox.message.octets import Data
from pillarbox.message.part import Part
from pillarbox.message.text import part_text
from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.match import matches
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def raw(octets: bytes) -> str:
    """Octets as text, each of them kept (a surrogate for what is no UTF-8)."""
    return octets.decode("utf-8", "surrogateescape")


def decoded(part: Part, data: Data) -> str:
    """A leaf's content: transfer encoding removed, text in its charset (RFC 5173 §5.2)."""
    octets = transfer.decode(bytes(data[part.body_start : part.body_end]), part.encoding)
    if part.type == b"text":
        return charset.decode(octets, params.get(params.collapse(part.params), b"charset"))
    return raw(octets)


def _content(part: Part, data: Data) -> list[str]:
    """What of a part is its own: of a multipart what stands around its parts, of an embedded
    message the header (RFC 5173 §5.2)."""
    if part.is_multipart:
        before = bytes(data[part.body_start : part.children[0].header_start])
        after = bytes(data[part.children[-1].body_end : part.body_end])
        prologue = before[: before.rstrip(b"\r\n").rfind(b"\n") + 1]
        closing = after.find(b"\n", 2)  # the line of the closing boundary
        return [raw(prologue), raw(after[closing + 1 :] if closing >= 0 else b"")]
    if (inner := part.embedded) is not None:
        return [raw(bytes(data[inner.header_start : inner.body_start]))]
    return [decoded(part, data)]


def _wanted(part: Part, types: list[str]) -> bool:
    """RFC 5173 §5.2."""
    main = part.type.decode("ascii", "replace")
    whole = f"{main}/{part.subtype.decode('ascii', 'replace')}"
    for one in types:
        one = one.lower()
        if one == "" or one in {main, whole}:
            return True
    return False


def _texts(state: State, node: Node, root: Part) -> Iterator[str]:
    data = state.mail.data
    if node.flag("raw"):
        yield raw(bytes(data[root.body_start : root.body_end]))
        return
    types = state.texts(node.texts("content"))
    for part in root.walk():
        state.spend(1)
        if node.flag("content"):
            if _wanted(part, types):
                yield from _content(part, data)
        elif part.type == b"text":
            yield part_text(part, data)


def _body(state: State, node: Node) -> bool:
    root = state.mail.part(state.frame.base)
    keys = state.texts(node.texts("keys"))
    if root is None:
        return False
    if node.flag("count"):
        return matches(state, node, list(_texts(state, node, root)), keys)
    before = state.frame.matched
    found = any(matches(state, node, [text], keys) for text in _texts(state, node, root))
    state.frame.matched = before  # RFC 5173 §6: no match variables from a body
    return found


EXTENSIONS = (
    Extension(
        "body",
        "RFC 5173",
        tests=(Word("body", _body, (KEYS,), ("MATCH",)),),
        tags=(
            Tag("raw", ("body",), group="transform"),
            Tag("text", ("body",), group="transform"),
            Tag("content", ("body",), Arg("types", Kind.STRINGS), group="transform"),
        ),
    ),
)
