"""IMAP events in Sieve (RFC 6785): a script is run over what a client appended, copied or flagged.

Which one is said by the annotation ``/shared/imapsieve/script`` of the mailbox, else of the server.
It runs after the command's own commit, so whatever it does, the client's change stands; what it
does itself raises no events (§2.2.3).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from pillarbox.base.log import Logger
from pillarbox.delivery.sieve import letters
from pillarbox.delivery.sieve.answers import Known
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.site import Named
from pillarbox.model.account import Account
from pillarbox.model.address import parse_address
from pillarbox.model.flags import DELETED, FlagSet, flag_names, flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.transaction import Sender
from pillarbox.sieve.actions import Action, FileInto, Keep, Notify, Redirect
from pillarbox.sieve.context import Context
from pillarbox.sieve.mailto import mailto
from pillarbox.store.api import Blobs, Column, Directory, FlagOp, Mail, Parcel, Target
from pillarbox.store.sharing import SERVER

log = Logger("sieve")

ENTRY = "/shared/imapsieve/script"
"""RFC 6785 §2.3.1."""
_MOST = 200
"""Messages of one command that are looked at."""
_DELETED = FlagSet(DELETED)


class Store(Known, Mail, Blobs, Directory, Protocol):
    """What of the store is needed."""


@dataclass(frozen=True, slots=True)
class _Message:
    """One message that something happened to."""

    box: Mailbox
    uid: int
    octets: bytes
    flags: tuple[str, ...]


class Events:
    """Runs the scripts of mailboxes. One for a house."""

    def __init__(self, store: Store, chain: Chain, hands: Hands) -> None:
        self._store = store
        self._chain = chain
        self._hands = hands

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

    async def _messages(self, box: Mailbox, uids: NumSet) -> list[_Message]:
        loaded = await self._store.load(box.account, box.id)
        if loaded is None:
            return []
        bits = dict(zip(loaded.uids, loaded.flags, strict=True))
        found: list[_Message] = []
        rows = self._store.rows(box.account, box.id, uids, (Column.UID, Column.BLOB))
        async for batch in rows:
            for uid, blob in batch:
                if isinstance(uid, int) and isinstance(blob, int) and len(found) < _MOST:
                    names = tuple(flag_names(bits.get(uid, 0), loaded.box.keywords))
                    found.append(_Message(box, uid, await self._store.read(blob), names))
        return found

    async def _one(
        self,
        named: Named,
        cause: str,
        message: _Message,
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
            flags=message.flags,
        )
        verdict = await self._chain.run([named], message.octets, context, owner.id, site)
        for text in verdict.told:
            log.info("sieve.event-failed", account=owner.id, text=text)
        moved = await self._carry_out(verdict.actions, message, owner)
        await self._flag(verdict.actions, message, moved=moved)

    async def _carry_out(
        self, actions: Collection[Action], message: _Message, owner: Account
    ) -> bool:
        """Whether the message got wherever it was to go."""
        made = [(one, await self._parcel(one, message, owner)) for one in actions]
        parcels = [parcel for _, parcel in made if parcel is not None]
        results = await self._store.accept_each(parcels) if parcels else []
        for parcel in parcels:
            parcel.message.content.discard()  # does nothing to what was taken
        refused = [one for part in results for one in part or () if isinstance(one, Refusal)]
        nowhere = [
            one for one, parcel in made if parcel is None and isinstance(one, (FileInto, Redirect))
        ]
        if refused or nowhere:
            log.info("sieve.event-stays", account=owner.id, mailbox=message.box.name)
        return not refused and not nowhere

    async def _flag(self, actions: Collection[Action], message: _Message, *, moved: bool) -> None:
        """§3.2, §3.3: a keep sets the flags that the script wants; without one \\Deleted is set,
        unless the message would be nowhere else."""
        box, uids = message.box, NumSet([(message.uid, message.uid)])
        keep = next((one for one in actions if isinstance(one, Keep)), None)
        if keep is None and not moved:
            return
        if keep is None:
            await self._store.set_flags(box.account, box.id, uids, FlagOp.ADD, _DELETED)
        elif keep.flags is not None and set(keep.flags) != set(message.flags):
            flags = flag_set(keep.flags)
            await self._store.set_flags(box.account, box.id, uids, FlagOp.REPLACE, flags)

    async def _parcel(self, action: Action, message: _Message, owner: Account) -> Parcel | None:
        hands = self._hands
        sender = parse_address(owner.address)
        match action:
            case FileInto():
                box = await hands.place(owner.id, action, None)
                if box is None:
                    return None
                made = await hands.make(action.message or message.octets)
                flags = flag_set(action.flags or ())
                return Parcel(made, [Target(owner.id, box.id, flags, int(hands.now()))])
            case Redirect():
                goal = parse_address(action.address)
                routes = await hands.route(goal) if goal is not None else ()
                if goal is None or not routes:
                    return None
                octets = action.message or message.octets
                item = hands.letter(goal, routes, octets, Sender(sender))  # §3.4: from the owner
                return Parcel(await hands.make(octets), more=[item])
            case Notify() if sender is not None:
                target = mailto(action.method)
                frame = hands.frame()
                action = replace(action, from_=await hands.author(action.from_, owner.id))
                octets = letters.notice(action, target, message.octets, sender, frame)
                items = []
                for address in map(parse_address, (*target.to, *target.cc)):
                    routes = await hands.route(address) if address is not None else ()
                    if address is not None and routes:
                        items.append(hands.letter(address, routes, octets, Sender(sender)))
                return Parcel(await hands.make(octets), more=items) if items else None
            case _:
                return None
