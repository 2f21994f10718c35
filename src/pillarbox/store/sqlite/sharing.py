"""Annotations and access lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pillarbox.model.change import AccessChanged, Annotated
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import NONE, Rights, letters
from pillarbox.store import rules
from pillarbox.store.sharing import MAX_ACCESS, MAX_ANNOTATIONS, SERVER, AccessOp
from pillarbox.store.sqlite.mailboxes import set_special_use
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_ENTRIES = (
    "SELECT entry, value FROM annotation WHERE account = ? AND mailbox = ? AND user = ?"
    " ORDER BY entry"
)


class SqliteSharing:
    """See ``sharing.Annotations`` and ``sharing.AccessLists``."""

    reader: Reader
    writer: WriteLane

    async def annotations(self, account: int, mailbox: int, user: int) -> dict[str, bytes]:
        return dict(self.reader.all(_ENTRIES, (account, mailbox, user)))

    async def annotate(
        self,
        account: int,
        mailbox: int,
        values: Mapping[tuple[int, str], bytes | None],
        *,
        special_use: str | None = None,
        origin: str = "",
    ) -> Refusal | None:
        return await self.writer.do(
            lambda tx: _annotate(tx, account, mailbox, values, special_use, origin)
        )

    async def access_list(self, account: int, mailbox: int) -> dict[str, Rights]:
        rows = self.reader.all(
            "SELECT identifier, rights FROM access WHERE account = ? AND mailbox = ?"
            " ORDER BY identifier",
            (account, mailbox),
        )
        return {identifier: frozenset(rights) for identifier, rights in rows}

    async def access_lists(self, account: int) -> dict[int, dict[str, Rights]]:
        rows = self.reader.all(
            "SELECT mailbox, identifier, rights FROM access WHERE account = ?"
            " ORDER BY mailbox, identifier",
            (account,),
        )
        lists: dict[int, dict[str, Rights]] = {}
        for mailbox, identifier, rights in rows:
            lists.setdefault(mailbox, {})[identifier] = frozenset(rights)
        return lists

    async def change_access(
        self, account: int, mailbox: int, identifier: str, op: AccessOp, rights: Rights
    ) -> Refusal | None:
        return await self.writer.do(
            lambda tx: _change_access(tx, account, mailbox, identifier, op, rights)
        )

    async def sharing(self, identifiers: Collection[str]) -> list[int]:
        found: set[int] = set()
        for identifier in identifiers:
            rows = self.reader.all(
                "SELECT DISTINCT account FROM access WHERE identifier = ?", (identifier,)
            )
            found.update(account for (account,) in rows)
        return sorted(found)


def _annotate(
    tx: Tx,
    account: int,
    mailbox: int,
    values: Mapping[tuple[int, str], bytes | None],
    special_use: str | None,
    origin: str,
) -> Refusal | None:
    home = tx.home(account)
    if account != SERVER and (home is None or (mailbox and tx.box(account, mailbox) is None)):
        return rules.NO_MAILBOX
    before = {user: dict(tx.all(_ENTRIES, (account, mailbox, user))) for user, _ in values}
    after = rules.annotated(before, values)
    if any(len(entries) > MAX_ANNOTATIONS for entries in after.values()):
        return rules.TOO_MANY_ANNOTATIONS
    if special_use is not None:
        refused = set_special_use(tx, account, mailbox, special_use)
        if refused is not None:
            return refused
    for (user, name), value in values.items():
        key = (account, mailbox, user, name)
        if value is None:
            tx.db.execute(
                "DELETE FROM annotation WHERE account = ? AND mailbox = ? AND user = ?"
                " AND entry = ?",
                key,
            )
        else:
            tx.db.execute("INSERT OR REPLACE INTO annotation VALUES (?, ?, ?, ?, ?)", (*key, value))
    modseq = home.modseq if home is not None else 0
    for user in after:
        names = tuple(name for whose, name in values if whose == user)
        tx.changes.append(Annotated(account, modseq, mailbox, user, names, origin))
    return None


def _change_access(
    tx: Tx, account: int, mailbox: int, identifier: str, op: AccessOp, rights: Rights
) -> Refusal | None:
    home = tx.home(account)
    if home is None or tx.box(account, mailbox) is None:
        return rules.NO_MAILBOX
    key = (account, mailbox, identifier)
    row = tx.one(
        "SELECT rights FROM access WHERE account = ? AND mailbox = ? AND identifier = ?", key
    )
    before = frozenset(row[0]) if row else NONE
    after = rules.access(op, before, rights)
    if after == before:
        return None
    if not before:
        count = tx.one(
            "SELECT count(*) FROM access WHERE account = ? AND mailbox = ?", (account, mailbox)
        )
        if count is not None and count[0] >= MAX_ACCESS:
            return rules.TOO_MANY_IDENTIFIERS
    if after:
        tx.db.execute("INSERT OR REPLACE INTO access VALUES (?, ?, ?, ?)", (*key, letters(after)))
    else:
        tx.db.execute(
            "DELETE FROM access WHERE account = ? AND mailbox = ? AND identifier = ?", key
        )
    tx.changes.append(AccessChanged(account, home.modseq, mailbox, identifier))
    return None
