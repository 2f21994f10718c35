"""From a Content to a row: what must happen before the transaction, and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pillarbox.base.lanes import Lane
from pillarbox.store.api import NewMessage
from pillarbox.store.blobs.files import FileBodies
from pillarbox.store.sqlite.accept import Body, prepare
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

R = TypeVar("R")


class Intake:
    """Makes bodies ready, runs the transaction, and says whose the bytes are afterwards."""

    def __init__(self, writer: WriteLane, files: FileBodies, lane: Lane, options: Options) -> None:
        self._writer = writer
        self._files = files
        self._lane = lane
        self._limit = options.inline_limit

    async def run(
        self, messages: Sequence[NewMessage], operation: Callable[[Tx, Sequence[Body]], R]
    ) -> R:
        """``operation`` keeps the bodies with ``accept.keep``; those it did not keep, or whose
        transaction failed, are the caller's to try again or discard."""
        self._writer.check()
        bodies = [Body(message.content) for message in messages]
        last: list[Tx] = []
        begun = False

        def run(tx: Tx) -> R:
            last[:] = [tx]
            return operation(tx, bodies)

        def settle(committed: bool) -> None:
            kept = last[0].kept if committed else []
            for body in bodies:
                body.settle(any(body is one for one in kept))

        try:
            for body in bodies:
                body.hold()
                await prepare(body, self._files, self._limit, self._lane)
            octets = sum(len(body.data) for body in bodies)
            begun = True
            return await self._writer.do(run, octets=octets, settle=settle)
        finally:
            if not begun:
                for body in bodies:
                    body.settle(False)
