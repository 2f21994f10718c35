"""The index of texts: never misses a message, whatever was indexed, forgotten or is gone."""

from __future__ import annotations

from pillarbox.model.mailbox import Mailbox
from pillarbox.store.search import Indexed, Pieces, Progress
from support.storekit import ALL, Kit, some

EDITION = 1


def grams(text: str, least: int = 0) -> Pieces:
    of = tuple(text[at : at + 3] for at in range(len(text) - 2))
    return Pieces(of, least or len(of))


async def found(kit: Kit, box: Mailbox, *wanted: Pieces) -> list[int] | None:
    uids = await kit.store.candidates(box.account, box.id, wanted)
    return None if uids is None else list(uids)


async def fill(kit: Kit, texts: dict[int, str], whole: bool = True) -> None:
    """Index all that waits; ``texts`` by blob."""
    while (batch := await kit.store.unindexed(2, 1 << 20)).messages:
        made = [Indexed(m.blob, texts.get(m.blob, ""), whole) for m in batch.messages]
        await kit.store.index_texts(batch.generation, made)


async def boxed(kit: Kit, *words: str) -> Mailbox:
    """A mailbox with a message for each word, indexed."""
    box = await kit.box(await kit.account())
    await kit.store.index_edition(EDITION)
    blobs = [(await kit.put(box)).blob for _ in words]
    await fill(kit, dict(zip(blobs, words, strict=True)))
    return box


