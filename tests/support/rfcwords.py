"""What two responses have in common, whatever the free text and the numbers are.

Rules by which an RFC's response and ours are the same (RFC 9051 §2.2.2 and §7 leave all else to
the server):

- a tagged response: the same condition, and the same response code where the RFC shows one;
- EXISTS, EXPUNGE, FETCH: the same message number; FETCH: the same items; RECENT may be missing;
- LIST, LSUB: the same name and extended items, and the attributes that say something lasting;
- STATUS, ESEARCH, VANISHED and the like: the same items;
- a number, an identifier or a date inside is the server's own. What the RFC calls 12121231000 and
  we call 7 is bound together, so that the client's next command says 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\{\d+\}|[()\[\]]|[^\s()\[\]"]+(?:\[[^\]]*\](?:<[^>]*>)?)?')
_LASTING = {
    "\\noselect", "\\nonexistent", "\\subscribed", "\\haschildren", "\\hasnochildren", "\\sent",
    "\\drafts", "\\junk", "\\trash", "\\archive", "\\flagged", "\\all", "\\important",
}  # fmt: skip
_NUMBERED = {"EXISTS", "EXPUNGE", "FETCH", "RECENT", "UIDFETCH"}
_STATUS = {"OK", "NO", "BAD", "BYE", "PREAUTH"}
_LISTED = {"LIST", "LSUB"}
_NAMED_ITEMS = {"STATUS", "ESEARCH"}


@dataclass(frozen=True, slots=True)
class Response:
    """`kind` in capitals; `key` is what must be equal; `optional`: the server may do without."""

    kind: str
    key: tuple[object, ...]
    words: tuple[str, ...]
    optional: bool = False
    open: bool = False
    """The RFC leaves the rest out ('...')."""


@dataclass
class Bound:
    """The RFC's values and ours."""

    ours: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The same of what the set-up names; wherever it stands in a line."""

    def learn(self, printed: tuple[str, ...], said: tuple[str, ...]) -> None:
        """Two responses that mean the same: their numbers and identifiers are the same."""
        for theirs, mine in zip(printed, said, strict=False):
            if len(theirs) > 3 and theirs != mine and re.fullmatch(r"[\w-]*\d[\w-]*", theirs):
                self.ours.setdefault(theirs, mine)

    def applied(self, text: str) -> str:
        """A client's line in our values."""
        for theirs, mine in self.names.items():
            quoted = mine.replace("\\", "\\\\")
            text = re.sub(rf"(?<!\w){re.escape(theirs)}(?!\w)", quoted, text)
        return re.sub(r"[\w-]{4,}", lambda m: self.ours.get(m[0], m[0]), text)


def words(text: str) -> tuple[str, ...]:
    """The tokens of a response."""
    return tuple(WORD.findall(text))


def plain(word: str) -> str:
    """A string or atom as what it means."""
    return word[1:-1].replace('\\"', '"').replace("\\\\", "\\") if word[:1] == '"' else word


def top(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Names of name-value pairs: every other word outside inner parentheses."""
    depth, flat = 0, []
    for token in tokens:
        if token == "(":
            if depth == 0:
                flat.append("()")
            depth += 1
        elif token == ")":
            depth -= 1
        elif depth == 0:
            flat.append(token.upper())
    return tuple(flat)


def _inside(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """What stands between the first parenthesis and the last."""
    if "(" not in tokens:
        return ()
    first = tokens.index("(")
    last = len(tokens) - 1 - tokens[::-1].index(")") if ")" in tokens[first:] else len(tokens)
    return tokens[first + 1 : last]


def code_of(text: str) -> str:
    """The response code's name, '' for none."""
    match = re.match(r"\[([^\s\]]+)", text)
    return match[1].upper() if match else ""


def tagged(text: str) -> tuple[str, str]:
    """Condition and code of what follows a tag."""
    condition, _, rest = text.partition(" ")
    return condition.upper(), code_of(rest)


def untagged(text: str) -> Response:
    """What follows ``* ``."""
    found = words(text)
    open_ = "..." in text or not text.strip()
    first = found[0].upper() if found else ""
    if first in _STATUS:
        rest = text.partition(" ")[2]
        code = code_of(rest)
        return Response(first, (first, code), found, optional=not code and first != "BYE")
    if first.isdigit() and len(found) > 1 and found[1].upper() in _NUMBERED:
        return _numbered(int(first), found[1].upper(), found, open_)
    if first in _LISTED:
        return _listed(first, found, open_)
    if first == "STATUS":
        return Response(first, (first, plain(found[1]), frozenset(_pairs(_inside(found)))), found)
    if first == "ESEARCH":
        return Response(first, _esearch(found), found, open=open_)
    if first == "VANISHED":
        return Response(first, (first, "(" in found), found, open=open_)
    if first == "METADATA" and "(" in found:
        return Response(first, (first, plain(found[1]), frozenset(_pairs(_inside(found)))), found)
    if first == "QUOTA":
        return Response(first, (first, frozenset(top(_inside(found))[::3])), found)
    if first == "ENABLED":
        return Response(first, (first, frozenset(word.upper() for word in found[1:])), found)
    return Response(first, (first,), found, open=open_)


def _listed(kind: str, found: tuple[str, ...], open_: bool) -> Response:
    end = found.index(")") + 1 if ")" in found else 0
    attributes = frozenset(word.lower() for word in _inside(found[:end]))
    name, *more = [plain(word) for word in found[end + 1 :]] or [""]
    name = "INBOX" if name.upper() == "INBOX" else name
    items = frozenset(word.upper() for word in more if word not in {"(", ")"})
    return Response(kind, (kind, name, attributes & _LASTING, items), found, open=open_)


def _pairs(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return top(tokens)[::2]


def _esearch(found: tuple[str, ...]) -> tuple[object, ...]:
    rest = found[1:]
    correlator: tuple[str, ...] = ()
    if rest[:1] == ("(",):
        end = rest.index(")")
        correlator = tuple(plain(word) for word in rest[1:end] if word.upper() != "TAG")
        rest = rest[end + 1 :]
    uid = rest[:1] == ("UID",)
    names = top(rest[1:] if uid else rest)
    return "ESEARCH", correlator[:1], uid, frozenset(names[::2])


def _numbered(number: int, kind: str, found: tuple[str, ...], open_: bool) -> Response:
    if kind == "RECENT":
        return Response(kind, (kind,), found, optional=True)
    if kind not in {"FETCH", "UIDFETCH"}:
        return Response(kind, (kind, number), found)
    names = () if open_ else _pairs(_inside(found))
    clean = frozenset(re.sub(r'"', "", name) for name in names)
    return Response(kind, (kind, number, clean), found, open=open_)


def same(printed: Response, said: Response) -> bool:
    """Whether what is said is what is printed."""
    if printed.kind != said.kind:
        return False
    if printed.open:
        return printed.key[:2] == said.key[:2] or printed.kind in {"ESEARCH", "VANISHED"}
    if printed.kind in _LISTED:
        _, name, attributes, more = printed.key
        _, ours, more_attributes, theirs = said.key
        if "\\nonexistent" in more_attributes:  # type: ignore[operator]
            more_attributes |= {"\\noselect"}  # type: ignore[operator]  # RFC 9051 §7.3.1
        return name == ours and attributes <= more_attributes and more == theirs  # type: ignore[operator]
    if printed.kind == "FETCH":
        return printed.key[:2] == said.key[:2] and printed.key[2] <= said.key[2]  # type: ignore[operator]
    return printed.key == said.key
