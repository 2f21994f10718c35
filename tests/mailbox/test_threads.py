"""Threads: the steps of RFC 5256 §3 one by one, and what no mailbox may do to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox.threads import (
    Forest,
    Messages,
    Steps,
    ordered_subject,
    references,
    refs,
    unhurried,
)


@dataclass
class Mail:
    """A message, before it becomes a row of columns."""

    number: int
    subject: bytes
    is_reply: bool
    own: bytes
    references: tuple[bytes, ...]
    sent: int
    arrived: int = 0


Algorithm = Callable[[Messages], Steps]


def grown(algorithm: Algorithm, mails: Sequence[Mail]) -> tuple[Forest, int]:
    """The threads; nodes are places in ``mails``, which are in the order of their numbers."""
    messages = Messages(
        [mail.sent for mail in mails],
        [mail.subject for mail in mails],
        [mail.is_reply for mail in mails],
        [(hash(mail.own) if mail.own else 0, *map(hash, mail.references)) for mail in mails],
        [mail.arrived for mail in mails],
    )
    return asyncio.run(unhurried(algorithm(messages))), len(mails)


def shown(algorithm: Algorithm, mails: Sequence[Mail]) -> str:
    """As ``(number child child)``, a dummy as ``.``."""
    mails = sorted(mails, key=lambda mail: mail.number)
    forest, count = grown(algorithm, mails)

    def one(node: int) -> str:
        number = str(mails[node].number) if node < count else "."
        return f"({' '.join([number, *map(one, forest.below.get(node, ()))])})"

    return "".join(map(one, forest.roots))


def mail(
    number: int, subject: str = "", *refs: str, own: str | None = None, reply: bool = False
) -> Mail:
    identity = (own if own is not None else f"m{number}").encode()
    ancestors = tuple(r.encode() for r in refs)
    return Mail(number, subject.encode(), reply, identity, ancestors, number)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([mail(1), mail(2)], "(1)(2)"),
        ([mail(1), mail(2, "", "m1"), mail(3, "", "m1", "m2")], "(1 (2 (3)))"),
        ([mail(1), mail(2, "", "m1"), mail(3, "", "m1")], "(1 (2) (3))"),
        # the ancestor of both is nobody's: it stays as a dummy at the top
        ([mail(1, "", "x"), mail(2, "", "x")], "(. (1) (2))"),
        # a dummy with one child gives way to it, also at the top
        ([mail(1, "", "x")], "(1)"),
        ([mail(1), mail(2, "", "m1", "x", "y")], "(1 (2))"),
        # a truncated References of 3 does not take 2 from 1
        ([mail(1), mail(2, "", "m1"), mail(3, "", "m2")], "(1 (2 (3)))"),
        # loops are not made
        ([mail(1, "", "m2"), mail(2, "", "m1")], "(2 (1))"),
        ([mail(1, "", "m1")], "(1)"),
        # the second message with an id is one without
        ([mail(1, own="x"), mail(2, own="x"), mail(3, "", "x")], "(1 (3))(2)"),
        # step 5: same subject, the reply goes below what is no reply
        ([mail(1, "S"), mail(2, "S", reply=True)], "(1 (2))"),
        ([mail(1, "S", reply=True), mail(2, "S")], "(2 (1))"),
        ([mail(1, "S"), mail(2, "S")], "(. (1) (2))"),
        ([mail(1, "S"), mail(2, "S"), mail(3, "S")], "(. (1) (2) (3))"),
        ([mail(1, ""), mail(2, "")], "(1)(2)"),
        # a dummy takes those of its subject in
        ([mail(1, "S", "x"), mail(2, "S", "x"), mail(3, "S")], "(. (1) (2) (3))"),
        (
            [mail(1, "S", "x"), mail(2, "S", "x"), mail(3, "S", "y"), mail(4, "S", "y")],
            "(. (1) (2) (3) (4))",
        ),
    ],
)
def test_references(messages: list[Mail], expected: str) -> None:
    assert shown(references, messages) == expected


def test_siblings_are_sorted_by_date_and_threads_by_their_first() -> None:
    late, early = mail(1, "", "x"), mail(2, "", "x")
    late.sent, early.sent = 50, 10
    other = mail(3)
    other.sent = 20
    assert shown(references, [late, early, other]) == "(. (2) (1))(3)"


def test_refs_ignores_subjects() -> None:
    messages = [mail(1, "S"), mail(2, "S", reply=True), mail(3, "T", "x"), mail(4, "T", "x")]
    assert shown(refs, messages) == "(1)(2)(. (3) (4))"


def test_refs_puts_the_thread_last_that_mail_came_to_last() -> None:
    old, other, reply, early = mail(1), mail(2), mail(3, "", "m1"), mail(4, "", "m1")
    for arrived, message in enumerate((old, other, reply, early), 100):
        message.arrived = arrived
    early.sent = 0
    assert shown(refs, [old, other]) == "(1)(2)"
    assert shown(refs, [old, other, reply, early]) == "(2)(1 (4) (3))"  # siblings by sent date
    other.arrived = 103
    assert shown(refs, [old, other, reply, early]) == "(2)(1 (4) (3))"  # at once: by number
    other.arrived = 104
    assert shown(refs, [old, other, reply, early]) == "(1 (4) (3))(2)"


def test_ordered_subject_has_no_grandchildren() -> None:
    messages = [mail(1, "A"), mail(2, "B"), mail(3, "A"), mail(4, "A")]
    assert shown(ordered_subject, messages) == "(1 (3) (4))(2)"


ids = st.sampled_from([f"m{n}" for n in range(12)])


@given(
    st.lists(
        st.tuples(ids, st.lists(ids, max_size=5), st.sampled_from(["", "A", "B"]), st.booleans()),
        max_size=12,
    )
)
def test_every_message_appears_once(
    drawn: list[tuple[str, list[str], str, bool]],
) -> None:
    messages = [
        mail(n, subject, *refs, own=own, reply=reply)
        for n, (own, refs, subject, reply) in enumerate(drawn, 1)
    ]
    for algorithm in (references, refs, ordered_subject):
        forest, count = grown(algorithm, messages)
        seen = list(forest.roots)
        for node in seen:
            seen += forest.below.get(node, ())
        assert sorted(node for node in seen if node < count) == list(range(count))
        assert all(len(forest.below[node]) > 1 for node in seen if node >= count)


def test_a_very_long_thread() -> None:
    messages = [mail(1)] + [mail(n, "", f"m{n - 1}") for n in range(2, 5000)]
    forest, _ = grown(references, messages)
    assert forest.roots == [0]
