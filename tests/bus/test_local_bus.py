"""The bus in one process: who hears what, in which order, and who cannot be hurt."""

from __future__ import annotations

import logging

import pytest

from pillarbox.bus.local import LocalBus, mailbox_of
from pillarbox.model.change import Added, Arrived, BoxChanged, BoxDeleted, Change, Expunged
from pillarbox.model.mailbox import Mailbox


def expunged(account: int, mailbox: int, modseq: int = 1) -> Expunged:
    return Expunged(account, mailbox, modseq, [1])


def test_each_listener_hears_its_topic_and_no_other() -> None:
    bus = LocalBus()
    one: list[Change] = []
    whole: list[Change] = []
    house: list[Change] = []
    bus.subscribe(one.append, account=1, mailbox=10)
    bus.subscribe(whole.append, account=1)
    bus.subscribe(house.append)
    changes = [expunged(1, 10), expunged(1, 11), expunged(2, 10)]
    bus.publish(changes)
    assert one == changes[:1]
    assert whole == changes[:2]
    assert house == changes


def test_order_is_kept() -> None:
    bus = LocalBus()
    heard: list[Change] = []
    bus.subscribe(heard.append, account=1)
    sent = [expunged(1, n % 3 + 1, n) for n in range(20)]
    bus.publish(sent[:7])
    bus.publish(sent[7:])
    assert heard == sent


def test_a_mailbox_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="account"):
        LocalBus().subscribe(print, mailbox=3)


def test_failing_listener_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus = LocalBus()
    heard: list[Change] = []

    def broken(change: Change) -> None:
        raise RuntimeError("a bug")

    bus.subscribe(broken, account=1)
    bus.subscribe(heard.append, account=1)
    with caplog.at_level(logging.ERROR):
        bus.publish([expunged(1, 1)])
    assert len(heard) == 1
    assert "bus.listener_failed" in caplog.text


def test_closing_silences_at_once_and_may_be_repeated() -> None:
    bus = LocalBus()
    heard: list[Change] = []
    second = bus.subscribe(heard.append, account=1)

    def first(change: Change) -> None:
        second.close()

    second.close()
    second = bus.subscribe(first, account=2)  # its own close, from inside the call
    third = bus.subscribe(heard.append, account=2)
    bus.publish([expunged(1, 1), expunged(2, 1)])
    assert len(heard) == 1
    second.close()
    third.close()
    third.close()
    bus.publish([expunged(2, 1)])
    assert len(heard) == 1
    assert not bus._topics


def test_closing_the_next_listener_during_a_publish() -> None:
    bus = LocalBus()
    heard: list[Change] = []
    later = []

    def first(change: Change) -> None:
        later[0].close()

    bus.subscribe(first, account=1)
    later.append(bus.subscribe(heard.append, account=1))
    bus.publish([expunged(1, 1)])
    assert heard == []


def test_subscribing_during_a_publish_is_safe() -> None:
    bus = LocalBus()
    heard: list[Change] = []

    def first(change: Change) -> None:
        bus.subscribe(heard.append, account=1)

    bus.subscribe(first, account=1)
    bus.publish([expunged(1, 1)])
    bus.publish([expunged(1, 2)])
    assert [c.mailbox for c in heard if isinstance(c, Expunged)] == [2]


def test_the_same_listener_twice_hears_twice() -> None:
    bus = LocalBus()
    heard: list[Change] = []
    place = bus.subscribe(heard.append, account=1)
    bus.subscribe(heard.append, account=1)
    bus.publish([expunged(1, 1)])
    place.close()
    bus.publish([expunged(1, 1)])
    assert len(heard) == 3


def test_every_change_knows_its_mailbox() -> None:
    box = Mailbox(1, 7, "a", 1, 1, 1, 1, 1)
    assert mailbox_of(BoxChanged(1, 1, box)) == 7
    assert mailbox_of(BoxDeleted(1, 1, 8, "a")) == 8
    assert mailbox_of(Added(1, 9, 1, [Arrived(1, 0)], ())) == 9
