"""Scripts and marks in dicts."""

from __future__ import annotations

from collections.abc import Collection

from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.memory.state import State
from pillarbox.store.scripts import Mark, StoredScript


class MemoryScripts:
    """See ``scripts.Scripts``."""

    state: State

    async def scripts(self, account: int) -> list[StoredScript]:
        found = self.state.scripts.get(account, {})
        active = self.state.active.get(account)
        return [StoredScript(name, len(found[name]), name == active) for name in sorted(found)]

    async def script(self, account: int, name: str) -> bytes | None:
        return self.state.scripts.get(account, {}).get(name)

    async def active_script(self, account: int) -> tuple[str, bytes] | None:
        name = self.state.active.get(account)
        return None if name is None else (name, self.state.scripts[account][name])

    async def put_script(self, account: int, name: str, source: bytes) -> Refusal | None:
        if (refused := await self.script_room(account, name, len(source))) is not None:
            return refused
        self.state.scripts.setdefault(account, {})[name] = source
        return None

    async def script_room(self, account: int, name: str, size: int) -> Refusal | None:
        if account not in self.state.homes:
            return rules.NO_ACCOUNT
        sizes = {key: len(value) for key, value in self.state.scripts.get(account, {}).items()}
        return rules.script_room(sizes, name, size)

    async def rename_script(self, account: int, name: str, new: str) -> Refusal | None:
        found = self.state.scripts.get(account, {})
        if name not in found:
            return rules.NO_SCRIPT
        if new in found:
            return rules.SCRIPT_EXISTS
        found[new] = found.pop(name)
        if self.state.active.get(account) == name:
            self.state.active[account] = new
        return None

    async def remove_script(self, account: int, name: str) -> Refusal | None:
        if name not in self.state.scripts.get(account, {}):
            return rules.NO_SCRIPT
        if self.state.active.get(account) == name:
            return rules.SCRIPT_ACTIVE
        del self.state.scripts[account][name]
        return None

    async def activate_script(self, account: int, name: str) -> Refusal | None:
        if name and name not in self.state.scripts.get(account, {}):
            return rules.NO_SCRIPT
        self.state.active.pop(account, None)
        if name:
            self.state.active[account] = name
        return None

    async def marked(self, account: int, keys: Collection[bytes], now: float) -> set[bytes]:
        return {key for key in keys if self.state.marks.get((account, key), 0.0) > now}


def is_marked(state: State, one: Mark) -> bool:
    """Whether it is remembered now."""
    return state.marks.get((one.account, one.key), 0.0) > state.clock.now()


def mark(state: State, one: Mark) -> None:
    """Remember; for the longer of two times."""
    if one.account in state.homes:
        key = (one.account, one.key)
        state.marks[key] = max(state.marks.get(key, 0.0), one.until)
