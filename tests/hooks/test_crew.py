"""Hooks are asked within their budgets, and none hurts more than itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pillarbox import hooks
from pillarbox.base.clock import SystemClock
from pillarbox.base.log import LogfmtFormatter
from pillarbox.hooks.crew import Crew
from pillarbox.hooks.load import Hook
from pillarbox.hooks.values import NAMES
from pillarbox.hooks.watch import Watch
from pillarbox.model.transaction import Peer
from pillarbox.model.verdict import Action

PEER = Peer("192.0.2.1")
RCPT = hooks.Rcpt("mx", PEER, "a@out.test", "b@example.test")
MAIL = hooks.Data(
    "mx", PEER, "a@out.test", ("b@example.test",), hooks.Message(b"Subject: x\r\n\r\n")
)

Function = Callable[[Any], Awaitable[Any]]


def hook(
    run: Function,
    event: str = "data",
    seconds: float = 5.0,
    closed: bool = False,
    doors: tuple[str, ...] = ("mx",),
) -> Hook:
    return Hook(f"t.{run.__name__}", NAMES[event], run, seconds, closed, frozenset(doors))


def crew(*some: Hook) -> Crew:
    return Crew(SystemClock(), some)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(LogfmtFormatter().format(one) for one in caplog.records)


async def nothing(value: object) -> None: ...


async def refuses(value: object) -> hooks.Decision:
    return hooks.refuse("no")


async def junks(value: object) -> hooks.Decision:
    return hooks.junk("smells", tags=["smelly"])


async def raises(value: object) -> hooks.Decision:
    raise RuntimeError("broken")


async def leaves(value: object) -> hooks.Decision:
    raise SystemExit


async def cancels(value: object) -> hooks.Decision:
    raise asyncio.CancelledError


async def sleeps(value: object) -> hooks.Decision:
    await asyncio.sleep(60)
    return hooks.refuse("too late")


async def wrong(value: object) -> object:
    return "junk"


async def test_who_says_nothing_is_not_told() -> None:
    answer = await crew(hook(nothing)).ask(MAIL)
    assert (answer.decision.action, list(answer.said)) == (Action.ACCEPT, [])


async def test_all_are_asked_until_one_refuses() -> None:
    answer = await crew(hook(junks), hook(refuses), hook(raises)).ask(MAIL)
    assert answer.decision.action is Action.REFUSE
    assert answer.decision.tags == ("smelly",)
    assert [one.hook for one in answer.said] == ["t.junks", "t.refuses"]
    assert [one.finding.result for one in answer.said] == ["junk", "fail"]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (raises, "RuntimeError: broken"),
        (leaves, "SystemExit"),
        (cancels, "cancelled itself"),
        (sleeps, "no answer within 0.05 seconds"),
        (wrong, "returned str"),
    ],
)
async def test_a_hook_that_fails(
    run: Function, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    (said,) = (await crew(hook(run, seconds=0.05)).ask(MAIL)).said
    assert words in said.fault
    assert said.finding.result == "temperror"
    assert said.finding.properties == (("policy.hook", f"t.{run.__name__}"),)
    assert f"t.{run.__name__}" in logged(caplog)
    closed = await crew(hook(run, seconds=0.05, closed=True), hook(refuses)).ask(MAIL)
    assert closed.decision.action is Action.DEFER
    assert closed.decision.reply is not None
    assert closed.decision.reply.code == 451
    opened = await crew(hook(run, seconds=0.05), hook(junks)).ask(MAIL)
    assert opened.decision.action is Action.JUNK


async def test_a_hook_that_cannot_be_cancelled_keeps_nobody_waiting() -> None:
    free = asyncio.Event()

    async def stubborn(value: object) -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(5):
        (said,) = (await crew(hook(stubborn, seconds=0.05)).ask(MAIL)).said
    free.set()
    assert "no answer" in said.fault


async def test_whoever_asks_may_go_away() -> None:
    ended = asyncio.Event()

    async def waits(value: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    asking = asyncio.ensure_future(crew(hook(waits)).ask(MAIL))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(5):
        await ended.wait()


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("rcpt", RCPT),
        (
            "append",
            hooks.Append("b@example.test", "INBOX", "b@example.test", frozenset(), MAIL.message),
        ),
        ("queue_result", hooks.QueueResult("t", "", "c@out.test", "done", None)),
    ],
)
async def test_what_an_event_does_not_allow_is_a_fault(event: str, value: Any) -> None:
    (said,) = (await crew(hook(junks, event)).ask(value)).said
    assert "junk is no answer" in said.fault


async def test_no_fields_where_mail_has_to_stay_as_it_is() -> None:
    async def adds(value: object) -> hooks.Decision:
        return hooks.accept(fields=[("X-A", "1")])

    copy = hooks.Append("b@example.test", "INBOX", "b@example.test", frozenset(), MAIL.message)
    (said,) = (await crew(hook(adds, "append")).ask(copy)).said
    assert "no header fields" in said.fault


async def test_doors() -> None:
    asked = crew(hook(refuses, doors=("submission",)))
    assert not asked.wants(hooks.Data, "mx")
    assert asked.wants(hooks.Data, "submission")
    assert not asked.wants(hooks.Rcpt, "submission")
    assert (await asked.ask(MAIL)).decision.action is Action.ACCEPT


async def test_results_are_told_and_nobody_waits() -> None:
    heard: list[str] = []
    done = asyncio.Event()

    async def hears(value: hooks.QueueResult) -> None:
        heard.append(value.recipient)
        done.set()

    told = crew(hook(hears, "queue_result"))
    told.tell(hooks.QueueResult("t", "", "c@out.test", "done", None))
    assert heard == []
    async with asyncio.timeout(5):
        await done.wait()
    assert heard == ["c@out.test"]
    await told.close()


async def test_a_flood_of_results_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    told = crew(hook(sleeps, "queue_result", seconds=30))
    for _ in range(1500):
        told.tell(hooks.QueueResult("t", "", "c@out.test", "done", None))
    assert logged(caplog).count("results-not-told") == 9  # 1, 2, 4 … 256 of 500
    async with asyncio.timeout(5):
        await told.close()


async def test_whoever_keeps_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    seen = threading.Event()

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "hook.blocking" in record.getMessage():
                seen.set()

    handler = Hears()
    logging.getLogger("pillarbox.hooks").addHandler(handler)

    async def blocks(value: object) -> None:
        await asyncio.sleep(0)
        assert seen.wait(10), "nobody noticed"

    watch = Watch(SystemClock(), long=0.01, stuck=0.05)
    blocked = Crew(SystemClock(), [hook(blocks, seconds=20)], watch)
    try:
        assert not (await blocked.ask(MAIL)).said
    finally:
        logging.getLogger("pillarbox.hooks").removeHandler(handler)
        await blocked.close()
    assert "hook.blocking" in logged(caplog)  # told while it lasted, with the place
    assert "test_crew.py" in logged(caplog) or "threading.py" in logged(caplog)
    assert "hook.blocked" in logged(caplog)  # and how long it was
    assert logged(caplog).count("t.blocks") >= 2


async def test_waiting_is_not_blocking(caplog: pytest.LogCaptureFixture) -> None:
    async def waits(value: object) -> None:
        for _ in range(3):
            await asyncio.sleep(0.06)

    watch = Watch(SystemClock(), long=0.1)
    asked = Crew(SystemClock(), [hook(waits)], watch)
    await asked.ask(MAIL)
    await asked.close()
    assert "block" not in logged(caplog)
