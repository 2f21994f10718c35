"""reject and ereject (RFC 5429): refusing a message."""

from __future__ import annotations

from pillarbox.sieve.actions import Reject
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word


def _reject(state: State, node: Node) -> None:
    state.act(Reject(state.text(node.text("reason"))), cancels=True)


def _ereject(state: State, node: Node) -> None:
    state.act(Reject(state.text(node.text("reason")), early=True), cancels=True)


_REASON = (Arg("reason", Kind.STRING),)

EXTENSIONS = (
    Extension("reject", "RFC 5429", commands=(Word("reject", _reject, _REASON),), delivery=True),
    Extension("ereject", "RFC 5429", commands=(Word("ereject", _ereject, _REASON),), delivery=True),
)
