"""How did it go: the one answer type from RCPT to DSN.

A ``Reply`` is made where the decision is made and travels unchanged: to the SMTP client as a
line, to the queue as an outcome, into a DSN as Diagnostic-Code, into the log as a field.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """``code`` per RFC 5321 §4.2, ``enhanced`` per RFC 3463 ('' when none), text without CRLF."""

    code: int
    enhanced: str
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


OK = Reply(250, "2.0.0", "OK")
