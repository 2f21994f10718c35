"""THREAD (RFC 5256 §3): conversations from keys that were worked out when the messages came.

``references`` follows the six steps of the text by their numbers. ``refs`` is that without its
fifth step (draft-ietf-morg-inthread §4). Pure: messages in, trees out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pillarbox.mailbox import keys
from pillarbox.mailbox.arrays import mask_of_seqs
from pillarbox.mailbox.fetch import Source, join
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column


@dataclass(slots=True)
class Message:
    """What threading needs to know of a message."""

    number: int
    """Sequence number."""
    sent: int
    """Seconds since 1970 UTC; the arrival where the message does not say (RFC 5256 §2.2)."""
    subject: bytes
    """Base subject, folded."""
    is_reply: bool
    message_id: bytes
    references: tuple[bytes, ...]
    arrived: int = 0


@dataclass(slots=True, eq=False)
class Node:
    """A message in its thread; ``message`` None is a dummy: an ancestor nobody has."""

    message: Message | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def first(self) -> Message | None:
        """The message, or that of the first child for a dummy."""
        return self.message or (self.children[0].message if self.children else None)

    @property
    def key(self) -> tuple[int, int]:
        """By sent date; of two at once the lower number comes first (RFC 5256 §2.2)."""
        message = self.first
        return (message.sent, message.number) if message else (0, 0)


async def read(store: Source, view: View, seqs: NumSet) -> list[Message]:
    """The messages with these sequence numbers, ascending."""
    columns = (Column.UID, Column.INTERNALDATE, Column.KEYS)
    uids = view.uids_of(seqs)
    wanted = mask_of_seqs(seqs, view.count)
    out: list[Message] = []
    async for batch in store.rows(view.box.account, view.box.id, uids, columns):
        out += [_message(row) for row in join(view, batch) if wanted[row[0] - 1]]
    return out


def _message(row: tuple[Any, ...]) -> Message:
    """From sequence number, flags, modseq, UID, arrival and packed keys."""
    number, _, _, _, arrived, packed = row
    sent, subject, is_reply, own, above = keys.for_threads(packed, arrived)
    return Message(number, sent, subject, is_reply, own, tuple(above.split()), arrived)


def ordered_subject(messages: Iterable[Message]) -> list[Node]:
    """ORDEREDSUBJECT: messages of one base subject, the first of them above all others."""
    threads: dict[bytes, Node] = {}
    for message in sorted(messages, key=lambda one: (one.sent, one.number)):
        head = threads.get(message.subject)
        if head is None:
            threads[message.subject] = Node(message)
        else:
            head.children.append(Node(message, head))
    return sorted(threads.values(), key=lambda node: node.key)


def references(messages: Iterable[Message]) -> list[Node]:
    """REFERENCES: replies below what they answer, then threads of one subject together."""
    top = _pruned(_roots(_linked(messages)))
    for node in top:
        node.children.sort(key=_key)
    top.sort(key=_key)  # step 4
    return _sorted(_gathered(top))


def refs(messages: Iterable[Message]) -> list[Node]:
    """REFS: as REFERENCES, but subjects bring nobody together, and the thread in which a message
    arrived last comes last."""
    top = _sorted(_pruned(_roots(_linked(messages))))
    latest: dict[Node, tuple[int, int]] = {}
    for node in _bottom_up(top):
        own = [(node.message.arrived, node.message.number)] if node.message else []
        latest[node] = max([*own, *(latest[child] for child in node.children)])
    return sorted(top, key=latest.__getitem__)


_key: Final[Callable[[Node], tuple[int, int]]] = lambda node: node.key  # noqa: E731


def _linked(messages: Iterable[Message]) -> list[Node]:
    """Step 1: every message and every id that is spoken of becomes a node, linked by references."""
    by_id: dict[bytes, Node] = {}
    nodes: list[Node] = []
    listed = list(messages)
    for message in listed:
        known = by_id.get(message.message_id) if message.message_id else None
        node = Node(message)
        if message.message_id and known is None:
            by_id[message.message_id] = node
        nodes.append(node)
    for message, node in zip(listed, list(nodes), strict=True):
        last: Node | None = None
        for reference in message.references:
            found = by_id.get(reference)
            if found is None:
                found = by_id[reference] = Node()
                nodes.append(found)
            if last is not None and found.parent is None and not _is_below(last, found):
                _link(last, found)
            last = found
        if node.parent is not None and last is not node.parent:
            node.parent.children.remove(node)
            node.parent = None
        if last is not None and node.parent is None and not _is_below(last, node):
            _link(last, node)
    return nodes


def _link(parent: Node, child: Node) -> None:
    child.parent = parent
    parent.children.append(child)


def _is_below(node: Node | None, other: Node) -> bool:
    """True when ``node`` is ``other`` or among its descendants: a link would make a loop."""
    while node is not None:
        if node is other:
            return True
        node = node.parent
    return False


def _roots(nodes: Iterable[Node]) -> list[Node]:
    """Step 2."""
    return [node for node in nodes if node.parent is None]


def _pruned(top: list[Node]) -> list[Node]:
    """Step 3: dummies go; below the top their children take their place."""
    for node in _bottom_up(top):
        kept: list[Node] = []
        for child in node.children:
            if child.message is not None:
                kept.append(child)
            else:
                kept += child.children
        node.children = kept
        for child in kept:
            child.parent = node
    out = []
    for node in top:
        if node.message is None and len(node.children) == 1:
            node = node.children[0]
            node.parent = None
        if node.message is not None or node.children:
            out.append(node)
    return out


def _bottom_up(top: Iterable[Node]) -> Iterator[Node]:
    """Every node after all that are below it, without recursion: threads can be long."""
    order = list(top)
    for node in order:
        order += node.children
    return reversed(order)


def _gathered(top: list[Node]) -> list[Node]:
    """Step 5: threads of the same base subject become one."""
    table: dict[bytes, Node] = {}
    for node in top:
        subject = _subject(node)
        if not subject:
            continue
        other = table.get(subject)
        if other is None or (
            other.message is not None
            and (node.message is None or (_replies(other) and not _replies(node)))
        ):
            table[subject] = node
    merged: dict[Node, Node] = {}
    gone: set[Node] = set()
    for node in top:
        subject = _subject(node)
        other = table.get(subject) if subject else None
        if other is None or other is node:
            continue
        if other.message is None:
            if node.message is None:
                for child in node.children:
                    _link(other, child)
            else:
                _link(other, node)
            gone.add(node)
        elif _replies(node) and not _replies(other):
            _link(other, node)
            gone.add(node)
        else:
            dummy = Node()
            _link(dummy, other)
            _link(dummy, node)
            merged[other] = dummy
            gone.add(node)
            table[subject] = dummy
    return [merged.get(node, node) for node in top if node not in gone]


def _subject(node: Node) -> bytes:
    message = node.first
    return message.subject if message else b""


def _replies(node: Node) -> bool:
    return node.message is not None and node.message.is_reply


def _sorted(top: list[Node]) -> list[Node]:
    """Step 6: siblings by sent date, the youngest generation first."""
    for node in _bottom_up(top):
        node.children.sort(key=_key)
    return sorted(top, key=_key)
