"""A store that was damaged: the audit sees it, and repairs what can be repaired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from pillarbox.model.flags import flag_set
from pillarbox.model.reply import Reply
from pillarbox.store.api import Copied, NewItem, Settled, Target
from support.storekit import ALL, INLINE, Kit, envelope, open_kit, some


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    opened = await open_kit("sqlite", tmp_path)
    person = await opened.account()
    box = await opened.box(person)
    for body in (b"x" * 100, b"y" * (INLINE + 1)):
        await opened.store.append_many([(await opened.message(body), Target(person.id, box.id))])
    await opened.promise()
    yield opened
    await opened.store.close()


def damage(directory: Path, sql: str, *values: int) -> None:
    """From outside, as a fault of the disk or of us would."""
    connection = apsw.Connection(str(directory / "mail.db"))
    connection.execute(sql, values)
    connection.close()


async def kinds(kit: Kit, repair: bool = False) -> list[tuple[str, bool]]:
    seen = await kit.store.audit(repair)
    assert seen.broken == sum(not one.repaired for one in seen.findings)
    return [(one.kind, one.repaired) for one in seen.findings]


async def test_a_sound_store_has_no_findings(kit: Kit) -> None:
    assert await kinds(kit) == []
    assert (await kit.store.audit()).messages == 3


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE blob SET refs = refs + 1 WHERE id = 1", "references"),
        ("UPDATE mailbox SET messages = 7 WHERE name = 'INBOX'", "counters"),
        ("UPDATE mailbox SET unseen = 0, size = 1 WHERE name = 'INBOX'", "counters"),
        ("UPDATE mailbox SET uidnext = 1 WHERE name = 'INBOX'", "counters"),
        ("UPDATE account SET used = 0", "counters"),
        ("INSERT INTO recipient SELECT 99, number, envelope_index, route_index, attempts, due,"
         " state, reply, domain, owed, warned, sender, priority FROM recipient", "queue"),
        ("UPDATE recipient SET state = 'done'", "queue"),
    ],
)  # fmt: skip
async def test_what_disagrees_is_seen_and_repaired(
    kit: Kit, tmp_path: Path, sql: str, kind: str
) -> None:
    damage(tmp_path, sql)
    assert (kind, False) in await kinds(kit)
    assert (kind, True) in await kinds(kit, repair=True)
    assert kind not in [one for one, _ in await kinds(kit)]


async def test_a_message_that_fell_out_of_its_mailbox_is_put_back(kit: Kit, tmp_path: Path) -> None:
    damage(tmp_path, "DELETE FROM msg WHERE uid = 1")
    assert ("lost", False) in await kinds(kit)
    assert ("lost", True) in await kinds(kit, repair=True)
    person = (await kit.store.accounts())[0]
    box = await kit.again(await kit.box(person))
    assert await kit.uids(box) == [2, 3]
    assert (box.messages, box.size) == (2, 100 + INLINE + 1)
    assert (await kit.store.accounts())[0].used == 100 + INLINE + 1
    assert await kinds(kit) == []


async def test_an_item_that_fell_out_of_the_queue_is_lost(kit: Kit, tmp_path: Path) -> None:
    damage(tmp_path, "DELETE FROM recipient; DELETE FROM queue")
    assert ("lost", False) in await kinds(kit, repair=True)


async def test_content_that_is_gone_is_told(kit: Kit, tmp_path: Path) -> None:
    damage(tmp_path, "DELETE FROM body WHERE blob = 1")
    (large,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    large.write_bytes(b"short")
    assert await kinds(kit, repair=True) == [("content", False)] * 2
    large.unlink()
    assert await kinds(kit) == [("content", False)] * 2


async def test_what_only_waits_in_the_queue_has_no_facts_and_lacks_none(
    kit: Kit, tmp_path: Path
) -> None:
    await kit.store.index_edition(1)
    assert (await kit.store.index_progress()).waiting == 2
    connection = apsw.Connection(str(tmp_path / "mail.db"))
    without = "SELECT count(*) FROM queue WHERE blob NOT IN (SELECT blob FROM facts)"
    before = connection.execute(without).get
    await kit.queue("bob@x.example")
    assert connection.execute(without).get == before + 1
    connection.close()
    assert await kinds(kit) == []
    assert (await kit.store.index_progress()).waiting == 2
    damage(tmp_path, "DELETE FROM facts WHERE blob IN (SELECT blob FROM msg)")
    assert ("content", False) in await kinds(kit)


async def test_a_report_whose_story_is_gone_is_lost(kit: Kit, tmp_path: Path) -> None:
    (item,) = await kit.store.lease("w", kit.clock.time, kit.clock.time + 60, 1)
    failed = Settled(0, "failed", 0.0, Reply(550, "5.1.1", "no such user"), owed="failed")
    report = NewItem(envelope("ann@example.org"), [(0, 0)], kit.clock.time + 9999)
    await kit.store.settle(item.id, item.lease, [failed], await kit.message(), report)
    assert await kinds(kit) == []
    assert (await kit.store.audit()).ends["reported"] == 1
    damage(tmp_path, "DELETE FROM story_key WHERE story > ?", item.story)
    assert await kinds(kit) == [("lost", False)]


async def test_expunged_mail_of_which_nothing_is_known_is_known_by_its_deed(
    kit: Kit, tmp_path: Path
) -> None:
    person = (await kit.store.accounts())[0]
    box = await kit.box(person)
    await kit.put(box, "kw")
    await kit.store.expunge(person.id, box.id, some(1, 3), only_deleted=False, by="imap ann")
    before = await kit.store.retained(person.id)
    assert len(before) == 2
    damage(tmp_path, "DELETE FROM removal")
    assert await kit.store.retained(person.id) == []
    assert await kinds(kit) == [("retained", False)]
    assert await kinds(kit, repair=True) == [("retained", True)]
    assert await kinds(kit) == []
    assert await kit.store.retained(person.id) == before
    back = await kit.store.undelete(person.id, before, box.id)
    assert isinstance(back, Copied)
    assert (await kit.flags(box))[back.target[1]] == flag_set(["kw"])


async def test_expunged_mail_that_the_journal_has_forgotten_is_let_go(
    kit: Kit, tmp_path: Path
) -> None:
    person = (await kit.store.accounts())[0]
    box = await kit.box(person)
    await kit.store.expunge(person.id, box.id, ALL, only_deleted=False)
    (first, _) = await kit.store.retained(person.id)
    # One of them is somewhere else as well, and counted wrong.
    damage(tmp_path, "DELETE FROM removal; DELETE FROM deed")
    again = await kit.put(box)
    damage(tmp_path, "UPDATE msg SET blob = ? WHERE blob = ?", first.blob, again.blob)
    damage(tmp_path, "UPDATE retained SET blob = ?", first.blob)
    assert ("retained", True) in await kinds(kit, repair=True)
    assert await kinds(kit) == []
    connection = apsw.Connection(str(tmp_path / "mail.db"))
    assert connection.execute("SELECT count(*) FROM retained").get == 0
    assert connection.execute("SELECT refs FROM blob WHERE id = ?", (first.blob,)).get == 1
    connection.close()
    assert await kit.uids(box) == [3]
