"""Every test here runs on every store: what they agree on is what a store is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.store.sqlite import Options
from support.storekit import INLINE, Kit, open_kit

OPTIONS = {
    "sqlite": Options(inline_limit=INLINE, switch_interval=None),
    "sqlite-thread": Options(
        inline_limit=INLINE,
        switch_interval=None,
        write_on_loop=False,
        slow_read=-1.0,
        little_due=1,
        pack_from=1,
    ),
}


# The inner loop asks what is meant and what is kept; other roads to the same run with everything.
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("sqlite-thread", "apart")]


@pytest.fixture(params=["memory", "sqlite", *SLOW])
async def kit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kit]:
    opened = await open_kit(request.param, tmp_path / "store", OPTIONS.get(request.param))
    yield opened
    await opened.store.close()
