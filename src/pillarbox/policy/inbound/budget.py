"""The DNS for one message: no more questions than a message may cost."""

from __future__ import annotations

from pillarbox.dns.answers import Answer, Kind, Resolver, Status

_SPENT = Answer(Status.FAILED, detail="this message has asked too much")


class Budget:
    """A ``dns.answers.Resolver`` that says FAILED once ``questions`` different ones were asked."""

    def __init__(self, resolver: Resolver, questions: int) -> None:
        self._resolver = resolver
        self._left = questions
        self._asked: set[tuple[str, Kind]] = set()

    @property
    def spent(self) -> int:
        """Questions so far."""
        return len(self._asked)

    async def ask(self, name: str, kind: Kind) -> Answer:
        key = (name.lower(), kind)
        if key not in self._asked:
            if self.spent >= self._left:
                return _SPENT
            self._asked.add(key)
        return await self._resolver.ask(name, kind)
