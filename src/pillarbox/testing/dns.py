"""A resolver that answers from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pillarbox.dns.answers import FAILED, Answer, Kind, Mx, Record, Srv, Status, Tlsa


class FakeResolver:
    """Implements ``dns.answers.Resolver``.

    ``zone`` maps (name, type) to records; a name with any record exists. Names in ``failing``
    fail, and names in ``secure`` (or below) are validated. ``asked`` notes every question.
    """

    def __init__(
        self,
        zone: Mapping[tuple[str, str], Sequence[Record]],
        *,
        failing: Sequence[str] = (),
        secure: Sequence[str] = (),
    ) -> None:
        self.zone = {(name.lower(), Kind(kind)): tuple(rows) for (name, kind), rows in zone.items()}
        self.failing = set(failing)
        self.secure = tuple(secure)
        self.asked: list[tuple[str, Kind]] = []

    def add(self, name: str, *records: Record) -> None:
        """More records of a type that their class tells: MX, SRV, TLSA, TXT."""
        kind = {Mx: Kind.MX, Srv: Kind.SRV, Tlsa: Kind.TLSA, bytes: Kind.TXT}[type(records[0])]
        self.zone[name.lower(), kind] = records

    async def ask(self, name: str, kind: Kind) -> Answer:
        self.asked.append((name, kind))
        name = name.rstrip(".").lower()
        secure = True
        for _ in range(10):
            if name in self.failing:
                return FAILED
            secure = secure and name.endswith(self.secure) if self.secure else False
            rows = self.zone.get((name, kind))
            if rows:
                return Answer(Status.FOUND, rows, 300, secure, name)
            alias = self.zone.get((name, Kind.CNAME))
            if not alias:
                break
            name = str(alias[0]).lower()
        exists = any(known == name or known.endswith("." + name) for known, _ in self.zone)
        return Answer(Status.NO_DATA if exists else Status.NO_NAME, (), 60, secure, name)
