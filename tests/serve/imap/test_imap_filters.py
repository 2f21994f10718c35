"""FILTERS (RFC 5466) by dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pillarbox.store.sharing import SERVER
from support.doors import Rooms
from support.imaptalk import Talk, house_talk


@asynccontextmanager
async def searching(tmp_path: Path) -> AsyncIterator[tuple[Rooms, Talk]]:
    """Ann with four messages, the first and third flagged, and INBOX selected."""
    async with house_talk(tmp_path, "ann") as (house, (at,)):
        for subject in ("cheese", "wine", "cheese and wine", "bröd"):
            text = f"Subject: {subject}\r\n\r\n".encode()
            await at.append("INBOX", text, "\\Flagged" if "cheese" in subject else "")
        await at.ok("SELECT INBOX")
        yield house, at


async def keep(at: Talk, name: str, value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    await at.ok(f'SETMETADATA "" (/private/filters/values/{name} "{quoted}")')


async def test_a_filter_stands_for_its_search(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        (line,) = await at.ok("CAPABILITY")
        assert "FILTERS" in line.split()
        await keep(at, "food", 'OR SUBJECT cheese SUBJECT "bread"')
        assert await at.ok("SEARCH FILTER food") == ["* SEARCH 1 3"]
        assert await at.ok("SEARCH NOT FILTER FOOD SUBJECT wine") == ["* SEARCH 2"]
        assert await at.ok("UID SEARCH OR FILTER food 4") == ["* SEARCH 1 3 4"]
        await at.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await at.ok("EXPUNGE")
        assert await at.ok("SEARCH FILTER food") == ["* SEARCH 2"]
        assert await at.ok("UID SEARCH FILTER food") == ["* SEARCH 3"]
        await keep(at, "food", "SUBJECT wine")
        assert await at.ok("SEARCH FILTER food") == ["* SEARCH 1 2"]
        await at.ok('SETMETADATA "" (/private/filters/values/food NIL)')
        assert await at.no("SEARCH FILTER food") == "UNDEFINED-FILTER food"


async def test_everything_that_searches_knows_filters(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        await keep(at, "f", "FLAGGED")
        assert await at.ok("SORT (REVERSE SIZE) UTF-8 FILTER f") == ["* SORT 3 1"]
        assert await at.ok("THREAD REFERENCES UTF-8 FILTER f") == ["* THREAD (1)(3)"]
        (line,) = await at.ok("ESEARCH IN (inboxes) RETURN (COUNT) FILTER f")
        assert line.endswith("UID COUNT 2")
        (line,) = await at.ok("SEARCH RETURN (SAVE MIN) FILTER f")
        assert line.endswith("MIN 1")
        for command in ("SORT (DATE) UTF-8", "THREAD REFERENCES UTF-8", "ESEARCH IN (inboxes)"):
            assert await at.no(f"{command} FILTER g") == "UNDEFINED-FILTER g"


async def test_modseq_within_a_filter(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        await keep(at, "new", "MODSEQ 1")
        told, line = await at.ok("SEARCH FILTER new")
        assert "[HIGHESTMODSEQ " in told  # RFC 7162 §3.1
        assert "(MODSEQ " in line


async def test_a_failed_search_saves_nothing(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        await at.ok("SEARCH RETURN (SAVE) ALL")
        assert await at.no("SEARCH RETURN (SAVE) FILTER none") == "UNDEFINED-FILTER none"
        assert await at.ok("SEARCH $") == ["* SEARCH"]


async def test_filters_within_filters(tmp_path: Path) -> None:
    """RFC 5466 §3.1: three levels at least, and loops are noticed."""
    async with searching(tmp_path) as (_, at):
        await keep(at, "a0", "FLAGGED")
        for depth in range(1, 5):
            await keep(at, f"a{depth}", f"FILTER a{depth - 1}")
        assert await at.ok("SEARCH FILTER a4") == ["* SEARCH 1 3"]
        await keep(at, "x", "NOT FILTER y")
        await keep(at, "y", "OR FILTER x SEEN")
        assert await at.no("SEARCH FILTER x") == "UNDEFINED-FILTER x"
        await keep(at, "w", "FILTER gone")
        assert await at.no("SEARCH FILTER w") == "UNDEFINED-FILTER gone"


async def test_filters_that_explode(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        await keep(at, "b0", "FLAGGED")
        for depth in range(1, 8):
            await keep(at, f"b{depth}", " ".join([f"FILTER b{depth - 1}"] * 10))
        assert await at.no("SEARCH FILTER b7") == "LIMIT"


async def test_what_cannot_be_a_filter(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        for value in ("OR SMALLER 5000", "NONSENSE", "", "ALL )", "SUBJECT"):
            command = f'SETMETADATA "" (/private/filters/values/f "{value}")'
            assert await at.no(command) == "CANNOT"
        for value in ("ALL\r\nALL", "SUBJECT {3}\r\nabc"):
            octets = f"{{{len(value)}+}}\r\n{value}"
            command = f'SETMETADATA "" (/private/filters/values/f {octets})'
            assert await at.no(command) == "CANNOT"
        for name in ("a/b", '"a b"'):
            entry = f'"/private/filters/values/{name.strip(chr(34))}"'
            assert await at.no(f'SETMETADATA "" ({entry} "ALL")') == "CANNOT"
        await at.ok('SETMETADATA "" (/private/filters/descriptions/f "any text (")')
        await at.bad("SEARCH FILTER a/b")


async def test_filters_are_in_utf8(tmp_path: Path) -> None:
    async with searching(tmp_path) as (_, at):
        value = 'SUBJECT "BRÖD"'
        size = len(value.encode())
        await at.ok(f'SETMETADATA "" (/private/filters/values/b {{{size}+}}\r\n{value})')
        assert await at.ok("SEARCH FILTER b") == ["* SEARCH 4"]
        assert await at.ok("SEARCH CHARSET UTF-8 FILTER b") == ["* SEARCH 4"]
        lines = await at.say("SEARCH CHARSET ISO-8859-1 FILTER b")
        assert lines[-1].startswith("BAD [BADCHARSET")


async def test_shared_filters(tmp_path: Path) -> None:
    async with searching(tmp_path) as (house, at):
        entry = "/shared/filters/values/f"
        await house.store.annotate(SERVER, 0, {(0, entry): b"SUBJECT wine"})
        assert await at.ok("SEARCH FILTER f") == ["* SEARCH 2 3"]
        await keep(at, "f", "FLAGGED")  # one's own comes first
        assert await at.ok("SEARCH FILTER f") == ["* SEARCH 1 3"]
