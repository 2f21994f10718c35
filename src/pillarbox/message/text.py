"""What a reader would see of a message, as text, for searching and for previews. Total.

HTML is reduced to its words: enough to find a phrase, not to show a page. Markup inside a word
does not split it, block elements do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pillarbox.message import charset, header, params, transfer, words
from pillarbox.message.octets import Data, Readable, readable
from pillarbox.message.part import Part, Scan

PREVIEW_CHARS = 200  # RFC 8970 §3.1: SHOULD; MUST be no more than 256
_PREVIEW_OCTETS = 16_384
_GLANCE_OCTETS = 1024

_MARKUP = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9]*)|[!?/])")
_INVISIBLE = {
    name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "template")
}
_INLINE_TAGS = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q s"
    " samp small span strike strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_TAGS.split())
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")
_META_CHARSET = re.compile(
    rb"<meta[^<>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{1,40})", re.IGNORECASE
)
_META_WITHIN = 2048


def part_text(part: Part, data: Readable, limit: int | None = None) -> str:
    """The text of a text part, decoded and freed of markup; empty for other parts.

    ``limit``: octets of the body, as transferred, to look at.
    """
    if part.type != b"text":
        return ""
    end = part.body_end if limit is None else min(part.body_end, part.body_start + limit)
    octets = transfer.decode(readable(data)[part.body_start : end], part.encoding)
    declared = params.get(params.collapse(part.params), b"charset")
    if part.subtype not in (b"html", b"x-html"):
        return charset.decode(octets, declared)
    if declared is None and (meta := _META_CHARSET.search(octets[:_META_WITHIN])):
        declared = meta[1]
    return strip_html(charset.decode(octets, declared))


def body_texts(scan: Scan, data: Readable) -> Iterator[str]:
    """All that SEARCH BODY looks into, part by part (RFC 9051 §6.4.4).

    The text parts, attached ones too, and the headers of embedded messages.
    """
    octets = readable(data)
    for part in scan.root.walk():
        if part.type == b"text":
            yield part_text(part, octets)
        elif (root := part.embedded) is not None:
            yield header_text(octets, root.header_start, root.body_start)


def header_text(data: Data, start: int, end: int) -> str:
    """A header for reading: one line a field, unfolded, encoded words decoded."""
    lines = []
    for field in header.section(data, start, end).fields:
        text = words.decode(header.value(data, field))
        lines.append(f"{field.name.decode('ascii')}: {text}" if field.name else text)
    return "\n".join(lines)


def preview(scan: Scan, data: Readable, limit: int = PREVIEW_CHARS) -> str:
    """The first words of a message (RFC 8970 §3.1); empty if it has no text to show."""
    octets = readable(data)
    for part in _shown(scan.root):
        # Plain text rarely needs more than a glance; markup begins with much that is not shown.
        for most in (_GLANCE_OCTETS, _PREVIEW_OCTETS):
            if most == _GLANCE_OCTETS and part.subtype != b"plain":
                continue
            found = " ".join(part_text(part, octets, most).split())
            if len(found) > limit or (found and most == _PREVIEW_OCTETS):
                return found[:limit].replace("\0", " ").rstrip()
    return ""


def _shown(root: Part) -> list[Part]:
    """Text parts that are not attachments in their order, of alternatives the plain ones first;
    those of messages within the message come last."""
    own: list[Part] = []
    embedded: list[Part] = []
    pending = [(root, own)]
    while pending:
        part, found = pending.pop()
        attached = part.disposition is not None and part.disposition[0] == b"attachment"
        if part.type == b"text" and not attached:
            found.append(part)
        children = part.children
        if part.type == b"message" or attached:
            found = embedded
        elif part.subtype == b"alternative":
            children = sorted(children, key=lambda one: one.subtype != b"plain")
        pending += [(one, found) for one in reversed(children)]
    return own + embedded


def strip_html(markup: str) -> str:
    """Text without tags, comments, scripts and styles; character references resolved."""
    out: list[str] = []
    at = 0
    while (found := _MARKUP.search(markup, at)) is not None:
        out.append(markup[at : found.start()])
        comment, closing, name = found.groups()
        if comment:
            end = markup.find("-->", found.end())
            at = len(markup) if end < 0 else end + 3
            continue
        end = markup.find(">", found.end())
        if end < 0:  # the tag never ends: take it for text
            at = found.start()
            break
        at = end + 1
        name = (name or "").lower()
        if not closing and name in _INVISIBLE:
            hidden = _INVISIBLE[name].search(markup, at)
            at = hidden.start() if hidden else len(markup)
        elif name not in _INLINE:
            out.append("\n")
    out.append(markup[at:])
    return _unescape("".join(out))


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:  # a reference with more digits than int() takes
        return html.unescape(_LONG_REFERENCE.sub("\ufffd", text))
