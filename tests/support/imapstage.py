"""The house of `imapdoor`, with real rooms in it: see there what is in its mailboxes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from pillarbox.auth.login import Options as LoginOptions
from pillarbox.mailbox.intake import whole
from pillarbox.model.account import Account
from pillarbox.model.flags import FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.options import Options as ImapOptions
from pillarbox.store.api import Target
from support import transcript
from support.doors import Rooms, rooms
from support.imapdoor import LIMITS, PASSWORD, USER, ImapDoor
from support.stage import Stage
from support.wire import Wire

DOMAIN = "example.org"


class Reader:
    """Bob, who looks whether there is mail."""

    async def arrive(self, wire: Wire) -> None:
        await wire.send(f"b LOGIN bob {PASSWORD}\r\nc SELECT INBOX\r\n".encode())
        await wire.until(b"c OK")

    async def go_on(self, wire: Wire) -> None:
        await wire.send(b"d NOOP\r\ne STATUS Sent (MESSAGES)\r\n")
        assert (await wire.line()).startswith(b"d OK")
        assert (await wire.line()).endswith(b"(MESSAGES 0)")
        assert (await wire.line()).startswith(b"e OK")


@contextlib.asynccontextmanager
async def stage(path: Path, folder: Path) -> AsyncIterator[Stage]:
    """The house for a dialogue of tests/transcripts/imap."""
    secure = any(step.text == "secure" for step in transcript.read(path))
    login = LoginOptions(cleartext_on_loopback=secure)
    async with rooms(folder, domain=DOMAIN, login=login) as house:
        await house.account("bob", PASSWORD)
        await _furnish(house, await house.account(USER, PASSWORD))
        port = await house.imap(tls=not secure, options=ImapOptions(LIMITS, login_failures=10))

        async def words(word: str) -> bool:
            return word in {"secure", "injected"}

        yield Stage(house, port, Reader(), clear=secure, starttls=b"a STARTTLS", words=words)


async def _furnish(house: Rooms, account: Account) -> None:
    """The messages of the toy store under the same UIDs; what is between them comes and goes."""
    box = await house.store.mailbox_by_name(account.id, "INBOX")
    assert box is not None
    wanted = {message.uid: message for message in ImapDoor().boxes["INBOX"].messages}
    for uid in range(1, max(wanted) + 1):
        there = wanted.get(uid)
        flags = FlagSet(there.bits if there else 0)
        message = await whole(house.store, there.body if there else b"Subject: x\r\n\r\n")
        await house.store.accept(message, [Target(account.id, box.id, flags)])
    gone = NumSet.of([uid for uid in range(1, max(wanted)) if uid not in wanted])
    await house.store.expunge(account.id, box.id, gone, only_deleted=False)
    await house.store.claim_recent(account.id, box.id)
