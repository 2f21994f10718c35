"""mboxmetadata and servermetadata (RFC 5490 §3.3, §4): annotations."""

from __future__ import annotations

from pillarbox.sieve.ask import Metadata
from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.match import matches
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Word


def _mailbox(state: State, node: Node) -> str | None:
    return state.text(node.text("mailbox")) if "mailbox" in node.values else None


def _metadata(state: State, node: Node) -> bool:
    value = state.ask(Metadata(state.text(node.text("entry")).lower(), _mailbox(state, node)))[0]
    return isinstance(value, str) and matches(state, node, [value], state.texts(node.texts("keys")))


def _exists(state: State, node: Node) -> bool:
    box = _mailbox(state, node)
    entries = [entry.lower() for entry in state.texts(node.texts("entries"))]
    return all(value is not None for value in state.ask(*(Metadata(one, box) for one in entries)))


def _entry(text: str) -> str:
    if text.lower().startswith(("/private/", "/shared/")) and not text.endswith("/"):
        return ""
    return f'"{text}" is no annotation: it begins with /private/ or /shared/'


_BOX = Arg("mailbox", Kind.STRING)
_ENTRY = Arg("entry", Kind.STRING, check=_entry)
_ENTRIES = Arg("entries", Kind.STRINGS, check=_entry)

EXTENSIONS = (
    Extension(
        "mboxmetadata",
        "RFC 5490",
        tests=(
            Word("metadata", _metadata, (_BOX, _ENTRY, KEYS), ("MATCH",)),
            Word("metadataexists", _exists, (_BOX, _ENTRIES)),
        ),
    ),
    Extension(
        "servermetadata",
        "RFC 5490",
        tests=(
            Word("servermetadata", _metadata, (_ENTRY, KEYS), ("MATCH",)),
            Word("servermetadataexists", _exists, (_ENTRIES,)),
        ),
    ),
)
