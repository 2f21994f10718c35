"""fcc (RFC 8580): filing a copy of what a script sends."""

from __future__ import annotations

from pillarbox.sieve.actions import FileInto
from pillarbox.sieve.extensions.fileinto import mailbox_name, target
from pillarbox.sieve.extensions.flagset import flags
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag


def copy_of(state: State, node: Node) -> FileInto | None:
    """Where a copy of the node's message goes, None for nowhere."""
    if not node.flag("fcc"):
        return None
    goal = target(state, node, state.text(node.text("fcc")))
    said = flags(state.texts(node.texts("flags"))) if node.flag("flags") else None
    # RFC 8580 §3: the internal variable is about the message, not about the copy.
    return FileInto(
        goal.mailbox,
        said,
        create=goal.create,
        special_use=goal.special_use,
        mailbox_id=goal.mailbox_id,
    )


EXTENSIONS = (
    Extension(
        "fcc",
        "RFC 8580",
        tags=(Tag("fcc", ("vacation", "notify"), Arg("fcc", Kind.STRING, check=mailbox_name)),),
    ),
)
