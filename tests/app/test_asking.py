"""What workers ask of the store: no more than is theirs, and no file is left by one that went."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from pillarbox.app.asking import StoreDesk
from pillarbox.base.errors import Misuse
from pillarbox.store.api import Facts, NewMessage, Store
from pillarbox.store.blobs.files import FileContent


class Waiting:
    """A store that never answers."""

    async def accept(self, message: NewMessage) -> None:
        await asyncio.get_running_loop().create_future()


def desk() -> StoreDesk:
    return StoreDesk(cast("Store", Waiting()), lambda: None)


async def test_a_worker_that_went_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "staged"
    path.write_bytes(b"message")
    message = NewMessage(FileContent(path, 7), Facts(b"", b"", b"", b"", b"", ""))
    asked = asyncio.ensure_future(desk().asked("accept", ([message],), {}))
    await asyncio.sleep(0)
    assert path.exists()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not path.exists()


@pytest.mark.parametrize("name", ["close", "_committed"])
async def test_not_everything_is_a_workers_to_ask(name: str) -> None:
    with pytest.raises(Misuse):
        await desk().asked(name, (), {})


def test_a_file_goes_back_only_while_it_is_nobodys(tmp_path: Path) -> None:
    staged, placed = tmp_path / "staged", tmp_path / "placed"
    placed.write_bytes(b"message")
    content = FileContent(staged, 7)
    content.moved(placed)
    content.hold()
    content.give_back(staged)
    assert placed.exists()
    content.settle(taken=False)
    content.give_back(staged)
    assert staged.exists()
    assert content.path == staged
    content.settle(taken=True)
    content.moved(placed)
    content.give_back(staged)
    assert content.path == placed
