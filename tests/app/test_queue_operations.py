"""Operations on the queue that mean some recipients of a message."""

from __future__ import annotations

import pytest

from pillarbox.model.address import Address
from pillarbox.model.transaction import Recipient, Remote
from pillarbox.store.api import NewItem
from support.people import envelope, house, new_message
from support.rooms import caller


@pytest.mark.parametrize("operation", ["queue.expire", "queue.drop"])
@pytest.mark.parametrize("which", [{"domain": "dead.test"}, {"recipient": "@dead.test"}])
async def test_other_recipients_of_the_message_go_on_waiting(
    operation: str, which: dict[str, str]
) -> None:
    store = await house()
    people = [
        Recipient(Address("x", domain), (Remote(f"x@{domain}"),))
        for domain in ("dead.test", "far.test")
    ]
    item = NewItem(envelope(*people), [(0, 0), (1, 0)], due=0.0)
    await store.accept(await new_message(store), [], item)
    async with caller(store) as admin:
        value = await admin.call(operation, which)
    assert len(value["items"]) == 1
    (found,) = await store.queue_items()
    owed = "failed" if operation == "queue.expire" else ""
    assert [(row.state, row.owed) for row in found.recipients] == [("failed", owed), ("due", "")]
