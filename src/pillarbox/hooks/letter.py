"""A message as hooks see it: its octets, and what is often asked of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pillarbox.message import address, header, params, text, words
from pillarbox.message.scan import scan

LONGEST_TEXT = 1 << 20
"""Characters of text that are given."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not shown in place. ``type`` as ``application/pdf``; ``name`` '' for none;
    ``size``: octets as transferred."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """``octets``: the whole, with the trace fields of this server in front."""

    octets: bytes

    def header(self, name: str) -> str:
        """The first field of this name, unfolded, encoded words decoded; '' for none."""
        return next(iter(self.headers(name)), "")

    def headers(self, name: str) -> tuple[str, ...]:
        """The same of every field of this name, from the top."""
        head = header.top(self.octets)
        return tuple(words.decode(one) for one in header.every(head, name.lower().encode("utf-8")))

    @property
    def subject(self) -> str:
        return self.header("subject")

    @property
    def author(self) -> str:
        """The first address in From, as ``local@domain``; '' for none."""
        for value in header.every(header.top(self.octets), b"from"):
            for one in address.parse(value):
                if one.mailbox and one.host:
                    return (one.mailbox + b"@" + one.host).decode("utf-8", "replace")
        return ""

    async def text(self) -> str:
        """What a reader would see, HTML freed of markup. Worked out in a thread: a large message
        takes a while."""
        return await asyncio.to_thread(self._text)

    async def attachments(self) -> tuple[Attachment, ...]:
        """In their order. In a thread, as ``text``."""
        return await asyncio.to_thread(self._attachments)

    def _text(self) -> str:
        found: list[str] = []
        room = LONGEST_TEXT
        for one in text.body_texts(scan(self.octets), self.octets):
            found.append(one[:room])
            room -= len(found[-1])
            if room <= 0:
                break
        return "\n".join(found)

    def _attachments(self) -> tuple[Attachment, ...]:
        found = []
        for part in scan(self.octets).root.walk():
            kind, extra = part.disposition or (b"", ())
            name = params.text(extra, b"filename") or params.text(part.params, b"name") or ""
            if not part.children and (name or kind == b"attachment"):
                media = f"{part.type.decode('ascii', 'replace')}/" + part.subtype.decode(
                    "ascii", "replace"
                )
                found.append(Attachment(name, media, part.size))
        return tuple(found)
