"""Operations on what was expunged and can still be brought back."""

from __future__ import annotations

from collections import defaultdict

from pillarbox.app.admin.rooms import Call, Value, account_of, granted, mailbox_made
from pillarbox.app.envelope import summary
from pillarbox.base.errors import Misuse
from pillarbox.model.account import Account
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Retained


async def undelete_list(
    call: Call, account: str, mailbox: str = "", since: float | None = None
) -> Value:
    """What can be brought back, oldest first; ``since``: seconds since 1970 of its expunging."""
    owner = await account_of(call.store, account)
    found = await _retained(call, owner, mailbox, since)
    return {"account": owner.address, "messages": [_entry(entry) for entry in found]}


async def undelete_restore(
    call: Call,
    account: str,
    mailbox: str = "",
    since: float | None = None,
    uids: list[int] | None = None,
    to: str = "",
) -> Value:
    """Bring messages back into ``to``, or each into the mailbox it was in, made if it is gone.

    ``uids`` are those of ``mailbox``, which must then be named.
    """
    if uids is not None and not mailbox:
        raise Misuse("UIDs are those of one mailbox", hint="name it with --mailbox")
    owner = await account_of(call.store, account)
    found = await _retained(call, owner, mailbox, since)
    if uids is not None:
        wanted = set(uids)
        found = [entry for entry in found if entry.uid in wanted]
        missing = sorted(wanted - {entry.uid for entry in found})
        if missing:
            raise Misuse(
                f"nothing to bring back under UID {', '.join(map(str, missing))}",
                hint=f"see: pillarbox undelete list --account {owner.address}",
            )
    groups: dict[tuple[int, str], list[Retained]] = defaultdict(list)
    for entry in found:
        groups[(0, to) if to else (entry.mailbox, entry.mailbox_name)].append(entry)
    restored = []
    for (mailbox_id, name), entries in groups.items():
        box = await _target(call, owner, mailbox_id, name)
        copied = granted(
            await call.store.undelete(owner.id, entries, box.id, "an operator"), box.name
        )
        restored.append({"mailbox": box.name, "messages": len(copied.target)})
    return {"account": owner.address, "restored": restored}


async def _target(call: Call, owner: Account, mailbox: int, name: str) -> Mailbox:
    """The mailbox itself, under whatever name it has now; else one of that name."""
    box = await call.store.mailbox(owner.id, mailbox) if mailbox else None
    return box or await mailbox_made(call.store, owner, name)


async def _retained(
    call: Call, owner: Account, mailbox: str, since: float | None
) -> list[Retained]:
    """By name, so that mail of a mailbox that was deleted is found too."""
    found = await call.store.retained(owner.id)
    if mailbox:
        found = [entry for entry in found if entry.mailbox_name == mailbox]
    if since is not None:
        found = [entry for entry in found if entry.expunged_at >= since]
    return found


def _entry(entry: Retained) -> Value:
    date, subject, sender = summary(entry.envelope)
    return {
        "mailbox": entry.mailbox_name,
        "uid": entry.uid,
        "expunged_at": entry.expunged_at,
        "by": entry.by,
        "size": entry.size,
        "date": date,
        "subject": subject,
        "from": sender,
    }
