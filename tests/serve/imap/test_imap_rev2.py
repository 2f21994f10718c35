"""IMAP4rev2 (RFC 9051) and UTF8=ACCEPT (RFC 6855) as a client sees them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from support.imapraw import MESSAGE, append, dialogue, opened

REV2 = b"e ENABLE IMAP4rev2"
CHILDLESS = b"\\HasNoChildren"


async def test_both_revisions_are_offered_and_one_is_chosen(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        early = await dialogue(port, login=False)
        words = (await early.say(b"c CAPABILITY"))[0].split()
        assert {b"IMAP4rev1", b"IMAP4rev2", b"ENABLE"} <= set(words)
        early.close()
        talk = await dialogue(port)
        assert (await talk.say(REV2))[0] == b"* ENABLED IMAP4rev2"
        talk.close()


async def test_select_in_the_new_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        old = await talk.say(b"s SELECT INBOX")
        assert b"* 1 RECENT" in old
        assert any(b"[UNSEEN 1]" in line for line in old)
        assert not any(line.startswith(b"* LIST") for line in old)
        await talk.say(b"u UNSELECT")
        await append(talk, MESSAGE)
        await talk.say(REV2)
        new = await talk.say(b"s SELECT INBOX")
        assert b'* LIST (\\HasNoChildren \\Subscribed) "/" INBOX' in new
        assert not any(word in line for line in new for word in (b"RECENT", b"UNSEEN", b"CLOSED"))
        lines = await talk.say(b"f FETCH 1:* FLAGS")
        assert lines[:2] == [b"* 1 FETCH (FLAGS ())", b"* 2 FETCH (FLAGS ())"]
        again = await talk.say(b"t SELECT Sent")
        assert again[0].startswith(b"* OK [CLOSED]")
        talk.close()


async def test_recent_is_gone_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk, other = await dialogue(port), await dialogue(port)
        await append(talk, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        await talk.say(REV2)
        assert (await talk.say(b"f FETCH 1 FLAGS"))[0] == b"* 1 FETCH (FLAGS ())"
        await append(other, MESSAGE)
        lines = await talk.say(b"n NOOP")
        assert b"* 2 EXISTS" in lines
        assert not any(b"RECENT" in line for line in lines)
        talk.close()
        other.close()


async def test_search_answers_with_esearch(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        assert (await talk.say(b"a SEARCH ALL"))[0] == b"* SEARCH 1 2"
        await talk.say(REV2)
        assert (await talk.say(b"b SEARCH ALL"))[0] == b'* ESEARCH (TAG "b") ALL 1:2'
        assert (await talk.say(b"c UID SEARCH SEEN"))[0] == b'* ESEARCH (TAG "c") UID'
        assert (await talk.say(b"d SEARCH CHARSET UTF-8 ALL"))[-1].startswith(b"d OK")
        talk.close()


async def test_names_are_utf8_and_in_normal_form(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"x CREATE Entw&APw-rfe")
        assert b'"Entw&APw-rfe"' in (await talk.say(b'x LIST "" Ent*'))[0]
        await talk.say(REV2)
        assert (await talk.say(b'l LIST "" Ent*'))[0] == (
            b'* LIST (\\HasNoChildren) "/" "' + "Entwürfe".encode() + b'"'
        )
        loose = unicodedata.normalize("NFD", "Größe").encode()
        lines = await talk.say(b'c CREATE "' + loose + b'"')
        said = b'* LIST (\\HasNoChildren) "/" "%b" ("OLDNAME" ("%b"))'
        assert lines[0] == said % ("Größe".encode(), loose)
        lines = await talk.say(b'd SELECT "' + loose + b'"')
        assert said % ("Größe".encode(), loose) in lines
        lines = await talk.say(b"i SELECT inbox")
        assert b'* LIST (\\HasNoChildren \\Subscribed) "/" INBOX ("OLDNAME" ("inbox"))' in lines
        lines = await talk.say(b'r RENAME "' + loose + b'" plain')
        assert lines[0] == said % (b"plain", loose)
        lines = await talk.say(
            b'k DELETE "' + unicodedata.normalize("NFD", "Entwürfe").encode() + b'"'
        )
        assert b"\\NonExistent" in lines[0]
        assert b"OLDNAME" in lines[0]
        assert lines[-1].startswith(b"k OK")
        talk.close()


async def test_what_else_is_different(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE)
        await talk.say(REV2)
        await talk.say(b"c CREATE a/b/c")
        await talk.say(b"d DELETE a/b")
        assert (await talk.say(b'l LIST "" a/b'))[0] == (
            b'* LIST (\\NonExistent \\HasChildren) "/" "a/b"'
        )
        lines = await talk.say(b"t STATUS INBOX (MESSAGES DELETED SIZE UIDNEXT)")
        assert lines[0] == b"* STATUS INBOX (MESSAGES 1 DELETED 0 SIZE %d UIDNEXT 2)" % len(MESSAGE)
        assert (await talk.say(b'b LSUB "" INBOX'))[0] == b'* LSUB (\\HasNoChildren) "/" INBOX'
        talk.close()


async def test_utf8_accept(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        assert (await talk.say(b"e ENABLE UTF8=ACCEPT"))[0] == b"* ENABLED UTF8=ACCEPT"
        name = "日本語".encode()
        assert (await talk.say(b'c CREATE "' + name + b'"'))[-1].startswith(b"c OK")
        assert name in (await talk.say(b'l LIST "" "' + name + b'"'))[0]
        mail = "From: Jörg <jörg@example.test>\r\nSubject: Grüße\r\n\r\nhallo\r\n".encode()
        await talk.send(b'a APPEND "%b" UTF8 (~{%d+}\r\n%b)\r\n' % (name, len(mail), mail))
        assert (await talk.until(b"a "))[-1].startswith(b"a OK [APPENDUID ")
        await talk.say(b'x EXAMINE "' + name + b'"')
        assert (await talk.say(b"f FETCH 1 RFC822.SIZE"))[0].endswith(b"SIZE %d)" % len(mail))
        assert (await talk.say("g SEARCH SUBJECT grüße".encode()))[-1].startswith(b"g BAD")
        assert (await talk.say('g SEARCH SUBJECT "grüße"'.encode()))[0] == b"* SEARCH 1"
        assert (await talk.say(b"h SEARCH CHARSET UTF-8 ALL"))[-1].startswith(b"h BAD")
        await talk.say(b"u UNAUTHENTICATE")
        talk.close()


async def test_binary_append(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        mail = b"Content-Type: application/x-y\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\nc"
        await talk.send(b"a APPEND INBOX ~{%d+}\r\n%b\r\n" % (len(mail), mail))
        assert (await talk.until(b"a "))[-1].startswith(b"a OK")
        await talk.say(b"s SELECT INBOX")
        lines = await talk.say(b"f FETCH 1 (RFC822.SIZE BINARY.PEEK[1])")
        assert lines[0] == b"* 1 FETCH (RFC822.SIZE %d BINARY[1] ~{5}" % len(mail)
        await talk.send(b"b APPEND INBOX ~{3}\r\n")
        assert (await talk.until(b"+ "))[-1].startswith(b"+ ")
        await talk.send(b"x\0y\r\n")
        assert (await talk.until(b"b "))[-1].startswith(b"b OK")
        talk.close()


async def test_unknown_keywords_are_introduced_before_they_are_shown(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE)
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        await two.say(b"k STORE 1 +FLAGS.SILENT ($Novel)")
        lines = await one.say(b"f FETCH 1 FLAGS")
        assert lines[0].startswith(b"* FLAGS (")
        assert b"$Novel" in lines[0]
        assert b"PERMANENTFLAGS" in lines[1]
        assert b"$Novel" in lines[2]
        one.close()
        two.close()


async def test_modseqs_shown_while_expunges_wait(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, *[MESSAGE] * 3)
        await one.say(b"e ENABLE QRESYNC")
        lines = await one.say(b"s SELECT INBOX")
        (told,) = [
            int(x.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0]) for x in lines if b"HIGHEST" in x
        ]
        await two.say(b"s SELECT INBOX")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await one.say(b"n NOOP")
        await two.say(b"x EXPUNGE")
        await two.say(b"x STORE 2 +FLAGS.SILENT (\\Flagged)")
        lines = await one.say(b"f FETCH 3 (FLAGS MODSEQ)")
        (shown,) = [
            int(x.split(b"MODSEQ (")[1].split(b")")[0]) for x in lines if b"* 3 FETCH" in x
        ][:1]
        (held,) = [
            int(x.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0]) for x in lines if b"HIGHEST" in x
        ]
        assert told < held < shown
        assert b"* VANISHED 1" in await one.say(b"n NOOP")
        one.close()
        two.close()
