"""The tree of mailboxes."""

from __future__ import annotations

from pillarbox.base.errors import Permanent
from pillarbox.model.change import BoxChanged, BoxCreated, BoxDeleted, Expunged
from pillarbox.model.mailbox import INBOX, Mailbox, canonical_name
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.cache import MISSED, NAMES, Cache
from pillarbox.store.sqlite.messages import find, retain, take, transfer
from pillarbox.store.sqlite.picks import pick
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import BOX_COLUMNS, Box, Home, Tx, read_box
from pillarbox.store.sqlite.writer import WriteLane

_SELECT = (
    f"SELECT {BOX_COLUMNS}, EXISTS (SELECT 1 FROM subscription s"
    " WHERE s.account = b.account AND s.name = b.name) FROM mailbox b WHERE b.account = ?"
)


class SqliteMailboxes:
    """See ``api.Mailboxes``."""

    reader: Reader
    writer: WriteLane
    cache: Cache

    async def mailboxes(self, account: int) -> list[Mailbox]:
        rows = self.reader.all(f"{_SELECT} ORDER BY b.name <> '{INBOX}', b.name", (account,))
        return [read_box(row[:-1]).value(bool(row[-1])) for row in rows]

    async def mailbox(self, account: int, mailbox: int) -> Mailbox | None:
        row = self.reader.row(f"{_SELECT} AND b.id = ?", (account, mailbox))
        return read_box(row[:-1]).value(bool(row[-1])) if row else None

    async def mailbox_by_name(self, account: int, name: str) -> Mailbox | None:
        return self._by_name(account, name)

    async def mailbox_at(self, account: int, name: str) -> Mailbox | None:
        known = self.cache.names.of(account, _no_names)
        if name in known:
            return known[name]
        box = self._by_name(account, name)
        if box is not None or len(name) <= MISSED:
            if len(known) >= NAMES:
                known.clear()
            known[name] = box
        return box

    def _by_name(self, account: int, name: str) -> Mailbox | None:
        try:
            row = self.reader.row(f"{_SELECT} AND b.name = ?", (account, canonical_name(name)))
        except UnicodeEncodeError:  # lone surrogates: no mailbox can have that name
            return None
        return read_box(row[:-1]).value(bool(row[-1])) if row else None

    async def create_mailbox(
        self, account: int, name: str, special_use: str = ""
    ) -> Mailbox | Refusal:
        return await self.writer.do(lambda tx: _create(tx, account, name, special_use))

    async def delete_mailbox(self, account: int, mailbox: int, by: str = "") -> Refusal | None:
        return await self.writer.do(lambda tx: _delete(tx, account, mailbox, by), aside=True)

    async def rename_mailbox(self, account: int, mailbox: int, name: str) -> Refusal | None:
        return await self.writer.do(lambda tx: _rename(tx, account, mailbox, name), aside=True)

    async def rename_children(self, account: int, old: str, new: str) -> Refusal | None:
        return await self.writer.do(lambda tx: _rename_children(tx, account, old, new), aside=True)

    async def subscribe(self, account: int, name: str, subscribed: bool) -> None:
        await self.writer.do(lambda tx: _subscribe(tx, account, canonical_name(name), subscribed))

    async def subscriptions(self, account: int) -> list[str]:
        rows = self.reader.all(
            f"SELECT name FROM subscription WHERE account = ? ORDER BY name <> '{INBOX}', name",
            (account,),
        )
        return [name for (name,) in rows]

    async def set_special_use(self, account: int, mailbox: int, use: str) -> Refusal | None:
        return await self.writer.do(lambda tx: set_special_use(tx, account, mailbox, use))

    async def claim_recent(self, account: int, mailbox: int) -> int:
        box = await self.mailbox(account, mailbox)
        if box is None or box.recent_uid == box.uidnext:
            return box.recent_uid if box else 0  # nothing to claim, so nothing to write
        return await self.writer.do(lambda tx: _claim_recent(tx, account, mailbox))


def _no_names(_account: int) -> dict[str, Mailbox | None]:
    return {}


def _create(tx: Tx, account: int, name: str, special_use: str) -> Mailbox | Refusal:
    home = tx.home(account)
    if home is None:
        return rules.NO_ACCOUNT
    boxes = tx.boxes(account)
    plan = rules.plan_create({box.name for box in boxes}, name, home.max_mailboxes)
    if isinstance(plan, Refusal):
        return plan
    use = rules.special_use(special_use)
    if use is None:
        return rules.UNKNOWN_USE
    if use and any(box.special_use == use for box in boxes):
        return rules.USE_TAKEN
    created = _make(tx, home, plan, use)
    tx.save(home)
    return tx.value(created[-1])


def _make(tx: Tx, home: Home, plan: list[str], use: str = "") -> list[Box]:
    """Mailboxes and their changes; the last one has the special use."""
    created = []
    for name in plan:
        created.append(tx.new_box(home, name, use if name is plan[-1] else ""))
        tx.changes.append(BoxCreated(home.id, home.modseq, tx.value(created[-1])))
    return created


