"""fileinto (RFC 5228 §4.1), with the arguments that other extensions give it."""

from __future__ import annotations

from pillarbox.sieve.actions import FileInto
from pillarbox.sieve.extensions.flagset import flags_of
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word


def mailbox_name(name: str) -> str:
    """A complaint about what can be no mailbox."""
    odd = any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in name)
    if not name or odd or len(name) > 1000:
        return "this is no name of a mailbox"
    return ""


def target(state: State, node: Node, name: str) -> FileInto:
    """A place to file into, by all that the node says of it."""
    if complaint := mailbox_name(name):
        raise Failed(complaint)
    return FileInto(
        name,
        flags_of(state, node),
        copy=node.flag("copy"),
        create=node.flag("create"),
        special_use=state.text(node.text("specialuse")),
        mailbox_id=state.text(node.text("mailboxid")),
        message=state.message(),
    )


def _fileinto(state: State, node: Node) -> None:
    goal = target(state, node, state.text(node.text("mailbox")))
    state.act(goal, cancels=not goal.copy)  # RFC 3894 §3


EXTENSIONS = (
    Extension(
        "fileinto",
        "RFC 5228",
        commands=(Word("fileinto", _fileinto, (Arg("mailbox", Kind.STRING, check=mailbox_name),)),),
    ),
)
