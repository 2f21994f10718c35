"""Operations on messages: bringing them in, reading them out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

from pillarbox.app.admin.rooms import (
    Call,
    Rooms,
    Value,
    account_of,
    granted,
    mailbox_made,
    mailbox_of,
)
from pillarbox.app.channel import take
from pillarbox.mailbox.intake import Intake
from pillarbox.model.flags import FlagSet, flag_set, is_keyword, system_names, to_flag_set
from pillarbox.model.mailbox import Mailbox, canonical_name
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, NewMessage, Snapshot, Target

COLUMNS = (Column.UID, Column.SIZE, Column.INTERNALDATE, Column.ZONE, Column.BLOB, Column.BODY)


async def mail_append(
    call: Call,
    account: str,
    mailbox: str,
    messages: list[Mapping[str, Any]],
    enforce_quota: bool = True,
) -> Value:
    """Keep messages in a mailbox, all or none, made if it is not there.

    The octets of the messages follow one another in the body of the call, ``size`` of each.
    """
    owner = await account_of(call.store, account)
    box = await mailbox_made(call.store, owner, mailbox)
    new: list[tuple[NewMessage, Target]] = []
    try:
        for message in messages:
            target = Target(
                owner.id,
                box.id,
                _flags(message.get("flags", ())),
                internaldate=int(message.get("internaldate", 0)),
                zone=int(message.get("zone", 0)),
                enforce_quota=enforce_quota,
            )
            new.append((await _taken(call, int(message["size"])), target))
        kept = granted(
            await call.store.append_many(new, by="an import"), f"{owner.address} {box.name}"
        )
    except BaseException:
        for one, _ in new:
            one.content.discard()
        raise
    return {"mailbox": box.name, "uids": [appended.uid for appended in kept]}


async def _taken(call: Call, size: int) -> NewMessage:
    """The next message of the body. The caller has put its line ends in order."""
    intake = Intake(call.store, lane=call.rooms.lane, expected=size, binary=True)
    try:
        async for piece in take(call.body, size):
            intake.write(piece)
        return granted(await intake.finish(), "message")
    except BaseException:
        intake.discard()
        raise


def _flags(names: Iterable[str]) -> FlagSet:
    return flag_set(name for name in names if name.startswith("\\") or is_keyword(name))


async def mail_mailboxes(call: Call, account: str) -> Value:
    """The mailboxes of an account with their counters."""
    owner = await account_of(call.store, account)
    return {
        "account": owner.address,
        "mailboxes": [_mailbox(box) for box in await call.store.mailboxes(owner.id)],
    }


def _mailbox(box: Mailbox) -> Value:
    return {
        "name": box.name,
        "messages": box.messages,
        "unseen": box.unseen,
        "size": box.size,
        "uidvalidity": box.uidvalidity,
        "uidnext": box.uidnext,
        "special_use": box.special_use,
    }


async def mail_read(call: Call, account: str, mailbox: str) -> Value:
    """All messages of a mailbox as it is now, as octets of the answer.

    Each is a line of JSON (uid, size, internaldate, zone, flags), then ``size`` octets.
    """
    owner = await account_of(call.store, account)
    box = await mailbox_of(call.store, owner, mailbox)
    count = 0
    snapshot = await call.store.load(owner.id, box.id)
    if snapshot is not None:
        flags = _flags_by_uid(snapshot)
        async for row in _rows(call.rooms, snapshot):
            uid, size, internaldate, zone, blob, body = row
            note = {
                "uid": uid,
                "size": size,
                "internaldate": internaldate,
                "zone": zone,
                "flags": flags[cast("int", uid)],
            }
            await call.sink(json.dumps(note).encode() + b"\n")
            if body is not None:
                await call.sink(cast("bytes", body))
            else:
                async for piece in call.store.stream(cast("int", blob)):
                    await call.sink(piece)
            count += 1
    return {"mailbox": box.name, "messages": count}


def _flags_by_uid(snapshot: Snapshot) -> dict[int, list[str]]:
    """Flags as IMAP shows them; most messages share few combinations."""
    keywords = snapshot.box.keywords
    names = {bits: _names(to_flag_set(bits, keywords)) for bits in set(snapshot.flags)}
    return {uid: names[bits] for uid, bits in zip(snapshot.uids, snapshot.flags, strict=True)}


def _names(flags: FlagSet) -> list[str]:
    return [*system_names(flags.system), *sorted(flags.keywords)]


async def _rows(rooms: Rooms, snapshot: Snapshot) -> AsyncIterator[tuple[object, ...]]:
    box = snapshot.box
    uids = NumSet.of(snapshot.uids)
    async for batch in rooms.store.rows(box.account, box.id, uids, COLUMNS):
        for row in batch:
            yield row


async def mail_digests(call: Call, account: str, mailbox: str) -> Value:
    """What is in a mailbox already: a line of JSON a message (size, SHA-256 of its octets).

    No lines for a mailbox that is not there.
    """
    owner = await account_of(call.store, account)
    box = await call.store.mailbox_by_name(owner.id, canonical_name(mailbox))
    snapshot = await call.store.load(owner.id, box.id) if box else None
    count = 0
    if snapshot is not None:
        async for _, size, _, _, blob, body in _rows(call.rooms, snapshot):
            hasher = hashlib.sha256()
            if body is not None:
                hasher.update(cast("bytes", body))
            else:
                async for piece in call.store.stream(cast("int", blob)):
                    await call.rooms.lane.run(hasher.update, piece)
            line = {"size": size, "sha256": hasher.hexdigest()}
            await call.sink(json.dumps(line).encode() + b"\n")
            count += 1
    return {"messages": count}
