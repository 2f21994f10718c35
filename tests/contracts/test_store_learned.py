"""What accounts taught their filters, on every store."""

from __future__ import annotations

import pytest

from pillarbox.store import learned
from pillarbox.store.learned import Lesson, Taught
from support.storekit import Kit

BIG = 2**63 - 1


async def test_lessons_come_and_go(kit: Kit) -> None:
    store, ann = kit.store, (await kit.account("ann")).id
    assert await store.taught(ann) == Taught()
    assert await store.learn(ann, [Lesson(7, True, [1, 2, BIG, 2])])
    assert not await store.learn(ann, [Lesson(7, True, [1, 2, BIG])])
    assert await store.learn(ann, [Lesson(8, False, [2, 3])])
    assert await store.taught(ann) == Taught(1, 1, 4)
    assert await store.word_counts(ann, [1, 2, 3, 4, BIG]) == {
        1: (1, 0),
        2: (1, 1),
        3: (0, 1),
        BIG: (1, 0),
    }
    assert await store.lessons(ann, [6, 7, 8]) == {7: True, 8: False}
    # The last word counts, and takes the one before back.
    assert await store.learn(ann, [Lesson(7, False, [1, 2, BIG])])
    assert await store.taught(ann) == Taught(0, 2, 4)
    assert await store.word_counts(ann, [1, 2]) == {1: (0, 1), 2: (0, 2)}
    assert await store.learn(ann, [Lesson(7, None, [1, 2, BIG])])
    assert not await store.learn(ann, [Lesson(7, None, [1, 2, BIG])])
    assert await store.taught(ann) == Taught(0, 1, 2)
    assert await store.word_counts(ann, [1, 2, 3]) == {2: (0, 1), 3: (0, 1)}


async def test_many_lessons_at_once_are_as_one_after_another(kit: Kit) -> None:
    store, ann = kit.store, (await kit.account("ann")).id
    first = [Lesson(1, True, [1, 2]), Lesson(2, False, [2, 3]), Lesson(3, True, [4])]
    assert await store.learn(ann, first) == 3
    again = [Lesson(1, True, [1, 2]), Lesson(2, True, [2, 3]), Lesson(3, None, [4])]
    assert await store.learn(ann, again) == 2
    assert await store.taught(ann) == Taught(2, 0, 3)
    assert await store.word_counts(ann, [1, 2, 3, 4]) == {1: (1, 0), 2: (2, 0), 3: (1, 0)}
    assert await store.lessons(ann, [1, 2, 3]) == {1: True, 2: True}
    # The same message twice: the last word counts.
    assert await store.learn(ann, [Lesson(9, True, [1]), Lesson(9, False, [1])]) == 2
    assert await store.lessons(ann, [9]) == {9: False}
    assert await store.word_counts(ann, [1]) == {1: (1, 1)}
    assert await store.learn(ann, []) == 0


async def test_accounts_do_not_know_of_each_other(kit: Kit) -> None:
    store, ann, bob = kit.store, (await kit.account("ann")).id, (await kit.account("bob")).id
    await store.learn(ann, [Lesson(7, True, [1])])
    await store.learn(bob, [Lesson(7, False, [1])])
    assert await store.word_counts(ann, [1]) == {1: (1, 0)}
    await store.forget_taught(ann)
    assert await store.taught(ann) == Taught()
    assert await store.lessons(ann, [7]) == {}
    assert await store.taught(bob) == Taught(0, 1, 1)
    await store.remove_account(bob)
    assert await store.taught(bob) == Taught()
    assert await store.word_counts(bob, [1]) == {}
    assert not await store.learn(bob, [Lesson(7, True, [1])])


async def test_the_tables_are_bounded(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "MAX_WORDS", 20)
    monkeypatch.setattr(learned, "MAX_LESSONS", 3)
    store, ann = kit.store, (await kit.account("ann")).id
    for message in (1, 2):
        await store.learn(ann, [Lesson(message, True, range(100, 110))])
    await store.learn(ann, [Lesson(3, False, range(10))])
    assert (await store.taught(ann)).words == 20
    await store.learn(ann, [Lesson(4, False, [50])])
    assert await store.taught(ann) == Taught(2, 2, 18)
    kept = await store.word_counts(ann, range(200))
    assert {word: kept[word] for word in range(100, 110)} == dict.fromkeys(
        range(100, 110), (2, 0)
    )  # what was seen more than once stays
    assert len(kept) == 18
    assert await store.lessons(ann, [1, 2, 3, 4]) == {2: True, 3: False, 4: False}
