"""What scripts ask, answered from the store and the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.delivery.sieve.keys import key
from pillarbox.delivery.sieve.site import Site
from pillarbox.model.mailbox import Mailbox
from pillarbox.sieve.ask import (
    ListExists,
    ListHas,
    ListMembers,
    MailboxExists,
    MailboxIdExists,
    Metadata,
    Question,
    ScriptNamed,
    Seen,
    SpecialUseExists,
)
from pillarbox.store.api import Mailboxes
from pillarbox.store.scripts import Scripts
from pillarbox.store.sharing import SERVER, Annotations


class Known(Mailboxes, Annotations, Scripts, Protocol):
    """What of the store is asked."""


async def answer(
    question: Question, account: int, store: Known, site: Site, clock: Clock
) -> object:
    """The answer, of the type that the question names."""
    try:
        return await _answer(question, account, store, site, clock)
    except UnicodeEncodeError:  # octets that a script made up: nothing has such a name
        return None


async def _answer(
    question: Question, account: int, store: Known, site: Site, clock: Clock
) -> object:
    match question:
        case ListExists(list=name):
            return site.list_named(name) is not None
        case ListMembers(list=name):
            return site.list_named(name)
        case ListHas(list=name, value=value):
            return value.lower() in (site.list_named(name) or ())
        case ScriptNamed(name=name, site=True):
            return site.shared.get(name)
        case ScriptNamed(name=name):
            return await store.script(account, name)
        case Seen(handle=handle, id=number):
            mark = key("duplicate", handle, number)
            return bool(await store.marked(account, [mark], clock.now()))
        case Metadata(entry=entry, mailbox=box):
            return await _annotation(store, account, box, entry)
        case MailboxExists(name=name):
            return await store.mailbox_by_name(account, name) is not None
        case MailboxIdExists(id=number):
            return await by_id(store, account, number) is not None
        case SpecialUseExists(attribute=use, mailbox=name):
            found = await by_use(store, account, use)
            return found is not None and name in {"", found.name}


async def by_id(store: Mailboxes, account: int, number: str) -> Mailbox | None:
    """The mailbox with this MAILBOXID (RFC 8474 §4)."""
    boxes = await store.mailboxes(account)
    return next((box for box in boxes if box.object_id == number), None)


async def by_use(store: Mailboxes, account: int, use: str) -> Mailbox | None:
    """The mailbox with this special use."""
    boxes = await store.mailboxes(account)
    return next((box for box in boxes if box.special_use.lower() == use.lower()), None)


async def _annotation(store: Known, account: int, box: str | None, entry: str) -> str | None:
    """RFC 5490 §3.3: private entries are those of the script's owner."""
    user = account if entry.startswith("/private/") else 0
    if box is None:
        held: Mapping[str, bytes] = await store.annotations(SERVER, 0, user)
    else:
        found = await store.mailbox_by_name(account, box)
        if found is None:
            return None
        held = await store.annotations(account, found.id, user)
    value = next((text for name, text in held.items() if name.lower() == entry), None)
    return None if value is None else value.decode("utf-8", "replace")
