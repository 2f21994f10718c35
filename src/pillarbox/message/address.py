"""Address lists of RFC 5322 §3.4 and §4.4, as an IMAP ENVELOPE wants them.

Total, and tolerant the way real mail needs it: missing commas, quotes and angle brackets that
never close, names without addresses. Every parse is linear. Encoded words and raw octets are
left as they are; `words` and `imapform` deal with them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from pillarbox.message.header import unfold


class Address(NamedTuple):
    """One address structure (RFC 9051 §7.5.2).

    ``host`` None marks group syntax: with a ``mailbox``, the start of the group of that name;
    without, its end. Elsewhere an absent mailbox or host is the empty string, never None.
    ``adl`` is the source route, quoting is removed from ``name`` and ``mailbox``.
    """

    name: bytes | None
    adl: bytes | None
    mailbox: bytes | None
    host: bytes | None


LIMIT = 10_000
"""Addresses read of one field. No mail has as many; an attack has a million."""
_TOKENS_EACH = 12

GROUP_END = Address(None, None, None, None)

# The two forms that nearly all mail uses, whole and up to a comma or the end.
_PLAIN = rb'([^"(),:;<>@\\\[\]\s]++)'
_SPEC = _PLAIN + rb"@" + _PLAIN
_SIMPLE = re.compile(
    rb'[ \t,]*+(?:(?:"([^"\\]*+)"|([^"(),:;<>@\\\[\]]*+))[ \t]*+<'
    + _SPEC
    + rb">|"
    + _SPEC
    + rb")[ \t]*+(?:,|\Z)"
)

# One token: white space, domain literal, special, or text. Quotes and comments are read apart.
_TOKEN = re.compile(
    rb"([ \t\r\n]++)|(\[[^\[\]]*+\])|([<>,;:@])|([^ \t\r\n\"<>,;:@(\[]++)|(.)", re.DOTALL
)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_PAREN = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_SPACE, _TEXT, _COMMENT, _SPECIAL = range(4)
_Token = tuple[int, bytes]


_REMEMBERED = 512
"""Octets of a value that is worth remembering: the same people write to the same people, and one
message asks for an ENVELOPE and for its sort keys."""


def parse(value: bytes, limit: int = LIMIT) -> list[Address]:
    """The addresses of an unfolded field value, group markers included; at most ``limit``."""
    if len(value) <= _REMEMBERED and limit == LIMIT:
        return list(_parse_short(value))
    return _parse(value, limit)


@lru_cache(maxsize=4096)
def _parse_short(value: bytes) -> tuple[Address, ...]:
    return tuple(_parse(value, LIMIT))


def _parse(value: bytes, limit: int) -> list[Address]:
    found: list[Address] = []
    at = 0
    while len(found) < limit and (simple := _SIMPLE.match(value, at)):
        quoted, phrase, local, host, bare_local, bare_host = simple.groups()
        if bare_local is not None:
            found.append(Address(None, None, bare_local, bare_host))
        else:
            name = quoted if quoted is not None else phrase
            found.append(Address(_squeeze(name) or None, None, local, host))
        at = simple.end()
    if at < len(value) and len(found) < limit and value[at:].strip(b" \t\r\n,"):
        return _Parser(_tokens(unfold(value), limit * _TOKENS_EACH)).parse()[:limit]
    return found


def _squeeze(text: bytes) -> bytes:
    """White space between the words of a phrase counts as one space (RFC 5322 §3.2.2)."""
    if b"  " in text or b"\t" in text:
        return b" ".join(text.split())
    return text.strip()


def _tokens(value: bytes, limit: int) -> list[_Token]:
    """The first ``limit`` tokens of a value.

    After a quote or a comment that never closes, no more of its kind are looked for: the search
    to the end is made once.
    """
    tokens: list[_Token] = []
    at = 0
    quotes = comments = True
    while at < len(value) and len(tokens) < limit:
        octet = value[at : at + 1]
        if octet == b'"':
            quoted = _QUOTED.match(value, at) if quotes else None
            if quoted is not None:
                tokens.append((_TEXT, _ESCAPED.sub(rb"\1", quoted[1])))
            quotes = quotes and quoted is not None
            at = quoted.end() if quoted else at + 1
        elif octet == b"(":
            end = _comment_end(value, at) if comments else -1
            if end >= 0:
                tokens.append((_COMMENT, _ESCAPED.sub(rb"\1", value[at + 1 : end - 1]).strip()))
            comments = comments and end >= 0
            at = end if end >= 0 else at + 1
        else:
            token = _TOKEN.match(value, at)
            if token is None:  # cannot be: the last branch takes any octet
                break
            kind = (_SPACE, _TEXT, _SPECIAL, _TEXT, _TEXT)[(token.lastindex or 5) - 1]
            tokens.append((kind, token[0]))
            at = token.end()
    return tokens


def _comment_end(value: bytes, at: int) -> int:
    """The place after the comment that starts at ``at``, nested ones included; -1 if open."""
    depth = 0
    for paren in _PAREN.finditer(value, at):
        if paren[0] == b"(":
            depth += 1
        elif paren[0] == b")":
            depth -= 1
            if not depth:
                return paren.end()
    return -1


class _Parser:
    """Collects tokens up to the next separator and makes an address of them.

    ``angle`` is None before an angle bracket, ``inside`` says it is still open. ``route``: what
    is inside begins with ``@`` and no colon has ended the source route yet. ``at``: the items
    hold an ``@``. ``doubtful``: they follow an address without a comma, so they count only if
    they are one.
    """

    __slots__ = (
        "angle",
        "at",
        "comment",
        "doubtful",
        "found",
        "group",
        "inside",
        "items",
        "route",
        "tokens",
    )

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.found: list[Address] = []
        self.items: list[_Token] = []
        self.angle: list[_Token] | None = None
        self.comment: bytes | None = None
        self.group = self.inside = self.route = self.at = self.doubtful = False

    def parse(self) -> list[Address]:
        for token in self.tokens:
            kind, text = token
            if kind == _COMMENT:
                self.comment = text or self.comment
            elif kind == _SPECIAL and text != b"@":
                self._special(token)
            elif self.inside and self.angle is not None:
                if not self.angle:
                    self.route = text == b"@"
                if kind != _SPACE:
                    self.angle.append(token)
            else:
                if self.angle is not None and kind != _SPACE:
                    self._flush()  # a comma is missing, or this is rubbish
                    self.doubtful = True
                self.items.append(token)
                self.at = self.at or kind == _SPECIAL
        self._flush()
        if self.group:
            self.found.append(GROUP_END)
        return self.found

    def _special(self, token: _Token) -> None:
        """React to one of ``<>,;:``."""
        text = token[1]
        if self.inside and self.angle is not None:
            if text == b">":
                self.inside = False
                return
            if text == b":" or (text == b"," and self.route):
                self.angle.append(token)
                self.route = self.route and text == b","
                return
        if text == b"<":
            if self.angle is not None:  # a comma is missing
                self._flush()
            self.angle = []
            self.inside = True
        elif text == b":" and not (self.group or self.at) and self.angle is None:
            self.found.append(Address(None, None, _phrase(self.items), None))
            self.items, self.comment = [], None
            self.group = True
        elif text == b":":
            self.items.append((_TEXT, text))
        elif text in b",;":
            self._flush()
            if text == b";" and self.group:
                self.found.append(GROUP_END)
                self.group = False

    def _flush(self) -> None:
        """Make what was collected an address, or several, or none."""
        items, angle, comment = self.items, self.angle, self.comment
        at, doubtful = self.at, self.doubtful
        self.items, self.angle, self.comment = [], None, None
        self.inside = self.route = self.at = self.doubtful = False
        if angle is not None:
            adl, mailbox, host = _addr_spec(angle)
            self.found.append(Address(_phrase(items) or comment or None, adl, mailbox, host))
        elif at:
            for run in _runs(items):  # more than one if a comma was forgotten
                if (_SPECIAL, b"@") in run:
                    _, mailbox, host = _addr_spec(run)
                    self.found.append(Address(comment, None, mailbox, host))
        elif not doubtful and (phrase := _phrase(items)):
            if b" " in phrase:
                self.found.append(Address(phrase, None, b"", b""))
            else:
                self.found.append(Address(comment, None, phrase, b""))


def _runs(items: list[_Token]) -> list[list[_Token]]:
    """Split at white space that is not next to an ``@`` or a dot (RFC 5322 §4.4 allows those)."""
    runs: list[list[_Token]] = [[]]
    gap = False
    for token in items:
        kind, text = token
        if kind == _SPACE:
            gap = True
            continue
        run = runs[-1]
        if gap and run and text[:1] not in b"@." and run[-1][1][-1:] not in b"@.":
            runs.append([])
        runs[-1].append(token)
        gap = False
    return runs


def _phrase(items: list[_Token]) -> bytes:
    return b" ".join(b"".join([b" " if k == _SPACE else t for k, t in items]).split())


def _addr_spec(items: list[_Token]) -> tuple[bytes | None, bytes, bytes]:
    """Source route, local part and domain of tokens without white space (RFC 5322 §4.4)."""
    adl = None
    if items and items[0] == (_SPECIAL, b"@") and (_SPECIAL, b":") in items:
        colon = items.index((_SPECIAL, b":"))
        adl = b"".join([text for _, text in items[:colon]])
        items = items[colon + 1 :]
    texts = [text for _, text in items]
    if (_SPECIAL, b"@") not in items:
        return adl, b"".join(texts), b""
    last = len(items) - 1 - items[::-1].index((_SPECIAL, b"@"))
    return adl, b"".join(texts[:last]), b"".join(texts[last + 1 :])
