"""One at a time for each key."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.auth.turns import Turns


async def test_the_same_key_takes_turns_in_order() -> None:
    turns, seen, inside = Turns(), [], 0

    async def visit(number: int) -> None:
        nonlocal inside
        async with turns.turn("a"):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            seen.append(number)
            inside -= 1

    await asyncio.gather(*(visit(n) for n in range(20)))
    assert seen == list(range(20))
    assert len(turns) == 0


async def test_other_keys_do_not_wait() -> None:
    turns = Turns()
    async with turns.turn("a"), turns.turn("b"):
        assert len(turns) == 2
    assert len(turns) == 0


async def test_errors_and_cancellations_give_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="x"):
        async with turns.turn("a"):
            raise ValueError("x")

    async def wait() -> None:
        async with turns.turn("a"):
            await asyncio.sleep(3600)

    first, second = asyncio.ensure_future(wait()), asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert len(turns) == 0
    async with turns.turn("a"):
        pass
