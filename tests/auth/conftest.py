"""A house to log in to, closed after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.loginhouse import House, open_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = await open_house()
    yield house
    await house.close()
