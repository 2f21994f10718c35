"""OBJECTID (RFC 8474) by dialogue."""

from __future__ import annotations

import re
from pathlib import Path

from support.imaptalk import Talk, house_talk

ANSWER = b"Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: one\r\n\r\ntext\r\n"
FIRST = b"Message-ID: <1@x>\r\nSubject: one\r\n\r\ntext\r\n"


async def ids(at: Talk, command: str) -> list[tuple[str, str]]:
    """EMAILID and THREADID of each message."""
    found = []
    for line in await at.ok(command):
        match = re.search(r"EMAILID \(([^)]+)\) THREADID \(([^)]+)\)", line)
        assert match, line
        found.append((match[1], match[2]))
    return found


async def test_a_mailbox_keeps_its_id(tmp_path: Path) -> None:
    async with house_talk(tmp_path, "ann") as (_, (at,)):
        (made,) = await at.say("CREATE one")
        number = re.match(r"OK \[MAILBOXID \((\w+)\)\]", made)
        assert number, made
        assert await at.ok("STATUS one (MAILBOXID)") == [
            f'* STATUS "one" (MAILBOXID ({number[1]}))'
        ]
        await at.ok("RENAME one two")
        selected = await at.ok("SELECT two")
        assert any(f"[MAILBOXID ({number[1]})]" in line for line in selected)
        examined = await at.ok("EXAMINE INBOX")
        assert any("[MAILBOXID (" in line and number[1] not in line for line in examined)
        await at.ok("DELETE two")
        (again,) = await at.say("CREATE two")
        assert again.startswith("OK [MAILBOXID (")
        assert number[1] not in again
        (refused,) = await at.say("CREATE two")
        assert "MAILBOXID" not in refused


async def test_messages_and_threads_have_ids(tmp_path: Path) -> None:
    async with house_talk(tmp_path, "ann") as (_, (at,)):
        for message in (FIRST, ANSWER, b"Subject: alone\r\n\r\n"):
            await at.append("INBOX", message)
        await at.ok("SELECT INBOX")
        first, answer, alone = await ids(at, "FETCH 1:* (EMAILID THREADID)")
        assert len({first[0], answer[0], alone[0]}) == 3
        assert first[1] == answer[1] != alone[1]
        assert await at.ok(f"SEARCH EMAILID {answer[0]}") == ["* SEARCH 2"]
        assert await at.ok(f"SEARCH THREADID {first[1]}") == ["* SEARCH 1 2"]
        assert await at.ok(f"UID SEARCH NOT THREADID {first[1]}") == ["* SEARCH 3"]
        assert await at.ok("SEARCH THREADID nothing") == ["* SEARCH"]
        await at.bad("SEARCH THREADID not/an/id")
        # Copies are the same message, and what answers them stays in the thread (§5.1, §5.2).
        await at.ok("COPY 1 Archive")
        await at.ok("MOVE 2 Archive")
        await at.append("Archive", b"Message-ID: <3@x>\r\nReferences: <1@x> <2@x>\r\n\r\n")
        await at.ok("SELECT Archive")
        there = await ids(at, "UID FETCH 1:* (EMAILID THREADID)")
        assert there[:2] == [first, answer]
        assert there[2][1] == first[1]


async def test_a_mailbox_of_others_has_their_account(tmp_path: Path) -> None:
    """OBJECTID+ (draft-ietf-mailmaint-imap-objectid-bis §7.1, §11.8)."""
    async with house_talk(tmp_path, "ann", "bob") as (_, (ann, bob)):
        await ann.ok("CREATE team")
        await ann.ok("SETACL team bob@example.test lr")
        enabled, status = await ann.ok("STATUS team (OBJECTID)")
        assert enabled == "* ENABLED OBJECTID+"
        found = re.search(r"OBJECTID (\(MAILBOXID \w+ ACCOUNTID \w+\))\)", status)
        assert found, status
        others = await bob.ok(f"SELECT INBOX (OBJECTID {found[1]})")
        assert any(f"[OBJECTID {found[1]}]" in line for line in others)
        own = await bob.ok("SELECT INBOX")
        assert not any(found[1] in line for line in own)
        await ann.ok("SETACL team bob@example.test l")  # listed, and not to be read
        assert await bob.no(f"SELECT INBOX (OBJECTID {found[1]})") == "NOPERM"


async def test_the_compound_without_message_numbers(tmp_path: Path) -> None:
    """OBJECTID+ with UIDONLY and NOTIFY (§7.5, §11.9)."""
    async with house_talk(tmp_path, "ann", "ann") as (_, (one, two)):
        await one.append("INBOX", FIRST)
        await one.ok("ENABLE UIDONLY OBJECTID+")
        await one.ok("SELECT INBOX")
        (line,) = await one.ok("UID FETCH 1 (OBJECTID)")
        assert re.fullmatch(r"\* 1 UIDFETCH \(OBJECTID \(EMAILID \w+ THREADID \w+\)\)", line)
        await two.ok("SELECT INBOX")
        await two.ok("NOTIFY SET (selected (MessageNew (OBJECTID) MessageExpunge))")
        await one.append("INBOX", ANSWER)
        told = await two.until("* 2 FETCH")
        assert "* ENABLED OBJECTID+" in told
        assert "OBJECTID (EMAILID " in told[-1]
