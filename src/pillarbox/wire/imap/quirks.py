"""Tolerances: what clients send against the letter of the RFC and is understood all the same.

Each is one named function or pattern with its client, the date it was seen and where; the parser
uses it at the one place it concerns, and it has a test of its own name. What is not here is
answered BAD: RFC 9051 §2.2.1 asks servers to enforce the syntax strictly, and a guess about a
malformed command can delete the wrong mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPACES = re.compile(" *")


@dataclass(frozen=True, slots=True)
class Quirk:
    """``seen`` is the year and month of the report, ``source`` where to read it."""

    name: str
    client: str
    seen: str
    source: str


def trailing_space(text: str) -> str:
    """``a1 UID FETCH 1 FLAGS `` is the command without the space."""
    return text.rstrip(" ")


def extra_spaces(text: str, pos: int) -> int:
    """More than one space between arguments, or inside a parenthesis, counts as the right number.

    Gives the position behind the spaces.
    """
    found = _SPACES.match(text, pos)
    return found.end() if found else pos


DAY = re.compile(r'"( [0-9]|[0-9]{2}|[0-9])-')
"""The quirk one_digit_day: ``APPEND Sent "3-Feb-2025 18:28:47 +0000" …`` lacks the space (or
zero) that date-day-fixed has before a single digit (RFC 9051 §9); the third alternative."""


def quoted_keyword(first: str) -> bool:
    """``UID SEARCH KEYWORD "Gmail"``: the keyword as a quoted string, where an atom must be."""
    return first == '"'


CHANGEDSINCE_ZERO = 0
"""``FETCH … (CHANGEDSINCE 0)``: the smallest value allowed, though the grammar begins at 1."""


def partial_label(text: str, part: tuple[int, int] | None) -> bytes:
    """``BODY.PEEK[]<0.393216>`` is answered ``BODY[]<0>`` (RFC 9051 §7.5.2): not a tolerance but
    the rule, which iOS insists on. It shows blank messages, and asks for ever, where the length
    or PEEK is echoed."""
    return (text if part is None else f"{text}<{part[0]}>").encode("ascii")


TABLE = (
    Quirk(
        "trailing_space",
        "Exchange, exmail.qq.com and davmail, in what they answer; scripts, in what they ask",
        "2023-08",
        "emersion/go-imap#541, modern-email/defects#9, #21",
    ),
    Quirk(
        "extra_spaces",
        "commands put together by hand with an empty argument, and DavMail as a proxy",
        "2020-08",
        "mguessan/davmail#122, #454",
    ),
    Quirk(
        "one_digit_day",
        "iOS Mail 18.3, Outlook for Android, Apple Mail, node-imap, ImapFlow",
        "2016-11 … 2025-03",
        "mjl-/mox#279, Zimbra/zm-mailbox#1158, mscdex/node-imap#648, postalsys/imapflow#271",
    ),
    Quirk(
        "quoted_keyword",
        "go-imap v1, imapfilter",
        "2015-09, 2019-12",
        "emersion/go-imap#324, lefcha/imapfilter#110",
    ),
    Quirk("partial_label", "iOS Mail", "2024-10", "twisted/twisted#12345, foxcpp/maddy#265"),
    Quirk("changedsince_zero", "iPhone Mail 16.5.1", "2024-05", "modern-email/defects#29"),
)
