"""Reads a server's replies: multiline, with or without enhanced codes, never without end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.model.reply import Reply
from pillarbox.wire.smtp.lines import Lines, Wrong

MAX_LINE = 4096
"""Octets a reply line; RFC 5321 §4.5.3.1.5 says 512, some say more."""
MAX_LINES = 500
"""Lines a reply."""
MAX_WAITING = 256 * 1024
"""Octets that may wait while the caller is busy."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(slots=True)
class Answer:
    """One reply and, for EHLO, its lines; the lines of ``reply.text`` are joined by LF."""

    reply: Reply
    lines: list[str]


class AnswerReader:
    """Bytes in, replies out. What is no reply makes it ``broken`` for good."""

    __slots__ = ("_buffer", "_text", "broken")

    def __init__(self) -> None:
        self._buffer = Lines(MAX_WAITING)
        self._text: list[str] = []
        self.broken = ""
        """Why nothing more can be read; '' while all is well."""

    def feed(self, data: bytes) -> None:
        self._buffer.add(data)
        if self._buffer.flooded:
            self.broken = "the server sends too much"

    def drop(self) -> bool:
        """Forget what waits; True if something did (a reply in the clear behind STARTTLS)."""
        waited = bool(self._buffer) or bool(self._text)
        self._buffer.drop()
        self._text.clear()
        return waited

    def next(self) -> Answer | None:
        """The next whole reply, or None for now."""
        while not self.broken:
            taken = self._buffer.take_line(MAX_LINE)
            if taken is None:
                return None
            line, wrong = taken
            match = _LINE.match(line)
            # A bare LF is let pass here: a reply cannot be mistaken for anything else.
            if wrong is Wrong.TOO_LONG or match is None:
                self.broken = "the server sends what is no reply"
                return None
            code, mark, text = match.groups()
            self._text.append(_CONTROL.sub("?", (text or b"").decode("utf-8", "replace")))
            if mark != b"-":
                lines, self._text = self._text, []
                return _answer(int(code), lines)  # the last line's code, if they differ
            if len(self._text) >= MAX_LINES:
                self.broken = "the server's reply does not end"
        return None


def _answer(code: int, lines: list[str]) -> Answer:
    """Take the enhanced code off the lines, if it fits the code (RFC 2034 §4)."""
    match = _ENHANCED.match(lines[0])
    if match is None or match[1][0] != str(code)[0]:
        return Answer(Reply(code, "", "\n".join(lines)), lines)
    enhanced = match[1]
    text = []
    for line in lines:
        head, _, rest = line.partition(" ")
        text.append(rest.lstrip(" ") if head == enhanced else line)
    return Answer(Reply(code, enhanced, "\n".join(text)), lines)
