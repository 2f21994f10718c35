"""What of a message goes into the index of texts, and what a search asks of it.

The index holds pieces of three characters of the folded text, white space counting as one space,
as ``document.Needle`` compares. Each word goes in once, with a space on either side: HTML says
again what the plain text says, and half of a text is words that were there before. So no piece
with a space in its middle can be asked for. All that SEARCH looks into goes in together: what a
header, BODY or TEXT really holds is found out by looking at the candidates.
"""

from __future__ import annotations

from array import array
from typing import Final

from pillarbox.mailbox.document import Document, Needle, field_value
from pillarbox.mailbox.fuzzy import SPOILS, Fuzzy, allowed_edits
from pillarbox.message import header
from pillarbox.model import query as q
from pillarbox.store.search import GRAM, Pieces, TextIndex

EDITION: Final = 2
"""Counts changes of what is indexed: an index of another edition is made anew."""
MAX_CHARS: Final = 1 << 20
"""Of one message; one with more is a candidate always."""
MAX_PIECES: Final = 12
"""Of one text that are asked for: more hardly narrow, and each costs a list of messages."""


def text_of(document: Document) -> tuple[str, bool]:
    """The text of a message (read to ``Depth.PARTS``) for the index, and whether that is all."""
    found = [*document.headers(), *document.texts(), *_field_values(document.header)]
    text = " ".join(dict.fromkeys("\n".join(found).split()))
    return f" {text[:MAX_CHARS]} ", len(text) <= MAX_CHARS


def _field_values(section: bytes) -> list[str]:
    """Values of fields that may read otherwise alone than within their section."""
    if section.isascii() and b"=?" not in section:
        return []
    return [field_value(section[one.start : one.end]) for one in header.fields(section)]


def pieces_of(text: str, edits: int = 0) -> Pieces | None:
    """What a message must have that holds a folded text with so many edits; None for texts that
    are too short to tell."""
    places = [at for at in range(len(text) - GRAM + 1) if text[at + 1] != " "]
    if not places:
        return None
    step = 1 if edits else max(1, -(-len(places) // MAX_PIECES))
    places = [*places[:-1:step], places[-1]]
    pieces = tuple(dict.fromkeys(text[at : at + GRAM] for at in places))
    return Pieces(pieces, max(1, len(pieces) - SPOILS * edits))


class Index:
    """The index of a store, asked about leaves of a search."""

    def __init__(self, texts: TextIndex) -> None:
        self._texts = texts

    async def candidates(
        self, account: int, mailbox: int, leaf: q.Text | q.Header
    ) -> array[int] | None:
        """UIDs that may match, ascending; all others that were there do not. None: no idea."""
        wanted = wanted_of(leaf)
        return await self._texts.candidates(account, mailbox, wanted) if wanted else None


def wanted_of(leaf: q.Text | q.Header) -> list[Pieces]:
    """All that a message must have to match; empty when nothing can be said."""
    if leaf.fuzzy:
        found = [pieces_of(word, allowed_edits(word)) for word in Fuzzy(leaf.value).words]
    else:
        found = [pieces_of(Needle(leaf.value).value)]
    return [pieces for pieces in found if pieces is not None]
