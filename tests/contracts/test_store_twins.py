"""The real store and its meaning, side by side: whatever is done to both, they answer alike."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pillarbox.model.change import Arrivals
from pillarbox.model.flags import (
    DELETED,
    EVERY_FLAG,
    MAX_KEYWORDS,
    NO_FLAGS,
    SEEN,
    FlagScope,
    FlagSet,
)
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.model.rights import Rights
from pillarbox.store.api import Column, FlagOp, NewItem, Settled, Store, Target
from pillarbox.store.memory import MemoryStore
from pillarbox.store.memory.state import State
from pillarbox.store.sharing import SERVER, AccessOp
from support.apart import processes
from support.storekit import ALL, Kit, envelope, open_kit

REAL = "sqlite" if processes() == 1 else "apart"
QUIET = {"claim", "expunged since", "lease", "settle", "hold or drop", "purge"}
"""Rules of which nobody hears: what they give tells whether they did anything."""
NAMES = ["INBOX", "a", "a/b", "a/b/b", "b", "c", "inbox/x", "c/d"]
WORDS = ["one", "two", "Two", "three", *(f"w{n}" for n in range(MAX_KEYWORDS))]
numbers = st.integers(1, 14)
aimed = st.lists(st.integers(0, 9), min_size=1, max_size=5)
"""Which of the messages that are there."""
uid_sets = st.one_of(
    aimed,
    aimed,
    st.just(ALL),
    st.lists(numbers, max_size=6).map(NumSet.of),
    st.lists(st.tuples(numbers, numbers), max_size=4).map(NumSet.merge),
)
flag_sets = st.builds(
    FlagSet,
    st.integers(0, 63),
    st.one_of(
        st.frozensets(st.sampled_from(WORDS[:4]), max_size=3),
        st.frozensets(st.sampled_from(WORDS), max_size=30),
    ),
)
scopes = st.sampled_from([EVERY_FLAG, FlagScope(1, keywords=False), FlagScope(~9 & 0xFF)])
WHO = ["ann@example.org", "bob@example.org", "-bob@example.org", "anyone"]
places = st.integers(0, 99)
"""Which of the mailboxes that are there; from BLIND on, any number."""
BLIND = 92
Uids = NumSet | list[int]


def plain(value: object) -> object:
    """Values compared by what they say, not by which kind of sequence says it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = [f for f in dataclasses.fields(value) if f.compare or REAL != "apart"]
        return (type(value).__name__, *(plain(getattr(value, f.name)) for f in told))
    if isinstance(value, (list, tuple, range, array, Arrivals)):
        return tuple(plain(item) for item in value)
    return value


