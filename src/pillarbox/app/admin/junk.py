"""Operations on what accounts taught their filters."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value, account_of
from pillarbox.filters.lessons import GOOD_USES, Teacher, is_junk
from pillarbox.model.flags import DELETED, SEEN
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Store

STEP = 50
"""Messages that one call learns at most."""


async def junk_status(call: Call, address: str) -> Value:
    """What an account's filter learned, and whether that is enough."""
    account = await account_of(call.store, address)
    taught, filters = await call.store.taught(account.id), call.rooms.config.filters
    return {
        "address": account.address,
        "junk": taught.junk,
        "good": taught.good,
        "words": taught.words,
        "needed": filters.learn_least,
        "speaks": filters.learn and min(taught.junk, taught.good) >= filters.learn_least,
    }


async def junk_learn(
    call: Call, address: str, most: int = 1000, mailbox: int = 0, after: int = 0
) -> Value:
    """Learn the newest ``most`` messages of each mailbox, some a call: what lies in Junk as junk,
    what was read elsewhere (not in Trash, Sent, Drafts) as good. Begin again with the ``mailbox``
    and ``after`` of the answer until it is ``done``."""
    account = await account_of(call.store, address)
    teacher = Teacher(call.store, call.rooms.lane, call.rooms.clock)
    boxes = sorted(await call.store.mailboxes(account.id), key=lambda box: box.id)
    for box in boxes:
        junk = is_junk(box)
        if box.id < mailbox or not (junk or box.special_use in GOOD_USES):
            continue
        uids = await _wanted(call.store, box, most, junk=junk)
        left = [uid for uid in uids if box.id > mailbox or uid > after][:STEP]
        if left:
            looked, news = await teacher.study(box, NumSet.of(left), junk=junk)
            place = {"mailbox": box.id, "after": left[-1]}
            return {"done": False, "looked": looked, "learned": news, **place}
    return {"done": True, "looked": 0, "learned": 0, "mailbox": 0, "after": 0}


async def _wanted(store: Store, box: Mailbox, most: int, *, junk: bool) -> list[int]:
    loaded = await store.load(box.account, box.id)
    if loaded is None:
        return []
    pairs = zip(loaded.uids, loaded.flags, strict=True)
    found = [uid for uid, bits in pairs if not bits & DELETED and (junk or bits & SEEN)]
    return found[-most:] if most > 0 else []


async def junk_forget(call: Call, address: str) -> Value:
    """Begin anew."""
    account = await account_of(call.store, address)
    await call.store.forget_taught(account.id)
    return {"address": account.address}
