"""One message at a time: from MAIL to the answer that promises it is kept.

Every method takes an engine event and returns the bytes to write; ``rcpt_known`` returns None, with
nothing done, where ``rcpt`` has to ask somebody. The promise of a 250 after the content is made
only once ``Acceptor.accept`` has returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pillarbox.base.errors import is_permanent
from pillarbox.base.log import Logger
from pillarbox.delivery.accept import Result
from pillarbox.delivery.senders import leaves
from pillarbox.hooks.values import Data, Rcpt
from pillarbox.mailbox.intake import Intake
from pillarbox.message import authres
from pillarbox.model.address import Address
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.story import Judged
from pillarbox.model.transaction import Envelope, Local, Peer, Recipient, Role, Route, Sender
from pillarbox.model.verdict import UNJUDGED, Finding, Verdict
from pillarbox.policy.inbound.words import told
from pillarbox.policy.limits import Allowance
from pillarbox.serve.smtp import asking, trace
from pillarbox.serve.smtp.header import HeaderGate, Inspection, Mender, cleaned
from pillarbox.serve.smtp.options import Needs, Options
from pillarbox.serve.smtp.refusals import Refusals
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.server import Engine

SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
CHUNK_OK = Reply(250, "2.0.0", "Chunk taken")
TROUBLE = Reply(451, "4.3.0", "Something is wrong here; try again later")
TOO_BIG = Reply(552, "5.3.4", "Message too big")
HEADER_TOO_LONG = Reply(552, "5.3.4", "The header of the message is too long")
NOT_POSSIBLE = Reply(554, "5.3.0", "This message cannot be taken")


@dataclass(slots=True)
class _Incoming:
    """A message whose content is arriving."""

    id: str
    intake: Intake
    gate: HeaderGate
    inspection: Inspection | None = None
    found: tuple[Judged, ...] = ()
    """What its inspection brought, for its story."""
    fault: Reply | None = None
    """Why it cannot be kept; the rest of the content is read and dropped."""

    def discard(self) -> None:
        self.intake.discard()
        if self.inspection is not None:
            self.inspection.abandon()


class Transaction:
    """Mail of one connection. ``peer`` and ``account`` are set by the session."""

    def __init__(
        self, engine: Engine, options: Options, needs: Needs, peer: Peer, log: Logger
    ) -> None:
        self._engine = engine
        self._options = options
        self._needs = needs
        self._log = log
        self._incoming: _Incoming | None = None
        self._others = 0
        self._allowance = Allowance()
        self.peer = peer
        self._role = options.engine.role
        self._door = self._role.value
        self.tarpit = needs.tarpit if self._role is Role.MX else None
        self.refusals = Refusals(needs.refused, self._role)

    def rcpt_known(self, event: events.Rcpt) -> bytes | None:
        """Where it leads is known, and nobody else has a say."""
        routes = self._needs.router.known(event.recipient.address)
        if routes is None or self._asks(routes):
            return None
        return self._engine.reply(RECIPIENT_OK, event.recipient.routed(routes))

    def _asks(self, routes: Sequence[Route]) -> bool:
        """Whether others are asked about a recipient."""
        needs, crew = self._needs, self._needs.hooks
        return (
            (needs.greylist is not None and self._role is Role.MX)
            or (crew is not None and crew.wants(Rcpt, self._door))
            or (needs.senders is not None and bool(self.peer.user) and leaves(routes))
        )

    async def rcpt(self, event: events.Rcpt) -> bytes:
        """Route it once; the routes ride on the recipient from here on."""
        sender = self._engine.sender
        size = sender.size if sender else None
        found = await self._needs.router.route(
            event.recipient.address,
            self._role,
            size=size,
            bounce=sender is None or sender.address is None,
        )
        if not isinstance(found, Reply):
            found = await self._limited(event.recipient.address, found) or found
        if not isinstance(found, Reply):
            found = await self._hooked(event.recipient.address) or found
        if not isinstance(found, Reply):
            found = await self._greyed(event.recipient.address) or found
        if isinstance(found, Reply):
            to = str(event.recipient.address)
            self._log.info("smtp.rcpt", rcpt=to, reply=str(found))
            self.refusals.recipient(self.peer, str(self._sender or ""), to, found)
            if self.tarpit is not None and found.code >= 500:
                self.tarpit.blame(self.peer.ip)
            return self._engine.reply(found)
        return self._engine.reply(RECIPIENT_OK, event.recipient.routed(found))

    async def _hooked(self, address: Address) -> Reply | None:
        """Why the operator's own rules do not want a recipient."""
        crew, door = self._needs.hooks, self._door
        if crew is None or not crew.wants(Rcpt, door):
            return None
        sender = str(self._sender or "")
        return asking.no(await crew.ask(Rcpt(door, self.peer, sender, str(address))))

    async def _greyed(self, address: Address) -> Reply | None:
        """Why another server has to come again."""
        greylist, sender = self._needs.greylist, self._engine.sender
        if greylist is None or self._role is not Role.MX or sender is None:
            return None
        return await greylist(self.peer.ip, sender.address, address)

    def begin(self) -> None:
        """Another MAIL."""
        self._others = 0

    async def _limited(self, address: Address, routes: Sequence[Route]) -> Reply | None:
        """Why whoever has logged in may not write to one more address elsewhere."""
        senders, user = self._needs.senders, self.peer.user
        if senders is None or not user or not leaves(routes):
            return None
        if not self._others:
            self._allowance = await senders.allowance(user)
        if self._allowance.left is not None and self._others >= self._allowance.left:
            return self._allowance.reply
        refusal = await senders.suppressed(user, address)
        self._others += refusal is None
        return refusal

    def data(self, event: events.Data) -> bytes:
        self._open()
        return self._engine.accept_data()

    def bdat(self, event: events.Bdat) -> bytes:
        if event.first:
            self._open()
        return self._engine.accept_data()

    def _open(self) -> None:
        """Somewhere to put the content."""
        self.abandon()
        engine, sender, now = self._engine, self._mail(), self._needs.clock.now()
        trace_id = self._needs.rng.token(16)
        protocol = engine.protocol
        if self.peer.protocol != protocol:
            self.peer = replace(self.peer, protocol=protocol)
        # Kept as it comes: the engine lets no line end through but CRLF (decision 0010), and what
        # is BINARYMIME has none (RFC 3030 §3).
        intake = self._needs.intake(sender.size or 0, True)
        hostname, to = self._options.engine.hostname, engine.recipients
        intake.prepend(
            trace.fields(
                *(sender, to, self._role, self.peer), ident=trace_id, hostname=hostname, now=now
            )
        )
        limit = self._options.max_header
        inspection = None
        if self._role is Role.SUBMISSION:
            author = str(self._sender or "")
            mender = Mender(hostname, now, self._needs.rng, author)
            gate = HeaderGate(limit, mender.mend)
        else:
            gate = HeaderGate(limit)
            if self._role is Role.MX:
                inspection = self._needs.inspect(self.peer, sender)
            if inspection is not None:
                gate = HeaderGate(limit, cleaned(inspection), inspection.body)
        self._incoming = _Incoming(trace_id, intake, gate, inspection)

    def chunk(self, event: events.DataChunk) -> bytes:
        incoming = self._incoming
        if incoming is not None and incoming.fault is None:
            try:
                incoming.intake.write(incoming.gate.feed(event.data))
            except Exception as error:  # a message with a hole must never be kept
                self._log.error("smtp.content", id=incoming.id, error=repr(error))
                incoming.fault = TROUBLE
            else:
                incoming.fault = HEADER_TOO_LONG if incoming.gate.too_long else None
            if incoming.fault is not None:
                incoming.discard()
        return b""

    def chunk_end(self, event: events.ChunkEnd) -> bytes:
        if event.defect is not None:
            self.abandon()
            return self._engine.reply(event.defect)
        return self._engine.reply(CHUNK_OK)

    async def end(self, event: events.DataEnd) -> bytes:
        """The content is complete: keep it, then say so."""
        incoming, self._incoming = self._incoming, None
        refusal = event.defect or (incoming.fault if incoming else TROUBLE)
        if refusal is not None or incoming is None:
            if incoming is not None:
                incoming.discard()
            self._log.info("smtp.refused", size=event.size, reply=str(refusal))
            self._refused(incoming.id if incoming else "", refusal or TROUBLE, event.size)
            return self._engine.reply_each(refusal or TROUBLE)
        try:
            result = await self._keep(incoming)
        except Exception as error:
            incoming.discard()
            self._log.error("smtp.content", id=incoming.id, error=repr(error))
            result = NOT_POSSIBLE if is_permanent(error) else TROUBLE
        if isinstance(result, Reply):
            self._refused(incoming.id, result, event.size, incoming.found)
            return self._engine.reply_each(result)
        return self._answer(incoming.id, event.size, result)

    def _refused(
        self, trace_id: str, reply: Reply, size: int, found: tuple[Judged, ...] = ()
    ) -> None:
        """For the journal."""
        sender = str(self._sender or "")
        self.refusals.message(self.peer, sender, reply, trace=trace_id, size=size, found=found)

    async def _keep(self, incoming: _Incoming) -> Result | Reply:
        held = incoming.gate.close()
        if held:
            incoming.intake.write(held)
        envelope, front = self._envelope(incoming.id), b""
        if self._looks and not incoming.intake.too_big:
            verdict, front = await self._judged(incoming, envelope)
            if not verdict.action.taken:
                incoming.intake.discard()
                return verdict.reply or TROUBLE
            if verdict is not UNJUDGED:
                envelope = replace(envelope, verdict=verdict)
        passing = not any(map(_stays, envelope.recipients))
        message = await incoming.intake.finish(front, passing=passing)
        if isinstance(message, Refusal):
            incoming.discard()
            return TOO_BIG
        return await self._needs.acceptor.accept(
            envelope,
            message,
            hops=incoming.gate.hops,
            queue=self._role is not Role.LMTP,
            notes=incoming.found,
        )

    async def _judged(self, incoming: _Incoming, envelope: Envelope) -> tuple[Verdict, bytes]:
        """What is found out about a message, and the header lines that say so."""
        verdict, fields, screen = UNJUDGED, b"", self._needs.screen
        if incoming.inspection is not None:
            verdict = await incoming.inspection.verdict()
        if screen is not None and self._role is Role.MX and verdict.action.taken:
            screened = await screen(envelope, incoming.intake.view(), verdict)
            verdict, fields = screened.verdict, screened.fields
        if self.tarpit is not None and any(map(_bad_machine, verdict.findings)):
            self.tarpit.blame(self.peer.ip, listed=True)
        crew = self._needs.hooks
        if crew is not None and verdict.action.taken and crew.wants(Data, self._door):
            answer = await crew.ask(asking.value(envelope, incoming.intake.view(), verdict))
            verdict, fields = asking.weighed(verdict, answer), fields + asking.fields(answer)
        incoming.found = told(verdict, self.peer.ip)
        if not incoming.found:
            return verdict, fields
        self._note(incoming.id, verdict)
        # Of mail of users there is nothing to say that another server would want to know.
        if verdict.findings and self._role is Role.MX:
            fields = authres.field(self._options.engine.hostname, verdict.findings) + fields
        return verdict, fields

    @property
    def _looks(self) -> bool:
        """Whether anybody looks at whole messages at this door."""
        crew = self._needs.hooks
        return self._role is Role.MX or (crew is not None and crew.wants(Data, self._door))

    def _note(self, trace_id: str, verdict: Verdict) -> None:
        """What was found, in one line; refused mail leaves no other trace of it."""
        self._log.info(
            "smtp.verdict",
            id=trace_id,
            sender=str(self._sender or "<>"),
            action=verdict.action.value,
            reason=verdict.reason or None,
            results=" ".join(
                f"{one.method}={one.result}" for one in (*verdict.findings, *verdict.personal)
            ),
        )

    def _answer(self, trace_id: str, size: int, result: Result) -> bytes:
        if result.queued:
            self._needs.queued()
        for recipient, reply in zip(self._engine.recipients, result.replies, strict=True):
            self._log.info(
                "smtp.message",
                id=trace_id,
                user=self.peer.user or None,
                sender=self._sender or "<>",
                rcpt=recipient.address,
                size=size,
                reply=reply,
            )
        if not any(reply.ok for reply in result.replies):
            self._refused(trace_id, result.overall(), size)
        if self._role is Role.LMTP:
            return b"".join([self._engine.reply(reply) for reply in result.replies])
        overall = result.overall()
        if overall.ok:
            overall = Reply(250, "2.0.0", f"Kept as {trace_id}")
        return self._engine.reply_each(overall)

    def abandon(self) -> None:
        """Forget content that will not be completed (RSET, a hello, a lost connection)."""
        self.refusals.flush()
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    @property
    def _sender(self) -> object:
        return self._engine.sender.address if self._engine.sender else None

    def _mail(self) -> Sender:
        sender = self._engine.sender
        if sender is None:
            raise RuntimeError("content without MAIL")  # the engine's table forbids it
        return sender

    def _envelope(self, trace_id: str) -> Envelope:
        to, at = tuple(self._engine.recipients), self._needs.clock.now()
        return Envelope(self._mail(), to, self._role, self.peer, at, trace_id)


def _stays(recipient: Recipient) -> bool:
    """Whether any of its mail comes into a mailbox here, now or out of the queue."""
    return any(isinstance(route, Local) for route in recipient.routes)


def _bad_machine(finding: Finding) -> bool:
    """It is on a list of bad ones."""
    return finding.method == "dnsbl" and finding.result == "fail"
