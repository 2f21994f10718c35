"""Two houses, and every state that an attempt can leave a message in.

``reachable`` asks the outcome function itself which states there are, so a new one without a case
here fails.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pillarbox.model.reply import Reply
from pillarbox.queue.outcome import DAY, HOUR, Policy, decide, told
from pillarbox.queue.report import Action
from pillarbox.store import rules
from pillarbox.store.api import QueueRecipient
from support.street import Street, fates

Outcome = tuple[str, str]
"""A recipient's state, and what its sender is to be told."""

ANN, BOB = "ann@example.test", "bob@other.test"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        made = Street(tmp_path, stack)
        await made.open("example.test", "ann")
        yield made


async def outcomes(street: Street) -> list[Outcome]:
    """Of all attempts at messages from or to Ann."""
    value = await street.houses["example.test"].admin.call("why", {"word": ANN, "limit": 20})
    return [
        (event["state"], event.get("owed", ""))
        for story in value["stories"]
        for event in story["events"]
        if event["kind"] == "attempted"
    ]


class Plain:
    """A server that knows no DSN, and answers RCPT when it is told to."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 plain\r\n")
        replies = {b"DATA": b"354 go on", b"RCPT": self.answer}
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                self.asked.set()
                await self.go.wait()
            if verb == b"DATA" and self.answer.startswith(b"2"):
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                verb = b""
            writer.write(replies.get(verb, b"250 fine") + b"\r\n")
        writer.close()


async def plain(street: Street, answer: bytes, *, waits: bool = False) -> Plain:
    """In the place of the other house."""
    peer = Plain(answer)
    if not waits:
        peer.go.set()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", street.ports[1])
    street.stack.callback(server.close)
    return peer


# ---------------------------------------------------------------------------- the cases


async def taken(street: Street) -> None:
    await street.open("other.test", "bob")
    await street.write(BOB)
    await street.pass_time(1)
    assert len(await street.inbox(BOB)) == 1


async def delivered(street: Street) -> None:
    """To herself: what is to be reported goes by the queue, and it is this house that knows."""
    await street.write(ANN, rcpt=["NOTIFY=SUCCESS"])
    await street.pass_time(1)
    await street.pass_time(1)
    message, report = await street.inbox(ANN)
    assert fates(report) == [("delivered", ANN, "2.1.5")]
    assert b"Subject: hello" in message


async def relayed(street: Street) -> None:
    await plain(street, b"250 fine")
    await street.write(BOB, rcpt=["NOTIFY=SUCCESS"])
    await street.pass_time(1)
    await street.pass_time(1)
    (report,) = await street.inbox(ANN)
    assert fates(report)[0][:2] == ("relayed", BOB)


async def later(street: Street) -> None:
    await street.write(BOB)
    await street.pass_time(HOUR)
    assert await street.inbox(ANN) == []
    await street.open("other.test", "bob")
    await street.pass_time(2 * HOUR)
    assert len(await street.inbox(BOB)) == 1


async def delayed(street: Street) -> None:
    await street.write(BOB)
    await street.pass_time(4.1 * HOUR)
    (notice,) = await street.inbox(ANN)
    assert fates(notice)[0][0] == "delayed"


async def refused(street: Street) -> None:
    await street.open("other.test", "bob")
    await street.write("nobody@other.test")
    await street.pass_time(1)
    (report,) = await street.inbox(ANN)
    assert fates(report) == [("failed", "nobody@other.test", "5.1.1")]


async def refused_in_silence(street: Street) -> None:
    await street.open("other.test", "bob")
    await street.write("nobody@other.test", rcpt=["NOTIFY=NEVER"])
    await street.pass_time(1)
    assert await street.inbox(ANN) == []


async def held(street: Street) -> None:
    """Held by an operator while the other server thinks about it."""
    peer = await plain(street, b"450 4.2.1 later", waits=True)
    await street.write(BOB)
    await asyncio.wait_for(peer.asked.wait(), 20)
    admin = street.houses["example.test"].admin
    await admin.call("queue.hold", {"items": [1]})
    peer.go.set()
    await street.until(lambda: _settled(street))
    await street.pass_time(DAY)
    (item,) = (await admin.call("queue.list", {"state": "held"}))["items"]
    assert item["recipients"][0]["attempts"] == 1
    await admin.call("queue.release", {"items": [1]})


async def _settled(street: Street) -> bool:
    items: list[dict[str, Any]] = (
        await street.houses["example.test"].admin.call("queue.list", {})
    )["items"]
    return not items[0]["leased"]


CASES: dict[Outcome, Callable[[Street], Awaitable[None]]] = {
    ("done", ""): taken,
    ("done", "delivered"): delivered,
    ("done", "relayed"): relayed,
    ("due", ""): later,
    ("due", "delayed"): delayed,
    ("failed", ""): refused_in_silence,
    ("failed", "failed"): refused,
    ("held", ""): held,
}


@pytest.mark.parametrize("outcome", CASES, ids=lambda outcome: " ".join(outcome).strip())
async def test_every_outcome(street: Street, outcome: Outcome) -> None:
    await CASES[outcome](street)
    assert outcome in await outcomes(street)
    seen = await street.houses["example.test"].core.store.audit()
    assert seen.findings == []


# ---------------------------------------------------------------------------- the table


def reachable() -> set[Outcome]:
    """Whatever the outcome function can say, for all that it looks at."""
    policy, found = Policy(), set[Outcome]()
    words = ("NEVER", "SUCCESS", "FAILURE", "DELAY")
    asked = [frozenset(some) for n in range(4) for some in itertools.combinations(words, n)]
    ages = (0.0, policy.warn + 1, policy.expire + 1)
    for code, age, state in itertools.product((250, 450, 550, 600), ages, ("due", "held")):
        row = QueueRecipient(0, 0, 0, 0, 0.0, state)
        result = decide(row, Reply(code, "", ""), created=0.0, now=age, policy=policy, chance=0.5)
        settled = rules.settled(row, result).state
        for notify, action, warned in itertools.product(asked, Action, (False, True)):
            owed = told(notify, result, action, now=age, warn=policy.warn, warned=warned)
            if settled != "held":  # what a held one owes is that of the answer it had
                found.add((settled, owed))
            else:
                found.add((settled, ""))
    return found


def test_every_row_of_the_outcome_table_has_its_case() -> None:
    assert set(CASES) == reachable()
