"""Which mailboxes a LIST or LSUB shows, and with what attributes. Pure.

The tree has holes: ``a/b`` may exist, or be subscribed, without ``a``. A hole that matches the
pattern is shown as \\NonExistent (to clients that speak RFC 5258) or \\Noselect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pillarbox.model.mailbox import INBOX, SEPARATOR, Mailbox, canonical_name, parents
from pillarbox.wire.imap.commands import List

Matches = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the answer. ``box`` is None for a name without mailbox."""

    name: str
    attributes: tuple[str, ...]
    box: Mailbox | None = None
    child_info: tuple[str, ...] = ()
    """Selection options that a child meets which is not listed itself (RFC 5258 §3.5)."""
    chosen: bool = True
    """The name itself meets the selection options, not only a child of it."""


def matcher(reference: str, patterns: Iterable[str]) -> Matches:
    """True for names that match any of the patterns (RFC 9051 §6.3.9).

    The reference is put in front of the pattern. ``*`` matches anything, ``%`` anything within
    a level.
    """
    whole = [canonical_name(reference + pattern) for pattern in patterns]
    alternatives = [_expression(pattern) for pattern in whole]
    expression = re.compile("|".join(f"(?:{one})" for one in alternatives) or r"(?!)", re.DOTALL)
    folded_inbox = re.compile(expression.pattern, re.DOTALL | re.IGNORECASE)

    def matches(name: str) -> bool:
        if name == INBOX:  # any case of it is the same name (RFC 9051 §5.1)
            return folded_inbox.fullmatch(name) is not None
        return expression.fullmatch(name) is not None

    return matches


def _expression(pattern: str) -> str:
    """A pattern as a regular expression that cannot take long on any name.

    Behind a wildcard the first place where the text up to the next one fits is as good as any
    later place, so what was matched need not be tried again: atomic groups say so.
    """
    chunks = [_chunk(chunk) for chunk in re.split(r"[*%]*\*[*%]*", pattern)]
    first, *middle = chunks[:-1] or [""]
    if len(chunks) == 1:
        return chunks[0]
    return f"(?>{first})" + "".join(f"(?>.*?{one})" for one in middle) + f".*?{chunks[-1]}"


def _chunk(chunk: str) -> str:
    """The part of a pattern between two ``*``, where only ``%`` is special."""
    first, *rest = [re.escape(piece) for piece in re.split("%+", chunk)]
    any_of_level = f"[^{SEPARATOR}]*?"
    atomic = "".join(f"(?>{any_of_level}{piece})" for piece in rest[:-1])
    return first + atomic + "".join(f"{any_of_level}{piece}" for piece in rest[-1:])


def listing(boxes: Sequence[Mailbox], subscribed: Collection[str], command: List) -> list[Entry]:
    """The entries of a LIST, basic or extended, sorted as the store sorts mailboxes."""
    wanted = command.select - {"REMOTE", "RECURSIVEMATCH"}
    tree = _Tree(boxes, subscribed)
    meets = tree.criteria(wanted)
    matches = matcher(command.reference, command.patterns)
    show_subscribed = command.returns.subscribed or "SUBSCRIBED" in wanted
    entries = []
    chosen = {name for name in tree.names if matches(name) and meets(name)}
    for name in tree.names:
        if not matches(name):
            continue
        child_info: tuple[str, ...] = ()
        if "RECURSIVEMATCH" in command.select and tree.has_child(name, meets, except_for=chosen):
            child_info = tuple(sorted(wanted))
        if name in chosen or child_info:
            attributes = tree.attributes(name, extended=command.extended)
            if show_subscribed and name in tree.subscribed:
                attributes += ("\\Subscribed",)
            box = tree.boxes.get(name)
            entries.append(Entry(name, attributes, box, child_info, name in chosen))
    return entries


def one(boxes: Sequence[Mailbox], subscribed: Collection[str], name: str) -> Entry:
    """The entry of a single name, all attributes computed, whatever it is."""
    tree = _Tree(boxes, subscribed)
    attributes = tree.attributes(name, extended=True)
    if name in tree.subscribed:
        attributes += ("\\Subscribed",)
    return Entry(name, attributes, tree.boxes.get(name))


def subscriptions(
    boxes: Sequence[Mailbox], subscribed: Collection[str], reference: str, pattern: str
) -> list[Entry]:
    """The entries of an LSUB (RFC 3501 §6.3.9): subscribed names, and with ``%`` the parents of
    such names that it cuts off, as \\Noselect."""
    tree = _Tree(boxes, subscribed)
    matches = matcher(reference, [pattern])
    entries = []
    for name in tree.names:
        if not matches(name):
            continue
        if name in tree.subscribed:
            entries.append(Entry(name, tree.attributes(name, extended=False), tree.boxes.get(name)))
        elif pattern.endswith("%") and tree.has_child(name, tree.subscribed.__contains__):
            entries.append(Entry(name, ("\\Noselect",)))
    return entries


class _Tree:
    """Names that exist, are subscribed, or stand above such names."""

    def __init__(self, boxes: Sequence[Mailbox], subscribed: Collection[str]) -> None:
        self.boxes: Mapping[str, Mailbox] = {box.name: box for box in boxes}
        self.subscribed = frozenset(subscribed)
        above = {parent for name in (*self.boxes, *subscribed) for parent in parents(name)}
        rest = sorted((above | self.subscribed) - self.boxes.keys())
        self.names = [*self.boxes, *rest]
        self._children: dict[str, list[str]] = {}
        for name in self.names:
            for parent in parents(name):
                self._children.setdefault(parent, []).append(name)

    def criteria(self, wanted: Collection[str]) -> Matches:
        """What a name must be to be listed under the selection options."""

        def meets(name: str) -> bool:
            if "SUBSCRIBED" in wanted and name not in self.subscribed:
                return False
            box = self.boxes.get(name)
            if "SPECIAL-USE" in wanted:
                return box is not None and bool(box.special_use)
            return "SUBSCRIBED" in wanted or box is not None or self._holds_mailboxes(name)

        return meets

    def _holds_mailboxes(self, name: str) -> bool:
        return any(child in self.boxes for child in self._children.get(name, ()))

    def has_child(self, name: str, meets: Matches, except_for: Collection[str] = ()) -> bool:
        """True when a name below meets the criteria and is not among those shown anyway."""
        children = self._children.get(name, ())
        return any(meets(child) and child not in except_for for child in children)

    def attributes(self, name: str, *, extended: bool) -> tuple[str, ...]:
        """The attributes that every LIST shows (RFC 9051 §7.3.1, RFC 3348)."""
        box = self.boxes.get(name)
        out = []
        if box is None:
            out.append("\\NonExistent" if extended else "\\Noselect")
        out.append("\\HasChildren" if self._holds_mailboxes(name) else "\\HasNoChildren")
        if box is not None and box.special_use:
            out.append(box.special_use)
        return tuple(out)
