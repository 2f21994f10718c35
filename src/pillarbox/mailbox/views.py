"""The mailboxes that are open in this process, each loaded once and shared by its sessions.

A mailbox stays for a while after its last session left, and follows the store meanwhile, so that
clients which select the same few mailboxes again and again do not make the store read them again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

from pillarbox.base.errors import Temporary
from pillarbox.base.log import Logger
from pillarbox.bus.api import Bus, Subscription
from pillarbox.mailbox.blocks import OCTETS, Blocks
from pillarbox.mailbox.kept import Shelf
from pillarbox.mailbox.state import LOST, MailboxState
from pillarbox.mailbox.view import View
from pillarbox.model.change import Change
from pillarbox.model.rights import ALL, Rights
from pillarbox.store.api import Snapshot

log = Logger("mailbox")

IDLE_MESSAGES = 2_000_000
IDLE_MAILBOXES = 1000
"""How much may stay open without a session: 40 MB of arrays."""
LOAD_TRIES = 3


class Loads(Protocol):
    """What is needed of the store."""

    async def load(self, account: int, mailbox: int) -> Snapshot | None: ...

    async def claim_recent(self, account: int, mailbox: int) -> int: ...


class _Room:
    """One mailbox that is open or being opened."""

    __slots__ = ("buffer", "idle", "key", "loading", "state", "subscription", "users")

    def __init__(self, key: tuple[int, int]) -> None:
        self.key = key
        self.state: MailboxState | None = None
        self.buffer: list[Change] | None = []
        """Changes heard while a snapshot is on its way."""
        self.loading: asyncio.Task[bool] | None = None
        self.subscription: Subscription | None = None
        self.users = 0
        self.idle = 0
        """Messages that it counts for among the mailboxes without a session."""


class Views:
    """The registry. One for a process; belongs to one event loop."""

    def __init__(
        self,
        store: Loads,
        bus: Bus,
        *,
        idle_messages: int = IDLE_MESSAGES,
        idle_mailboxes: int = IDLE_MAILBOXES,
        fetch_cache: int = OCTETS,
    ) -> None:
        """``fetch_cache``: octets of answers to FETCH that are kept."""
        self._store = store
        self.bus = bus
        """For those who want to hear of more than mailboxes that are open."""
        self._idle_messages = idle_messages
        self._idle_mailboxes = idle_mailboxes
        self._shelf = Shelf()
        self._blocks = Blocks(fetch_cache)
        self._rooms: dict[tuple[int, int], _Room] = {}
        self._idle: OrderedDict[tuple[int, int], _Room] = OrderedDict()
        self._idle_held = 0
        """Messages in them."""

    async def open(
        self,
        account: int,
        mailbox: int,
        *,
        session: str,
        read_only: bool = False,
        rights: Rights = ALL,
    ) -> View | None:
        """A view of a mailbox for ``session`` (unique in the house), which has these rights to
        it; None when there is none.

        ``close`` it. Raises what the store raises.
        """
        room = self._enter((account, mailbox))
        try:
            state = await self._ready(room)
            recent_from = await self._recent(room, state, read_only) if state else 0
        except BaseException:
            self._leave(room)
            raise
        if state is None or state.ended:
            self._leave(room)
            return None
        view = View(state, session, read_only=read_only, recent_from=recent_from, rights=rights)
        state.watchers[view] = None
        return view

    async def close(self, view: View) -> None:
        """End a view. Closing twice does nothing."""
        state = view.state
        if state.watchers.pop(view, self) is self:
            return
        room = self._rooms.get((state.box.account, state.box.id))
        if room is None or room.state is not state:
            return
        try:
            # What was shown as \Recent is not for the next session, also after a restart. If some
            # mail was shown to nobody the claim would take it too, so it is left (RFC 3501
            # §2.3.2: in doubt a message is recent).
            if room.users == 1 and state.claimed < state.uidnext == state.announced + 1:
                state.claimed = state.uidnext
                await self._store.claim_recent(*room.key)
        finally:
            self._leave(room)

    def peek(self, account: int, mailbox: int) -> MailboxState | None:
        """The mailbox if it happens to be in memory: for counters that need no session."""
        room = self._rooms.get((account, mailbox))
        return room.state if room is not None and room.buffer is None else None

    def shut(self) -> None:
        """Stop listening and forget all mailboxes; views must not be used any more."""
        for room in tuple(self._rooms.values()):
            self._drop(room)
            if room.loading is not None:
                room.loading.cancel()

    # ------------------------------------------------------------------ coming and going

    def _enter(self, key: tuple[int, int]) -> _Room:
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = _Room(key)
            # Listen first: what is committed while the snapshot is read must not be missed.
            account, mailbox = key
            room.subscription = self.bus.subscribe(
                lambda change: self._hear(room, change), account=account, mailbox=mailbox
            )
        self._weigh(room, 0)
        self._idle.pop(key, None)
        room.users += 1
        return room

    def _leave(self, room: _Room) -> None:
        room.users -= 1
        if room.users or self._rooms.get(room.key) is not room:
            return
        if room.state is None or room.state.ended:
            self._drop(room)
            return
        self._idle[room.key] = room
        self._weigh(room, len(room.state))
        while self._idle and (
            self._idle_held > self._idle_messages or len(self._idle) > self._idle_mailboxes
        ):
            self._drop(next(iter(self._idle.values())))

    def _weigh(self, room: _Room, messages: int) -> None:
        """A mailbox without a session holds so many: not counted anew, as there may be many."""
        self._idle_held += messages - room.idle
        room.idle = messages

    def _drop(self, room: _Room) -> None:
        if self._rooms.get(room.key) is room:
            del self._rooms[room.key]
        if self._idle.get(room.key) is room:
            del self._idle[room.key]
        self._weigh(room, 0)
        self._shelf.drop(room.key)
        if room.subscription is not None:
            room.subscription.close()

    async def _recent(self, room: _Room, state: MailboxState, read_only: bool) -> int:
        """First UID that is \\Recent for a session that opens now (RFC 3501 §2.3.2)."""
        first = state.claimed
        if not read_only and state.claimed < state.uidnext:
            uidnext = state.uidnext
            first = await self._store.claim_recent(*room.key)
            state.claimed = max(state.claimed, uidnext)
        return max(first, state.announced + 1)

    # ------------------------------------------------------------------ loading and following

    def _hear(self, room: _Room, change: Change) -> None:
        if room.buffer is not None:
            room.buffer.append(change)
            return
        state = room.state
        if state is None:
            return
        if not state.apply(change):
            # A bug somewhere, or a store that was restored under us: what is on the disk counts.
            log.warning(
                "mailbox.reload",
                account=room.key[0],
                mailbox=room.key[1],
                change=type(change).__name__,
                modseq=change.modseq,
            )
            room.buffer = [change]
            room.loading = asyncio.get_running_loop().create_task(self._load(room))
        elif not room.users:
            if state.ended:
                self._drop(room)
            elif room.key in self._idle:
                self._weigh(room, len(state))

    async def _ready(self, room: _Room) -> MailboxState | None:
        """The state of a mailbox, loaded if need be; None when there is no such mailbox."""
        while room.buffer is not None:
            if room.loading is None or room.loading.done():
                room.loading = asyncio.get_running_loop().create_task(self._load(room))
            if not await asyncio.shield(room.loading):
                return None
        return room.state

    async def _load(self, room: _Room) -> bool:
        """Load, or load again; False when there is no such mailbox (any more).

        Raises only for a first load, where somebody waits to hear it.
        """
        again = room.state is not None
        try:
            for _ in range(LOAD_TRIES):
                snapshot = await self._store.load(*room.key)
                if snapshot is None:
                    self._end(room)
                    return False
                if room.state is None:
                    room.state = MailboxState(snapshot, self._shelf, self._blocks)
                else:
                    room.state.reload(snapshot)
                if self._catch_up(room, room.state):
                    return True
            raise Temporary(f"mailbox {room.key} does not agree with its changes")
        except Exception as error:
            log.error("mailbox.lost", exc=error, account=room.key[0], mailbox=room.key[1])
            self._end(room)
            if not again:
                raise
        return False

    def _catch_up(self, room: _Room, state: MailboxState) -> bool:
        """Apply what was heard meanwhile; there is no await between this and live changes."""
        heard, room.buffer = room.buffer or [], None
        for number, change in enumerate(heard):
            if not state.apply(change):
                room.buffer = heard[number:]
                return False
        return True

    def _end(self, room: _Room) -> None:
        """The mailbox cannot be shown: tell its sessions and make room for a fresh start."""
        state = room.state
        if state is not None and not state.ended:
            state.ended = LOST
            state.wake()
        self._drop(room)
