"""One message looked at while it comes in.

What only the envelope is needed for begins with the content, keys are asked for once the header
is there, the body is hashed as it streams by: at the end of the data most answers are at hand.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.base.together import together
from pillarbox.dns.answers import Kind, Resolver
from pillarbox.message import authres
from pillarbox.model.transaction import Peer, Sender
from pillarbox.model.verdict import Verdict
from pillarbox.policy import dnsxl, iprev
from pillarbox.policy.arc.verify import Chain
from pillarbox.policy.dkim.bodies import Bodies
from pillarbox.policy.dkim.canon import Head
from pillarbox.policy.dkim.verify import Signatures
from pillarbox.policy.dmarc import evaluate as dmarc
from pillarbox.policy.inbound.budget import Budget
from pillarbox.policy.inbound.facts import MOST_AUTHORS, Facts, authors, is_listed
from pillarbox.policy.inbound.judge import Judgement, judge
from pillarbox.policy.inbound.options import Options
from pillarbox.policy.spf import check as spf
from pillarbox.policy.spf import names as spf_names
from pillarbox.policy.spf.evaluate import Limits

log = Logger("inbound")

_SPF = Limits(seconds=math.inf)
"""The inspection's own deadline is shorter than SPF's."""

Tell = Callable[[Facts, Judgement], None]


def untold(facts: Facts, judgement: Judgement) -> None:
    """A ``Tell`` that does not listen."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """Begins inspections. One for a house."""

    options: Options
    resolver: Resolver
    clock: Clock
    tell: Tell = untold
    """Hears what was found and decided about every message (for reports)."""

    def begin(self, peer: Peer, sender: Sender) -> Inspection | None:
        """For the message that a client begins to send; None when it is not to be looked at."""
        if self.options.trusts(peer.ip):
            return None
        return Inspection(peer, sender, self)


class Inspection:
    """Of one message: ``header`` once, ``body`` as it comes, then ``verdict`` or ``abandon``."""

    def __init__(self, peer: Peer, sender: Sender, inspector: Inspector) -> None:
        self.facts = Facts(peer.ip)
        self._options = inspector.options
        self._clock = inspector.clock
        self._tell = inspector.tell
        # In two halves: whoever sends a message chooses what SPF asks, and must not leave too
        # little for what is asked about the author.
        half = inspector.options.questions // 2
        self._dns = Budget(inspector.resolver, half)
        self._author_dns = Budget(inspector.resolver, inspector.options.questions - half)
        self._tasks: list[asyncio.Task[None]] = []
        self._signatures: Signatures | None = None
        self._chain: Chain | None = None
        self._bodies: Bodies | None = None
        self.facts.envelope = sender.address.domain if sender.address else peer.helo
        self._proofs = [self._start(self._spf(peer, sender))]
        self._start(self._iprev(peer))
        if self._options.zones:
            self._start(self._lists(peer))
        if sender.address is not None and spf_names.is_domain(peer.helo):
            self._start(self._helo(peer))

    def header(self, raw: bytes) -> bytes:
        """The header section as it came; what of it may be kept."""
        head = Head(raw)
        self.facts.authors, self.facts.listed = authors(head), is_listed(head)
        author = next(iter(self.facts.authors), "")
        self._signatures, self._chain = Signatures(head, author=author), Chain(head)
        signatures = self._signatures.values
        self.facts.signers = tuple(one.signer.domain for one in signatures)
        values = [*signatures, *self._chain.values]
        self._bodies = Bodies(values)
        self._start(self._warm({one.signer.key_name for one in signatures} | {f"_dmarc.{author}"}))
        return authres.without_forged(raw, self._options.server)

    def body(self, data: bytes) -> None:
        """The next octets of the body."""
        if self._bodies is not None:
            self._bodies.feed(data)

    async def verdict(self) -> Verdict:
        """The message is complete. Never raises, and takes no longer than the deadline."""
        if self._signatures is None:
            self.header(b"\r\n")
        rest = self._start(self._rest(tuple(self._tasks)))
        late = asyncio.ensure_future(self._clock.sleep(self._options.deadline))
        try:
            await asyncio.wait({rest, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
            self.abandon()
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                log.error("inbound.bug", exc=error)  # what it would have said stays unknown
        judgement = judge(self.facts, self._options)
        self._tell(self.facts, judgement)
        return judgement.verdict

    def abandon(self) -> None:
        """Nobody wants to know any more."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    async def _warm(self, names: Collection[str]) -> None:
        """What will be asked once the message is there; a resolver that knows already is quick."""
        await together([self._author_dns.ask(name, Kind.TXT) for name in names])

    async def _spf(self, peer: Peer, sender: Sender) -> None:
        self.facts.spf = await spf.check(
            *(peer.ip, peer.helo, sender.address, self._dns, self._clock),
            receiver=self._options.server,
            limits=_SPF,
        )

    async def _helo(self, peer: Peer) -> None:
        self.facts.helo = await spf.check_helo(
            *(peer.ip, peer.helo, self._dns, self._clock),
            receiver=self._options.server,
            limits=_SPF,
        )

    async def _iprev(self, peer: Peer) -> None:
        self.facts.iprev = await iprev.check(peer.ip, self._dns)

    async def _lists(self, peer: Peer) -> None:
        self.facts.listed_by = await dnsxl.check(peer.ip, self._options.zones, self._dns)

    async def _rest(self, before: Sequence[asyncio.Task[None]]) -> None:
        """What needs the whole message, then what needs the results of all that began before."""
        signatures, chain, bodies = self._signatures, self._chain, self._bodies
        if signatures is None or chain is None or bodies is None:
            return
        bodies.close()
        self._proofs.append(self._start(self._dkim(signatures, bodies)))
        rest = [*before, self._start(self._arc(chain, bodies)), *self._proofs]
        # What is unknown by half of the time stays so, for DMARC needs some too: the DNS that is
        # slow may be that of whoever forged the author.
        await self._at_most(self._options.deadline / 2, self._proofs)
        found = await together(
            [
                dmarc.evaluate(author, self.facts.identifiers, self._author_dns, self.facts.open)
                for author in self.facts.authors[:MOST_AUTHORS]
            ]
        )
        self.facts.dmarc = tuple(found)
        if any(not task.done() for task in rest):
            await asyncio.wait(rest)

    async def _at_most(self, seconds: float, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait for tasks, which go on when the time is over."""
        open_ = {task for task in tasks if not task.done()}
        late = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            while open_ and not late.done():
                await asyncio.wait({late, *open_}, return_when=asyncio.FIRST_COMPLETED)
                open_ = {task for task in open_ if not task.done()}
        finally:
            late.cancel()

    async def _dkim(self, signatures: Signatures, bodies: Bodies) -> None:
        now = self._clock.now()
        self.facts.dkim = await signatures.verify(bodies, self._author_dns, now=now)

    async def _arc(self, chain: Chain, bodies: Bodies) -> None:
        self.facts.arc = await chain.verify(bodies, self._dns)
