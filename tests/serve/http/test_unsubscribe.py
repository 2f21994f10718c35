"""Leaving a list by a click (RFC 8058)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pillarbox.delivery.lists.subscriptions import BOUNCE, LEAVE, Subscriptions
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.model.lists import Cause, MailingList
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.unsubscribe import Unsubscribe
from pillarbox.serve.http.values import Answer, Request
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support.people import house

FORM = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"
PARTS = (
    b'--xx\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    b"One-Click\r\n--xx--\r\n"
)  # fmt: skip


@dataclass
class World:
    store: MemoryStore
    list: int
    tokens: Tokens
    site: Site

    async def ask(
        self, method: str, token: str, body: bytes = b"", content_type: str = FORM
    ) -> Answer:
        request = Request(method, "x", f"/u/{token}", "", content_type, body)
        return await self.site.answer(request)

    async def members(self) -> list[str]:
        return [member.address for member in await self.store.members(self.list)]


@pytest.fixture
async def world() -> World:
    store = await house()
    made = await store.add_list(MailingList(0, "talk@example.test", "<b>Talk</b>"))
    assert isinstance(made, MailingList)
    await store.set_members(made.id, [("ann@far.test", False), ("bob@far.test", False)])
    tokens = Tokens(b"0123456789abcdef")
    subscriptions = Subscriptions(store, tokens, FakeClock())
    return World(store, made.id, tokens, Site(Unsubscribe(subscriptions).pages(), ""))


async def test_get_asks_and_changes_nothing(world: World) -> None:
    token = world.tokens.make(LEAVE, 1)
    for method in ("GET", "HEAD", "GET"):
        answer = await world.ask(method, token)
        assert answer.status == 200
    assert b"ann@far.test" in answer.body
    assert b'<form method="post">' in answer.body
    assert b"<b>Talk" not in answer.body  # a title is text
    assert len(await world.members()) == 2
    assert await world.store.suppressions() == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(ONE_CLICK, FORM), (PARTS, "multipart/form-data; boundary=xx"), (b"a=b&" + ONE_CLICK, "")],
)
async def test_one_click(world: World, body: bytes, content_type: str) -> None:
    token = world.tokens.make(LEAVE, 1)
    for _ in range(2):  # who has left has left
        answer = await world.ask("POST", token.upper(), body, content_type)
        assert answer.status == 200
        assert not any(name == "location" for name, _ in answer.headers)
    assert await world.members() == ["bob@far.test"]
    (entry,) = await world.store.suppressions()
    assert (entry.owner, entry.address) == ("talk@example.test", "ann@far.test")
    assert entry.cause is Cause.UNSUBSCRIBED
    assert b"not on the list any more" in (await world.ask("GET", token)).body


@pytest.mark.parametrize("body", [b"", b"List-Unsubscribe=yes", b"One-Click", PARTS, b"a=b&" * 101])
async def test_a_post_has_to_say_so(world: World, body: bytes) -> None:
    assert (await world.ask("POST", world.tokens.make(LEAVE, 1), body)).status == 400
    assert len(await world.members()) == 2


async def test_no_token_no_page(world: World) -> None:
    good = world.tokens.make(LEAVE, 1)
    bad = ["x", good[:-1] + ("a" if good[-1] != "a" else "b"), world.tokens.make(BOUNCE, 1)]
    for token in bad:
        assert (await world.ask("GET", token)).status == 404
        assert (await world.ask("POST", token, ONE_CLICK)).status == 404
    assert (await world.ask("PUT", good)).status == 405
    assert len(await world.members()) == 2
