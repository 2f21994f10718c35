"""Messages of the last time with what was decided about them, for whoever tries another rule."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from pillarbox.app.admin.rooms import Call, Value
from pillarbox.base.errors import Misuse, Permanent
from pillarbox.model.story import Accepted, Judged, Story
from pillarbox.store.journal import Journal

MOST = 100_000
"""Messages of one answer."""
_BATCH = 200


async def replay_read(call: Call, last: int, doors: list[str]) -> Value:
    """The last messages that came in by some doors, newest first, as octets of the answer.

    Each is a line of JSON (what is known of its envelope, ``found``: what checks brought), then
    ``size`` octets. ``gone``: how many of them are in no mailbox any more.
    """
    if not 0 < last <= MOST:
        raise Misuse(f"the last 1 to {MOST} messages")
    count = gone = 0
    async for accepted, found in _newest(call.store, frozenset(doors)):
        if count + gone >= last:
            break
        try:
            octets = await call.store.read(accepted.blob) if accepted.blob else b""
        except Permanent:
            octets = b""
        if not octets:
            gone += 1
            continue
        await call.sink(json.dumps(_note(accepted, found, len(octets))).encode() + b"\n")
        await call.sink(octets)
        count += 1
    return {"messages": count, "gone": gone}


def _note(accepted: Accepted, found: list[Judged], size: int) -> dict[str, Any]:
    names = ("door", "ip", "helo", "tls", "user", "protocol", "sender", "trace", "message_id")
    return {
        **{name: getattr(accepted, name) for name in names},
        "recipients": list(dict.fromkeys(way.to for way in accepted.ways)),
        "found": [[one.what, one.result, one.detail] for one in found],
        "size": size,
    }


async def _newest(
    journal: Journal, doors: frozenset[str]
) -> AsyncIterator[tuple[Accepted, list[Judged]]]:
    """What was accepted by some doors, newest first."""
    first = next(iter(await journal.stories_after(0, 1)), None)
    above = await _end(journal)
    while first is not None and above > first.id:
        below = max(above - _BATCH, first.id)
        stories = await journal.stories_after(below - 1, _BATCH)
        for story in reversed([one for one in stories if one.id < above]):
            accepted = _accepted(story)
            if accepted is not None and accepted.door in doors:
                events = (entry.event for entry in story.entries)
                yield accepted, [one for one in events if isinstance(one, Judged)]
        above = below


async def _end(journal: Journal) -> int:
    """A number above all stories, found by halving: the journal is read upwards only."""
    low, high = 0, 1
    while await journal.stories_after(high - 1, 1):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if await journal.stories_after(middle - 1, 1):
            low = middle
        else:
            high = middle
    return high


def _accepted(story: Story) -> Accepted | None:
    events = (entry.event for entry in story.entries)
    return next((one for one in events if isinstance(one, Accepted)), None)
