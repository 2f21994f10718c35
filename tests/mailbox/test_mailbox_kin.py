"""What puts a message into a thread, and the ids that clients see."""

from __future__ import annotations

import pytest

from pillarbox.mailbox import keys
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.keys import Keys
from pillarbox.mailbox.objectid import email_id, thread_id, thread_of


def ids(*names: str) -> tuple[bytes, ...]:
    return tuple(f"{name}@x".encode() for name in names)


def test_itself_its_nearest_ancestors_and_the_root() -> None:
    (own,) = keys.kin(Keys(message_id=b"me@x"))
    assert own > 0
    kin = keys.kin(Keys(message_id=b"me@x", references=ids(*"abcdefgh")))
    assert kin == (own, *[keys.kin(Keys(message_id=one))[0] for one in ids(*"hgfea")])
    few = keys.kin(Keys(message_id=b"me@x", references=ids(*"ab")))
    assert len(few) == 3
    assert keys.kin(Keys(references=ids("a")))[0] == 0
    assert keys.kin(Keys()) == ()
    assert keys.kin(Keys(message_id=b"me@x", references=ids("me"))) == (own,)


def test_from_the_message() -> None:
    first = facts_of(b"Message-ID: <1@x>\r\n\r\n").kin
    answer = facts_of(b"Message-ID: <2@x>\r\nReferences: <1@x>\r\n\r\n").kin
    also = facts_of(b"Message-ID: <3@x>\r\nIn-Reply-To: <1@x>\r\n\r\n").kin
    assert (len(first), answer[1:], also[1:]) == (1, first, first)
    assert facts_of(b"Subject: nothing\r\n\r\n").kin == ()


@pytest.mark.parametrize("thread", [1, (1 << 63) - 1, -1, -300])
def test_thread_ids_and_back(thread: int) -> None:
    assert thread_of(thread_id(thread)) == thread


def test_ids_of_kinds_never_meet() -> None:
    assert len({email_id(5), thread_id(5), thread_id(-5)}) == 3
    for wrong in ("", "T", "Tr", "Tr0", "Tr01", "Tx1", "E1", "Tr" + "f" * 17, "TrF"):
        assert thread_of(wrong) is None