class Twins(RuleBasedStateMachine):
    steps: ClassVar[Counter[tuple[str, bool]]] = Counter()
    """Of all walks: the rule, and whether it changed or found anything."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="pillarbox-twins-")
        self.kits = [self.run(self.open(kind)) for kind in ("memory", REAL)]
        self.heard: object = ()

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(call)

    async def open(self, kind: str) -> Kit:
        return await open_kit(kind, Path(self.folder.name))

    def both(self, call: Callable[[Kit], Coroutine[Any, Any, Any]]) -> Any:
        meant, real = (plain(self.run(call(kit))) for kit in self.kits)
        assert real == meant
        heard, heard_too = (plain(kit.taken()) for kit in self.kits)
        assert heard_too == heard
        self.heard = heard
        return meant

    def step(self, name: str, call: Callable[[Kit], Coroutine[Any, Any, Any]]) -> Any:
        """What a rule does to both."""
        found = self.both(call)
        self.steps[name, bool(self.heard or (name in QUIET and found))] += 1
        return found

    def ask(self, name: str, call: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
        return self.step(name, lambda kit: call(kit.store))

    # What is there, as the store in memory knows without being asked.

    @property
    def state(self) -> State:
        store = self.kits[0].store
        assert isinstance(store, MemoryStore)
        return store.state

    def place(self, pick: int, *, filled: bool = False) -> tuple[int, int]:
        """An account and a mailbox: of those with messages, if ``filled``, where there are any."""
        if pick >= BLIND:
            return pick % 3 + 1, (pick - BLIND) * 3 + 1
        there = [
            (home.account.id, box)
            for home in self.state.homes.values()
            for box in home.boxes.values()
        ]
        some = [one for one in there if one[1].messages] if filled else []
        account, box = (some or there)[pick % len(some or there)]
        return account, box.id

    def uids(self, place: tuple[int, int], wanted: Uids) -> NumSet:
        """UIDs of messages that are there, or what was ``wanted`` by number."""
        if isinstance(wanted, NumSet):
            return wanted
        home = self.state.homes.get(place[0])
        box = home.boxes.get(place[1]) if home else None
        there = sorted(box.messages) if box else []
        return NumSet.of([there[n % len(there)] if there else n + 1 for n in wanted])

    def items(self) -> list[int]:
        return sorted(self.state.queue)

    @initialize()
    def people(self) -> None:
        self.both(lambda kit: kit.account("ann", quota=1500))
        self.both(lambda kit: kit.account("bob"))
        flags = [NO_FLAGS, FlagSet(DELETED), FlagSet(SEEN, frozenset({"one"}))]
        for pick in (0, 0, 0, 1, len(self.state.homes[1].boxes)):
            Twins.append_many(self, pick, flags)

    @rule(seconds=st.sampled_from([0, 1, 60, 5000]))
    def time_passes(self, seconds: int) -> None:
        for kit in self.kits:
            kit.clock.time += seconds

    @rule(
        aims=st.lists(st.tuples(places, flag_sets, st.booleans(), st.booleans()), max_size=4),
        body=st.binary(max_size=60).map(lambda b: b * 90 if len(b) > 50 else b),
        kin=st.lists(st.integers(1, 9), max_size=3, unique=True).map(tuple),
        queued=st.sampled_from([None, 0, 1, 2]),
    )
    def accept(
        self, aims: list[Any], body: bytes, kin: tuple[int, ...], queued: int | None
    ) -> None:
        goals = [
            Target(*self.place(place), flags, 5, 60, enforce, (number, 0) if paired else None)
            for number, (place, flags, enforce, paired) in enumerate(aims)
        ]
        others = [(number, 0) for number in range(len(aims), 4)][: queued or 0]
        whole = envelope(*(f"{c}@x.example" for c in "abcd"))
        item = None if queued is None else NewItem(whole, others, 0.0)

        async def call(kit: Kit) -> Any:
            message = await kit.message(body, kin)
            done = await kit.store.accept(message, goals, item)
            message.content.discard()
            return done

        self.step("accept", call)

    @rule(pick=places, flags=st.lists(flag_sets, min_size=1, max_size=3))
    def append_many(self, pick: int, flags: list[FlagSet]) -> None:
        place = self.place(pick)

        async def call(kit: Kit) -> Any:
            pairs = [(await kit.message(b"m"), Target(*place, its)) for its in flags]
            return await kit.store.append_many(pairs)

        self.step("append", call)

    @rule(
        pick=places,
        wanted=uid_sets,
        op=st.sampled_from(list(FlagOp)),
        flags=flag_sets,
        since=st.one_of(st.none(), st.none(), st.integers(0, 40)),
        scope=scopes,
    )
    def set_flags(
        self,
        pick: int,
        wanted: Uids,
        op: FlagOp,
        flags: FlagSet,
        since: int | None,
        scope: FlagScope,
    ) -> None:
        place = self.place(pick, filled=True)
        uids = self.uids(place, wanted)
        self.ask(
            "set flags",
            lambda s: s.set_flags(
                *place, uids, op, flags, unchanged_since=since, origin="o", scope=scope
            ),
        )

    @rule(pick=places, wanted=uid_sets, goal=places, scope=scopes)
    def copy(self, pick: int, wanted: Uids, goal: int, scope: FlagScope) -> None:
        place, to = self.place(pick, filled=True), self.place(goal)
        uids = self.uids(place, wanted)
        self.ask("copy", lambda s: s.copy(*place, uids, *to, scope=scope))

    @rule(pick=places, wanted=uid_sets, goal=places, scope=scopes)
    def move(self, pick: int, wanted: Uids, goal: int, scope: FlagScope) -> None:
        place, to = self.place(pick, filled=True), self.place(goal)
        uids = self.uids(place, wanted)
        self.ask("move", lambda s: s.move(*place, uids, *to, scope=scope))

    @rule(
        pick=places,
        values=st.dictionaries(
            st.tuples(st.integers(0, 2), st.sampled_from(["/a", "/b", "/c"])),
            st.one_of(st.none(), st.binary(max_size=3)),
            max_size=3,
        ),
        use=st.sampled_from([None, "", "\\All", "\\Sent"]),
        level=st.sampled_from(["mailbox", "account", "server"]),
    )
    def annotate(self, pick: int, values: Any, use: str | None, level: str) -> None:
        account, mailbox = self.place(pick)
        if level == "server":
            account = SERVER
        if level != "mailbox":
            mailbox, use = 0, None
        self.ask(
            "annotate",
            lambda s: s.annotate(account, mailbox, values, special_use=use, origin="o"),
        )

    @rule(
        pick=places,
        who=st.sampled_from(WHO),
        op=st.sampled_from(list(AccessOp)),
        rights=st.frozensets(st.sampled_from("lrswt")),
    )
    def change_access(self, pick: int, who: str, op: AccessOp, rights: Rights) -> None:
        place = self.place(pick)
        self.ask("change access", lambda s: s.change_access(*place, who, op, rights))

    @rule(
        number=st.integers(1, 2),
        messages=st.sampled_from([-1, 0, 0, 8, 30]),
        boxes=st.sampled_from([0, 0, 7, 9]),
    )
    def limit(self, number: int, messages: int, boxes: int) -> None:
        async def call(kit: Kit) -> Any:
            account = await kit.store.account(number)
            if account is None:
                return None
            changed = dataclasses.replace(account, max_messages=messages, max_mailboxes=boxes)
            return await kit.store.change_account(changed)

        self.both(call)

    @rule(pick=places, wanted=st.one_of(st.none(), uid_sets), only=st.booleans())
    def expunge(self, pick: int, wanted: Uids | None, only: bool) -> None:
        place = self.place(pick, filled=True)
        uids = None if wanted is None else self.uids(place, wanted)
        self.ask("expunge", lambda s: s.expunge(*place, uids, only_deleted=only, by="twin"))

    @rule(pick=places, modseq=st.integers(0, 40))
    def expunged_since(self, pick: int, modseq: int) -> None:
        place = self.place(pick)
        self.ask("expunged since", lambda s: s.expunged_since(*place, modseq))

    @precondition(lambda self: any(home.kept for home in self.state.homes.values()))
    @rule(goal=places, pick=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def undelete(self, goal: int, pick: list[int]) -> None:
        to = self.place(goal)

        async def call(kit: Kit) -> Any:
            kept = await kit.store.retained(to[0])
            return await kit.store.undelete(to[0], [kept[n] for n in pick if n < len(kept)], to[1])

        self.step("undelete", call)

    @rule(age=st.sampled_from([0, 30, 1000]), graves=st.sampled_from([0, 30, 1000]))
    def purge(self, age: int, graves: int) -> None:
        now = self.kits[0].clock.time
        self.ask("purge", lambda s: s.purge(now - age, now - graves))

    @rule(
        account=st.integers(1, 3), name=st.sampled_from(NAMES), use=st.sampled_from(["", "\\All"])
    )
    def create(self, account: int, name: str, use: str) -> None:
        self.ask("create", lambda s: s.create_mailbox(account, name, use))

    @rule(pick=places)
    def delete(self, pick: int) -> None:
        place = self.place(pick)
        self.ask("delete", lambda s: s.delete_mailbox(*place))

    @rule(pick=places, name=st.sampled_from(NAMES))
    def rename(self, pick: int, name: str) -> None:
        place = self.place(pick)
        self.ask("rename", lambda s: s.rename_mailbox(*place, name))

    @rule(account=st.integers(1, 2), name=st.sampled_from(NAMES), on=st.booleans())
    def subscribe(self, account: int, name: str, on: bool) -> None:
        self.ask("subscribe", lambda s: s.subscribe(min(account, 2), name, on))

    @rule(pick=places)
    def claim(self, pick: int) -> None:
        place = self.place(pick, filled=True)
        self.ask("claim", lambda s: s.claim_recent(*place))

    @precondition(items)
    @rule(limit=st.integers(0, 3), seconds=st.sampled_from([1, 100]))
    def lease(self, limit: int, seconds: int) -> None:
        now = self.kits[0].clock.time
        self.ask("lease", lambda s: s.lease("w", now, now + seconds, limit))

    @precondition(items)
    @rule(
        number=st.integers(0, 3),
        states=st.lists(st.sampled_from(["due", "done", "failed", "held"]), max_size=3),
        notice=st.booleans(),
        goal=places,
    )
    def settle(self, number: int, states: list[str], notice: bool, goal: int) -> None:
        due = self.kits[0].clock.time + 50
        results = [Settled(n, s, due, Reply(450, "", "x")) for n, s in enumerate(states)]
        to = self.place(goal)

        async def call(kit: Kit) -> Any:
            items = await kit.store.queue_items()
            item = items[number % len(items)]
            dsn = await kit.message(b"dsn") if notice else None
            said = await kit.store.settle(
                item.id, item.lease, results, dsn, None, [Target(*to)] if notice else []
            )
            return said or "settled"

        self.step("settle", call)

    @precondition(items)
    @rule(number=st.integers(0, 3), drop=st.booleans(), held=st.booleans())
    def hold_or_drop(self, number: int, drop: bool, held: bool) -> None:
        async def call(kit: Kit) -> Any:
            items = await kit.store.queue_items()
            item = items[number % len(items)]
            return await (kit.store.drop(item.id) if drop else kit.store.hold(item.id, held))

        self.step("hold or drop", call)

    @rule()
    def reopen(self) -> None:
        memory, old = self.kits
        self.run(old.store.close())
        new = self.run(self.open(REAL))
        new.clock.time = memory.clock.time
        self.kits = [memory, new]

    @invariant()
    def alike(self) -> None:
        async def everything(kit: Kit) -> Any:
            out: list[Any] = [await kit.store.accounts(), await kit.store.next_due()]
            out.append(await kit.store.queue_items())
            out.append(await kit.store.annotations(SERVER, 0, 0))
            out.append(await kit.store.sharing(WHO))
            for account in await kit.store.accounts():
                boxes = await kit.store.mailboxes(account.id)
                out += [boxes, await kit.store.subscriptions(account.id)]
                out.append(await kit.store.retained(account.id))
                assert account.used == sum(box.size for box in boxes)
                assert account.messages == sum(box.messages for box in boxes)
                out.append(sorted((await kit.store.access_lists(account.id)).items()))
                for mailbox in (0, *(box.id for box in boxes)):
                    for user in range(3):
                        out.append(await kit.store.annotations(account.id, mailbox, user))
                for box in boxes:
                    out.append(await kit.store.load(account.id, box.id))
                    columns = [c for c in Column if c is not Column.KEYS]
                    async for batch in kit.store.rows(account.id, box.id, ALL, columns):
                        out.append(batch)
            return out

        self.both(everything)

    def teardown(self) -> None:
        for kit in self.kits:
            self.run(kit.store.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


@pytest.mark.slow
def test_twins() -> None:
    Twins.steps.clear()
    run_state_machine_as_test(
        Twins,
        settings=settings(
            max_examples=int(os.environ.get("PILLARBOX_TWINS", "9")),  # hundreds, when in doubt
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    done = sum(count for (_, did), count in Twins.steps.items() if did)
    assert done > Twins.steps.total() / 2, Twins.steps  # else they walk past each other
