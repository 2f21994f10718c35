"""The story of a message, for whoever asks what became of it."""

from __future__ import annotations

from pillarbox.app import words
from pillarbox.app.admin.rooms import Call, Value
from pillarbox.base.errors import Misuse
from pillarbox.model.story import KIND_OF, Story
from pillarbox.store import journal
from pillarbox.store.telling import plain

MOST = 100
"""Stories of one answer."""


async def why(call: Call, word: str, limit: int = 5) -> Value:
    """What happened to the messages that ``word`` names, oldest first: a Message-ID, the name
    under which a message was accepted, a queue item's number, ``blob:`` and a number, or an
    address."""
    if not 0 < limit <= MOST:
        raise Misuse(f"limit is from 1 to {MOST}")
    for key in _keys(word.strip()):
        found = await call.store.stories(key, limit)
        if found:
            break
    else:
        raise Misuse(
            f"nothing is known of {word!r}",
            hint="stories are kept for a time (mail.story), and refusals up to a number",
        )
    names = {account.id: account.address for account in await call.store.accounts()}
    return {
        "word": word,
        "more": len(found) == limit,
        "stories": [_story(story, names) for story in reversed(found)],
    }


def _keys(word: str) -> list[int]:
    """What a word may mean, the likeliest first."""
    if word.isdecimal():
        return [journal.by_item(int(word)), journal.by_trace(word)]
    if word.startswith("blob:") and word[5:].isdecimal():
        return [journal.by_blob(int(word[5:]))]
    if "@" in word:
        return [journal.by_message_id(word), journal.by_address(word)]
    return [journal.by_trace(word), journal.by_message_id(word), journal.by_address(word)]


def _story(story: Story, names: dict[int, str]) -> Value:
    def owner(account: int) -> str:
        return names.get(account, f"an account that is gone ({account})")

    return {
        "story": story.id,
        "events": [
            {"at": entry.at, "kind": KIND_OF[type(entry.event)], **plain(entry.event)}
            for entry in story.entries
        ],
        "lines": [{"at": at, "text": text} for at, text in words.lines(story.entries, owner)],
    }
