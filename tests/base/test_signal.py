"""A level, its watchers and its waiters."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.base.signal import Signal


def test_watchers_are_called_once_a_rise() -> None:
    signal = Signal()
    calls: list[str] = []

    def a() -> None:
        calls.append("a")

    def b() -> None:
        calls.append("b")
        signal.unwatch(b)  # a watcher may leave while being called

    signal.watch(a)
    signal.watch(b)
    signal.watch(a)  # twice is once
    signal.set()
    signal.set()
    assert calls == ["a", "b"]
    assert signal.is_set()
    signal.clear()
    assert not signal.is_set()
    signal.set()
    assert calls == ["a", "b", "a"]
    signal.unwatch(a)
    signal.unwatch(a)
    assert signal._watchers is None  # an unwatched signal is small


async def test_waiters() -> None:
    signal = Signal()
    tasks = [asyncio.create_task(signal.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    signal.set()
    signal.clear()  # a rise wakes whoever waited, even if it was brief
    await asyncio.gather(*tasks[1:])
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert signal._watchers is None
    signal.set()
    await signal.wait()
