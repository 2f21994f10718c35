"""The base subject of RFC 5256 §2.1: what SORT and THREAD compare subjects by."""

from __future__ import annotations

import re
from typing import Final

MAX_SUBJECT: Final = 2000
"""Characters looked at."""

_SPACES: Final = re.compile(r"[ \t\r\n]+")
_TRAILER: Final = "(fwd)"
_BLOBS: Final = re.compile(r"(?:\[[^\[\]]*+\][ \t]*+)++")
# subj-leader = (*subj-blob subj-refwd) / WSP; subj-refwd = ("re" / "fw" ["d"]) *WSP [subj-blob] ":"
_LEADER: Final = re.compile(
    r"(?:\[[^\[\]]*+\][ \t]*+)*+(?:re|fwd?)[ \t]*+(?:\[[^\[\]]*+\][ \t]*+)?+:|[ \t]", re.IGNORECASE
)
_FORWARD: Final = "[fwd:"


def base_subject(subject: str) -> tuple[str, bool]:
    """The base of a decoded subject, and whether it was a reply or forward.

    The second is RFC 5256 §3 (THREAD=REFERENCES, step 5 C): true when a subj-refwd, a "(fwd)" or
    a "[fwd: ...]" was removed. A subject of nothing but such artifacts has an empty base.
    """
    text = _SPACES.sub(" ", subject[:MAX_SUBJECT])  # (1)
    reply = False
    while True:
        text, trailer = _without_trailer(text)  # (2)
        text, leader = _without_leaders(text)  # (3) to (5)
        reply = reply or trailer or leader
        if text[: len(_FORWARD)].lower() != _FORWARD or not text.endswith("]"):
            return text, reply
        text = text[len(_FORWARD) : -1]  # (6)
        reply = True


def _without_trailer(text: str) -> tuple[str, bool]:
    found = False
    text = text.rstrip(" \t")
    while text[-len(_TRAILER) :].lower() == _TRAILER:
        text = text[: -len(_TRAILER)].rstrip(" \t")
        found = True
    return text, found


def _without_leaders(text: str) -> tuple[str, bool]:
    at = 0
    reply = False
    while (leader := _LEADER.match(text, at)) is not None:
        reply = reply or not leader[0].isspace()
        at = leader.end()
    # What blobs are left are not followed by a subj-refwd, so all go, the last one only if
    # something remains (4).
    blobs = _BLOBS.match(text, at)
    if blobs is None:
        return text[at:], reply
    at = blobs.end() if blobs.end() < len(text) else text.rindex("[", at)
    return text[at:], reply
