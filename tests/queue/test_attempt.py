"""One attempt by itself: what it makes is given up where it could not be written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.queue.attempt import Attempt
from pillarbox.store.api import NewMessage
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support.people import Counted, new_message


@pytest.mark.parametrize("how", [Attempt._settle, Attempt._hand_on])
async def test_a_notice_that_could_not_be_written_is_given_up(how: Any) -> None:
    async def settle(*_args: object, **_more: object) -> None:
        raise Temporary("the disk is full")

    means = SimpleNamespace(spool=SimpleNamespace(settle=settle), clock=FakeClock(), lease=1.0)
    item = SimpleNamespace(id=1, lease=1, recipients=())
    todo = SimpleNamespace(waiting=(), jobs=(), decided=())
    attempt = Attempt(*cast("Any", (means, item, todo, None)))
    message = await new_message(MemoryStore())
    content = Counted(message.content)
    with pytest.raises(Temporary):
        await how(attempt, [], NewMessage(content, message.facts), cast("Any", None))
    assert content.given_up
