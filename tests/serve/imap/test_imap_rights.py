"""ACL (RFC 4314), LIST-MYRIGHTS (RFC 8440) and mailboxes that others share, by dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.imaptalk import Talk, house_talk

ANN, BOB = "ann@example.test", "bob@example.test"
SHARED = f"Other Users/{ANN}/Team"
ALL = "lrswipkxteacd"
HIS = f'"{SHARED}"'


@asynccontextmanager
async def two(tmp_path: Path, rights: str = "") -> AsyncIterator[tuple[Talk, Talk]]:
    """Ann, who has a mailbox Team with three messages, and Bob with these rights to it."""
    async with house_talk(tmp_path, "ann", "bob") as (_, (ann, bob)):
        await ann.ok("CREATE Team")
        for flags in ("", "\\Seen \\Flagged", "\\Deleted work"):
            await ann.append("Team", flags=flags)
        if rights:
            await ann.ok(f"SETACL Team {BOB} {rights}")
        yield ann, bob


def flags(lines: list[str]) -> list[str]:
    r"""The FLAGS of each FETCH response, without \Recent."""
    found = [line.partition("FLAGS (")[2].partition(")")[0] for line in lines if "FETCH" in line]
    return [words.removesuffix("\\Recent").rstrip() for words in found]


async def test_capabilities(tmp_path: Path) -> None:
    async with two(tmp_path) as (ann, _):
        (line,) = await ann.ok("CAPABILITY")
        assert {"ACL", "RIGHTS=texk", "LIST-MYRIGHTS"} <= set(line.split())


async def test_the_list_of_a_mailbox(tmp_path: Path) -> None:
    async with two(tmp_path) as (ann, _):
        assert await ann.ok("MYRIGHTS Team") == [f'* MYRIGHTS "Team" {ALL}']
        assert await ann.ok("GETACL Team") == [f'* ACL "Team" "{ANN}" {ALL}']
        await ann.ok("SETACL Team Bob@EXAMPLE.test lrs")
        await ann.ok(f"SETACL Team {BOB} +cd")
        await ann.ok("SETACL Team anyone l")
        await ann.ok(f"SETACL Team -{BOB} s")
        assert await ann.ok("GETACL Team") == [
            f'* ACL "Team" "{ANN}" {ALL} "-{BOB}" s "anyone" l "{BOB}" lrskxtecd'
        ]
        await ann.ok(f"SETACL Team {BOB} -xte")
        await ann.ok(f"DELETEACL Team -{BOB}")
        await ann.ok('SETACL Team anyone ""')
        assert await ann.ok("GETACL Team") == [f'* ACL "Team" "{ANN}" {ALL} "{BOB}" lrskc']
        await ann.ok("DELETEACL Team gone@example.test")


async def test_what_can_be_granted(tmp_path: Path) -> None:
    async with two(tmp_path) as (ann, _):
        assert await ann.ok(f"LISTRIGHTS Team {BOB}") == [
            f'* LISTRIGHTS "Team" "{BOB}" "" l r s w i p k x t e a c d'
        ]
        assert await ann.ok("LISTRIGHTS Team Ann@example.test") == [
            f'* LISTRIGHTS "Team" "Ann@example.test" {ALL}'
        ]
        assert await ann.no("LISTRIGHTS Team nobody@example.test") == "NONEXISTENT"


async def test_what_cannot(tmp_path: Path) -> None:
    async with two(tmp_path) as (ann, _):
        await ann.bad(f"SETACL Team {BOB} lrq")
        await ann.bad(f"SETACL Team {BOB} LR")
        assert await ann.no("SETACL Team nobody@example.test lr") == "NONEXISTENT"
        assert await ann.no("SETACL Team staff lr") == "NONEXISTENT"
        assert await ann.no(f"SETACL Team -{ANN} a") == "CANNOT"
        assert await ann.no(f"SETACL Nowhere {BOB} lr") == "NONEXISTENT"


async def test_what_one_may_not_see_is_not_there(tmp_path: Path) -> None:
    """RFC 4314 §6: the same answer as for a mailbox that does not exist."""
    async with two(tmp_path, "rs") as (_, bob):
        for command in ("GETACL", "DELETE"):
            assert await bob.no(f"{command} {HIS}") == "NONEXISTENT"
        assert await bob.no(f'STATUS "Other Users/{ANN}/INBOX" (MESSAGES)') == "NONEXISTENT"
        assert await bob.no(f'SELECT "Other Users/{ANN}/Nothing"') == "NONEXISTENT"
        assert await bob.no('SELECT "Other Users/who@example.test/INBOX"') == "NONEXISTENT"
        assert await bob.no('SELECT "Other Users/"') == "NONEXISTENT"
        assert not [line for line in await bob.ok('LIST "" *') if "Other" in line]
        await bob.ok(f"SELECT {HIS}")  # r alone is enough to read


async def test_mailboxes_of_others_are_listed(tmp_path: Path) -> None:
    async with two(tmp_path, "lr") as (ann, bob):
        more = "RETURN (MYRIGHTS STATUS (MESSAGES))"
        assert await bob.ok("NAMESPACE") == ['* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL']
        assert await bob.ok(f'LIST "" "Other Users/{ANN}/*" {more}') == [
            f'* LIST (\\HasNoChildren) "/" "{SHARED}"',
            f'* STATUS "{SHARED}" (MESSAGES 3)',
            f'* MYRIGHTS "{SHARED}" lr',
        ]
        tops = await bob.ok('LIST "" %')
        assert '* LIST (\\Noselect \\HasChildren) "/" "Other Users"' in tops
        await ann.ok(f"SETACL Sent {BOB} l")
        lines = await bob.ok(f'LIST "" "Other Users/*" {more}')
        sent = [line for line in lines if line.endswith('/Sent"') or "/Sent" in line]
        assert [line.split()[1] for line in sent] == ["LIST", "MYRIGHTS"]  # no r: no STATUS
        assert "\\Sent" not in sent[0]
        await bob.ok(f"SUBSCRIBE {HIS}")
        assert await bob.ok('LSUB "" "Other*"') == [f'* LSUB (\\HasNoChildren) "/" "{SHARED}"']
        own = await ann.ok('LIST "" Team RETURN (MYRIGHTS)')
        assert own[1] == f'* MYRIGHTS "Team" {ALL}'
        missing = await bob.ok(
            'LIST (SUBSCRIBED RECURSIVEMATCH) "" "Other Users" RETURN (MYRIGHTS)'
        )
        assert [line.split()[1] for line in missing] == ["LIST"]


async def test_reading_only(tmp_path: Path) -> None:
    async with two(tmp_path, "lr") as (_, bob):
        selected = await bob.say(f"SELECT {HIS}")
        assert selected[-1].startswith("OK [READ-ONLY]")
        assert any("[PERMANENTFLAGS ()]" in line for line in selected)
        assert flags(await bob.ok("FETCH 1 (BODY[] FLAGS)"))[0] == ""
        assert flags(await bob.ok("FETCH 1 FLAGS")) == [""]
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 INBOX", f"COPY 1 {HIS}"):
            assert await bob.no(command) == "NOPERM"
        await bob.ok("COPY 1:2 INBOX")
        assert await bob.ok("SEARCH FLAGGED") == ["* SEARCH 2"]
        await bob.ok("CLOSE")
        assert await bob.ok(f"STATUS {HIS} (MESSAGES)") == [f'* STATUS "{SHARED}" (MESSAGES 3)']
        lines = await bob.append(HIS)
        assert lines[-1].startswith("NO [NOPERM]")


@pytest.mark.parametrize(
    ("rights", "permanent", "after"),
    [
        ("lrs", "\\Seen", "\\Seen"),
        ("lrt", "\\Deleted", "\\Deleted"),
        ("lrw", "\\Answered \\Flagged \\Draft work play \\*", "\\Answered play"),
    ],
)
async def test_each_right_has_its_flags(
    tmp_path: Path, rights: str, permanent: str, after: str
) -> None:
    async with two(tmp_path, rights) as (_, bob):
        selected = await bob.say(f"SELECT {HIS}")
        shown = permanent.replace(" play", "")
        assert any(f"[PERMANENTFLAGS ({shown})]" in line for line in selected), selected
        assert selected[-1].startswith("OK [READ-WRITE]")
        await bob.ok("STORE 1 +FLAGS (\\Seen \\Deleted \\Answered play)")
        assert flags(await bob.ok("FETCH 1 FLAGS")) == [after]
        await bob.ok("STORE 1 FLAGS ()")
        assert flags(await bob.ok("FETCH 1 FLAGS")) == [""]
        # What is out of reach stays.
        await bob.ok("STORE 2 FLAGS ()")
        rest = {"lrs": "\\Flagged", "lrt": "\\Seen \\Flagged", "lrw": "\\Seen"}[rights]
        assert flags(await bob.ok("FETCH 2 FLAGS")) == [rest]
        other = "\\Deleted" if rights != "lrt" else "\\Seen"
        assert await bob.no(f"STORE 1 +FLAGS ({other})") == "NOPERM"


async def test_seen_is_set_by_reading_and_shared(tmp_path: Path) -> None:
    async with two(tmp_path, "lrs") as (ann, bob):
        await bob.ok(f"SELECT {HIS}")
        assert flags(await bob.ok("FETCH 1 BODY[HEADER]"))
        await ann.ok("SELECT Team")
        assert flags(await ann.ok("FETCH 1 FLAGS")) == ["\\Seen"]


async def test_copies_arrive_with_the_flags_that_may_be_set(tmp_path: Path) -> None:
    """RFC 4314 §4, "Copying or appending messages"."""
    async with two(tmp_path, "lris") as (ann, bob):
        await bob.append("INBOX", flags="\\Seen \\Deleted \\Draft play")
        await bob.ok("SELECT INBOX")
        await bob.ok(f"COPY 1 {HIS}")
        await bob.append(HIS, flags="\\Seen \\Deleted play")
        moved = await bob.say(f"MOVE 1 {HIS}")
        assert moved[-1].startswith("OK")
        assert "* 1 EXPUNGE" in moved
        await ann.ok("SELECT Team")
        assert flags(await ann.ok("FETCH 4:* FLAGS")) == ["\\Seen"] * 3


async def test_expunging(tmp_path: Path) -> None:
    async with two(tmp_path, "lrt") as (ann, bob):
        await bob.ok(f"SELECT {HIS}")
        assert await bob.no("EXPUNGE") == "NOPERM"
        assert await bob.no("UID EXPUNGE 3") == "NOPERM"
        assert await bob.no("MOVE 1 INBOX") == "NOPERM"
        await bob.ok("CLOSE")  # without expunging
        assert await ann.ok("STATUS Team (MESSAGES)") == ['* STATUS "Team" (MESSAGES 3)']
        await ann.ok(f"SETACL Team {BOB} +e")
        await bob.ok(f"SELECT {HIS}")
        assert "* 3 EXPUNGE" in await bob.ok("EXPUNGE")
        assert "* 1 EXPUNGE" in await bob.ok("MOVE 1 INBOX")
        assert await ann.ok("STATUS Team (MESSAGES)") == ['* STATUS "Team" (MESSAGES 1)']


async def test_making_moving_and_removing_mailboxes(tmp_path: Path) -> None:
    async with two(tmp_path, "lrk") as (ann, bob):
        await bob.ok(f'CREATE "{SHARED}/Sub/Deep"')
        lines = await ann.ok('LIST "" Team/*')
        assert len(lines) == 2
        assert (await ann.ok("GETACL Team/Sub"))[0].endswith(f'"{BOB}" lrkc')  # inherited
        assert await bob.no(f'CREATE "Other Users/{ANN}/New"') == "NOPERM"
        assert await bob.no(f'CREATE "{SHARED}/X" (USE (\\Archive))') == "USEATTR"
        assert await bob.no('CREATE "Other Users"') == "CANNOT"
        assert await bob.no('CREATE "Other Users/who@example.test/X"') == "NOPERM"
        assert await bob.no(f'DELETE "{SHARED}/Sub/Deep"') == "NOPERM"
        assert await bob.no(f'RENAME "{SHARED}/Sub/Deep" "{SHARED}/Deep"') == "NOPERM"
        await ann.ok(f"SETACL Team/Sub/Deep {BOB} +x")
        assert await bob.no(f'RENAME "{SHARED}/Sub/Deep" Mine') == "CANNOT"
        assert await bob.no(f'RENAME "{SHARED}/Sub/Deep" "Other Users/{ANN}/Deep"') == "NOPERM"
        await bob.ok(f'RENAME "{SHARED}/Sub/Deep" "{SHARED}/Deep"')
        assert (await ann.ok("GETACL Team/Deep"))[0].endswith(f'"{BOB}" lrkxc')  # went along
        await bob.ok(f'DELETE "{SHARED}/Deep"')
        assert not await ann.ok('LIST "" Team/Deep')


async def test_administering(tmp_path: Path) -> None:
    async with two(tmp_path, "lr") as (ann, bob):
        for command in ("GETACL", "LISTRIGHTS", "SETACL", "DELETEACL"):
            rest = {"GETACL": "", "SETACL": f" {BOB} lra"}.get(command, f" {BOB}")
            assert await bob.no(f"{command} {HIS}{rest}") == "NOPERM"
        await ann.ok(f"SETACL Team {BOB} +a")
        await bob.ok(f"SETACL {HIS} anyone lr")
        assert await bob.ok(f"GETACL {HIS}") == [
            f'* ACL "{SHARED}" "{ANN}" {ALL} "anyone" lr "{BOB}" lra'
        ]
        assert await bob.no(f"SETACL {HIS} {ANN} l") == "CANNOT"


async def test_rights_that_change_meanwhile(tmp_path: Path) -> None:
    async with two(tmp_path, "lr") as (ann, bob):
        await bob.ok(f"SELECT {HIS}")
        bob.send("i IDLE\r\n")
        await bob.until("+ ")
        await ann.ok(f"SETACL Team {BOB} +s")
        lines = await bob.until("* OK [PERMANENTFLAGS")
        assert lines[-2].startswith("* FLAGS")
        bob.send("DONE\r\n")
        await bob.until("i OK")
        await ann.ok(f"SETACL Team -{BOB} r")
        bob.send("x NOOP\r\n")
        assert (await bob.line()).startswith("* BYE [NOPERM]")
        assert await bob.line() == ""


async def test_a_search_over_mailboxes_of_others(tmp_path: Path) -> None:
    async with two(tmp_path, "lr") as (ann, bob):
        await ann.ok(f"SETACL INBOX {BOB} l")
        await ann.append("INBOX")
        (line,) = await bob.ok('ESEARCH IN (subtree "Other Users") ALL')
        assert f'MAILBOX "{SHARED}"' in line
        assert line.endswith("ALL 1:3")
        assert await bob.ok("ESEARCH IN (personal) ALL") == []


async def test_strange_addresses_make_names(tmp_path: Path) -> None:
    async with house_talk(tmp_path, "ann", "a/b%c=d") as (_, (ann, odd)):
        await odd.ok(f"SETACL INBOX {ANN} lr")
        name = '"Other Users/a=2Fb=25c=3Dd@example.test/INBOX"'
        assert await ann.ok('LIST "" "Other Users/%/%"') == [f'* LIST (\\HasNoChildren) "/" {name}']
        await ann.ok(f"SELECT {name}")
