"""What follows from mail that finally failed."""

from __future__ import annotations

import pytest

from pillarbox.delivery.consequences import Consequences
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import (
    Envelope,
    Local,
    Peer,
    Recipient,
    Remote,
    Role,
    Route,
    Sender,
)
from pillarbox.store.api import QueueItem, QueueRecipient
from pillarbox.testing.clock import FakeClock
from support.people import house

GONE = Reply(550, "5.1.1", "no such user")
ANN = "ann@example.test"


@pytest.mark.parametrize(
    ("to", "routes", "suppressed"),
    [
        ("bob@far.test", (Remote("bob@far.test"),), True),
        ("Bob@Far.test", (Remote("bob@far.test"),), True),
        # Bob reads here what he forwards to an old address of his, which is gone.
        ("bob@example.test", (Local(2, "bob@example.test"), Remote("old@far.test")), False),
        # An alias may lead elsewhere tomorrow.
        ("team@example.test", (Remote("old@far.test"),), False),
    ],
)
async def test_only_the_address_that_refused_gets_nothing_more(
    to: str, routes: tuple[Route, ...], suppressed: bool
) -> None:
    clock = FakeClock()
    store = await house("ann", "bob", clock=clock)
    recipient = Recipient(Address(*to.split("@")), routes)
    sender = Sender(Address("ann", "example.test"))
    envelope = Envelope(sender, (recipient,), Role.SUBMISSION, Peer("", user=ANN), clock.now())
    row = QueueRecipient(0, 0, len(routes) - 1, 1, 0.0, "failed")
    item = QueueItem(1, envelope, 1, 1, clock.now(), (row,))
    await Consequences(store, clock)(item, [(row, GONE)])
    found = await store.suppressed(ANN, recipient.address.normal())
    assert (found is not None) is suppressed
