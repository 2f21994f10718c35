"""Whose name users may write into From."""

from __future__ import annotations

from typing import cast

import pytest

from pillarbox.auth.sendas import Options, SendAs
from pillarbox.delivery.authors import MOST, AuthorRule
from pillarbox.delivery.gate import Top
from pillarbox.model.account import Domain, DomainKind
from pillarbox.model.address import Address
from pillarbox.model.transaction import Envelope, Local, Peer, Recipient, Role, Sender
from pillarbox.store.api import Directory
from pillarbox.store.blobs.inline import BytesContent
from support import people

ANN = Address("ann", "example.test")


def envelope(role: Role = Role.SUBMISSION, user: str = "ann@example.test") -> Envelope:
    to = tuple(
        Recipient(Address(name, "example.test"), (Local(n, f"{name}@example.test"),))
        for n, name in enumerate(("bob", "cat"), 1)
    )
    return Envelope(Sender(ANN), to, role, Peer("127.0.0.1", user=user), 0.0, "id")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ("From: Ann <ANN@Example.test>", False),
        ("From: ann+x@example.test", False),
        ("From: info@example.test", False),
        ("From: shop@example.test", False),
        ("From: bob@example.test", True),
        ("From: Ann <ann@example.test>, Bob <bob@example.test>", True),
        ("From: ann@example.test\r\nFrom: bob@example.test", True),
        ("From: team: bob@example.test;", True),
        ("From: nobody@example.test", True),
        ("From: =?utf-8?q?bob=40example.test?=", True),
        ("From: bob@example.test\0", True),
        ("From: bob@Example . TEST (Bob)", True),
        ("From: www-data", False),
        ("From: bob@example.test\r\nSender: ann@example.test", True),
        ("From: eve@elsewhere.test\r\nResent-From: ann@example.test", False),
        ("From: eve@relayed.test", False),
        ("From: bob@example.test.", True),
        ("From: boss@sub.example.test", True),  # our signature would speak for it
        ("From: eve@inner.example.test", False),
        ("X: y", False),
        ("From: " + ", ".join(["ann@example.test"] * MOST) + ", bob@example.test", True),
        ("a:\r\n" * 60_000 + "From: bob@example.test", True),
    ],
)
async def test_users_write_as_nobody_else_of_the_house(fields: str, refused: bool) -> None:
    store = await people.house("ann", "bob", "cat")
    await people.alias(store, "info", "ann")
    await store.set_domain(Domain("relayed.test", kind=DomainKind.RELAY, hop="x"))
    await store.set_domain(Domain("inner.example.test", kind=DomainKind.RELAY, hop="x"))
    extra = {"ann@example.test": frozenset({"shop@example.test"})}
    rule = AuthorRule(store, SendAs(store, Options(extra)))
    head = f"{fields}\r\n\r\n".encode()
    ruling = await rule(envelope(), Top(BytesContent(head)))
    assert set(ruling.refused) == ({(0, 0), (1, 0)} if refused else set())
    assert all(reply.code == 550 for reply in ruling.refused.values())
    assert not (await rule(envelope(Role.MX, ""), Top(BytesContent(head)))).refused


async def test_a_name_of_very_many_labels_is_asked_about_by_nobody() -> None:
    """Else one message costs a hundred thousand questions to the directory."""
    store = await people.house("ann", "bob", "cat")
    asked: list[str] = []

    class Counting:
        async def domain(self, name: str) -> None:
            asked.append(name)

        async def account_by_address(self, address: str) -> object:
            return await store.account_by_address(address)

    rule = AuthorRule(cast("Directory", Counting()), SendAs(store))
    head = b"From: x@" + b"a." * 100_000 + b"example.test\r\n\r\n"
    assert not (await rule(envelope(), Top(BytesContent(head)))).refused
    assert not asked
