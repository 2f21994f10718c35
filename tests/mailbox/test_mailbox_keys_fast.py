"""The short cuts over packed columns say what the long ways say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox import common, keys
from pillarbox.mailbox.facts import facts_of

TEXT = st.text("aZé日 :", max_size=20)
IDS = st.lists(st.sampled_from([b"a@b", b"c@d", b"long" * 40 + b"@e"]), max_size=4)


@given(st.none() | st.integers(-(10**10), 10**10), TEXT, st.booleans(), TEXT, IDS, IDS)
def test_for_threads_is_what_the_parts_say(
    sent: int | None, subject: str, reply: bool, name: str, own: list[bytes], above: list[bytes]
) -> None:
    made = keys.Keys(
        sent, 60, subject, reply, name, name, "", name, "", b"".join(own[:1]), tuple(above)
    )
    column = keys.pack(made)
    assert keys.for_threads(column, 7) == (
        keys.sent(column, 7),
        keys.text(column, keys.SUBJECT),
        keys.is_reply(column),
        keys.text(column, keys.MESSAGE_ID),
        keys.text(column, keys.REFERENCES),
    )


def test_for_threads_of_unknown_columns() -> None:
    for column in (b"", b"\x01", b"\xff" * 40):
        assert keys.for_threads(column, 7) == (7, b"", False, b"", b"")


def test_what_surely_lacks_a_text() -> None:
    plain = facts_of(b"Subject: Hello there\r\nX-Other: word\r\n\r\n").common
    assert common.surely_lacks(plain, b"WORLD")
    assert common.surely_lacks(plain, b"WORD")  # not among the kept ones
    assert not common.surely_lacks(plain, b"HELLO")
    assert not common.surely_lacks(plain, b"SUBJECT")
    for hidden in (b"=?utf-8?q?a?=", "ü".encode(), b"\xff"):
        assert not common.surely_lacks(facts_of(b"Subject: " + hidden + b"\r\n\r\n").common, b"X")
    for unknown in (b"", b"\x00", b"\xff\x00"):
        assert not common.surely_lacks(unknown, b"X")
    many = facts_of(b"To: ann@example.test\r\n" * 200 + b"\r\n").common
    assert common.surely_lacks(many, b"WORLD")
    assert not common.surely_lacks(many, b"ANN")
