"""UIDONLY (RFC 9586), and what is kept from clients that get it wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pillarbox.serve.imap import quirks
from pillarbox.serve.imap.options import Options
from support.doors import PASSWORD
from support.imapraw import MESSAGE, append, dialogue, opened


async def test_no_number_goes_either_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        large = MESSAGE + (b"line" * 225 + b"\r\n") * 2_000
        await append(one, MESSAGE, MESSAGE, large)
        assert (await one.say(b"e ENABLE UIDONLY"))[0] == b"* ENABLED UIDONLY"
        lines = await one.say(b"s SELECT INBOX")
        assert b"* 3 EXISTS" in lines
        assert not any(b"[UNSEEN" in line for line in lines)
        await two.say(b"s SELECT INBOX")
        lines = await one.say(b"f UID FETCH 2:* (UID RFC822.SIZE)")
        assert lines[:-1] == [
            b"* 2 UIDFETCH (RFC822.SIZE %d)" % len(MESSAGE),
            b"* 3 UIDFETCH (RFC822.SIZE %d)" % len(large),
        ]
        assert (await one.say(b"f UID FETCH 3 BODY.PEEK[]"))[0].startswith(
            b"* 3 UIDFETCH (BODY[] {"
        )
        assert (await one.say(b"g UID STORE 1 +FLAGS (\\Seen)"))[0].startswith(
            b"* 1 UIDFETCH (FLAGS (\\Seen"
        )
        await two.say(b"x STORE 2 +FLAGS (\\Deleted)")
        assert any(
            line.startswith(b"* 2 UIDFETCH (FLAGS (\\Deleted") for line in await one.say(b"n NOOP")
        )
        await two.say(b"x EXPUNGE")
        lines = await one.say(b"n NOOP")
        assert lines[:-1] == [b"* VANISHED 2"]
        lines = await one.say(b"m UID MOVE 3 Trash")
        assert lines[1] == b"* VANISHED 3"
        assert (await one.say(b"c UID SEARCH ALL"))[0] == b"* SEARCH 1"
        one.close()
        two.close()


async def test_numbers_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        await talk.say(b"e ENABLE UIDONLY QRESYNC")
        for command in (
            b"FETCH 1 FLAGS",
            b"SEARCH ALL",
            b"STORE 1 FLAGS ()",
            b"COPY 1 Sent",
            b"MOVE 1 Sent",
            b"SORT (DATE) UTF-8 ALL",
            b"THREAD REFERENCES UTF-8 ALL",
            b"UID SEARCH 1",
            b"SELECT INBOX (QRESYNC (1 5 (1:3 1:3)))",
        ):
            answer = (await talk.say(b"a " + command))[-1]
            assert answer.startswith(b"a BAD [UIDREQUIRED]"), (command, answer)
        assert (await talk.say(b"b UID FETCH 1:* FLAGS"))[-1].startswith(b"b OK")
        talk.close()


async def test_hidden_from_a_client_that_breaks(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port, login=False)
        await talk.say(b'i ID ("name" "Microsoft Office 365" "version" "15.20.9160.4")')
        answer = (await talk.say(b'l LOGIN ann@example.test "' + PASSWORD.encode() + b'"'))[-1]
        assert b" UIDONLY" not in answer
        assert b" UIDPLUS" in answer
        assert (await talk.say(b"e ENABLE UIDONLY"))[0] == b"* ENABLED"
        talk.close()
        talk = await dialogue(port)
        assert b" UIDONLY" in (await talk.say(b"c CAPABILITY"))[0]
        await talk.say(b'i ID ("name" "Thunderbird")')
        assert b" UIDONLY" in (await talk.say(b"c CAPABILITY"))[0]
        talk.close()


async def test_masks_of_listener_and_account(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(masked=frozenset({"NOTIFY"}))) as (house, port):
        found = await house.store.account_by_address("ann@example.test")
        assert found is not None
        await house.store.change_account(replace(found, masked=frozenset({"MOVE"})))
        talk = await dialogue(port)
        words = set((await talk.say(b"c CAPABILITY"))[0].split())
        assert not words & {b"NOTIFY", b"MOVE"}
        assert {b"UIDONLY", b"IDLE"} <= words
        talk.close()


def test_every_mask_says_why() -> None:
    assert quirks.masked({}) == frozenset()
    assert quirks.masked({"name": None}) == frozenset()
    assert quirks.masked({"name": "microsoft office 365"}) == {"UIDONLY"}
    for mask in quirks.TABLE:
        assert mask.why
        assert mask.source
        assert len(mask.seen) == len("2025-09")
