"""INPROGRESS (RFC 9585): a word while a command takes long."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pillarbox.serve.imap import search as searching
from pillarbox.serve.imap.options import Options
from pillarbox.wire.imap.limits import Limits
from support.imapraw import MESSAGE, append, dialogue, opened


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Searches wait until this is set."""
    go, real = asyncio.Event(), searching.search

    async def waits(*args: Any, **more: Any) -> Any:
        await go.wait()
        return await real(*args, **more)

    monkeypatch.setattr(searching, "search", waits)
    return go


async def test_a_search_that_takes_its_time(tmp_path: Path, slow: asyncio.Event) -> None:
    async with opened(tmp_path, Options(progress=0.01)) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        await talk.send(b"x SEARCH ALL\r\n")
        for _ in range(2):
            (line,) = await talk.until(b"* OK")
            assert line.startswith(b'* OK [INPROGRESS ("x" NIL NIL)]')
        slow.set()
        lines = await talk.until(b"x ")
        assert lines[-2] == b"* SEARCH 1"
        await talk.silent()
        assert (await talk.say(b"n NOOP"))[-1].startswith(b"n OK")
        talk.close()


async def test_not_for_who_is_not_to_know(tmp_path: Path, slow: asyncio.Event) -> None:
    options = Options(progress=0.01, masked=frozenset({"INPROGRESS"}))
    async with opened(tmp_path, options) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"s SELECT INBOX")
        await talk.send(b"x SEARCH ALL\r\n")
        await talk.silent()
        slow.set()
        assert await talk.until(b"x ") == [b"* SEARCH", b"x OK Searched"]
        talk.close()


async def test_jmap_access(tmp_path: Path) -> None:
    """RFC 9698: only where there is something to say."""
    url = "https://mail.example.test/.well-known/jmap"
    async with opened(tmp_path, Options(jmap_url=url)) as (_, port):
        early = await dialogue(port, login=False)
        assert b"JMAPACCESS" not in (await early.say(b"c CAPABILITY"))[0]
        assert (await early.say(b"g GETJMAPACCESS"))[-1].startswith(b"g BAD")
        early.close()
        talk = await dialogue(port)
        assert b"JMAPACCESS" in (await talk.say(b"c CAPABILITY"))[0]
        assert (await talk.say(b"g GETJMAPACCESS"))[0] == b'* JMAPACCESS "%b"' % url.encode()
        talk.close()
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        assert b"JMAPACCESS" not in (await talk.say(b"c CAPABILITY"))[0]
        assert (await talk.say(b"g GETJMAPACCESS"))[-1].startswith(b"g NO [CANNOT]")
        talk.close()


async def test_small_literals_only(tmp_path: Path) -> None:
    """LITERAL- (RFC 7888 §5) instead of LITERAL+, where that is wanted."""
    async with opened(tmp_path, Options(engine=Limits(literal_minus=True))) as (_, port):
        talk = await dialogue(port)
        words = (await talk.say(b"c CAPABILITY"))[0].split()
        assert b"LITERAL-" in words
        assert b"LITERAL+" not in words
        await append(talk, MESSAGE)
        big = MESSAGE + b"x" * 5000
        await talk.send(b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(big), big))
        assert (await talk.until(b"b "))[-1].startswith(b"b BAD [TOOBIG]")
        assert (await talk.say(b"n NOOP"))[-1].startswith(b"n OK")
        talk.close()
