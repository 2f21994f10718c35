"""METADATA (RFC 5464), LIST-METADATA (RFC 9590) and /private/specialuse, by dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pillarbox.serve.imap.metadata import MAX_VALUE
from pillarbox.serve.imap.options import Options
from pillarbox.store.sharing import MAX_ANNOTATIONS
from support.doors import Rooms, rooms
from support.imaptalk import Talk, house_talk, talk

ANN, BOB = "ann@example.test", "bob@example.test"
TEAM = f'"Other Users/{ANN}/Team"'
MY, OUR = "/private/comment", "/shared/comment"


@asynccontextmanager
async def two(tmp_path: Path, rights: str = "") -> AsyncIterator[tuple[Rooms, Talk, Talk]]:
    """Ann with a mailbox Team, and Bob with these rights to it."""
    async with house_talk(tmp_path, "ann", "bob") as (house, (ann, bob)):
        await ann.ok("CREATE Team")
        if rights:
            await ann.ok(f"SETACL Team {BOB} {rights}")
        yield house, ann, bob


async def test_set_and_get(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        (line,) = await ann.ok("CAPABILITY")
        assert {"METADATA", "LIST-METADATA"} <= set(line.split())
        assert await ann.ok(f'SETMETADATA INBOX ({MY} "mine" {OUR} "all of us")') == []
        assert await ann.ok(f"GETMETADATA INBOX {MY}") == [f'* METADATA INBOX ({MY} "mine")']
        assert await ann.ok(f"GETMETADATA inbox ({OUR} /PRIVATE/Comment /private/none)") == [
            f'* METADATA INBOX ({OUR} "all of us" {MY} "mine" /private/none NIL)'
        ]
        await ann.ok(f'SETMETADATA INBOX ({MY} NIL {OUR} "")')
        assert await ann.ok(f"GETMETADATA INBOX ({OUR} {MY})") == [
            f'* METADATA INBOX ({OUR} "" {MY} NIL)'
        ]


async def test_octets_and_lines(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        await ann.ok(f"SETMETADATA INBOX ({MY} {{9+}}\r\none\r\ntwo\n)")
        assert await ann.ok(f"GETMETADATA INBOX {MY}") == [
            f"* METADATA INBOX ({MY} {{9}}",
            "one",
            "two",
            ")",
        ]
        await ann.ok(f"SETMETADATA INBOX ({MY} ~{{3+}}\r\na\0b)")
        assert await ann.ok(f"GETMETADATA INBOX {MY}") == [
            f"* METADATA INBOX ({MY} ~{{3}}",
            "a\0b)",
        ]


async def test_depth(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        values = " ".join(f'/private/{name} "{name}"' for name in ("a", "a/b", "a/b/c", "ab"))
        await ann.ok(f"SETMETADATA INBOX ({values})")
        one = '/private/a "a" /private/a/b "a/b"'
        assert await ann.ok("GETMETADATA (DEPTH 1) INBOX /private/a") == [
            f"* METADATA INBOX ({one})"
        ]
        assert await ann.ok("GETMETADATA INBOX (DEPTH infinity) /private/a") == [
            f'* METADATA INBOX ({one} /private/a/b/c "a/b/c")'
        ]
        (all_,) = await ann.ok("GETMETADATA (DEPTH infinity) INBOX (/private /shared)")
        assert all_.count('"') == 8
        assert await ann.ok("GETMETADATA (DEPTH 1) INBOX /private/none") == []


async def test_sizes(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        await ann.ok(f'SETMETADATA INBOX ({MY} "0123456789" {OUR} "short")')
        lines = await ann.say(f"GETMETADATA (MAXSIZE 9) INBOX ({MY} {OUR})")
        assert lines == [
            f'* METADATA INBOX ({OUR} "short")',
            "OK [METADATA LONGENTRIES 10] Done",
        ]
        (line, done) = await ann.say(f"GETMETADATA (MAXSIZE 10) INBOX {MY}")
        assert "0123456789" in line
        assert "LONGENTRIES" not in done
        long = "x" * (MAX_VALUE + 1)
        code = await ann.no(f'SETMETADATA INBOX ({OUR} "new" {MY} {{{len(long)}+}}\r\n{long})')
        assert code == f"METADATA MAXSIZE {MAX_VALUE}"
        await ann.ok(f"SETMETADATA INBOX ({MY} {{{MAX_VALUE}+}}\r\n{long[1:]})")
        assert await ann.ok(f"GETMETADATA INBOX {OUR}") == [f'* METADATA INBOX ({OUR} "short")']


async def test_too_many(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        values = " ".join(f'/private/n{n} "x"' for n in range(MAX_ANNOTATIONS))
        await ann.ok(f"SETMETADATA INBOX ({values})")
        assert await ann.no(f'SETMETADATA INBOX (/private/n0 "y" {MY} "x")') == "METADATA TOOMANY"
        assert await ann.ok("GETMETADATA INBOX /private/n0") == [
            '* METADATA INBOX (/private/n0 "x")'
        ]


async def test_names_that_cannot_be(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        for name in ("/comment", "/private", "/private/vendor/x", "private/x", "/private//x"):
            await ann.bad(f'SETMETADATA INBOX ({name} "x")')
        await ann.bad("GETMETADATA INBOX /comment")
        await ann.bad('LIST "" * RETURN (METADATA (/private/))')
        assert await ann.no(f"GETMETADATA Nowhere {MY}") == "NONEXISTENT"
        assert await ann.no(f'SETMETADATA Nowhere ({MY} "x")') == "NONEXISTENT"


async def test_they_follow_their_mailbox(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, ann, _):
        for name in ("Team", "INBOX"):
            await ann.ok(f'SETMETADATA {name} ({MY} "of {name}")')
        await ann.ok("RENAME Team Crew")
        assert await ann.ok(f"GETMETADATA Crew {MY}") == [f'* METADATA "Crew" ({MY} "of Team")']
        await ann.ok("RENAME INBOX Old")
        for name in ("INBOX", '"Old"'):
            assert await ann.ok(f"GETMETADATA {name} {MY}") == [
                f'* METADATA {name} ({MY} "of INBOX")'
            ]
        await ann.ok("DELETE Crew")
        await ann.ok("CREATE Crew")
        assert await ann.ok(f"GETMETADATA Crew {MY}") == [f'* METADATA "Crew" ({MY} NIL)']


async def test_of_mailboxes_that_others_share(tmp_path: Path) -> None:
    async with two(tmp_path, "l") as (_, ann, bob):
        await ann.ok(f'SETMETADATA Team ({MY} "ann\'s" {OUR} "ours")')
        assert await bob.no(f"GETMETADATA {TEAM} {OUR}") == "NOPERM"  # RFC 5464 §3.3
        await ann.ok(f"SETACL Team {BOB} +r")
        assert await bob.ok(f"GETMETADATA {TEAM} ({OUR} {MY})") == [
            f'* METADATA {TEAM} ({OUR} "ours" {MY} NIL)'
        ]
        await bob.ok(f'SETMETADATA {TEAM} ({MY} "bob\'s")')
        assert await bob.no(f'SETMETADATA {TEAM} ({MY} "x" {OUR} "x")') == "NOPERM"
        await ann.ok(f"SETACL Team {BOB} +w")
        await bob.ok(f'SETMETADATA {TEAM} ({OUR} "changed")')
        assert await ann.ok(f"GETMETADATA Team ({OUR} {MY})") == [
            f'* METADATA "Team" ({OUR} "changed" {MY} "ann\'s")'
        ]
        await ann.ok(f"SETACL Team {BOB} -l")
        assert await bob.no(f"GETMETADATA {TEAM} {OUR}") == "NONEXISTENT"


async def test_of_the_server(tmp_path: Path) -> None:
    async with two(tmp_path) as (house, ann, bob):
        await ann.ok('SETMETADATA "" (/private/vendor/x/y "mine")')
        assert await ann.ok('GETMETADATA "" /private/vendor/x/y') == [
            '* METADATA "" (/private/vendor/x/y "mine")'
        ]
        assert await bob.ok('GETMETADATA "" /private/vendor/x/y') == [
            '* METADATA "" (/private/vendor/x/y NIL)'
        ]
        assert await ann.no(f'SETMETADATA "" ({OUR} "x")') == "NOPERM"
        account = await house.store.account_by_address(ANN)
        assert account is not None
        await house.store.change_account(replace(account, admin=True))
        assert await ann.no(f'SETMETADATA "" ({OUR} "x" {MY} "y")') == "CANNOT"
        assert await ann.no('SETMETADATA "" (/shared/admin "mailto:me")') == "NOPERM"
        await ann.ok(f'SETMETADATA "" ({OUR} "Welcome")')
        assert await bob.ok(f'GETMETADATA "" ({OUR} /shared/admin)') == [
            f'* METADATA "" ({OUR} "Welcome" /shared/admin NIL)'
        ]


async def test_who_runs_the_server(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        at = await talk(await house.imap(options=Options(contact="mailto:post@example.test")))
        assert await at.ok('GETMETADATA "" /shared/admin') == [
            '* METADATA "" (/shared/admin "mailto:post@example.test")'
        ]
        await at.close()


async def test_special_uses(tmp_path: Path) -> None:
    """RFC 6154 §4."""
    use = "/private/specialuse"
    async with two(tmp_path, "lrw") as (_, ann, bob):
        assert await ann.ok(f"GETMETADATA Sent {use}") == [f'* METADATA "Sent" ({use} "\\\\Sent")']
        assert await ann.no(f'SETMETADATA Team ({use} "\\\\Sent")') == "USEATTR"
        assert await ann.no(f'SETMETADATA Team ({use} "\\\\All")') == "USEATTR"
        assert await ann.no(f'SETMETADATA Team ({use} "\\\\Odd" {MY} "x")') == "USEATTR"
        assert await ann.no(f'SETMETADATA Team ({use} "\\\\Archive \\\\Junk")') == "USEATTR"
        assert await ann.ok(f"GETMETADATA Team ({use} {MY})") == [
            f'* METADATA "Team" ({use} NIL {MY} NIL)'
        ]
        await ann.ok(f"SETMETADATA Sent ({use} NIL)")
        await ann.ok(f'SETMETADATA Team ({use} "\\\\Sent" {MY} "x")')
        assert await ann.ok('LIST (SPECIAL-USE) "" "*e*"') == [
            '* LIST (\\HasNoChildren \\Archive) "/" "Archive"',
            '* LIST (\\HasNoChildren \\Sent) "/" "Team"',
        ]
        assert await bob.ok(f"GETMETADATA {TEAM} {use}") == [f"* METADATA {TEAM} ({use} NIL)"]
        assert await bob.no(f"SETMETADATA {TEAM} ({use} NIL)") == "USEATTR"


async def test_creating_with_a_special_use(tmp_path: Path) -> None:
    """RFC 6154 §3, §5.3."""
    async with two(tmp_path) as (_, ann, _):
        for uses in ("\\All", "\\Flagged", "\\Sent", "\\Odd", "\\Archive \\Important"):
            assert await ann.no(f"CREATE New (USE ({uses}))") == "USEATTR"
        await ann.ok("CREATE Weighty (USE (\\important))")
        assert await ann.ok('LIST "" Weighty RETURN (SPECIAL-USE)') == [
            '* LIST (\\HasNoChildren \\Important) "/" "Weighty"'
        ]
        assert await ann.no("CREATE Other (USE (\\Important))") == "USEATTR"
        await ann.ok("CREATE Plain (USE ())")


async def test_with_a_list(tmp_path: Path) -> None:
    """RFC 9590."""
    async with two(tmp_path, "l") as (_, ann, bob):
        await ann.ok(f'SETMETADATA Team ({OUR} "c")')
        await ann.ok("CREATE Gone/Deep")
        await ann.ok("DELETE Gone")
        lines = await ann.ok(f'LIST "" (Team Gone INBOX) RETURN (METADATA ({OUR} {MY}))')
        assert lines == [
            '* LIST (\\HasNoChildren) "/" INBOX',
            f"* METADATA INBOX ({OUR} NIL {MY} NIL)",
            '* LIST (\\HasNoChildren) "/" "Team"',
            f'* METADATA "Team" ({OUR} "c" {MY} NIL)',
            '* LIST (\\NonExistent \\HasChildren) "/" "Gone"',
        ]
        others = f'LIST "" "Other Users/{ANN}/%" RETURN (METADATA ({OUR}))'
        assert [line.split()[1] for line in await bob.ok(others)] == ["LIST"]
        await ann.ok(f"SETACL Team {BOB} +r")
        assert (await bob.ok(others))[1:] == [f'* METADATA {TEAM} ({OUR} "c")']


async def test_told_of_what_others_change(tmp_path: Path) -> None:
    """RFC 5464 §4.1, §4.4.2."""
    async with house_talk(tmp_path, "ann", "ann", "bob") as (house, (ann, too, bob)):
        await ann.ok("CREATE Team")
        await ann.ok(f"SETACL Team {BOB} lr")
        assert await too.ok("ENABLE METADATA") == ["* ENABLED METADATA"]
        assert await bob.ok("ENABLE METADATA") == ["* ENABLED METADATA"]
        await ann.ok(f'SETMETADATA Team ({OUR} "x" {MY} "y")')
        await ann.ok('SETMETADATA "" (/private/vendor/a/b "x")')
        told = await too.ok("NOOP")
        assert told == [
            f'* METADATA "Team" {OUR} {MY}',
            '* METADATA "" /private/vendor/a/b',
        ]
        assert await too.ok("NOOP") == []
        assert await bob.ok("NOOP") == [f"* METADATA {TEAM} {OUR}"]
        assert await ann.ok("NOOP") == []  # not enabled
        await too.ok(f'SETMETADATA INBOX ({MY} "z")')
        assert await too.ok("NOOP") == []  # its own
        too.send("i IDLE\r\n")
        await too.until("+ ")
        await ann.ok(f'SETMETADATA Sent ({MY} "x")')
        assert await too.line() == f'* METADATA "Sent" {MY}'
        too.send("DONE\r\n")
        await too.until("i OK")
        await ann.ok(f"SETACL Team {BOB} -r")
        await ann.ok(f'SETMETADATA Team ({OUR} "secret")')
        assert await bob.ok("NOOP") == []
        assert house.bus._topics  # they listen …
        for one in (ann, too, bob):
            await one.ok("UNAUTHENTICATE")
        assert not house.bus._topics  # … as long as they are logged in
