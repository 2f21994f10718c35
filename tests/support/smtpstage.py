"""The house of `smtpdoor`, with real rooms in it: see there whom the names stand for.

Everybody lives here except `no`; where the host's words differ from those of the toy, it is the
codes that are compared.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.auth.login import Options as LoginOptions
from pillarbox.auth.sendas import SendAs
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.delivery.accept import Acceptor, Result
from pillarbox.delivery.route import Router
from pillarbox.mailbox.intake import Intake
from pillarbox.model.account import Account
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Local, Role, Route
from pillarbox.serve.smtp.options import Needs, Options
from pillarbox.serve.smtp.session import Session
from pillarbox.store.api import NewMessage, Store
from pillarbox.wire.smtp.options import Extension
from support.doors import rooms
from support.smtpdoor import ADDRESS, options_of
from support.stage import Stage, first_words
from support.transcript import octets_of
from support.wire import Wire

DOMAIN = "example.org"
PASSWORD = "pencil"
TRACE = re.compile(rb"Return-Path: [^\n]*\r\nReceived: [^\n]*\r\n(?:\t[^\n]*\r\n)*")

OWN_WORDS = {"214", "221", "235", "250", "252", "452", "535"}
"""Codes whose text is the host's own."""
BROKEN = {"down": Temporary("the directory is down"), "bug": ValueError("a bug")}
"""What becomes of asking for somebody."""


@dataclass
class Kept:
    """A message that was promised to be kept."""

    envelope: Envelope
    body: bytes


class Keeper(Acceptor):
    """Remembers what was kept."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.kept: list[Kept] = []

    async def accept(self, envelope: Envelope, message: NewMessage, **how: Any) -> Result:
        data = bytes(message.content.view())
        result = await super().accept(envelope, message, **how)
        if result.kept and envelope.peer.helo != Sender.NAME:
            self.kept.append(Kept(envelope, TRACE.sub(b"", data, count=1)))
        return result


class Everywhere(Router):
    """Every address leads to Ann, but for those that ask for something else."""

    def __init__(self, store: Store, ann: Account, full: Account) -> None:
        super().__init__(store)
        self._ann = ann
        self._full = full

    async def route(
        self,
        address: Address,
        role: Role,
        *,
        size: int | None = None,
        bounce: bool = True,
    ) -> tuple[Route, ...] | Reply:
        if address.local in BROKEN:
            raise BROKEN[address.local]
        if address.local in ADDRESS:
            return ADDRESS[address.local]
        to = self._full if address.local == "full" else self._ann
        return (Local(to.id, str(address)),)


class Sender:
    """Another server with a small message now and then; at a submission door, NOOP."""

    NAME = "bystander.example"

    def __init__(self, role: Role) -> None:
        self._role = role

    async def arrive(self, wire: Wire) -> None:
        hello = "LHLO" if self._role is Role.LMTP else "EHLO"
        await wire.send(f"{hello} {self.NAME}\r\n".encode())
        await wire.until(b"220 ")
        await wire.until(b"250 ")

    async def go_on(self, wire: Wire) -> None:
        if self._role is Role.SUBMISSION:
            await wire.send(b"NOOP\r\n")
        else:
            await wire.send(b"MAIL FROM:<>\r\nRCPT TO:<x@example.org>\r\nDATA\r\n")
            await wire.until(b"354 ")
            await wire.send(b"small\r\n.\r\n")
        await wire.until(b"250 ")


def words_of_the_house(pattern: str) -> str:
    """What a pattern of a dialogue is here: the code, where the text is the host's."""
    code = pattern[:3]
    if code in OWN_WORDS and pattern[3:4] == " " and pattern != r"250 mx\.example\.org":
        return f"{code} .*"
    return pattern


@contextlib.asynccontextmanager
async def stage(path: Path, folder: Path) -> AsyncIterator[Stage]:
    """The house for a dialogue of tests/transcripts/smtp."""
    words = [word for word in first_words(path) if word != "silent"]
    engine, secure = options_of(words)
    starttls = Extension.STARTTLS in engine.extensions
    login = LoginOptions(
        cleartext_on_loopback="PLAIN" in engine.auth_in_clear,
        scram_in_the_clear=True,
        mechanisms=frozenset({*engine.auth, *engine.auth_in_clear}),
    )
    async with rooms(folder, domain=DOMAIN, login=login) as house:
        store = house.store
        ann = await house.account("ann", PASSWORD)
        full = await house.account("full", PASSWORD, quota=1)
        keeper = Keeper(store, house.clock)
        needs = Needs(
            Everywhere(store, ann, full),
            keeper,
            house.authenticator,
            SendAs(store),
            lambda expected, binary: Intake(store, expected=expected, binary=binary),
            house.clock,
            house.rng,
            queued=lambda: None,
        )
        options = Options(engine, auth_failures=10)
        port = await house.open(
            "smtp",
            lambda conn: Session(conn, options, needs).run(),
            implicit=secure,
            tls=secure or starttls,
        )

        async def look(word: str) -> bool:
            verb, _, rest = word.partition(" ")
            if verb == "taken":
                assert len(keeper.kept) == int(rest)
            elif verb == "body":
                assert keeper.kept[-1].body == octets_of(rest)
            elif verb == "protocol":
                assert keeper.kept[-1].envelope.peer.protocol == rest
            return verb in {"taken", "body", "protocol", "flag", "greet", *words[:1]}

        yield Stage(
            house,
            port,
            Sender(engine.role),
            implicit=secure,
            words=look,
            instead=words_of_the_house,
        )