async def test_until_its_rules_are_known_it_tells_nothing(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await kit.put(box)
    assert await found(kit, box, grams("HELLO")) is None
    await kit.store.index_edition(EDITION)
    assert await found(kit, box, grams("HELLO")) == [1]


async def test_names_what_has_all_pieces(kit: Kit) -> None:
    box = await boxed(kit, "HELLO WORLD", "YELLOW", "ÄPFEL UND 日本語", "A\"B'C")
    assert await found(kit, box, grams("ELLO")) == [1, 2]
    assert await found(kit, box, grams("HELLO WORLD")) == [1]
    assert await found(kit, box, grams("ELL"), grams("LOW")) == [2]
    assert await found(kit, box, grams("日本語")) == [3]
    assert await found(kit, box, grams("ÄPFEL")) == [3]
    assert await found(kit, box, grams('A"B')) == [4]
    assert await found(kit, box, grams("hello")) == []
    assert await found(kit, box, grams("OR NOT AND")) == []


async def test_names_what_has_some_pieces(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "HELP", "KELLOG", "NONE")
    assert await found(kit, box, grams("HELLO", 1)) == [1, 2, 3]
    assert await found(kit, box, grams("HELLO", 2)) == [1, 3]
    assert await found(kit, box, grams("HELLO", 1), grams("HELP", 2)) == [2]


async def test_what_is_not_indexed_is_always_named(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER")
    await kit.put(box)
    assert await found(kit, box, grams("HELLO")) == [1, 3]
    assert await kit.store.index_progress() == Progress(2, 1)
    await fill(kit, {}, whole=False)
    assert await found(kit, box, grams("HELLO")) == [1, 3]
    assert await kit.store.index_progress() == Progress(3, 0)


async def test_what_only_waits_in_the_queue_does_not_wait_for_the_index(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await kit.store.index_edition(EDITION)
    await kit.queue("bob@x.example")
    appended = await kit.put(box)
    await kit.queue("bob@x.example", "cat@x.example")
    assert await kit.store.index_progress() == Progress(0, 1)
    batch = await kit.store.unindexed(10, 1 << 20)
    assert [message.blob for message in batch.messages] == [appended.blob]
    await fill(kit, {})
    assert await kit.store.index_progress() == Progress(1, 0)


async def test_copies_are_found_where_they_are(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER")
    other = await kit.box_of(box.account, "Other")
    await kit.store.copy(box.account, box.id, some(1, 2), box.account, other.id)
    assert await found(kit, other, grams("HELLO")) == [1]
    assert await found(kit, box, grams("HELLO")) == [1]
    await kit.store.move(box.account, box.id, some(1), box.account, other.id)
    assert await found(kit, other, grams("HELLO")) == [1, 3]
    assert await found(kit, box, grams("HELLO")) == []


async def test_a_batch_is_bounded_and_in_order(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await kit.store.index_edition(EDITION)
    for size in (100, 100, 3000, 3000, 8000):
        await kit.put(box, body=b"x" * size)
    assert [len(m.body or b"") for m in (await kit.store.unindexed(2, 10_000)).messages] == [
        100
    ] * 2
    batch = await kit.store.unindexed(100, 3100)
    assert len(batch.messages) == 3
    assert batch.messages[0].scan == b"scan"
    await kit.store.index_texts(batch.generation, [Indexed(m.blob, "") for m in batch.messages])
    rest = (await kit.store.unindexed(100, 100_000)).messages
    assert [m.body is None for m in rest] == [False, True]  # a file is not read for it
    assert len((await kit.store.unindexed(100, 1)).messages) == 1


async def test_begins_anew_for_other_rules(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER")
    await kit.store.index_edition(EDITION)
    assert await kit.store.index_progress() == Progress(2, 0)
    await kit.store.index_edition(EDITION + 1)
    assert await kit.store.index_progress() == Progress(0, 2)
    assert await found(kit, box, grams("HELLO")) == [1, 2]


async def test_reindex_all_or_an_account(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER")
    bob = await kit.account("bob")
    theirs = await kit.put(await kit.box(bob))
    await fill(kit, {theirs.blob: "WORLD"})
    before = await kit.store.unindexed(10, 1000)
    assert await kit.store.reindex(bob.id) == 1
    assert await kit.store.index_progress() == Progress(2, 1)
    assert await found(kit, await kit.box(bob), grams("HELLO")) == [1]
    assert await found(kit, box, grams("HELLO")) == [1]
    batch = await kit.store.unindexed(10, 1000)
    assert [m.blob for m in batch.messages] == [theirs.blob]
    # what was taken before is too late
    await kit.store.index_texts(before.generation, [Indexed(theirs.blob, "OLD")])
    assert (await kit.store.index_progress()).waiting == 1
    await kit.store.index_texts(batch.generation, [Indexed(theirs.blob, "HELLO")])
    assert await found(kit, await kit.box(bob), grams("HELLO")) == [1]
    assert await found(kit, await kit.box(bob), grams("WORLD")) == []
    assert await kit.store.reindex() == 3
    assert await kit.store.index_progress() == Progress(0, 3)
    assert await found(kit, box, grams("HELLO")) == [1, 2]


async def test_texts_of_messages_that_are_gone_are_forgotten(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER", "HELLO")
    assert await kit.store.tidy_index() == 0
    await kit.store.expunge(box.account, box.id, some(1), only_deleted=False)
    assert await found(kit, box, grams("HELLO")) == [3]
    assert await kit.store.tidy_index() == 0  # it can still be brought back
    await kit.store.purge(kit.clock.time + 1, 0)
    assert await kit.store.tidy_index() == 1
    assert await kit.store.tidy_index() == 0
    assert await kit.store.index_progress() == Progress(2, 0)
    assert await found(kit, box, grams("HELLO")) == [3]


async def test_a_message_that_goes_while_it_waits_harms_nothing(kit: Kit) -> None:
    box = await boxed(kit, "HELLO", "OTHER")
    await kit.store.reindex(box.account)
    await kit.store.expunge(box.account, box.id, some(1), only_deleted=False)
    await kit.store.purge(kit.clock.time + 1, 0)
    await fill(kit, {})
    while await kit.store.tidy_index():
        pass
    assert await kit.store.index_progress() == Progress(1, 0)


async def test_strange_texts_can_be_indexed(kit: Kit) -> None:
    box = await boxed(kit, "NUL\0BEHIND", "HALF\ud800PAIR", "")
    assert await found(kit, box, grams("BEHIND")) == [1]
    assert await found(kit, box, grams("L\0B")) == [1]
    assert await found(kit, box, grams("PAIR")) == [2]


async def test_a_mailbox_that_is_not_there_has_no_candidates(kit: Kit) -> None:
    box = await boxed(kit, "HELLO")
    assert not await found(kit, (await kit.again(box)), grams("NOTHING"))
    assert not await kit.store.candidates(box.account, 999, [grams("HELLO")])
    assert ALL
