"""enotify (RFC 5435) with the method ``mailto`` (RFC 5436): telling somebody of a message."""

from __future__ import annotations

import re

from pillarbox.sieve.actions import Notify
from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.extensions.fcc import copy_of
from pillarbox.sieve.extensions.vacation import mailbox_list
from pillarbox.sieve.mailto import mailto
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word

_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*=[^\0\r\n]*")


def _uri(text: str) -> str:
    """A complaint about a method that does not work."""
    try:
        mailto(text)
    except ValueError as error:
        return str(error)
    return ""


def _importance(text: str) -> str:
    return "" if text in {"1", "2", "3"} else 'the importance is "1", "2" or "3"'


def _option(text: str) -> str:
    return "" if _OPTION.fullmatch(text) else f'"{text}" is no option: name=value'


def _notify(state: State, node: Node) -> None:
    method = state.text(node.text("method"))
    importance = state.text(node.text("importance", "2"))
    sender = state.text(node.text("from"))
    options = state.texts(node.texts("options"))
    for complaint in (_uri(method), _importance(importance), sender and mailbox_list(sender)):
        if complaint:
            raise Failed(complaint)
    for option in options:
        if complaint := _option(option):
            raise Failed(complaint)
    text = state.text(node.text("message"))
    state.act(Notify(method, text, sender, int(importance), tuple(options), copy_of(state, node)))


def _valid(state: State, node: Node) -> bool:
    return not any(_uri(one) for one in state.texts(node.texts("methods")))


def _capability(state: State, node: Node) -> bool:
    """RFC 5435 §5, RFC 5436 §2.2: nobody knows whether the reader of a mail is there."""
    if _uri(state.text(node.text("method"))):
        return False
    if state.text(node.text("capability")).lower() != "online":
        return False
    return matches(state, node, ["maybe"], state.texts(node.texts("keys")))


_METHOD = Arg("method", Kind.STRING)

EXTENSIONS = (
    Extension(
        "enotify",
        "RFC 5435",
        commands=(Word("notify", _notify, (_METHOD,)),),
        tests=(
            Word("valid_notify_method", _valid, (Arg("methods", Kind.STRINGS),)),
            Word(
                "notify_method_capability",
                _capability,
                (_METHOD, Arg("capability", Kind.STRING), KEYS),
                ("MATCH",),
            ),
        ),
        tags=(
            Tag("from", ("notify",), Arg("from", Kind.STRING, check=mailbox_list)),
            Tag("importance", ("notify",), Arg("importance", Kind.STRING, check=_importance)),
            Tag("options", ("notify",), Arg("options", Kind.STRINGS, check=_option)),
            Tag("message", ("notify",), Arg("message", Kind.STRING)),
            Tag("encodeurl", ("set", "extracttext"), group="15"),
        ),
    ),
)
