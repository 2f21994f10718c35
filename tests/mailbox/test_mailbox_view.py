"""A session's view against a naive model: whoever replays what it is told ends up equal."""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass, field

import pytest

from pillarbox.mailbox import state as state_module
from pillarbox.mailbox.arrays import BLOCK
from pillarbox.mailbox.state import DELETED, MailboxState
from pillarbox.mailbox.updates import NOTHING, Updates
from pillarbox.mailbox.view import View
from pillarbox.model.change import (
    Added,
    Arrived,
    BoxChanged,
    BoxDeleted,
    Change,
    Expunged,
    Flagged,
)
from pillarbox.model.flags import DELETED as DELETED_BIT
from pillarbox.model.flags import FLAGGED, SEEN
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Snapshot

BOX = Mailbox(1, 2, "INBOX", 77, 1, 0, 1, 1)


@dataclass
class Feeder:
    """A mailbox as a plain list, which tells a MailboxState what it does."""

    state: MailboxState = field(
        default_factory=lambda: MailboxState(Snapshot(BOX, array("I"), array("Q"), array("Q")))
    )
    messages: dict[int, list[int]] = field(default_factory=dict)
    """uid -> [flags, modseq]"""
    uidnext: int = 1
    modseq: int = 0
    keywords: tuple[str, ...] = ()

    def tell(self, change: Change) -> None:
        assert self.state.apply(change)

    def append(self, n: int = 1, flags: int = 0, skip: int = 0) -> list[int]:
        self.modseq += 1
        self.uidnext += skip
        uids = list(range(self.uidnext, self.uidnext + n))
        self.uidnext += n
        for uid in uids:
            self.messages[uid] = [flags, self.modseq]
        arrived = [Arrived(uid, flags) for uid in uids]
        self.tell(Added(1, 2, self.modseq, arrived, self.keywords))
        return uids

    def flag(self, uids: list[int], bits: int, origin: str = "") -> None:
        self.modseq += 1
        for uid in uids:
            self.messages[uid] = [bits, self.modseq]
        flags = [bits] * len(uids)
        self.tell(Flagged(1, 2, self.modseq, uids, flags, self.keywords, origin))

    def expunge(self, uids: list[int]) -> None:
        self.modseq += 1
        for uid in uids:
            del self.messages[uid]
        self.tell(Expunged(1, 2, self.modseq, uids))

    def snapshot(self) -> Snapshot:
        box = Mailbox(1, 2, "INBOX", 77, self.uidnext, self.modseq, 1, 1, keywords=self.keywords)
        return Snapshot(
            box,
            array("I", self.messages),
            array("Q", [m[1] for m in self.messages.values()]),
            array("Q", [m[0] for m in self.messages.values()]),
        )


