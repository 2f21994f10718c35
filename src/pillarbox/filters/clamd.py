"""ClamAV, by the INSTREAM command of its daemon: the content goes along, no file is shared."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pillarbox.filters.opinion import Opinion, Question, Trouble
from pillarbox.filters.place import Place
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action, Finding

PIECE = 64 * 1024
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Clamd:
    """A ``Filter``. ``timeout`` in seconds, to connect."""

    place: Place
    timeout: float = 30.0
    name: str = "virus"

    async def ask(self, question: Question) -> Opinion:
        """See ``Filter``."""
        conn = await self.place.dial(self.timeout)
        try:
            conn.write(b"zINSTREAM\0")
            content = question.content
            for at in range(0, len(content), PIECE):
                piece = content[at : at + PIECE]
                conn.write(struct.pack("!I", len(piece)) + piece)
                await conn.drain()
            conn.write(struct.pack("!I", 0))
            await conn.drain()
            answer = b""
            while b"\0" not in answer and len(answer) < _LONGEST:
                more = await conn.read()
                if not more:
                    break
                answer += more
        finally:
            conn.abort()
        return _opinion(answer.partition(b"\0")[0].decode("utf-8", "replace").strip())


def _opinion(answer: str) -> Opinion:
    said = answer.removeprefix("stream: ")
    if said == "OK":
        return Opinion(finding=Finding("virus", "none"))
    if said.endswith(" FOUND"):
        virus = said.removesuffix(" FOUND")
        words = f"it carries a virus ({virus})"
        reply = Reply(550, "5.7.1", f"Refused: {words}")
        return Opinion(Action.REFUSE, words, Finding("virus", "found", virus), reply)
    raise Trouble(answer or "it hung up")
