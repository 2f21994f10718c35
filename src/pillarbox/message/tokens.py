"""The words of a message for a filter that learns: what it says, who says so, where its links lead.

Total, and bounded in time and number whatever the message: hostile mail is the usual case here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.message import charset, header, transfer, words
from pillarbox.message.octets import Data, Readable, readable
from pillarbox.message.part import Part
from pillarbox.message.scan import scan
from pillarbox.message.text import part_text

MOST: Final = 600
"""Different tokens of a message."""
LOOKED_AT: Final = 256 * 1024
"""Octets of a message that are looked at, its header included."""
_PART: Final = 64 * 1024
"""Octets of one part."""
_CHARS: Final = 100_000
"""Characters of all texts together."""
_SHORTEST, _LONGEST = 3, 24

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts that put no space between words: pairs of their characters stand for words."""
_LINK = re.compile(r"https?://(?:[^\s/@\"'<>]*@)?([a-z0-9.-]{4,100})", re.IGNORECASE)

# What the author wrote or his program gives away. Trace fields and results of checks say more
# about the way than about the message, and our own are not yet there when a message is judged.
_FIELDS: Final = {
    b"from": "from",
    b"reply-to": "reply-to",
    b"subject": "subject",
    b"list-id": "list",
    b"x-mailer": "mailer",
    b"user-agent": "mailer",
}


def tokens(data: Readable) -> list[str]:
    """Different tokens in the order in which they come, at most ``MOST``; ``from:bank`` is a word
    of a field, ``link:shop.example`` the host of a link."""
    found: dict[str, None] = {}
    for token in _all(readable(readable(data)[:LOOKED_AT])):
        found[token] = None
        if len(found) == MOST:
            break
    return list(found)


def _all(data: Data) -> Iterator[str]:
    root = scan(data).root
    for field in header.section(data, root.header_start, root.body_start).fields:
        kind = _FIELDS.get(field.name)
        if kind is not None:
            text = words.decode(header.value(data, field))[:1000]
            yield from (f"{kind}:{word}" for word in _words(text))
    left = _CHARS
    for part in root.walk():
        if part.type == b"text":
            yield from (f"link:{host}" for host in _links(part, data))
            text = part_text(part, data, _PART)[:left]
            left -= len(text)
            yield from _words(text)
        elif part.type not in (b"multipart", b"message"):
            kind = (
                f"{part.type.decode('ascii', 'replace')}/{part.subtype.decode('ascii', 'replace')}"
            )
            yield f"part:{kind[:60]}"


def _words(text: str) -> Iterator[str]:
    for found in dict.fromkeys(_WORD.findall(text)):  # each once: most words come again
        word = found.casefold()
        if not word.isascii() and _UNSPACED.search(word):
            yield from (word[at : at + 2] for at in range(min(len(word) - 1, 200)))
        elif _SHORTEST <= len(word) <= _LONGEST and not word.isdecimal():
            yield word


def _links(part: Part, data: Data) -> Iterator[str]:
    end = min(part.body_end, part.body_start + _PART)
    octets = transfer.decode(data[part.body_start : end], part.encoding)
    for match in _LINK.finditer(charset.decode(octets, b"latin-1")):
        yield match[1].lower().strip(".")