class Client:
    """Replays updates the way an IMAP client must (RFC 3501 §7.4.1)."""

    def __init__(self, feeder: Feeder, name: str, read_only: bool = False) -> None:
        self.feeder = feeder
        self.view = View(feeder.state, name, read_only=read_only)
        feeder.state.watchers[self.view] = None
        self.uids: list[int] = []
        self.flags: dict[int, int] = {}
        self.keywords = self.view.keywords
        self.arrive(self.view.exists)

    def arrive(self, exists: int) -> None:
        assert exists >= len(self.uids), "EXISTS must not shrink the mailbox"
        for seq in range(len(self.uids) + 1, exists + 1):
            uid = self.view.uid(seq)
            assert not self.uids or uid > self.uids[-1]
            self.uids.append(uid)
            self.flags[uid] = self.feeder.messages[uid][0]

    def hear(self, updates: Updates, *, allow_expunge: bool) -> None:
        if updates.keywords is not None:
            assert updates.keywords[: len(self.keywords)] == self.keywords
            self.keywords = updates.keywords
        assert allow_expunge or not updates.expunged
        removed = []
        for seq in updates.expunged:
            removed.append(self.uids.pop(seq - 1))
        assert NumSet.of(removed) == updates.vanished
        if updates.exists is not None:
            self.arrive(updates.exists)
        assert len(self.uids) == self.view.exists
        last = 0
        for seq, uid, bits, modseq, _own in updates.flagged:
            assert seq > last
            last = seq
            assert self.uids[seq - 1] == uid
            assert self.feeder.messages[uid] == [bits, modseq]
            self.flags[uid] = bits

    def sync(self, *, allow_expunge: bool) -> Updates:
        before = list(self.uids)
        updates = self.view.sync(allow_expunge=allow_expunge)
        self.hear(updates, allow_expunge=allow_expunge)
        if not allow_expunge:
            assert self.uids[: len(before)] == before
        return updates

    def check_equal(self) -> None:
        """Right after a sync with expunges the client knows everything there is to know."""
        assert self.uids == list(self.feeder.messages)
        assert {u: self.flags[u] for u in self.uids} == {
            u: m[0] for u, m in self.feeder.messages.items()
        }
        assert self.view.told_modseq == self.feeder.state.highest_modseq
        assert not self.view.pending()
        assert not self.view.changed.is_set()
        assert self.view.sync(allow_expunge=True) is NOTHING

    def check_numbers(self) -> None:
        """Holds at any moment: numbers mean what the client thinks they mean."""
        assert self.view.exists == len(self.uids)
        for seq, uid in enumerate(self.uids, 1):
            assert self.view.uid(seq) == uid
            assert self.view.seq(uid) == seq
        there = {u: m for u, m in self.feeder.messages.items() if u in set(self.uids)}
        everything = NumSet([(1, len(self.uids))]) if self.uids else NumSet()
        rows = list(self.view.rows(everything))
        assert [row[1] for row in rows] == list(there)
        for seq, uid, bits, modseq in rows:
            assert self.uids[seq - 1] == uid
            assert there[uid] == [bits, modseq]
        columns = self.view.columns()
        assert list(columns.uids) == self.uids
        assert [self.uids[i] for i in columns.gone] == [u for u in self.uids if u not in there]
        assert list(columns.flags) == [there.get(u, [0, 0])[0] for u in self.uids]
        assert list(columns.modseqs) == [there.get(u, [0, 0])[1] for u in self.uids]


