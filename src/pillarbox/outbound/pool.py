"""Connections that wait for the next message, and addresses that are left alone for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from pillarbox.outbound.connect import Refused, Tools
from pillarbox.outbound.options import Way
from pillarbox.outbound.session import Session


class Pool:
    """Opens sessions and keeps what can be used again. One for a process."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._idle: OrderedDict[Session, asyncio.TimerHandle] = OrderedDict()
        self._down: OrderedDict[tuple[str, int, str], tuple[float, Refused]] = OrderedDict()

    def now(self) -> float:
        """Seconds since 1970, by the clock of all sessions."""
        return self._tools.clock.now()

    def idle(self, way: Way) -> Session | None:
        """A waiting session of exactly this way; the caller has it for himself."""
        for session in reversed(self._idle):
            if session.way == way:
                self._idle.pop(session).cancel()
                return session
        return None

    async def open(self, way: Way) -> Session:
        """A fresh session. Raises Refused, at once for an address that was down a moment ago."""
        key = (way.address, way.port, way.source)
        known = self._down.get(key)
        now = self._tools.clock.monotonic()
        if known is not None and known[0] > now:
            raise Refused(known[1].reply, reached=False)
        try:
            session = await Session.open(way, self._tools)
        except Refused as refused:
            if not refused.reached:
                self._note(key, now, refused)
            raise
        self._down.pop(key, None)
        return session

    def give_back(self, session: Session) -> None:
        """Keep it for the next message, or end it."""
        options = self._tools.options
        if not session.alive:
            session.abort()
        elif not session.ready or session.used >= options.messages or options.idle <= 0:
            session.close()
        else:
            loop = asyncio.get_running_loop()
            self._idle[session] = loop.call_later(options.idle, self._expire, session)
            while len(self._idle) > options.kept:
                self._expire(next(iter(self._idle)))

    async def close(self) -> None:
        """End all that wait; a server that does not say goodbye is left after a second."""
        waiting = list(self._idle)
        for session in waiting:
            self._expire(session)
        await asyncio.gather(*(session.gone(1.0) for session in waiting))

    def _expire(self, session: Session) -> None:
        self._idle.pop(session).cancel()
        session.close()

    def _note(self, key: tuple[str, int, str], now: float, refused: Refused) -> None:
        self._down[key] = (now + self._tools.options.down, refused)
        self._down.move_to_end(key)
        while len(self._down) > 10_000:
            self._down.popitem(last=False)
