"""rspamd, by one POST to its worker (/checkv2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pillarbox.filters.opinion import Opinion, Question, Trouble
from pillarbox.filters.place import Place
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action, Finding
from pillarbox.net.driver import Connection

PIECE = 64 * 1024
LARGEST = 1 << 20
"""Octets of an answer."""

_ACTIONS: Mapping[str, Action] = {
    "no action": Action.ACCEPT,
    "add header": Action.JUNK,
    "rewrite subject": Action.JUNK,
    "quarantine": Action.JUNK,
    "greylist": Action.DEFER,
    "soft reject": Action.DEFER,
    "reject": Action.REFUSE,
    "discard": Action.REFUSE,  # nothing is thrown away in silence
}
_REPLIES = {
    Action.DEFER: Reply(451, "4.7.1", "Not now: try again later"),
    Action.REFUSE: Reply(550, "5.7.1", "Refused: this looks like spam"),
}
_UNFIT = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Rspamd:
    """A ``Filter``. ``timeout`` in seconds, to connect."""

    place: Place
    timeout: float = 30.0
    name: str = "spam"

    async def ask(self, question: Question) -> Opinion:
        """See ``Filter``."""
        conn = await self.place.dial(self.timeout)
        try:
            conn.write(_head(question))
            for at in range(0, len(question.content), PIECE):
                conn.write(bytes(question.content[at : at + PIECE]))
                await conn.drain()
            return _opinion(await _answer(conn))
        finally:
            conn.abort()


def _head(question: Question) -> bytes:
    envelope = question.envelope
    sender = envelope.sender.address
    told = [
        ("Content-Length", str(len(question.content))),
        ("Content-Type", "message/rfc822"),
        ("Queue-Id", envelope.id),
        ("IP", envelope.peer.ip),
        ("Helo", envelope.peer.helo),
        ("From", str(sender) if sender else ""),
        *(("Rcpt", str(one.address)) for one in envelope.recipients),
    ]
    lines = [f"{name}: {_UNFIT.sub('', value)}" for name, value in told if value]
    request = ["POST /checkv2 HTTP/1.1", "Host: rspamd", "Connection: close", *lines, "", ""]
    return "\r\n".join(request).encode("ascii", "replace")


async def _answer(conn: Connection) -> dict[str, Any]:
    data = b""
    while len(data) <= LARGEST:
        head, blank, body = data.partition(b"\r\n\r\n")
        if blank:
            length = re.search(rb"(?im)^content-length:[ \t]*([0-9]{1,9})", head)
            if length and len(body) >= int(length[1]):
                body = body[: int(length[1])]
                break
        more = await conn.read()
        if not more:
            break
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
    if status is None or status[1] != b"200":
        raise Trouble(head.partition(b"\r\n")[0].decode("ascii", "replace") or "it hung up")
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Trouble(f"its answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Trouble("its answer makes no sense")
    return found


def _opinion(found: Mapping[str, Any]) -> Opinion:
    action = _ACTIONS.get(str(found.get("action")))
    score, most = found.get("score"), found.get("required_score")
    if action is None or not isinstance(score, int | float):
        raise Trouble("its answer makes no sense")
    limit = f" of {most:g}" if isinstance(most, int | float) else ""
    points = f"{score:.1f}{limit} points"
    finding = Finding("spam", str(found["action"]).replace(" ", "-"), points)
    reason = "" if action is Action.ACCEPT else f"it looks like spam ({points})"
    return Opinion(action, reason, finding, _REPLIES.get(action))
