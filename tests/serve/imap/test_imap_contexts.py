"""Search and sort results that follow the mailbox (RFC 5267)."""

from __future__ import annotations

from pathlib import Path

from pillarbox.serve.imap.options import Options
from support.imapraw import Dialogue, append, dialogue, opened


def mail(subject: str, day: int = 1) -> bytes:
    return (
        f"From: a@example.test\r\nSubject: {subject}\r\n"
        f"Date: {day} Jan 2024 10:00:00 +0000\r\n\r\ntext\r\n"
    ).encode()


async def pair(port: int, *messages: bytes) -> tuple[Dialogue, Dialogue]:
    one, two = await dialogue(port), await dialogue(port)
    await append(one, *messages)
    await one.say(b"s SELECT INBOX")
    await two.say(b"s SELECT INBOX")
    return one, two


async def test_a_search_is_kept_up_to_date(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await pair(port, *[mail("x")] * 4)
        lines = await one.say(b"B01 UID SEARCH RETURN (UPDATE COUNT) FLAGGED")
        assert lines[0] == b'* ESEARCH (TAG "B01") UID COUNT 0'
        lines = await one.say(b"B02 SEARCH RETURN (UPDATE COUNT CONTEXT) UNFLAGGED")
        assert lines[0] == b'* ESEARCH (TAG "B02") COUNT 4'
        await two.say(b"x STORE 2:3 +FLAGS.SILENT (\\Flagged)")
        await one.say(b"n NOOP")
        assert (await one.until(b"* ESEARCH"))[-1] == b'* ESEARCH (TAG "B01") UID ADDTO (0 2:3)'
        assert (await one.until(b"* ESEARCH"))[-1] == b'* ESEARCH (TAG "B02") REMOVEFROM (0 2:3)'
        await append(two, mail("new"))
        lines = await one.say(b"n NOOP")
        assert b"* 5 EXISTS" in lines
        assert (await one.until(b"* ESEARCH"))[-1] == b'* ESEARCH (TAG "B02") ADDTO (0 5)'
        one.close()
        two.close()


async def test_expunged_messages_leave_before_their_numbers_do(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await pair(port, *[mail("x")] * 5)
        await one.say(b"a SEARCH RETURN (UPDATE) ALL")
        await one.say(b"b UID SEARCH RETURN (UPDATE) ALL")
        await two.say(b"x STORE 2,4 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"x EXPUNGE")
        assert (await one.say(b"f FETCH 5 UID"))[:-1] == [b"* 5 FETCH (UID 5)"]
        lines = await one.say(b"n NOOP")
        assert lines == [
            b'* ESEARCH (TAG "a") REMOVEFROM (0 2,4)',
            b'* ESEARCH (TAG "b") UID REMOVEFROM (0 2,4)',
            b"* 4 EXPUNGE",
            b"* 2 EXPUNGE",
            b"n OK Done",
        ]
        await one.silent()
        one.close()
        two.close()


async def test_message_numbers_mean_what_they_meant(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await pair(port, *[mail("x")] * 3)
        await one.say(b"a SEARCH RETURN (UPDATE) 2:3 UNSEEN")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"x EXPUNGE")
        await one.say(b"n NOOP")
        await two.say(b"x STORE 2 +FLAGS.SILENT (\\Seen)")
        await one.say(b"n NOOP")
        assert await one.until(b"* ESEARCH") == [b'* ESEARCH (TAG "a") REMOVEFROM (0 2)']
        await append(two, mail("y"))
        await one.say(b"n NOOP")
        await one.silent()
        one.close()
        two.close()


async def test_a_sort_is_kept_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await pair(port, mail("c"), mail("a"), mail("e"))
        lines = await one.say(b"a UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED")
        assert lines[0] == b'* ESEARCH (TAG "a") UID ALL 2,1,3'
        await append(two, mail("b"), mail("d"), mail("f"))
        await one.say(b"n NOOP")
        # 2 4 1 5 3 6: each position is true once the ones before it are filled
        assert await one.until(b"* ESEARCH") == [b'* ESEARCH (TAG "a") UID ADDTO (2 4 4 5 6 6)']
        await two.say(b"x STORE 1,4,5 +FLAGS.SILENT (\\Deleted)")
        await one.say(b"n NOOP")
        assert await one.until(b"* ESEARCH") == [b'* ESEARCH (TAG "a") UID REMOVEFROM (2 4,1,5)']
        await two.say(b"x EXPUNGE")
        await one.say(b"n NOOP")
        await append(two, *[mail(letter) for letter in "zyxwvutsrq"])
        await one.say(b"n NOOP")
        assert await one.until(b"* ESEARCH") == [
            b'* ESEARCH (TAG "a") UID ADDTO (4 16,15,14,13,12,11,10,9,8,7)'
        ]
        one.close()
        two.close()


async def test_changes_while_idle(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await pair(port, mail("x"))
        await one.say(b"a SEARCH RETURN (UPDATE) SUBJECT boss")
        await one.send(b"i IDLE\r\n")
        await one.until(b"+ ")
        await append(two, mail("from the boss"), mail("other"))
        lines = await one.until(b"* ESEARCH")
        assert lines[-1] == b'* ESEARCH (TAG "a") ADDTO (0 2)'
        assert b"* 2 EXISTS" in lines
        await one.send(b"DONE\r\n")
        await one.until(b"i OK")
        one.close()
        two.close()


async def test_reuse_limit_and_cancelling(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(contexts=2)) as (_, port):
        one, two = await pair(port, mail("x"), mail("y"))
        await one.say(b"B01 SEARCH RETURN (UPDATE COUNT) FLAGGED")
        assert (await one.say(b"B01 SORT RETURN (UPDATE) (SUBJECT) UTF-8 ALL"))[-1] == (
            b"B01 BAD Tag reuse"
        )
        await one.say(b"B02 SEARCH RETURN (UPDATE COUNT) SEEN")
        lines = await one.say(b"B03 SEARCH RETURN (UPDATE COUNT) DRAFT")
        assert lines[0] == b'* ESEARCH (TAG "B03") COUNT 0'
        assert lines[1].startswith(b'* NO [NOUPDATE "B03"]')
        assert lines[-1].startswith(b"B03 OK")
        assert (await one.say(b'c CANCELUPDATE "B01" "B09"'))[-1].startswith(b"c OK")
        assert (await one.say(b"c CANCELUPDATE"))[-1].startswith(b"c BAD")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Flagged \\Seen)")
        await one.say(b"n NOOP")
        assert await one.until(b"* ESEARCH") == [b'* ESEARCH (TAG "B02") ADDTO (0 1)']
        await one.say(b"s SELECT INBOX")
        await two.say(b"x STORE 2 +FLAGS.SILENT (\\Seen)")
        await one.say(b"n NOOP")
        await one.silent()
        one.close()
        two.close()
