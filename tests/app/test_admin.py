"""Operations of an operator, over the memory store."""

from __future__ import annotations

import pytest

from pillarbox.app.admin import OPERATIONS
from pillarbox.app.envelope import summary
from pillarbox.base.errors import Misuse
from pillarbox.mailbox.facts import facts_of
from support.rooms import caller, with_ann

ANN = "ann@example.test"


async def test_names_are_taken_in_any_spelling() -> None:
    async with caller() as house:
        await house.call("domain.add", {"name": " @Bücher.Example "})
        made = await house.call(
            "account.add", {"address": "Ann@BÜCHER.example", "password": "secret"}
        )
        assert made["address"] == "ann@xn--bcher-kva.example"
        assert (await house.call("domain.list", {}))["domains"][0]["accounts"] == 1
        await house.call("account.passwd", {"address": "ANN@bücher.example", "password": "x"})


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("domain.add", {"name": ""}, "not a domain"),
        ("domain.add", {"name": "a@b"}, "not a domain"),
        ("domain.add", {"name": "x.test", "catchall": "nobody"}, "not a mail address"),
        ("domain.remove", {"name": "example.test"}, "domain example.test"),
        ("account.add", {"address": ANN, "password": "x"}, ANN),
        ("account.add", {"address": "b@example.test", "password": ""}, "empty"),
        ("account.add", {"address": "b@example.test", "password": "x", "pop3": "?"}, "archive"),
        ("account.add", {"address": "b@other.test", "password": "x"}, "not served"),
        ("account.set", {"address": ANN, "pop3": "burn"}, "delete, keep, archive"),
        ("account.remove", {"address": "b@example.test"}, "no account"),
        ("alias.add", {"address": "a@example.test", "targets": []}, "lead"),
        ("alias.add", {"address": "a@example.test", "targets": ["x"]}, "not a mail address"),
        ("alias.add", {"address": ANN, "targets": [ANN]}, ANN),
        ("alias.remove", {"address": "a@example.test"}, "a@example.test"),
        ("mail.read", {"account": ANN, "mailbox": "No"}, "no mailbox No"),
        ("mail.append", {"account": ANN, "mailbox": "a//b", "messages": []}, "cannot be a mailbox"),
        ("undelete.restore", {"account": ANN, "uids": [1]}, "one mailbox"),
        ("queue.hold", {"items": [3]}, "queue item 3"),
        ("queue.drop", {"items": [3]}, "queue item 3"),
        ("queue.drop", {}, "which items"),
        ("queue.retry", {"colour": "red"}, "no filter"),
        ("queue.show", {"item": 3}, "queue item 3"),
        ("why", {"word": "<nothing@x>"}, "nothing is known"),
    ],
)
async def test_what_cannot_be_is_said(
    operation: str, arguments: dict[str, object], words: str
) -> None:
    async with caller() as house:
        await with_ann(house)
        with pytest.raises(Misuse) as caught:
            await house.call(operation, arguments)
        assert words in str(caught.value)


async def test_what_is_not_given_stays() -> None:
    async with caller() as house:
        await with_ann(house)
        await house.call("account.set", {"address": ANN, "quota": 5, "display_name": "Ann"})
        changed = await house.call("account.set", {"address": ANN, "pop3": "archive"})
        assert (changed["quota"], changed["display_name"], changed["pop3"]) == (5, "Ann", "archive")
        limits = {"max_messages": 7, "max_mailboxes": 9, "admin": True}
        await house.call("account.set", {"address": ANN, **limits})
        changed = await house.call("account.set", {"address": ANN, "quota": 6})
        assert {name: changed[name] for name in limits} == limits
        assert (changed["quota"], changed["messages"]) == (6, 0)
        assert changed["enabled"] is True


async def test_a_removed_account_is_gone() -> None:
    async with caller() as house:
        await with_ann(house)
        await house.call("account.remove", {"address": ANN})
        assert (await house.call("account.list", {}))["accounts"] == []
        await house.call("domain.remove", {"name": "example.test"})


async def test_accounts_are_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillarbox.app.admin.directory._PAGE", 2)
    async with caller() as house:
        await with_ann(house)
        for name in ("bob", "cleo", "dan"):
            address = f"{name}@example.test"
            await house.call("account.add", {"address": address, "password": "x" * 12})
        sizes, after = [], ""
        while not sizes or after:
            page = await house.call("account.list", {"after": after})
            sizes.append(len(page["accounts"]))
            after = page["next"]
        assert sizes == [2, 2, 0]


async def test_mailboxes_are_listed_with_their_counters() -> None:
    async with caller() as house:
        await with_ann(house)
        boxes = (await house.call("mail.mailboxes", {"account": ANN}))["mailboxes"]
        assert boxes[0]["name"] == "INBOX"
        assert {"Sent", "Trash", "Drafts"} <= {box["name"] for box in boxes}


def test_every_operation_says_what_it_does() -> None:
    assert all(operation.__doc__ for operation in OPERATIONS.values())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            b'Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: Ann "A" <ann@x.test>\r\n'
            b"Subject: =?utf-8?q?gr=C3=BCn?=\r\n\r\n",
            ("Mon, 1 Jan 2024 00:00:00 +0000", "grün"),
        ),
        (b'Subject: (odd) "quoted" \\ {5}\r\n\r\n', ("", '(odd) "quoted" \\ {5}')),
        (b"Subject: bell\x07\r\n\r\n", ("", "bell ")),
        (b"", ("", "")),
    ],
)
def test_an_envelope_reads_well(message: bytes, expected: tuple[str, str]) -> None:
    date, subject, sender = summary(facts_of(message).envelope)
    assert (date, subject) == expected
    assert sender == ("Ann A <ann@x.test>" if b"From" in message else "")


@pytest.mark.parametrize("junk", [b"", b"(", b"()", b"(NIL)", b'("a', b"({9}\r\nshort", b"x" * 50])
def test_no_envelope_is_too_odd(junk: bytes) -> None:
    assert len(summary(junk)) == 3