def _delete(tx: Tx, account: int, mailbox: int, by: str) -> Refusal | None:
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    if box.name == INBOX:
        return rules.NOT_INBOX  # RFC 9051 §6.3.5
    modseq = home.stamp()
    found = find(tx, box, None)
    if found.uids:
        retain(tx, home, box, found, by, "deleted")
    tx.db.execute("DELETE FROM mailbox WHERE account = ? AND id = ?", (account, mailbox))
    for table in ("tombstone", "annotation", "access", "packed", "noted"):
        tx.db.execute(f"DELETE FROM {table} WHERE account = ? AND mailbox = ?", (account, mailbox))
    tx.save(home)
    tx.changes.append(BoxDeleted(account, modseq, mailbox, box.name))
    return None


def _rename(tx: Tx, account: int, mailbox: int, name: str) -> Refusal | None:
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    if box.name == INBOX:
        return _rename_inbox(tx, home, box, name)
    return _rename_names(tx, home, box.name, name)


def _rename_children(tx: Tx, account: int, old: str, new: str) -> Refusal | None:
    home = tx.home(account)
    return rules.NO_MAILBOX if home is None else _rename_names(tx, home, old, new)


def _rename_names(tx: Tx, home: Home, above: str, name: str) -> Refusal | None:
    account = home.id
    existing = {other.name: other.id for other in tx.boxes(account)}
    plan = rules.plan_rename(existing, above, name, home.max_mailboxes)
    if isinstance(plan, Refusal):
        return plan
    modseq = home.stamp()
    _make(tx, home, plan.create)
    follow = []
    for moved, old, new in plan.rename:
        key = (account, old)
        if tx.db.execute("SELECT 1 FROM subscription WHERE account = ? AND name = ?", key).get:
            follow.append((account, new))
        tx.db.execute(
            "UPDATE mailbox SET name = ? WHERE account = ? AND id = ?", (new, account, moved)
        )
    # A subscription follows the mailbox its owner moved.
    tx.db.executemany(
        "DELETE FROM subscription WHERE account = ? AND name = ?",
        [(account, old) for _, old, _ in plan.rename],
    )
    tx.db.executemany("INSERT OR IGNORE INTO subscription VALUES (?, ?)", follow)
    for moved, old, _ in plan.rename:
        renamed = tx.box(account, moved)
        assert renamed is not None  # noqa: S101
        tx.changes.append(BoxChanged(account, modseq, tx.value(renamed), old))
    tx.save(home)
    return None


def _rename_inbox(tx: Tx, home: Home, inbox: Box, name: str) -> Refusal | None:
    """RFC 9051 §6.3.6: the messages move, INBOX stays; its children too."""
    plan = rules.plan_create({box.name for box in tx.boxes(home.id)}, name, home.max_mailboxes)
    if isinstance(plan, Refusal):
        return plan
    target = _make(tx, home, plan)[-1]
    tx.db.execute(  # RFC 5464 §4.1: annotations are copied
        "INSERT INTO annotation SELECT account, ?, user, entry, value FROM annotation"
        " WHERE account = ? AND mailbox = ?",
        (target.id, home.id, inbox.id),
    )
    found = find(tx, inbox, None)
    if found.uids:
        exact = pick(NumSet.of(found.uids))
        targets = transfer(tx, inbox, home, target, found, exact)
        journal.deed(tx, "moved", inbox, NumSet.of(found.uids), "", target, targets[0])
        take(tx, home, inbox, found, exact)
        tx.changes.append(Expunged(home.id, inbox.id, home.modseq, found.uids))
    tx.save(home, inbox)
    return None


def _subscribe(tx: Tx, account: int, name: str, subscribed: bool) -> None:
    home = tx.home(account)
    if home is None:
        raise Permanent(f"there is no account {account}")
    sql = "INSERT OR IGNORE INTO subscription VALUES (?, ?)"
    if not subscribed:
        sql = "DELETE FROM subscription WHERE account = ? AND name = ?"
    before = tx.db.total_changes()
    tx.db.execute(sql, (account, name))
    if tx.db.total_changes() == before:
        return
    row = tx.one("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name))
    box = tx.box(account, row[0]) if row else None
    if box is not None:
        tx.changes.append(BoxChanged(account, home.stamp(), box.value(subscribed)))
        tx.save(home)


def set_special_use(tx: Tx, account: int, mailbox: int, use: str) -> Refusal | None:
    """``Mailboxes.set_special_use`` inside a transaction; a refusal comes before any change."""
    home, box = tx.home(account), tx.box(account, mailbox)
    if home is None or box is None:
        return rules.NO_MAILBOX
    known = rules.special_use(use)
    if known is None:
        return rules.UNKNOWN_USE
    if known == box.special_use:
        return None
    if known and any(other.special_use == known for other in tx.boxes(account)):
        return rules.USE_TAKEN
    tx.db.execute(
        "UPDATE mailbox SET special_use = ? WHERE account = ? AND id = ?",
        (known, account, mailbox),
    )
    box.special_use = known
    tx.changes.append(BoxChanged(account, home.stamp(), tx.value(box)))
    tx.save(home)
    return None


def _claim_recent(tx: Tx, account: int, mailbox: int) -> int:
    box = tx.box(account, mailbox)
    if box is None:
        return 0
    tx.db.execute(
        "UPDATE mailbox SET recent_uid = uidnext WHERE account = ? AND id = ?", (account, mailbox)
    )
    return box.recent_uid
