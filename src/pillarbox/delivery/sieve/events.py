"""IMAP events in Sieve (RFC 6785): a script is run over what a client appended, copied or flagged.

Which one is said by the annotation ``/shared/imapsieve/script`` of the mailbox, else of the server.
It runs after the command's own commit, so whatever it does, the client's change stands; what it
does itself raises no events (§2.2.3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Protocol, cast

from pillarbox.base.log import Logger
from pillarbox.delivery.sieve.answers import Known
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.site import Named
from pillarbox.delivery.sieve.stored import Deeds, Impossible, Stored, discard, refused
from pillarbox.model.account import Account
from pillarbox.model.flags import DELETED, FlagSet, flag_names, flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.sieve.actions import Keep
from pillarbox.sieve.context import Context
from pillarbox.store.api import Blobs, Column, Directory, FlagOp, Mail
from pillarbox.store.sharing import SERVER

log = Logger("sieve")

ENTRY = "/shared/imapsieve/script"
"""RFC 6785 §2.3.1."""
_MOST = 200
"""Messages of one command that are looked at."""
_DELETED = FlagSet(DELETED)
_COLUMNS = (Column.UID, Column.BLOB, Column.INTERNALDATE)


class Store(Known, Mail, Blobs, Directory, Protocol):
    """What of the store is needed."""


class Events:
    """Runs the scripts of mailboxes. One for a house."""

    def __init__(
        self, store: Store, chain: Chain, hands: Hands, queued: Callable[[], object] = lambda: None
    ) -> None:
        """``queued`` is called after mail was queued."""
        self._store = store
        self._chain = chain
        self._hands = hands
        self._queued = queued

    async def happened(
        self,
        cause: str,
        account: int,
        mailbox: int,
        uids: NumSet,
        by: Account,
        changed: Collection[str] = (),
    ) -> None:
        """``cause`` is APPEND, COPY or FLAG (§4.3); ``changed``: names of flags. Never raises for
        what a script does or an account lacks: the command was answered by its own merits."""
        try:
            named = await self._script(account, mailbox)
            box = await self._store.mailbox(account, mailbox) if named else None
            owner = await self._store.account(account) if box else None
            if named is None or box is None or owner is None:
                return
            for message in await self._messages(box, uids):
                await self._one(named, cause, message, owner, by, changed)
        except Exception as error:
            log.error("sieve.event", exc=error, account=account, mailbox=mailbox, cause=cause)

    async def _script(self, account: int, mailbox: int) -> Named | None:
        """§2.3.1: the mailbox's entry is chosen before it is looked at."""
        held = await self._store.annotations(account, mailbox, 0)
        if ENTRY not in held:
            held = await self._store.annotations(SERVER, 0, 0)
        name = held.get(ENTRY, b"").decode("utf-8", "replace")
        if not name:
            return None
        source = await self._store.script(account, name) or self._hands.site.shared.get(name)
        return Named(name, source) if source is not None else None

    async def _messages(self, box: Mailbox, uids: NumSet) -> list[Stored]:
        loaded = await self._store.load(box.account, box.id)
        if loaded is None:
            return []
        bits = dict(zip(loaded.uids, loaded.flags, strict=True))
        found: list[Stored] = []
        rows = self._store.rows(box.account, box.id, uids, _COLUMNS)
        async for batch in rows:
            for uid, blob, date in cast("list[tuple[int, int, int]]", batch):
                if len(found) < _MOST:
                    names = tuple(flag_names(bits.get(uid, 0), loaded.box.keywords))
                    octets = await self._store.read(blob)
                    found.append(Stored(box, uid, octets, names, date))
        return found

    async def _one(
        self,
        named: Named,
        cause: str,
        message: Stored,
        owner: Account,
        by: Account,
        changed: Collection[str],
    ) -> None:
        site = self._hands.site
        context = Context(
            envelope=None,
            now=datetime.fromtimestamp(self._hands.now(), UTC).astimezone(site.zone),
            environment={
                "domain": owner.address.rpartition("@")[2],
                "host": site.hostname,
                "location": "MS",
                "name": "Pillarbox",
                "phase": "post",
                "version": site.version,
                "imap.user": by.address,
                "imap.email": by.address,
                "imap.cause": cause,
                "imap.mailbox": message.box.name,
                "imap.changedflags": " ".join(changed),
            },
            separator=site.separator,
            owner=owner.address,
            home="",
            flags=message.flags,
        )
        verdict = await self._chain.run([named], message.octets, context, owner.id, site)
        for text in verdict.told:
            log.info("sieve.event-failed", account=owner.id, text=text)
        deeds = Deeds(self._hands, message, owner, event=True)
        try:
            await deeds.plan(verdict.actions)
            await self._count(deeds, owner)
            moved = await self._carry_out(deeds)
        except Impossible as why:  # the message stays as the client left it
            log.info("sieve.event-stays", account=owner.id, text=str(why))
            return
        finally:
            discard(deeds.parcels)  # does nothing to what was taken
        if moved or deeds.keep is not None:  # else it would be nowhere
            await self._flag(deeds.keep, message)

    async def _count(self, deeds: Deeds, owner: Account) -> None:
        """What leaves counts as written by the owner, or whoever has the password could send by
        APPEND what they may not send. Raises Impossible beyond the limit."""
        if not deeds.leaving:
            return
        found = await self._hands.onward(owner.address, deeds.leaving)
        if isinstance(found, Reply):
            raise Impossible(found.text)
        deeds.parcels[0].sent = found

    async def _carry_out(self, deeds: Deeds) -> bool:
        """Whether all of it was kept."""
        if not deeds.parcels:
            return True
        results = await self._store.accept_each(deeds.parcels)
        if any(one.more for one in deeds.parcels):
            self._queued()
        if refused(results):
            log.info("sieve.event-stays", text="a mailbox took no copy")
        return not refused(results)

    async def _flag(self, keep: Keep | None, message: Stored) -> None:
        """§3.2, §3.3: a keep sets the flags that the script wants; without one \\Deleted is set."""
        box, uids = message.box, NumSet([(message.uid, message.uid)])
        if keep is None:
            await self._store.set_flags(box.account, box.id, uids, FlagOp.ADD, _DELETED)
        elif keep.flags is not None and set(keep.flags) != set(message.flags):
            flags = flag_set(keep.flags)
            await self._store.set_flags(box.account, box.id, uids, FlagOp.REPLACE, flags)
