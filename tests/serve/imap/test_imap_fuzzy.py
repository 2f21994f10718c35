"""SEARCH=FUZZY (RFC 6203) and THREAD=REFS, by dialogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.imaptalk import Talk, house_talk

MAILS = [
    ("lunch", "we speak of the world"),
    ("Hello world", "see there"),
    ("nothing", "of that"),
    ("Re: helo", "a wordl apart"),
]


async def filled(talk: Talk) -> None:
    for subject, body in MAILS:
        await talk.append("INBOX", f"Subject: {subject}\r\n\r\n{body}\r\n".encode())
    await talk.ok("SELECT INBOX")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("SEARCH FUZZY TEXT world", "* SEARCH 1 2 4"),
        ('SEARCH FUZZY SUBJECT "world hello"', "* SEARCH 2"),
        ("UID SEARCH FUZZY (SUBJECT helo NOT BODY there)", "* SEARCH 4"),
        ("SEARCH TEXT wordl", "* SEARCH 4"),
        ("SEARCH FUZZY UNSEEN", "* SEARCH 1 2 3 4"),
        ("SORT (RELEVANCY) UTF-8 FUZZY TEXT world", "* SORT 2 1 4"),
        ("SORT (REVERSE RELEVANCY) UTF-8 FUZZY TEXT world", "* SORT 4 1 2"),
    ],
)
async def test_fuzzy_keys(tmp_path: Path, command: str, expected: str) -> None:
    async with house_talk(tmp_path, "ann") as (_, (ann,)):
        assert "SEARCH=FUZZY" in (await ann.ok("CAPABILITY"))[0].split()
        await filled(ann)
        assert (await ann.ok(command))[0] == expected


def scores(line: str) -> list[int]:
    return [int(word) for word in line.partition("RELEVANCY (")[2].partition(")")[0].split()]


async def test_relevancy(tmp_path: Path) -> None:
    async with house_talk(tmp_path, "ann") as (_, (ann,)):
        await filled(ann)
        line = (await ann.ok("SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT world"))[0]
        assert " ALL 1:2,4 RELEVANCY (" in line
        first, second, fourth = scores(line)
        assert 100 == second > first > fourth >= 1
        line = (await ann.ok("SEARCH RETURN (RELEVANCY PARTIAL 2:3) FUZZY TEXT world"))[0]
        assert " PARTIAL (2:3 2,4) RELEVANCY (" in line
        assert scores(line) == [second, fourth]
        line = (await ann.ok("SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY TEXT world"))[0]
        assert " ALL 2,1,4 RELEVANCY (" in line
        assert scores(line) == [second, first, fourth]
        line = (await ann.ok("SORT RETURN (PARTIAL 1:2) (RELEVANCY) UTF-8 FUZZY TEXT world"))[0]
        assert line.endswith("PARTIAL (1:2 2,1)")
        line = (await ann.ok("ESEARCH IN (personal) RETURN (RELEVANCY) FUZZY TEXT world"))[0]
        assert scores(line) == [first, second, fourth]
        line = (await ann.ok("SEARCH RETURN (RELEVANCY) FUZZY TEXT nowhere"))[0]
        assert "RELEVANCY" not in line


@pytest.mark.parametrize(
    "command",
    [
        "SEARCH RETURN (RELEVANCY) TEXT world",
        "SORT (RELEVANCY) UTF-8 TEXT world",
        "SORT RETURN (RELEVANCY) (DATE) UTF-8 TEXT world",
        "ESEARCH IN (personal) RETURN (RELEVANCY) TEXT world",
        "SEARCH FUZZY",
    ],
)
async def test_relevancy_needs_a_fuzzy_key(tmp_path: Path, command: str) -> None:
    async with house_talk(tmp_path, "ann") as (_, (ann,)):
        await filled(ann)
        await ann.bad(command)


async def test_thread_refs(tmp_path: Path) -> None:
    async with house_talk(tmp_path, "ann") as (_, (ann,)):
        assert "THREAD=REFS" in (await ann.ok("CAPABILITY"))[0].split()
        for number, above in ((1, 7), (2, 8), (3, 1)):
            await ann.append(
                "INBOX",
                f"Subject: same\r\nMessage-ID: <{number}@t>\r\nReferences: <{above}@t>\r\n"
                f"Date: 1 Jan 2024 10:0{number}:00 +0000\r\n\r\nx\r\n".encode(),
            )
        await ann.ok("SELECT INBOX")
        assert (await ann.ok("THREAD REFS UTF-8 ALL"))[0] == "* THREAD (2)(1 3)"
        assert (await ann.ok("UID THREAD REFS UTF-8 2:3"))[0] == "* THREAD (2)(3)"
        await ann.bad("THREAD OTHER UTF-8 ALL")
