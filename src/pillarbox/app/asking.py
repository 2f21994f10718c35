"""What a worker wants of the store, done in the process that has it open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pillarbox.base.errors import Misuse
from pillarbox.model.refusal import Refusal
from pillarbox.store.api import NewItem, NewMessage, Parcel, Store
from pillarbox.store.blobs.files import FileContent


class StoreDesk:
    """Answers the calls of a line from the store. ``wake``: mail was put into the queue."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def asked(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the method of this name gives. Raises Misuse for one that is not a worker's, and
        what the store raises."""
        if name.startswith("_") or name == "close":
            raise Misuse(f"{name} is not a worker's to ask")
        files = [(file, file.path) for file in _files([*args, *kwargs.values()])]
        try:
            result = await getattr(self._store, name)(*args, **kwargs)
        except asyncio.CancelledError:  # the worker has gone
            for file, _ in files:
                file.discard()
            raise
        finally:
            for file, path in files:
                file.give_back(path)
        if name == "accept_each" or (name == "accept" and _queued(args, result)):
            self._wake()
        return result


def _files(values: Sequence[Any]) -> list[FileContent]:
    """What lies in files among the arguments, also in lists and pairs."""
    found: list[FileContent] = []
    for value in values:
        if isinstance(value, NewMessage):
            if isinstance(value.content, FileContent):
                found.append(value.content)
        elif isinstance(value, Parcel):
            found += _files([value.message])
        elif isinstance(value, (list, tuple)):
            found += _files(value)
    return found


def _queued(args: Sequence[Any], result: Sequence[object]) -> bool:
    """Whether an ``accept`` put something into the queue."""
    items = [value for value in args if isinstance(value, NewItem)]
    return any(item.pairs for item in items) or any(isinstance(one, Refusal) for one in result)
