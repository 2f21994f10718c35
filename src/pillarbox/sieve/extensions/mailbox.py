"""mailbox (RFC 5490 §3.1, §3.2): whether one is there, and making it."""

from __future__ import annotations

from pillarbox.sieve.ask import MailboxExists
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _mailboxexists(state: State, node: Node) -> bool:
    return all(state.ask(*(MailboxExists(name) for name in state.texts(node.texts("names")))))


EXTENSIONS = (
    Extension(
        "mailbox",
        "RFC 5490",
        tests=(Word("mailboxexists", _mailboxexists, (Arg("names", Kind.STRINGS),)),),
        tags=(
            Tag("create", ("fileinto",)),
            Tag("create", ("vacation", "notify"), needs=("fcc",)),
        ),
    ),
)
