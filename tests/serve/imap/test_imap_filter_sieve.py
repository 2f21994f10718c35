"""FILTER=SIEVE beside the other extensions: what a session makes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pillarbox.delivery.sieve.filtering import Filtering
from pillarbox.serve.imap.options import Options
from support.imapraw import MESSAGE, append, dialogue, opened

DISCARD = b'FILTER SIEVE SCRIPT "discard;" '


async def test_who_knows_no_numbers(tmp_path: Path) -> None:
    """FILTERED begins with one even for UID FILTER (RFC 9586 §3)."""
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"e ENABLE UIDONLY")
        await talk.say(b"s SELECT INBOX")
        for command in (b"x " + DISCARD + b"ALL", b"x UID " + DISCARD + b"ALL"):
            assert (await talk.say(command))[-1].startswith(b"x BAD [UIDREQUIRED]")
        talk.close()


async def test_what_a_search_may_say(tmp_path: Path) -> None:
    """Saved results (RFC 5182), named searches (RFC 5466), modseqs (RFC 7162)."""
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE, MESSAGE, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        await talk.say(b"s SEARCH RETURN (SAVE) 2")
        assert await talk.say(b"x " + DISCARD + b"$") == [
            b"* 2 FETCH (FLAGS (\\Deleted \\Recent))",
            b'* 2 FILTERED (TAG "x") OK',
            b"x OK Filtered",
        ]
        await talk.say(b'm SETMETADATA "" (/private/filters/values/left "undeleted")')
        lines = await talk.say(b"y UID " + DISCARD + b"FILTER left 1")
        assert lines == [
            b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))",
            b'* 1 FILTERED (TAG "y") UID 1 OK',
            b"y OK Filtered",
        ]
        lines = await talk.say(b"z " + DISCARD + b"FILTER nothing")
        assert lines[-1].startswith(b"z NO [UNDEFINED-FILTER nothing]")
        lines = await talk.say(b"w UID " + DISCARD + b"MODSEQ 1")
        assert lines[0].startswith(b"* OK [HIGHESTMODSEQ ")
        assert lines[1].startswith(b"* 3 FETCH (UID 3 FLAGS (\\Deleted \\Recent) MODSEQ (")
        talk.close()


async def test_no_more_than_the_limit(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(message_limit=2)) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE, MESSAGE, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        lines = await talk.say(b"x " + DISCARD + b"ALL")
        told = [line for line in lines if b"FILTERED" in line]
        assert [line[:3] for line in told] == [b"* 2", b"* 3"]
        assert lines[-1].startswith(b"x OK [MESSAGELIMIT 2 2]")
        talk.close()


async def test_numbers_stay_true_and_word_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expunges of others wait until the end; a long filter says that it goes on (RFC 9585)."""
    go, begun, real = asyncio.Event(), asyncio.Event(), Filtering.apply

    async def waits(*args: Any) -> Any:
        begun.set()
        await go.wait()
        return await real(*args)

    monkeypatch.setattr(Filtering, "apply", waits)
    async with opened(tmp_path, Options(progress=0.01)) as (_, port):
        talk, other = await dialogue(port), await dialogue(port)
        await append(talk, MESSAGE, MESSAGE, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        await other.say(b"s SELECT INBOX")
        await talk.send(b"x UID " + DISCARD + b"2:3\r\n")
        await asyncio.wait_for(begun.wait(), 10)
        (line,) = await talk.until(b"* OK")
        assert line.startswith(b'* OK [INPROGRESS ("x" NIL NIL)]')
        await other.say(b"d STORE 1,3 +FLAGS.SILENT (\\Deleted)")
        await other.say(b"d EXPUNGE")
        go.set()
        lines = [line for line in await talk.until(b"x ") if b"INPROGRESS" not in line]
        assert [line for line in lines if b"FILTERED" in line] == [
            b'* 2 FILTERED (TAG "x") UID 2 OK'  # the third was gone by its turn
        ]
        assert [line for line in lines if b"EXPUNGE" in line] == [
            b"* 3 EXPUNGE",
            b"* 1 EXPUNGE",
        ]
        talk.close()
        other.close()


async def test_the_mailbox_of_another(tmp_path: Path) -> None:
    """What may be done there bounds what a filter does; what it files goes to one's own."""
    script = b'FILTER SIEVE SCRIPT "require \\"fileinto\\"; fileinto \\"Archive\\";" ALL'
    async with opened(tmp_path) as (house, port):
        await house.account("bob")
        ann, bob = await dialogue(port), await dialogue(port, user="bob")
        await append(ann, MESSAGE)
        await ann.say(b"r SETACL INBOX bob@example.test lrsw")
        shared = b'"Other Users/ann@example.test/INBOX"'
        assert (await bob.say(b"s SELECT " + shared))[-1].startswith(b"s OK")
        assert (await bob.say(b"x " + script))[0].endswith(
            b'ERRORS "you may not delete messages of this mailbox"'
        )
        await ann.say(b"r SETACL INBOX bob@example.test lrswt")
        assert (await bob.say(b"x " + script))[-2] == b'* 1 FILTERED (TAG "x") OK'
        assert b'* STATUS "Archive" (MESSAGES 1)' in await bob.say(b"n STATUS Archive (MESSAGES)")
        assert b'* STATUS "Archive" (MESSAGES 0)' in await ann.say(b"n STATUS Archive (MESSAGES)")
        ann.close()
        bob.close()
