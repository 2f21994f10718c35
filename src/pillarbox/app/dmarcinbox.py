"""Reports of others on mail in our domains' names (RFC 9990): found in mail, kept, summed up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice

from pillarbox.base.clock import Clock
from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.message import authres, header
from pillarbox.message.part import Part
from pillarbox.message.scan import scan
from pillarbox.message.transfer import decode
from pillarbox.model.mailbox import INBOX
from pillarbox.model.numset import NumSet
from pillarbox.policy.dmarc.reading import Report, Seen, Unreadable, read
from pillarbox.store.api import Column, Store

log = Logger("dmarc")

RECEIVED = "dmarc-in"
"""The kind of the notes that hold a report each, by ``Report.key``."""
PLACE = "dmarc-place"
"""The kind of the note that says which mail was looked at."""
KEPT = 400 * 86_400.0
"""Seconds that a report is kept: a year can be compared with the last."""
LARGEST = 16 << 20
"""Octets of a message that is looked into."""
MOST_TRIED = 3
"""Attachments of a message that are unpacked: a report comes alone, and each may
unpack to a thousand times its size."""
_LAST = 0xFFFF_FFFF
_PACKED = {
    *((b"application", b"gzip"), (b"application", b"x-gzip"), (b"application", b"zip")),
    *((b"application", b"x-zip-compressed"), (b"application", b"octet-stream")),
    *((b"text", b"xml"), (b"application", b"xml")),
}


def reports_in(message: bytes) -> list[Report]:
    """The reports attached to a message; what only looks like one is left out."""
    found = []
    packed = (one for one in _parts(scan(message).root) if (one.type, one.subtype) in _PACKED)
    for part in islice(packed, MOST_TRIED):
        content = decode(message[part.body_start : part.body_end], part.encoding)
        try:
            found.append(read(content))
        except Unreadable as error:
            log.info("dmarc.unreadable", error=str(error))
    return found


def _parts(root: Part) -> Iterator[Part]:
    yield root
    for child in root.children:
        yield from _parts(child)


class ReportInbox:
    """Looks through the mail of one account. ``address``: '' for nobody's. ``lane``: where
    reports are read, so that a large one keeps nobody waiting."""

    def __init__(self, store: Store, clock: Clock, address: str, server: str, lane: Lane) -> None:
        self._store = store
        self._lane = lane
        self._clock = clock
        self._address = address
        self._server = server.lower()

    async def work(self) -> None:
        """Keep the reports in mail that came since the last time."""
        account = await self._store.account_by_address(self._address) if self._address else None
        box = await self._store.mailbox_by_name(account.id, INBOX) if account else None
        if account is None or box is None:
            return
        now, key = self._clock.now(), f"{account.id} {box.id}"
        known = (await self._store.recall(PLACE, prefix=key, now=now)).get(key, b"0")
        place, columns = int(known), [Column.UID, Column.SIZE, Column.BLOB]
        async for rows in self._store.rows(
            account.id, box.id, NumSet([(place + 1, _LAST)]), columns
        ):
            for uid, size, blob in rows:
                if int(size) <= LARGEST:  # type: ignore[call-overload]
                    await self._look(await self._store.read(int(blob)))  # type: ignore[call-overload]
                place = max(place, int(uid))  # type: ignore[call-overload]
        if place != int(known):
            value = {key: str(place).encode()}
            await self._store.remember(PLACE, value, until=now + KEPT, now=now)

    async def _look(self, message: bytes) -> None:
        if not _honest(message, self._server):
            log.info("dmarc.forged", address=self._address)
            return
        for report in await self._lane.run(reports_in, message):
            await keep(self._store, report, self._clock.now())


def _honest(message: bytes, server: str) -> bool:
    """Whether we know who wrote it (RFC 9990 §3.5.2), or did not ask."""
    for value in header.every(message[:LARGEST], authres.NAME):
        text = value.decode("utf-8", "replace")
        claimed = authres.server_of(text)
        if claimed is not None and claimed[0] == server:
            return any(one.method == "dmarc" and one.result == "pass" for one in authres.read(text))
    return True


async def keep(store: Store, report: Report, now: float) -> bool:
    """Keep a report, once; False for one on a domain that is not ours."""
    ours = {domain.name for domain in await store.domains()}
    labels = report.domain.split(".")
    if not any(".".join(labels[at:]) in ours for at in range(len(labels))):
        return False
    value = json.dumps(asdict(report), separators=(",", ":")).encode()
    await store.remember(RECEIVED, {report.key: value}, until=now + KEPT, now=now)
    return True


async def kept(store: Store, domain: str, now: float) -> list[Report]:
    """All that are kept on a domain ('' on all), the oldest first."""
    prefix = f"{domain} " if domain else ""
    found = (await store.recall(RECEIVED, prefix=prefix, now=now)).values()
    return sorted(map(_thaw, found), key=lambda one: (one.begin, one.domain, one.organization))


def _thaw(value: bytes) -> Report:
    held = json.loads(value)
    held["seen"] = tuple(_seen(one) for one in held["seen"])
    return Report(**held)


def _seen(held: Mapping[str, object]) -> Seen:
    return Seen(**{**held, "signers": tuple(held["signers"])})  # type: ignore[arg-type]


def by_sender(reports: Iterable[Report]) -> list[dict[str, object]]:
    """Who sent in a domain's name: a line for each domain and address, the busiest first."""
    lines: dict[tuple[str, str], dict[str, int]] = {}
    for report in reports:
        for one in report.seen:
            line = lines.setdefault((report.domain, one.ip), dict.fromkeys(_COUNTS, 0))
            good = one.dkim or one.spf
            line["messages"] += one.count
            line["passed" if good else "failed"] += one.count
            line["dkim"] += one.count * one.dkim
            line["spf"] += one.count * one.spf
            line["refused"] += one.count * (one.disposition in {"reject", "quarantine"})
    ordered = sorted(lines.items(), key=lambda pair: (-pair[1]["messages"], pair[0]))
    return [{"domain": domain, "ip": ip, **line} for (domain, ip), line in ordered]


_COUNTS = ("messages", "passed", "failed", "dkim", "spf", "refused")
