"""What a hook may want, checked as it is made: what cannot be written raises in the hook."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.model.flags import is_keyword
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action

MOST = 20
"""Header fields, and tags, of one decision."""
LONGEST = 2000
"""Characters of the value of a field."""
LONGEST_REASON = 300
"""Characters of a reason or reply."""

_ORDER = list(Action)
_NAME = re.compile(r"[!-9;-~]{1,76}\Z")  # RFC 5322 §2.2
_CLEAN = re.compile(r"[^\x00-\x1f\x7f]*\Z")
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z")  # RFC 3463 §2
# Trace of this house and results that programs believe: not for hooks to write.
_OURS = frozenset({"received", "return-path", "authentication-results", "dkim-signature"})


@dataclass(frozen=True, slots=True)
class Decision:
    """``fields``: (name, text) pairs for the front of the message. ``tags``: IMAP keywords that
    its copies get. Raises ValueError for what cannot stand in a header, a reply or a mailbox.
    """

    action: Action = Action.ACCEPT
    reason: str = ""
    reply: Reply | None = None
    fields: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.fields) > MOST or len(self.tags) > MOST:
            raise ValueError(f"a hook adds at most {MOST} header fields and {MOST} tags")
        for name, value in self.fields:
            if not _NAME.match(name) or name.lower() in _OURS:
                raise ValueError(f"a hook cannot add the header field {name!r}")
            if not _CLEAN.match(value) or len(value) > LONGEST:
                raise ValueError(f"the header field {name} has control characters or is too long")
        for tag in self.tags:
            if not is_keyword(tag) or tag.startswith("\\") or len(tag) > 100:
                raise ValueError(f"{tag!r} cannot be an IMAP keyword")
        if not _CLEAN.match(self.reason) or len(self.reason) > LONGEST_REASON:
            raise ValueError("a reason is one line of text")


NOTHING = Decision()


def accept(
    reason: str = "", *, fields: Iterable[tuple[str, str]] = (), tags: Iterable[str] = ()
) -> Decision:
    """Nothing speaks against it; what others said stays."""
    return Decision(Action.ACCEPT, reason, None, tuple(fields), tuple(tags))


def junk(
    reason: str, *, fields: Iterable[tuple[str, str]] = (), tags: Iterable[str] = ()
) -> Decision:
    """To the mailbox for junk."""
    return Decision(Action.JUNK, reason, None, tuple(fields), tuple(tags))


def refuse(text: str, *, code: int = 550, enhanced: str = "5.7.1") -> Decision:
    """No, for good. ``text`` is read by the sender: ASCII, one line. ``code``: 500 to 599."""
    return _no(Action.REFUSE, text, code, enhanced)


def defer(text: str, *, code: int = 451, enhanced: str = "4.7.1") -> Decision:
    """Not now; the sender tries again. ``code``: 400 to 499, but not 421, which ends sessions."""
    return _no(Action.DEFER, text, code, enhanced)


def _no(action: Action, text: str, code: int, enhanced: str) -> Decision:
    first = 5 if action is Action.REFUSE else 4
    if code // 100 != first or code == 421:
        raise ValueError(f"{code} is no reply code to {action.value} with")
    if not _ENHANCED.match(enhanced) or not enhanced.startswith(str(first)):
        raise ValueError(f"{enhanced!r} is no enhanced status code for {code}")
    if not text or not text.isascii():
        raise ValueError("the text of a reply is ASCII")  # RFC 5321 §4.2
    return Decision(action, text, Reply(code, enhanced, text))


def harsher(one: Decision, other: Decision) -> Decision:
    """Both: the harsher action, what each adds. Of two equals the first gives the reason."""
    worse = other if _ORDER.index(other.action) > _ORDER.index(one.action) else one
    return Decision(
        worse.action,
        worse.reason,
        worse.reply,
        (*one.fields, *other.fields)[:MOST],
        tuple(dict.fromkeys((*one.tags, *other.tags)))[:MOST],
    )
