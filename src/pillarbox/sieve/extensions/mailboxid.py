"""mailboxid (RFC 9042): mailboxes by what stays when their names change."""

from __future__ import annotations

from pillarbox.sieve.ask import MailboxIdExists
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _exists(state: State, node: Node) -> bool:
    return all(state.ask(*(MailboxIdExists(one) for one in state.texts(node.texts("ids")))))


_TAG = Arg("mailboxid", Kind.STRING)

EXTENSIONS = (
    Extension(
        "mailboxid",
        "RFC 9042",
        tests=(Word("mailboxidexists", _exists, (Arg("ids", Kind.STRINGS),)),),
        tags=(
            Tag("mailboxid", ("fileinto",), _TAG, bans=("specialuse",)),
            Tag("mailboxid", ("vacation", "notify"), _TAG, needs=("fcc",), bans=("specialuse",)),
        ),
    ),
)
