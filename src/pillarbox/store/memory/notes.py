"""Notes in a dict."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.store.memory.state import State


class MemoryNotes:
    """See ``notes.Notes``."""

    state: State

    async def remember(
        self, kind: str, values: Mapping[str, bytes | None], *, until: float, now: float
    ) -> None:
        notes = self.state.notes
        for where in [where for where, (_, end) in notes.items() if end <= now]:
            del notes[where]
        for key, value in values.items():
            notes.pop((kind, key), None)
            if value is not None:
                notes[kind, key] = (value, until)

    async def recall(self, kind: str, *, prefix: str = "", now: float) -> dict[str, bytes]:
        return {
            key: value
            for (of, key), (value, end) in sorted(self.state.notes.items())
            if of == kind and key.startswith(prefix) and end > now
        }
