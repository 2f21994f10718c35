"""Two houses that mail each other: real sockets, fake time, each the other's smarthost."""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pillarbox.app.house import House
from pillarbox.config.checks import Bind
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column
from pillarbox.testing.clock import FakeClock
from support.whole import PASSWORD, configuration, memory_store


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Street:
    """Both houses; the second may be shut for a while."""

    directory: Path
    stack: AsyncExitStack
    clock: FakeClock = field(default_factory=FakeClock)
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    houses: dict[str, House] = field(default_factory=dict)
    shutters: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def open(
        self,
        domain: str,
        *people: str,
        sections: Mapping[str, dict[str, Any]] = MappingProxyType({}),
        **mail: Any,
    ) -> House:
        """``sections``: more of the configuration, beside [mail]."""
        mine, other = self.ports if domain == "example.test" else self.ports[::-1]
        config = configuration(
            self.directory / domain,
            server={"hostname": f"mail.{domain}"},
            listen={"smtp": (Bind("127.0.0.1", mine),)},
            send={
                "enabled": True,
                "smarthost": f"127.0.0.1:{other}",
                "smarthost_tls": "opportunistic",
            },
            mail=mail,
            **sections,
        )
        shutter = await self.stack.enter_async_context(AsyncExitStack())
        house = House(config, opener=memory_store, clock=self.clock)
        await shutter.enter_async_context(house)
        await house.admin.call("domain.add", {"name": domain})
        for name in people:
            arguments = {"address": f"{name}@{domain}", "password": PASSWORD}
            await house.admin.call("account.add", arguments)
        self.houses[domain], self.shutters[domain] = house, shutter
        return house

    async def write(
        self,
        *to: str,
        user: str = "ann@example.test",
        mail: Sequence[str] = (),
        rcpt: Sequence[str] = (),
    ) -> None:
        """Submit a message as ``user``; ``mail`` and ``rcpt`` are ESMTP parameters."""
        port = self.houses[user.partition("@")[2]].ports["submission"]

        def submit() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                client.login(user, PASSWORD)
                text = f"From: {user}\r\nSubject: hello\r\n\r\nhello\r\n"
                refused = client.sendmail(user, list(to), text, list(mail), list(rcpt))
                assert not refused

        await asyncio.to_thread(submit)

    async def inbox(self, address: str) -> list[bytes]:
        store = self.houses[address.partition("@")[2]].core.store
        person = await store.account_by_address(address)
        assert person is not None
        box = await store.mailbox_by_name(person.id, "INBOX")
        assert box is not None
        out: list[bytes] = []
        async for rows in store.rows(person.id, box.id, NumSet([(1, 9999)]), [Column.BLOB]):
            out += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
        return out

    async def until(self, done: Callable[[], Any], seconds: float = 20.0) -> None:
        """Let sockets work, without time passing for the houses, until ``done``."""
        async with asyncio.timeout(seconds):
            while not await done():  # noqa: ASYNC110  (it is sockets that are waited for)
                await asyncio.sleep(0.01)

    async def quiet(self) -> bool:
        """No house has work under way or due."""
        for house in self.houses.values():
            if house._handlers is None or house._handlers.runner._running:
                return False
            due = await house.core.store.next_due()
            if due is not None and due <= self.clock.now():
                return False
        return True

    async def pass_time(self, seconds: float, step: float = 150.0) -> None:
        """Fake time, in steps, with all that it brings about."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            await self.until(self.quiet)
            due = [await house.core.store.next_due() for house in self.houses.values()]
            soonest = min((at for at in due if at is not None), default=end)
            await self.clock.advance(
                min(max(soonest - self.clock.now(), 1.0), end - self.clock.now())
            )
        await self.until(self.quiet)


def fates(report: bytes) -> list[tuple[str, str, str]]:
    """Action, recipient and status of each group of a report."""
    found = email.message_from_bytes(report, policy=email.policy.SMTP)
    assert found.get_content_type() == "multipart/report", report
    status = next(p for p in found.walk() if p.get_content_type() == "message/delivery-status")
    groups = [group for group in status.walk() if group["Final-Recipient"]]
    return [
        (str(g["Action"]), str(g["Final-Recipient"]).split("; ")[1], str(g["Status"]))
        for g in groups
    ]
