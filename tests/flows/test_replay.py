"""`pillarbox replay`: a hook over mail that is here already, before it is switched on."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import replace
from pathlib import Path

import pytest

from pillarbox.app.admin.replay import _newest
from pillarbox.app.house import House
from pillarbox.app.replay import Replayed, replay
from pillarbox.base.errors import Misuse
from pillarbox.store.api import Target
from pillarbox.store.journal import Telling
from support import people
from support.whole import memory_store, whole_house

LETTER = b"From: ann@out.test\r\nMessage-ID: <%d@out.test>\r\nSubject: %b\r\n\r\nx\r\n"
RULES = """
from pillarbox import hooks

@hooks.on("data")
async def words(mail: hooks.Data):
    assert mail.sender == "ann@out.test" and mail.recipients == ("bob@example.test",)
    assert mail.message.octets.startswith(b"Return-Path:")
    if "offer" in mail.message.subject:
        return hooks.junk("an offer", tags=["offer"])
    if "odd" in mail.message.subject:
        raise RuntimeError("no idea")
"""


def rules(directory: Path, text: str = RULES) -> Path:
    path = directory / "rules.py"
    path.write_text(text)
    path.chmod(0o644)
    return path


async def send(house: House, *subjects: str) -> None:
    def talk() -> None:
        with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=20) as client:
            for number, subject in enumerate(subjects):
                letter = LETTER % (number, subject.encode())
                client.sendmail("ann@out.test", ["bob@example.test"], letter)

    await asyncio.to_thread(talk)


async def replayed(house: House, path: Path, last: int = 100) -> Replayed:
    return await replay(house.admin, house.config, path, last)


async def test_before_and_after_it_is_switched_on(tmp_path: Path) -> None:
    path = rules(tmp_path)
    async with whole_house(tmp_path, "bob", opener=memory_store) as house:
        await send(house, "hello", "an offer", "odd", "last offer")
        done = await replayed(house, path)
        assert (done.messages, done.gone, done.tagged) == (4, 0, 2)
        found = [(one["subject"], one["before"], one["after"]) for one in done.changes]
        assert found == [
            ("last offer", "taken", "filed as junk"),
            ("an offer", "taken", "filed as junk"),
        ]
        assert {one["hook"] for one in done.changes} == {"rules.words"}
        assert [one["fault"] for one in done.faults] == ["RuntimeError: no idea"]
        assert (await replayed(house, path, 1)).messages == 1

        # Switched on, what it decides is what was decided; another version of it differs.
        wanted = replace(house.config.hooks, files=(path,))
        house.reload(replace(house.config, hooks=wanted))
        await send(house, "third offer")
        assert (await replayed(house, path, 1)).changes == []
        milder = rules(tmp_path, RULES.replace('"offer" in', '"bargain" in'))
        (change,) = (await replayed(house, milder, 1)).changes
        assert (change["before"], change["after"]) == ("filed as junk", "taken")


async def test_nothing_to_replay(tmp_path: Path) -> None:
    path = rules(tmp_path, RULES.replace('"data"', '"rcpt"'))
    async with whole_house(tmp_path, "bob", opener=memory_store) as house:
        with pytest.raises(Misuse, match="no hook there is for data"):
            await replayed(house, path)
        done = await replayed(house, rules(tmp_path))
        assert (done.messages, done.changes) == (0, [])


@pytest.mark.parametrize("count", [0, 1, 2, 199, 200, 201, 450])
async def test_the_newest_come_first_and_none_twice(count: int) -> None:
    store = await people.house("bob")
    bob = await people.account(store, "bob")
    inbox = await store.mailbox_by_name(bob.id, "INBOX")
    assert inbox is not None
    for number in range(count):
        to = people.recipient("bob", people.local(bob))
        envelope = replace(people.envelope(to), id=f"t{number}")
        await store.accept(
            await people.new_message(store), [Target(bob.id, inbox.id)], None, Telling(envelope)
        )
    found = [one.trace async for one, _ in _newest(store, frozenset({"mx"}))]
    assert found == [f"t{number}" for number in reversed(range(count))]
    assert [one async for one, _ in _newest(store, frozenset({"lmtp"}))] == []
