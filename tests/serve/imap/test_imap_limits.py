"""MESSAGELIMIT and SAVELIMIT (RFC 9738), UIDBATCHES (RFC 10022)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.serve.imap import batches
from pillarbox.serve.imap.options import Options
from support.imapraw import MESSAGE, Dialogue, dialogue, opened


async def filled(port: int, count: int) -> Dialogue:
    talk = await dialogue(port)
    literal = b" {%d+}\r\n%b" % (len(MESSAGE), MESSAGE)
    for _ in range(count):
        await talk.send(b"a APPEND INBOX%b\r\n" % literal)
        await talk.until(b"a OK")
    await talk.say(b"s SELECT INBOX")
    return talk


async def test_no_more_than_so_many(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(message_limit=3)) as (_, port):
        talk = await filled(port, 6)
        words = (await talk.say(b"c CAPABILITY"))[0].split()
        assert b"MESSAGELIMIT=3" in words
        assert not any(word.startswith(b"SAVELIMIT") for word in words)
        lines = await talk.say(b"f FETCH 1:* UID")
        assert [line.split()[1] for line in lines[:-1]] == [b"4", b"5", b"6"]
        assert lines[-1].startswith(b"f OK [MESSAGELIMIT 3 4]")
        assert (await talk.say(b"f FETCH 1:3 UID"))[-1].startswith(b"f OK Fetched")
        assert (await talk.say(b"f UID FETCH 1:* FLAGS (PARTIAL -1:-4)"))[-1].startswith(
            b"f NO [MESSAGELIMIT 3]"
        )
        assert len(await talk.say(b"f UID FETCH 1:* FLAGS (PARTIAL -1:-3)")) == 4
        assert await talk.say(b"g SEARCH ALL") == [
            b"* SEARCH 4 5 6",
            b"g OK [MESSAGELIMIT 3 4] Searched",
        ]
        assert await talk.say(b"g UID SEARCH UID 1:4 UNSEEN") == [
            b"* SEARCH 2 3 4",
            b"g OK [MESSAGELIMIT 3 2] Searched",
        ]
        assert (await talk.say(b"g SEARCH 1:2"))[-1] == b"g OK Searched"
        assert await talk.say(b"g SEARCH RETURN (SAVE) ALL") == [
            b"g OK [MESSAGELIMIT 3 4] Searched"
        ]
        assert (await talk.say(b"g SEARCH $"))[0] == b"* SEARCH 4 5 6"
        assert (await talk.say(b"g UID SEARCH UIDAFTER 4"))[0] == b"* SEARCH 5 6"
        assert (await talk.say(b"g UID SEARCH UIDBEFORE 3"))[0] == b"* SEARCH 1 2"
        assert (await talk.say(b"g UID SEARCH UIDBEFORE 1"))[0] == b"* SEARCH"
        lines = await talk.say(b"h STORE 1:5 +FLAGS (\\Deleted)")
        assert [line.split()[1] for line in lines[:-1]] == [b"3", b"4", b"5"]
        assert lines[-1].startswith(b"h OK [MESSAGELIMIT 3 3]")
        assert (await talk.say(b"i COPY 1:4 Sent"))[-1].startswith(b"i NO [MESSAGELIMIT 3 2]")
        assert b"MESSAGES 0)" in (await talk.say(b"t STATUS Sent (MESSAGES)"))[0]
        lines = await talk.say(b"j MOVE 1:5 Trash")
        assert lines[0].startswith(b"* OK [COPYUID ")
        assert lines[-1].startswith(b"j OK [MESSAGELIMIT 3 3]")
        assert b"MESSAGES 3)" in (await talk.say(b"t STATUS Trash (MESSAGES)"))[0]
        assert (await talk.say(b"k THREAD REFERENCES UTF-8 ALL"))[-1].startswith(b"k OK")
        talk.close()


async def test_expunge_has_none_and_uid_expunge_has(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(message_limit=2)) as (_, port):
        talk = await filled(port, 7)
        for pair in (b"1:2", b"3:4", b"5:6", b"7"):
            await talk.say(b"x STORE %b +FLAGS.SILENT (\\Deleted)" % pair)
        assert (await talk.say(b"k THREAD REFERENCES UTF-8 ALL"))[-1].startswith(
            b"k NO [MESSAGELIMIT 2]"
        )
        lines = await talk.say(b"e UID EXPUNGE 1:*")
        assert lines == [b"* 7 EXPUNGE", b"* 6 EXPUNGE", b"e OK [MESSAGELIMIT 2 6] Expunged"]
        lines = await talk.say(b"e EXPUNGE")
        assert len(lines) == 6
        assert lines[-1].startswith(b"e OK Expunged")
        talk.close()


async def test_only_what_is_kept_is_limited(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(save_limit=2)) as (_, port):
        talk = await filled(port, 4)
        assert b"SAVELIMIT=2" in (await talk.say(b"c CAPABILITY"))[0].split()
        assert len(await talk.say(b"f FETCH 1:* UID")) == 5
        assert (await talk.say(b"i COPY 1:3 Sent"))[-1].startswith(b"i NO [MESSAGELIMIT 2 2]")
        assert (await talk.say(b"i COPY 1:2 Sent"))[-1].startswith(b"i OK [COPYUID")
        assert (await talk.say(b"j MOVE 1:4 Trash"))[-1].startswith(b"j OK")
        talk.close()


async def test_no_limit_without_the_option(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        assert not any(b"LIMIT=" in w for w in (await talk.say(b"c CAPABILITY"))[0].split()
                       if not w.startswith(b"APPEND"))  # fmt: skip
        talk.close()


async def test_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SMALLEST", 2)
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"s SELECT INBOX")
        assert (await talk.say(b"b UIDBATCHES 2"))[0] == b'* UIDBATCHES (TAG "b")'
        talk.close()
        talk = await filled(port, 9)
        await talk.say(b"x STORE 2,5 +FLAGS.SILENT (\\Deleted)")
        await talk.say(b"x EXPUNGE")
        table = [
            (b"3", b" 9:7,6:3,1:1"),
            (b"2", b" 9:8,7:6,4:3,1:1"),
            (b"100", b" 9:1"),
            (b"2 2:3", b" 7:6,4:3"),
            (b"2 4:9", b" 1:1"),
            (b"2 5:9", b""),
        ]
        for asked, expected in table:
            lines = await talk.say(b"b UIDBATCHES " + asked)
            assert lines[0] == b'* UIDBATCHES (TAG "b")' + expected, asked
        assert (await talk.say(b"b UIDBATCHES 1"))[-1].startswith(b"b NO [TOOFEW]")
        assert (await talk.say(b"b UIDBATCHES"))[-1].startswith(b"b BAD")
        assert (await talk.say(b"b UIDBATCHES 2 5:"))[-1].startswith(b"b BAD")
        await talk.say(b"e ENABLE UIDONLY")
        assert (await talk.say(b"b UIDBATCHES 4 1:1"))[0].endswith(b" 9:6")
        await talk.say(b"u UNSELECT")
        assert (await talk.say(b"b UIDBATCHES 2"))[-1].startswith(b"b BAD")
        talk.close()
