"""CATENATE (RFC 4469), REPLACE (RFC 8508) and MULTIAPPEND's refusals (RFC 3502)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.serve.imap.options import Options
from pillarbox.wire.imap.limits import Limits
from support.imapraw import MESSAGE, Dialogue, append, dialogue, opened

MULTI = (
    b"Subject: two parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: text/plain\r\n\r\nfirst part\r\n"
    b"--B\r\nContent-Type: application/zip\r\n\r\nUEsDBA==\r\n--B--\r\n"
)


async def body(talk: Dialogue, uid: int) -> bytes:
    """The whole message, read from the selected mailbox."""
    await talk.send(b"z UID FETCH %d BODY.PEEK[]\r\n" % uid)
    (head,) = await talk.until(b"* ")
    size = int(head.rpartition(b"{")[2].rstrip(b"}"))
    octets = await talk.reader.readexactly(size)
    await talk.until(b"z ")
    return octets


async def validity(talk: Dialogue, name: bytes) -> bytes:
    line = (await talk.say(b"v STATUS %b (UIDVALIDITY)" % name))[0]
    return line.rpartition(b" ")[2].rstrip(b")")


async def test_a_draft_gets_another_attachment(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MULTI, MESSAGE)
        number = await validity(talk, b"INBOX")
        base = b"/INBOX;UIDVALIDITY=%b/;UID=1/" % number
        await talk.send(
            b'a APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL "%b;section=HEADER" '
            b"TEXT {7}\r\n" % base
        )
        await talk.until(b"+ ")
        await talk.send(b"\r\n--B\r\n")
        await talk.send(b' URL "%b;section=1.MIME" URL "%b;section=1" TEXT {9}\r\n' % (base, base))
        await talk.until(b"+ ")
        await talk.send(b"\r\n--B--\r\n)\r\n")
        answer = (await talk.until(b"a "))[-1]
        assert answer.startswith(b"a OK [APPENDUID "), answer
        await talk.say(b"e EXAMINE Drafts")
        header, rest = MULTI.split(b"--B\r\n", 1)
        part = rest.split(b"\r\n--B")[0]
        made = header + b"\r\n--B\r\n" + part + b"\r\n--B--\r\n"
        assert await body(talk, 1) == made
        assert b"\\Draft" in (await talk.say(b"f FETCH 1 FLAGS"))[0]
        await talk.say(b"e EXAMINE INBOX")
        assert b"\\Seen" not in (await talk.say(b"f FETCH 1 FLAGS"))[0]
        talk.close()


async def test_whole_messages_pieces_and_the_selected_mailbox(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"c CREATE deep/Entw&APw-rfe")
        await talk.send(b"a APPEND deep/Entw&APw-rfe {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        await talk.until(b"a OK")
        large = MESSAGE + b"0123456789" * 200_000
        await append(talk, large)
        await talk.say(b"s SELECT INBOX")
        url = b"/deep/Entw%C3%BCrfe/;UID=1"
        table = [
            (b'(URL "%b")' % url, MESSAGE),
            (b'(URL "%b/;PARTIAL=6.3")' % url, b"Bob"),
            (b'(URL "%b/;SECTION=TEXT/;PARTIAL=5")' % url, b"text\r\n"),
            (b'(URL ";UID=1")', large),
            (b'(URL "/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)")', b"Subject: first\r\n\r\n"),
            (b'(URL "INBOX/;UID=1/;PARTIAL=0.5" TEXT {3+}\r\na\nb)', b"From:a\r\nb"),
        ]
        for uid, (parts, expected) in enumerate(table, 2):
            await talk.send(b"b APPEND INBOX CATENATE " + parts + b"\r\n")
            answer = (await talk.until(b"b "))[-1]
            assert answer.startswith(b"b OK [APPENDUID "), (parts, answer)
            assert await body(talk, uid) == expected, parts
        await talk.send(
            b'm APPEND INBOX CATENATE (URL ";UID=3") (\\Flagged) CATENATE (TEXT {2+}\r\nhi)\r\n'
        )
        assert b" 8:9] " in (await talk.until(b"m "))[-1]
        assert await body(talk, 9) == b"hi"
        talk.close()


@pytest.mark.parametrize(
    "url",
    [
        b"/nowhere/;UID=1",
        b"/INBOX/;UID=9",
        b"/INBOX;UIDVALIDITY=1/;UID=1",
        b"/INBOX/;UID=1/;SECTION=7",
        b"/INBOX/;UID=1/;SECTION=HEADER.NONSENSE",
        b"/INBOX/;UID=0",
        b"/INBOX",
        b"/INBOX/;UID=1;URLAUTH=anonymous",
        b"imap://localhost/INBOX/;UID=1",
        b"//localhost/INBOX/;UID=1",
        b"/INBOX/;UID=1/;PARTIAL=x",
        b"/%zz/;UID=1",
        b"/%ff/;UID=1",
        b";UID=1",
        b"",
    ],
)
async def test_a_url_that_means_nothing(tmp_path: Path, url: bytes) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        await talk.send(
            b'b APPEND INBOX CATENATE (TEXT {2+}\r\nhi URL "%b" TEXT {2+}\r\nho)\r\n' % url
        )
        answer = (await talk.until(b"b "))[-1]
        assert answer.startswith(b"b NO [BADURL " + url), answer
        assert b"MESSAGES 1)" in (await talk.say(b"t STATUS INBOX (MESSAGES)"))[0]
        talk.close()


async def test_too_large_together(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(engine=Limits(append=2 * len(MESSAGE) + 10))) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        one = b'URL "/INBOX/;UID=1"'
        await talk.send(b"b APPEND INBOX CATENATE (%b)\r\n" % b" ".join([one] * 2))
        assert (await talk.until(b"b "))[-1].startswith(b"b OK")
        await talk.send(b"c APPEND INBOX CATENATE (%b)\r\n" % b" ".join([one] * 3))
        assert (await talk.until(b"c "))[-1].startswith(b"c NO [TOOBIG]")
        await talk.send(b"d APPEND INBOX CATENATE (%b TEXT {30}\r\n" % b" ".join([one] * 2))
        assert (await talk.until(b"d "))[-1].startswith(b"d NO [TOOBIG]")
        assert (await talk.say(b"n NOOP"))[-1].startswith(b"n OK")
        talk.close()


async def test_replace(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE, MULTI, MESSAGE)
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        new = MESSAGE.replace(b"first", b"second")
        await one.send(b"r REPLACE 2 INBOX (\\Draft) {%d}\r\n" % len(new))
        await one.until(b"+ ")
        await one.send(new + b"\r\n")
        lines = await one.until(b"r ")
        assert lines[0].startswith(b"* OK [APPENDUID ")
        assert b" 4] " in lines[0]
        assert [x for x in lines if b"EXPUNGE" in x or b"EXISTS" in x] == [
            b"* 2 EXPUNGE",
            b"* 3 EXISTS",
        ]
        assert lines[-1].startswith(b"r OK")
        lines = await two.say(b"n NOOP")
        assert b"* 2 EXPUNGE" in lines
        assert b"* 3 EXISTS" in lines
        await one.send(b"q UID REPLACE 4 Sent {%d+}\r\n%b\r\n" % (len(new), new))
        lines = await one.until(b"q ")
        assert b"* 3 EXPUNGE" in lines
        assert b"MESSAGES 1)" in (await one.say(b"t STATUS Sent (MESSAGES)"))[0]
        await one.send(b'p REPLACE * INBOX CATENATE (TEXT {4+}\r\nTo:  URL ";UID=1")\r\n')
        assert (await one.until(b"p "))[-1].startswith(b"p OK")
        assert (await one.say(b"u UID SEARCH ALL"))[0] == b"* SEARCH 1 5"
        one.close()
        two.close()


async def test_replace_for_a_client_that_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE, MESSAGE)
        await talk.say(b"e ENABLE QRESYNC")
        await talk.say(b"s SELECT INBOX")
        await talk.send(b"r UID REPLACE 1 INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        lines = await talk.until(b"r ")
        assert b"* VANISHED 1" in lines
        assert lines[-1].startswith(b"r OK [HIGHESTMODSEQ ")
        talk.close()


async def test_what_replace_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE, MESSAGE)
        await one.say(b"s SELECT INBOX")
        table = [
            (b"REPLACE 9 INBOX", b"x BAD"),
            (b"UID REPLACE 9 INBOX", b"x NO"),
            (b"REPLACE 1 nowhere", b"x NO [TRYCREATE]"),
        ]
        for command, expected in table:
            await one.send(b"x %b {3+}\r\nabc\r\n" % command)
            answer = (await one.until(b"x "))[-1]
            assert answer.startswith(expected), (command, answer)
        await two.say(b"s SELECT INBOX")
        await one.send(b"r REPLACE 1 INBOX {3}\r\n")
        await one.until(b"+ ")
        await two.say(b"d STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"d EXPUNGE")
        await one.send(b"abc\r\n")
        lines = await one.until(b"r ")
        assert lines[-1].startswith(b"r NO [EXPUNGEISSUED]")
        assert b"MESSAGES 1)" in (await one.say(b"t STATUS INBOX (MESSAGES)"))[0]
        await one.say(b"s EXAMINE INBOX")
        await one.send(b"x REPLACE 1 INBOX {3+}\r\nabc\r\n")
        assert (await one.until(b"x "))[-1].startswith(b"x NO [NOPERM]")
        await one.say(b"u UNSELECT")
        await one.send(b"x REPLACE 1 INBOX {3+}\r\nabc\r\n")
        assert (await one.until(b"x "))[-1].startswith(b"x BAD")
        assert (await one.say(b"n NOOP"))[-1].startswith(b"n OK")
        one.close()
        two.close()


async def test_several_messages_or_none(tmp_path: Path) -> None:
    options = Options(engine=Limits(append=500), save_limit=3)
    async with opened(tmp_path, options) as (_, port):
        talk = await dialogue(port)
        two = b"{%d+}\r\n%b" % (len(MESSAGE), MESSAGE)
        status = b"t STATUS INBOX (MESSAGES)"
        table = [
            (b"a APPEND INBOX %b {9999}" % two, b"a NO [TOOBIG]"),
            (b"a APPEND INBOX %b nonsense" % two, b"a BAD"),
            (b"a APPEND INBOX %b %b %b %b" % (two, two, two, two), b"a NO [MESSAGELIMIT 3]"),
            (b'a APPEND INBOX %b CATENATE (URL "/x/;UID=1")' % two, b"a NO [BADURL"),
            (b"a APPEND nowhere %b %b" % (two, two), b"a NO [TRYCREATE]"),
        ]
        for command, expected in table:
            await talk.send(command + b"\r\n")
            answer = (await talk.until(b"a "))[-1]
            assert answer.startswith(expected), (command[-40:], answer)
            assert b"MESSAGES 0)" in (await talk.say(status))[0], command
        await talk.send(b"a APPEND INBOX %b %b %b\r\n" % (two, two, two))
        assert (await talk.until(b"a "))[-1].startswith(b"a OK")
        await talk.send(b"b APPEND INBOX %b {20}\r\n" % two)
        await talk.until(b"+ ")
        talk.close()
        other = await dialogue(port)
        assert b"MESSAGES 3)" in (await other.say(status))[0]
        other.close()
