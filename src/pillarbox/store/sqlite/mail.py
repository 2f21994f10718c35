"""Messages in mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pillarbox.model.flags import EVERY_FLAG, FlagScope, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Sent
from pillarbox.store import rules
from pillarbox.store.api import (
    Appended,
    Column,
    Copied,
    FlagOp,
    NewItem,
    NewMessage,
    Parcel,
    Removed,
    Replaces,
    Snapshot,
    Stored,
    Target,
)
from pillarbox.store.journal import Telling
from pillarbox.store.scripts import Mark
from pillarbox.store.sqlite import accept, messages, rows, scripts
from pillarbox.store.sqlite.intake import Intake
from pillarbox.store.sqlite.picks import is_light
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane


class SqliteMail:
    """See ``api.Mail``."""

    reader: Reader
    writer: WriteLane
    intake: Intake

    def to_pack(self, snapshot: Snapshot) -> None:
        """This mailbox would be opened faster if it were packed (again), by whoever can write."""

    async def accept(
        self,
        message: NewMessage,
        targets: Sequence[Target],
        queued: NewItem | None = None,
        telling: Telling | None = None,
        *,
        sent: Sent | None = None,
    ) -> list[Appended | Refusal]:
        return await self.intake.run(
            [message],
            lambda tx, bodies: accept.accept(
                tx, bodies[0], message.facts, targets, queued, telling, sent
            ),
        )

    async def accept_each(
        self, parcels: Sequence[Parcel], marks: Sequence[Mark] = ()
    ) -> list[list[Appended | Refusal] | None]:
        def run(tx: Tx, bodies: Sequence[accept.Body]) -> list[list[Appended | Refusal] | None]:
            done: list[list[Appended | Refusal] | None] = []
            for one, body in zip(parcels, bodies, strict=True):
                if one.once is not None and scripts.is_marked(tx, one.once):
                    done.append(None)
                    continue
                done.append(
                    accept.accept(
                        *(tx, body, one.message.facts, one.targets, one.queued, one.telling),
                        more=one.more,
                        sent=one.sent,
                    )
                )
                kept = any(body is kept for kept in tx.kept)
                if one.once is not None and kept and not rules.lacking(one, done[-1]):
                    scripts.mark(tx, one.once)
            for remembered in rules.remembered(parcels, done, marks):
                scripts.mark(tx, remembered)
            return done

        return await self.intake.run([one.message for one in parcels], run)

    async def append_many(
        self,
        messages: Sequence[tuple[NewMessage, Target]],
        *,
        replaces: Replaces | None = None,
        by: str = "",
    ) -> list[Appended] | Refusal:
        if not messages:
            return []
        if len({(target.account, target.mailbox) for _, target in messages}) > 1:
            return rules.ONE_MAILBOX
        return await self.intake.run(
            [message for message, _ in messages],
            lambda tx, bodies: accept.append_many(
                tx,
                [
                    (body, message.facts, target)
                    for body, (message, target) in zip(bodies, messages, strict=True)
                ],
                replaces,
                by,
            ),
        )

    async def load(self, account: int, mailbox: int) -> Snapshot | None:
        found = await rows.load(self.reader, account, mailbox)
        if found is None:
            return None
        snapshot, stale = found
        if stale:
            self.to_pack(snapshot)
        return snapshot

    def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        return rows.rows(self.reader, account, mailbox, uids, columns)

    async def set_flags(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        op: FlagOp,
        flags: FlagSet,
        *,
        unchanged_since: int | None = None,
        origin: str = "",
        scope: FlagScope = EVERY_FLAG,
    ) -> Stored | Refusal:
        return await self.writer.do(
            lambda tx: messages.set_flags(
                tx, account, mailbox, uids, op, flags, unchanged_since, origin, scope
            ),
            aside=not is_light(uids),
        )

    async def copy(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        return await self.writer.do(
            lambda tx: messages.copy(
                tx, (account, mailbox), uids, (to_account, to_mailbox), scope, by, move=False
            ),
            aside=not is_light(uids),
        )

    async def move(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        return await self.writer.do(
            lambda tx: messages.copy(
                tx, (account, mailbox), uids, (to_account, to_mailbox), scope, by, move=True
            ),
            aside=not is_light(uids),
        )

    async def expunge(
        self, account: int, mailbox: int, uids: NumSet | None, *, only_deleted: bool, by: str = ""
    ) -> Removed | Refusal:
        return await self.writer.do(
            lambda tx: messages.expunge(tx, account, mailbox, uids, only_deleted, by),
            aside=not is_light(uids),
        )

    async def expunged_since(self, account: int, mailbox: int, modseq: int) -> tuple[NumSet, int]:
        async with self.reader.snapshot() as db:
            floor: Any = db.execute(
                "SELECT floor FROM mailbox WHERE account = ? AND id = ?", (account, mailbox)
            ).fetchone()
            runs: list[Any] = db.execute(
                "SELECT low, high FROM tombstone WHERE account = ? AND mailbox = ? AND modseq > ?",
                (account, mailbox, modseq),
            ).fetchall()
        if floor is None:
            return NumSet(), 0
        return NumSet.merge(runs), floor[0]