@pytest.mark.parametrize("seed", range(60))
def test_random_life_of_a_mailbox(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rnd = random.Random(seed)
    if seed % 3 == 0:  # a log so short that sessions fall behind it
        monkeypatch.setattr(state_module, "LOG_ENTRIES", 4)
        monkeypatch.setattr(state_module, "LOG_UIDS", 20)
    feeder = Feeder()
    feeder.append(rnd.randrange(0, 12))
    clients: list[Client] = []
    for step in range(150):
        roll = rnd.random()
        uids = list(feeder.messages)
        some = sorted(rnd.sample(uids, rnd.randint(1, len(uids)))) if uids else []
        if roll < 0.2:
            feeder.append(rnd.randint(1, 4), rnd.choice((0, SEEN)), rnd.choice((0, 0, 3)))
        elif roll < 0.3 and uids:
            feeder.expunge(some[: rnd.randint(1, 5)])
        elif roll < 0.45 and uids:
            origin = rnd.choice(["", *(c.view.id for c in clients)])
            feeder.flag(some, rnd.choice((0, SEEN, FLAGGED)), origin)
        elif roll < 0.48:
            feeder.keywords = (*feeder.keywords, f"k{step}")
            feeder.append(1, 1 << (8 + len(feeder.keywords) - 1))
        elif roll < 0.5:
            feeder.state.reload(feeder.snapshot())
        elif roll < 0.58 and len(clients) < 5:
            clients.append(Client(feeder, f"s{step}", rnd.random() < 0.3))
        elif roll < 0.6 and clients:
            gone = clients.pop(rnd.randrange(len(clients)))
            del feeder.state.watchers[gone.view]
        elif clients:
            client = rnd.choice(clients)
            allow = rnd.random() < 0.5
            client.sync(allow_expunge=allow)
            if allow:
                client.check_equal()
        for client in clients:
            client.check_numbers()
    for client in clients:
        client.sync(allow_expunge=True)
        client.check_equal()
        assert client.keywords == feeder.keywords


def test_nothing_happened_says_nothing() -> None:
    feeder = Feeder()
    feeder.append(3)
    client = Client(feeder, "a")
    assert not client.view.pending()
    assert client.view.sync(allow_expunge=True) is NOTHING
    assert not NOTHING


def test_expunges_wait_until_allowed_and_arrivals_do_not() -> None:
    feeder = Feeder()
    feeder.append(5)
    client = Client(feeder, "a")
    feeder.expunge([2, 4])
    feeder.append(1)
    updates = client.sync(allow_expunge=False)
    assert (list(updates.expunged), updates.exists) == ([], 6)
    assert client.view.pending()
    assert client.view.changed.is_set()
    assert client.view.uid(2) == 2  # the dead keep their number
    assert client.view.told_modseq == feeder.modseq - 2
    updates = client.sync(allow_expunge=True)
    assert list(updates.expunged) == [4, 2]
    assert str(updates.vanished) == "2,4"
    assert updates.exists is None
    client.check_equal()


def test_arrived_and_gone_between_two_looks_is_never_heard_of() -> None:
    feeder = Feeder()
    feeder.append(2)
    client = Client(feeder, "a")
    feeder.append(3)
    feeder.expunge([3, 4, 5])
    updates = client.sync(allow_expunge=True)
    assert not updates
    assert client.uids == [1, 2]


def test_flags_of_what_is_new_are_left_to_be_fetched() -> None:
    feeder = Feeder()
    feeder.append(2)
    client = Client(feeder, "a")
    feeder.append(2)
    feeder.flag([2, 3, 4], SEEN)
    updates = client.sync(allow_expunge=True)
    assert updates.exists == 4
    assert list(updates.flagged.uids) == [2]


def test_the_last_message_gone_and_a_new_one_come() -> None:
    feeder = Feeder()
    feeder.append(1)
    client = Client(feeder, "a")
    feeder.expunge([1])
    feeder.append(1)
    updates = client.sync(allow_expunge=True)
    assert (list(updates.expunged), updates.exists) == ([1], 1)
    client.check_equal()


def test_own_changes_are_marked_unless_another_had_a_hand_in_it() -> None:
    feeder = Feeder()
    feeder.append(3)
    mine, other = Client(feeder, "mine"), Client(feeder, "other")
    feeder.flag([1, 2], SEEN, "mine")
    feeder.flag([2], SEEN | FLAGGED, "other")
    updates = mine.sync(allow_expunge=False)
    assert [(row[1], row[4]) for row in updates.flagged] == [(1, 1), (2, 0)]
    updates = other.sync(allow_expunge=False)
    assert [(row[1], row[4]) for row in updates.flagged] == [(1, 0), (2, 0)]


def test_echo_tells_flags_that_did_not_change() -> None:
    feeder = Feeder()
    feeder.append(4, SEEN)
    client = Client(feeder, "a")
    feeder.flag([2], FLAGGED, "a")
    updates = client.view.sync(allow_expunge=False, echo=NumSet([(2, 3), (9, 12)]))
    assert [row[:3] for row in updates.flagged] == [(2, 2, FLAGGED), (3, 3, SEEN)]


def test_sessions_in_the_same_place_share_the_answer() -> None:
    feeder = Feeder()
    feeder.append(10)
    clients = [Client(feeder, f"s{n}") for n in range(5)]
    feeder.flag([3], SEEN, "s4")
    feeder.expunge([5])
    answers = [c.sync(allow_expunge=True) for c in clients]
    assert len({id(a) for a in answers[:4]}) == 1
    assert [row[4] for row in answers[4].flagged] == [1]
    for client in clients:
        client.check_equal()
        assert client.view.uids is feeder.state.uids


def test_waking() -> None:
    feeder = Feeder()
    client = Client(feeder, "a")
    calls = []
    client.view.changed.watch(lambda: calls.append(1))
    feeder.append(1)
    feeder.append(1)
    assert len(calls) == 1  # one wake-up until somebody looks
    client.sync(allow_expunge=True)
    feeder.flag([1], SEEN)
    assert len(calls) == 2


def test_numbers_and_ranges() -> None:
    feeder = Feeder()
    feeder.append(3)
    feeder.append(2, skip=10)
    view = Client(feeder, "a").view
    assert list(view.uids) == [1, 2, 3, 14, 15]
    assert str(view.seqs([(2, 0)])) == "2:5"
    assert str(view.seqs([(0, 0)])) == "5"
    assert view.seqs([(4, 6)]) is None
    assert str(view.seqs_of_uids([(3, 14)])) == "3:4"
    assert str(view.seqs_of_uids([(99, 0)])) == "5"  # 99:* holds the last one
    assert not view.seqs_of_uids([(4, 13)])
    assert str(view.uids_of(NumSet([(3, 4)]))) == "3:14"
    assert str(view.exact_uids(NumSet([(3, 4)]))) == "3,14"
    assert view.seq(13) == 0
    with pytest.raises(IndexError):
        view.uid(6)
    with pytest.raises(IndexError):
        view.uid(0)


def test_empty_mailbox_has_no_numbers() -> None:
    view = Client(Feeder(), "a").view
    assert not view.seqs([(1, 0)])
    assert view.seqs([(1, 1)]) is None
    assert not view.seqs_of_uids([(1, 0)])
    assert view.first_unseen() == 0
    assert view.recent == 0


def test_unannounced_arrivals_have_no_number_yet() -> None:
    feeder = Feeder()
    feeder.append(2)
    view = Client(feeder, "a").view
    feeder.append(2)
    assert view.seqs([(3, 3)]) is None
    assert str(view.seqs_of_uids([(1, 4)])) == "1:2"
    assert str(view.seqs_of_uids([(0, 0)])) == "2"
    assert view.seq(3) == 0
    assert str(view.exact_uids(NumSet([(1, 4)]))) == "1:2"
    assert len(list(view.rows(NumSet([(1, 4)])))) == 2


def test_recent_and_flag_lists() -> None:
    feeder = Feeder(keywords=("$Work",))
    feeder.append(4, SEEN)
    feeder.flag([3], 0)
    view = View(feeder.state, "a", recent_from=3)
    assert view.recent == 2
    assert view.first_unseen() == 3
    assert view.flag_names()[-1] == "$Work"
    assert view.permanent_flags()[-1] == "\\*"
    assert View(feeder.state, "b", read_only=True).permanent_flags() == ()


def test_the_first_unseen_is_remembered_and_stays_true() -> None:
    """Against counting, through every kind of change, in a mailbox of more than one block."""
    chance, feeder = random.Random(5), Feeder()
    feeder.append(BLOCK + 100, SEEN)
    for _ in range(100):
        alive = list(feeder.messages)
        start = chance.choice((0, 1, BLOCK - 2, BLOCK, len(alive) - 3))
        some = alive[start : start + chance.randint(1, 3)]
        match chance.randrange(5):
            case 0:
                feeder.append(chance.randint(1, 3), chance.choice((0, SEEN)))
            case 1:
                feeder.expunge(some)
            case 2:
                feeder.flag(some[::2], FLAGGED)
            case _:
                feeder.flag(some, SEEN)
        seen = [bits & SEEN for bits, _ in feeder.messages.values()]
        expected = seen.index(0) + 1 if 0 in seen else 0
        assert View(feeder.state, "a").first_unseen() == expected
    late = View(feeder.state, "b")
    feeder.flag([late.uid(1)], 0)
    feeder.expunge([late.uid(2)])
    assert late.first_unseen() == 1  # it still shows what is gone
    feeder.state.reload(feeder.snapshot())
    assert View(feeder.state, "c").first_unseen() == 1


def test_only_a_writer_uses_up_recent() -> None:
    feeder = Feeder()
    feeder.append(2)
    View(feeder.state, "a", read_only=True)
    assert feeder.state.announced == 0
    View(feeder.state, "b")
    assert feeder.state.announced == 2


def test_changed_since() -> None:
    feeder = Feeder()
    feeder.append(3)
    feeder.flag([2], SEEN)
    view = Client(feeder, "a").view
    assert str(view.changed_since(1)) == "2"
    assert not view.changed_since(1, NumSet([(1, 1)]))
    assert str(view.changed_since(0)) == "1:3"


def test_changes_that_do_not_fit_are_noticed() -> None:
    feeder = Feeder()
    feeder.append(3)
    state = feeder.state
    assert not state.apply(Added(1, 2, 9, [Arrived(3, 0)], ()))
    assert not state.apply(Added(1, 2, 9, [Arrived(9, 0), Arrived(8, 0)], ()))
    assert not state.apply(Flagged(1, 2, 9, [7], [0], ()))
    assert not state.apply(Expunged(1, 2, 9, [1, 7]))
    assert list(state.uids) == [1, 2, 3]


def test_what_the_snapshot_knew_is_not_applied_twice() -> None:
    feeder = Feeder()
    feeder.append(3)
    fresh = MailboxState(feeder.snapshot())
    assert fresh.apply(Added(1, 2, 1, [Arrived(3, 0)], ()))
    assert list(fresh.uids) == [1, 2, 3]
    assert fresh.apply(Added(1, 2, 2, [Arrived(4, 0)], ()))
    assert list(fresh.uids) == [1, 2, 3, 4]


def test_expunge_and_arrival_of_one_transaction() -> None:
    feeder = Feeder()
    feeder.append(2)
    client = Client(feeder, "a")
    feeder.modseq += 1  # a move within the mailbox: both carry the same modseq
    del feeder.messages[1]
    feeder.messages[3] = [0, feeder.modseq]
    feeder.uidnext = 4
    feeder.tell(Expunged(1, 2, feeder.modseq, [1]))
    feeder.tell(Added(1, 2, feeder.modseq, [Arrived(3, 0)], ()))
    client.sync(allow_expunge=True)
    client.check_equal()


def test_renamed_and_deleted() -> None:
    feeder = Feeder()
    client = Client(feeder, "a")
    feeder.tell(BoxChanged(1, 5, Mailbox(1, 2, "Other", 77, 1, 0, 1, 1), "INBOX"))
    assert client.view.box.name == "Other"
    feeder.tell(BoxDeleted(1, 6, 2, "Other"))
    assert client.view.ended == DELETED
    assert client.view.changed.is_set()


def test_log_is_bounded_and_one_large_change_is_still_told_from_it() -> None:
    feeder = Feeder()
    feeder.append(30_000)
    client = Client(feeder, "a")
    for uid in range(1, 2001):
        feeder.flag([uid], SEEN)
    assert feeder.state.end - feeder.state.first <= state_module.LOG_ENTRIES
    assert len(client.sync(allow_expunge=True).flagged) == 2000
    uids = list(feeder.messages)
    feeder.flag(uids, DELETED_BIT, "a")
    assert len(feeder.state.since(client.view.position) or ()) == 1
    assert all(client.sync(allow_expunge=True).flagged.own)
    feeder.expunge(uids[::2])
    client.sync(allow_expunge=True)
    client.check_equal()


def test_nobody_looking_means_no_log() -> None:
    feeder = Feeder()
    feeder.append(5)
    feeder.flag([1], SEEN)
    assert feeder.state.end == feeder.state.first == 1
    client = Client(feeder, "a")
    feeder.expunge([1])
    client.sync(allow_expunge=True)
    client.check_equal()
