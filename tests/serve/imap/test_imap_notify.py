"""NOTIFY (RFC 5465): the server speaks first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.serve.imap import watch
from support.imapraw import MESSAGE, Dialogue, append, dialogue, opened

SELECTED = b"(selected (MessageNew (uid body.peek[header.fields (subject)]) MessageExpunge))"


async def into(talk: Dialogue, name: bytes, message: bytes = MESSAGE) -> None:
    await talk.send(b"a APPEND %b {%d+}\r\n%b\r\n" % (name, len(message), message))
    await talk.until(b"a OK")


async def test_the_selected_mailbox_without_idle(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE)
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        everything = b"(selected (MessageNew (uid flags) MessageExpunge FlagChange))"
        assert (await one.say(b"n NOTIFY SET " + everything))[-1].startswith(b"n OK")
        await append(two, MESSAGE)
        lines = await one.until(b"* 2 FETCH")
        assert lines[0] == b"* 2 EXISTS"
        assert lines[-1].startswith(b"* 2 FETCH (UID 2 FLAGS (")
        await two.say(b"x STORE 2 +FLAGS (\\Flagged)")
        (line,) = await one.until(b"* 2 FETCH")
        assert line.startswith(b"* 2 FETCH (UID 2 FLAGS (\\Flagged")
        await two.say(b"x STORE 1 +FLAGS (\\Deleted)")
        await one.until(b"* 1 FETCH")
        await two.say(b"x EXPUNGE")
        assert await one.until(b"* 1 EXPUNGE") == [b"* 1 EXPUNGE"]
        one.close()
        two.close()


async def test_own_arrivals_are_not_fetched(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await one.say(b"s SELECT INBOX")
        await one.say(b"n NOTIFY SET " + SELECTED)
        await one.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        assert b"* 1 EXISTS" in await one.until(b"a OK")
        await one.say(b"c COPY 1 INBOX")
        await one.silent()
        await append(two, MESSAGE)
        lines = await one.until(b")")
        assert lines[2].startswith(b"* 3 FETCH (UID 3 BODY[HEADER.FIELDS (subject)] {")
        one.close()
        two.close()


async def test_delayed_expunges_wait_for_a_command(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, *[MESSAGE] * 3)
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        await one.say(b"n NOTIFY SET (selected-delayed (MessageNew MessageExpunge))")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"x EXPUNGE")
        await one.silent()
        await append(two, MESSAGE)
        assert (await one.until(b"* 4 EXISTS"))[0] == b"* 4 EXISTS"
        assert b"RECENT" in (await one.until(b"* "))[0]
        assert (await one.say(b"f FETCH 2 UID"))[0] == b"* 2 FETCH (UID 2)"
        assert b"* 1 EXPUNGE" in await one.say(b"m NOOP")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"x EXPUNGE")
        await one.silent()
        await one.send(b"i IDLE\r\n")
        await one.until(b"* 1 EXPUNGE")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"x EXPUNGE")
        await one.until(b"* 1 EXPUNGE")
        one.close()
        two.close()


async def test_without_selected_the_mailbox_stands_still(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE)
        await one.say(b"s SELECT INBOX")
        await one.say(b"n NOTIFY NONE")
        await append(two, MESSAGE)
        assert await one.say(b"m NOOP") == [b"m OK Done"]
        await one.send(b"i IDLE\r\n")
        await one.until(b"+ ")
        await one.silent()
        await one.send(b"DONE\r\n")
        await one.until(b"i OK")
        lines = await one.say(b"t STORE 1 +FLAGS (\\Seen)")
        assert any(line.startswith(b"* 1 FETCH (") for line in lines)
        lines = await one.say(b"n NOTIFY SET (selected (MessageNew MessageExpunge))")
        assert lines[-1].startswith(b"n OK")
        await append(two, MESSAGE)
        await one.until(b"* 3 EXISTS")
        await two.say(b"s SELECT INBOX")
        await two.say(b"x STORE 1 +FLAGS (\\Flagged)")
        await one.until(b"* 3 RECENT")
        await one.silent()  # no FlagChange was asked for
        one.close()
        two.close()


async def test_other_mailboxes(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        for name in (b"Lists/a", b"Lists/b", b"misc"):
            await two.say(b"c CREATE " + name)
        await into(two, b"Lists/a")
        lines = await one.say(
            b"n NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) "
            b"(subtree Lists (MessageNew MessageExpunge)) "
            b"(mailboxes (misc nowhere) (MessageNew MessageExpunge FlagChange))"
        )
        found = [line for line in lines if line.startswith(b"* STATUS")]
        assert [line.split()[2] for line in found] == [
            b'"Lists"', b'"Lists/a"', b'"Lists/b"', b'"misc"',
        ]  # fmt: skip
        assert b"UIDNEXT 2 MESSAGES 1" in found[1]
        assert b"UNSEEN" not in found[1]
        await into(two, b"Lists/b")
        (line,) = await one.until(b'* STATUS "Lists/b"')
        assert b"UIDNEXT 2 MESSAGES 1)" in line
        await into(two, b"INBOX")
        await one.silent()
        await into(two, b"misc")
        await one.until(b'* STATUS "misc"')
        await two.say(b"s SELECT misc")
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Seen)")
        (line,) = await one.until(b'* STATUS "misc"')
        assert b"UNSEEN 0" in line
        await two.say(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
        await one.until(b'* STATUS "misc"')
        await two.say(b"x EXPUNGE")
        (line,) = await one.until(b'* STATUS "misc"')
        assert b"MESSAGES 0" in line
        await one.say(b"e ENABLE CONDSTORE")
        await into(two, b"misc")
        (line,) = await one.until(b'* STATUS "misc"')
        assert b"HIGHESTMODSEQ" in line
        one.close()
        two.close()


async def test_names(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        lines = await one.say(b"n NOTIFY SET (personal (MailboxName SubscriptionChange))")
        assert lines[-1].startswith(b"n OK")
        await two.say(b"c CREATE top/low")
        heard = {(await one.until(b"* LIST"))[-1] for _ in range(2)}
        assert heard == {
            b'* LIST (\\HasChildren) "/" "top"',
            b'* LIST (\\HasNoChildren) "/" "top/low"',
        }
        await two.say(b"c SUBSCRIBE top")
        assert await one.until(b"* ") == [b'* LIST (\\HasChildren \\Subscribed) "/" "top"']
        await two.say(b"c UNSUBSCRIBE top")
        assert await one.until(b"* ") == [b'* LIST (\\HasChildren) "/" "top"']
        await two.say(b"c RENAME top new")
        assert await one.until(b"* ") == [b'* LIST (\\HasChildren) "/" "new" ("OLDNAME" ("top"))']
        await one.silent()
        await two.say(b"c DELETE new/low")
        heard = {(await one.until(b"* LIST"))[-1] for _ in range(2)}
        assert heard == {
            b'* LIST (\\NonExistent \\HasNoChildren) "/" "new/low"',
            b'* LIST (\\HasNoChildren) "/" "new"',
        }
        await one.say(b"o CREATE own/one")
        await one.say(b"o RENAME own his")
        await one.say(b"o DELETE his/one")
        await one.say(b"o SUBSCRIBE his")
        await one.silent()
        one.close()
        two.close()


@pytest.mark.parametrize(
    ("kind", "hears"),
    [
        (b"inboxes", {b"INBOX"}),
        (b"subscribed", {b"INBOX", b'"Sent"'}),
        (b"personal", {b"INBOX", b'"Sent"', b'"x/y"'}),
        (b"subtree x", {b'"x/y"'}),
        (b"mailboxes (Sent)", {b'"Sent"'}),
    ],
)
async def test_filters(tmp_path: Path, kind: bytes, hears: set[bytes]) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await two.say(b"c CREATE x/y")
        await one.say(b"n NOTIFY SET (%b (MessageNew MessageExpunge))" % kind)
        for name in (b"INBOX", b"Sent", b"x/y"):
            await into(two, name)
        heard = {(await one.until(b"* STATUS"))[-1].split()[2] for _ in hears}
        assert heard == hears
        await one.silent()
        one.close()
        two.close()


async def test_what_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        table = [
            (b"a NOTIFY SET (inboxes (MessageNew))", b"a BAD"),
            (b"b NOTIFY SET (inboxes (FlagChange))", b"b BAD"),
            (b"c NOTIFY SET (selected (MailboxName))", b"c BAD"),
            (b"d NOTIFY SET (selected NONE) (selected-delayed NONE)", b"d BAD"),
            (b"e NOTIFY SET (inboxes (MessageNew MessageExpunge Sunrise))", b"e NO [BADEVENT ("),
            (
                b"f NOTIFY SET (inboxes (MessageNew MessageExpunge AnnotationChange))",
                b"f NO [BADEVENT (MessageNew",
            ),
            (b"g NOTIFY SET (inboxes (MessageNew (UID) MessageExpunge))", b"g BAD"),
            (b"h NOTIFY PERHAPS", b"h BAD"),
            (b"i NOTIFY SET (mailboxes nowhere (MessageNew MessageExpunge))", b"i OK"),
        ]
        for command, expected in table:
            answer = (await talk.say(command))[-1]
            assert answer.startswith(expected), (command, answer)
        talk.close()


async def test_overflow_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        monkeypatch.setattr(watch, "NOTES", 1)
        await one.say(b"n NOTIFY SET (personal (MailboxName))")
        await two.say(b"c CREATE a/b/c/d")
        (line,) = await one.until(b"* OK")
        assert line.startswith(b"* OK [NOTIFICATIONOVERFLOW]")
        await two.say(b"c CREATE e")
        await one.silent()
        await one.say(b"n NOTIFY SET (personal (MailboxName))")
        await two.say(b"c CREATE f")
        await one.until(b'* LIST (\\HasNoChildren) "/" "f"')
        one.close()
        two.close()


async def test_searches_with_items(tmp_path: Path) -> None:
    """RFC 5465 §7: EXISTS, then what the search wants of it, then that it is in the result."""
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await one.say(b"s SELECT INBOX")
        await one.say(b"n NOTIFY SET (selected (MessageNew (uid rfc822.size) MessageExpunge))")
        await one.say(b'u SEARCH RETURN (COUNT UPDATE (UID FLAGS)) SUBJECT "first"')
        await append(two, MESSAGE)
        lines = await one.until(b"* ESEARCH")
        assert lines[0] == b"* 1 EXISTS"
        assert lines[-2].startswith(b"* 1 FETCH (UID 1 FLAGS (")
        assert lines[-2].endswith(b"RFC822.SIZE %d)" % len(MESSAGE))
        assert lines[-1] == b'* ESEARCH (TAG "u") ADDTO (0 1)'
        await append(two, MESSAGE.replace(b"first", b"second"))
        lines = await one.until(b"* 2 FETCH")
        assert lines[-1].startswith(b"* 2 FETCH (UID 2 RFC822.SIZE ")
        await two.say(b"s SELECT INBOX")
        one.close()
        two.close()


async def test_nothing_comes_in_the_middle_of_a_command(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await one.say(b"n NOTIFY SET (personal (MailboxName))")
        await one.send(b"a APPEND INBOX {%d}\r\n" % len(MESSAGE))
        await one.until(b"+ ")
        await one.send(MESSAGE[:10])
        await two.say(b"c CREATE meanwhile")
        await one.silent()
        await one.send(MESSAGE[10:] + b"\r\n")
        assert (await one.until(b"a "))[-1].startswith(b"a OK")
        await one.until(b'* LIST (\\HasNoChildren) "/" "meanwhile"')
        one.close()
        two.close()


async def test_annotations(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        answer = await one.say(
            b"n NOTIFY SET (personal (MailboxMetadataChange ServerMetadataChange))"
        )
        assert answer[-1].startswith(b"n OK")
        await two.say(b'm SETMETADATA INBOX (/private/comment "mine")')
        assert await one.until(b"* ") == [b"* METADATA INBOX /private/comment"]
        await two.say(b'm SETMETADATA "" (/private/comment "ours")')
        assert await one.until(b"* ") == [b'* METADATA "" /private/comment']
        await one.say(b"m SETMETADATA INBOX (/private/comment NIL)")
        await one.silent()
        one.close()
        two.close()


async def test_mailboxes_of_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, port):
        await house.account("bob")
        ann, bob = await dialogue(port), await dialogue(port, user="bob")
        await bob.say(b"c CREATE team")
        await bob.say(b"c SETACL INBOX ann@example.test l")
        await bob.say(b"c SETACL team ann@example.test lr")
        shared = b'"Other Users/bob@example.test/team"'
        lines = await ann.say(
            b'n NOTIFY SET STATUS (subtree (INBOX "Other Users") '
            b"(MessageNew MessageExpunge MailboxName))"
        )
        assert b'* LIST (\\NoAccess) "/" "Other Users/bob@example.test/INBOX"' in lines
        assert any(line.startswith(b"* STATUS " + shared) for line in lines)
        await into(bob, b"team")
        assert (await ann.until(b"* STATUS"))[-1].startswith(b"* STATUS " + shared)
        await bob.say(b"r RENAME team crew")
        line = (await ann.until(b"* LIST"))[-1]
        assert b'"Other Users/bob@example.test/crew"' in line
        assert b"OLDNAME" in line
        await bob.say(b"d DELETEACL crew ann@example.test")
        line = (await ann.until(b"* LIST"))[-1]
        assert b"\\NonExistent" in line
        await into(bob, b"crew")
        await ann.silent()
        await bob.say(b"c SETACL crew ann@example.test lr")
        assert b"\\NonExistent" not in (await ann.until(b"* LIST"))[-1]
        await into(bob, b"crew")
        await ann.until(b"* STATUS")
        ann.close()
        bob.close()
