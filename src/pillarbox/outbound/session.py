"""One connection to another server: opened, secured, logged in, used for message after message.

Drives ``wire.smtp.client`` over ``net.dial``. Whatever the server or the network does becomes a
``Refused`` before there is a session, and a report for each recipient after.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.outbound.connect import Refused, Tools, connect, handshake
from pillarbox.outbound.letter import Letter, Letters
from pillarbox.outbound.options import Level, Way
from pillarbox.policy import dane
from pillarbox.queue.report import Action, Report
from pillarbox.wire.sasl.machine import ClientContext, Respond
from pillarbox.wire.sasl.mechanisms import choose
from pillarbox.wire.smtp import client_events as ev
from pillarbox.wire.smtp.capabilities import Capabilities
from pillarbox.wire.smtp.client import Client, ClientOptions
from pillarbox.wire.smtp.client_states import TIMEOUTS, ClientState
from pillarbox.wire.smtp.options import Extension

_PIECE = 64 * 1024
GONE = Reply(451, "4.4.2", "The connection was lost")


class Session:
    """An open session. ``used`` counts transactions."""

    def __init__(self, way: Way, conn: Connection, client: Client, tools: Tools) -> None:
        self.way = way
        self.used = 0
        self.answered = False
        """The server said something in the last transaction."""
        self._conn = conn
        self._client = client
        self._tools = tools
        self._events: list[ev.ClientEvent] = []
        self._checked = False
        self._complete = False  # all of the message was written
        self._domains: set[str] = set()

    # ------------------------------------------------------------------ opening

    @classmethod
    async def open(cls, way: Way, tools: Tools) -> Session:
        """Connect and get ready to send. Raises Refused."""
        conn = await connect(way, tools)
        options = ClientOptions(tools.options.hostname, lmtp=way.lmtp)
        session = cls(way, conn, Client(options, tls=conn.tls is not None), tools)
        try:
            await session._begin()
        except BaseException:
            conn.abort()
            raise
        return session

    async def _begin(self) -> None:
        greeting = await self._await(ev.Greeting)
        if isinstance(greeting, ev.Greeting) and not greeting.reply.ok:
            raise self._turned_away(greeting.reply)
        await self._hello()
        if self._conn.tls is None:
            await self._secure()
        else:
            self._judge()
        if self.way.login is not None:
            await self._log_in()

    async def _hello(self) -> None:
        self._client.hello()
        answer = await self._await(ev.Welcome, ev.HelloRefused)
        if isinstance(answer, ev.HelloRefused) and not self.way.lmtp and not self._client.tls:
            self._client.hello(extended=False)  # RFC 5321 §3.2
            answer = await self._await(ev.Welcome, ev.HelloRefused)
        if isinstance(answer, ev.HelloRefused):
            raise self._turned_away(answer.reply)

    async def _secure(self) -> None:
        """STARTTLS as far as it is demanded (RFC 3207)."""
        level = self.way.demand.level
        if level is Level.NONE:
            return
        if not self._client.capabilities.has(Extension.STARTTLS):
            if level is Level.MAY:
                return
            raise Refused(
                Reply(451, "4.7.4", f"{self.way.host} does not offer STARTTLS"),
                tls="starttls-not-supported",
                source=self.source,
            )
        self._client.starttls()
        answer = await self._await(ev.TlsGo, ev.TlsRefused)
        if isinstance(answer, ev.TlsRefused):
            if level is Level.MAY:
                return
            raise Refused(
                answer.reply, by=self.way.host, tls="starttls-not-supported", source=self.source
            )
        await handshake(self._conn, self.way, self._tools)
        self._client.tls_started()
        self._judge()
        await self._hello()

    def _judge(self) -> None:
        """DANE looks at the chain itself (RFC 7672 §3)."""
        demand, tls = self.way.demand, self._conn.tls
        self._checked = demand.level in {Level.VERIFIED, Level.DANE}
        if demand.level is not Level.DANE or tls is None:
            return
        now = datetime.fromtimestamp(self._tools.clock.now(), UTC)
        verdict = dane.judge(demand.tlsa, tls.peer_chain, demand.names, now)
        if verdict is not dane.Verdict.MATCH:
            raise Refused(
                Reply(451, "4.7.5", f"{self.way.host} is not who the DNS says: {verdict.value}"),
                tls=verdict.value,
                source=self.source,
            )

    async def _log_in(self) -> None:
        login = self.way.login
        if login is None:
            return
        tls, client = self._conn.tls, self._client
        context = ClientContext(
            login.user,
            login.password,
            lambda: self._tools.rng.token(24),
            private=(tls is not None and self._checked) or _is_here(self.way.address),
            bindings=tls.channel_bindings if tls else {},
        )
        machine = choose(client.capabilities.mechanisms, context)
        if machine is None:
            raise Refused(
                Reply(451, "4.7.0", f"{self.way.host} offers no login that is safe to use")
            )
        client.auth(machine.name, machine.start())
        while True:
            match await self._await(ev.Challenge, ev.Authenticated, ev.AuthRefused):
                case ev.Challenge(data):
                    step = machine.step(data)
                    if isinstance(step, Respond):
                        client.auth_respond(step.data)
                    else:
                        client.auth_cancel()
                case ev.AuthRefused(reply):
                    # The password is ours to mend, not the sender's: never final.
                    raise Refused(_softened(reply), by=self.way.host)
                case _:
                    break
        if not machine.satisfied:
            raise Refused(Reply(451, "4.7.0", f"{self.way.host} did not prove who it is"))

    def _turned_away(self, reply: Reply) -> Refused:
        """A server that does not want us may not be the only one, nor for ever."""
        return Refused(_softened(reply), by=self.way.host)

    # ------------------------------------------------------------------ sending

    async def send(self, letters: Letters, recipients: Sequence[Recipient]) -> list[Report]:
        """One transaction; a report for each recipient, in order."""
        self.used += 1
        letter = await self._fitting(letters)
        reports: list[Report | None] = [None] * len(recipients)
        action = self._success()
        happened = self._client.send(letter.sender, recipients)
        while True:
            over = False
            for event in happened:
                match event:
                    case ev.Outcome(index, reply, stage):
                        lost = stage is ev.Stage.LOST and reply.code != 421
                        said = stage is not ev.Stage.BEFORE and not lost
                        reports[index] = Report(
                            reply,
                            action,
                            self.way.host if said else "",
                            self.tls_words,
                            maybe=lost and self._complete,
                        )
                    case ev.ContentWanted():
                        await self._content(letter)
                    case ev.TransactionOver():
                        over = True
            if over:
                break
            happened = await self._heard()
        return [report or Report(GONE) for report in reports]

    async def _fitting(self, letters: Letters) -> Letter:
        """The form of the message that this server can take, if it has one."""
        self._complete = self.answered = False
        letter = await letters.letter()
        offered = self._client.capabilities
        if not _takes(letter.sender.body, offered):
            letter = await letters.seven_bit() or letter
        return letter if offered.has(Extension.SMTPUTF8) else letter.plain()

    def _success(self) -> Action:
        if self.way.lmtp:
            return Action.DELIVERED  # RFC 2033 §4.2: the answer is about the mailbox
        passed = self._client.capabilities.has(Extension.DSN)
        return Action.PASSED if passed else Action.RELAYED

    async def _content(self, letter: Letter) -> None:
        """Write all of the message, as fast as the server takes it."""
        client, conn = self._client, self._conn
        conn.timeout = self._patience()
        if not self._goes_on:
            return
        if letter.whole is not None and len(letter.whole) <= _PIECE:
            client.finish(letter.whole)
            self._complete = True
            return  # it leaves, as one packet, when the answer is waited for
        try:
            async for piece in letter.pieces():
                for at in range(0, len(piece), _PIECE):
                    client.content(piece[at : at + _PIECE])
                    conn.write(client.outgoing())
                    await conn.drain()
                    if not await self._may_go_on():
                        return
            if self._goes_on:
                client.finish()
                self._complete = True
                conn.write(client.outgoing())
                conn.flush()
        except NetFault:
            return  # what the server said before it left is read next

    @property
    def _goes_on(self) -> bool:
        """The server wants content and can get it. One that closes may say so (421) in the packet
        that asked for the content."""
        conn = self._conn
        return self._client.may_send and conn.fault is None and not conn.lost

    async def _may_go_on(self) -> bool:
        """Wait for the answer to a chunk where the server takes one at a time."""
        client = self._client
        while client.state is ClientState.CHUNK:
            heard = await self._read()
            self._events += [one for one in heard if not isinstance(one, ev.ContentWanted)]
        return client.may_send

    async def _heard(self) -> list[ev.ClientEvent]:
        if self._events:
            happened, self._events = self._events, []
            return happened
        return await self._read()

    # ------------------------------------------------------------------ afterwards

    @property
    def alive(self) -> bool:
        """The connection stands, and nothing is under way."""
        return self._client.state is ClientState.READY

    @property
    def ready(self) -> bool:
        """Another message may be sent: the server takes one more (MAILMAX of RFC 9422)."""
        most = self._client.capabilities.limit("MAILMAX")
        return self.alive and not (most and self.used >= most)

    @property
    def most_recipients(self) -> int:
        """That the server takes in one transaction (RFC 9422 §4); 0 when it does not say."""
        return self._client.capabilities.limit("RCPTMAX")

    def takes(self, domain: str) -> bool:
        """Whether recipients of this domain may be among those of this session, from now on
        (RCPTDOMAINMAX of RFC 9422)."""
        most = self._client.capabilities.limit("RCPTDOMAINMAX")
        if most and domain not in self._domains and len(self._domains) >= most:
            return False
        self._domains.add(domain)
        return True

    @property
    def source(self) -> str:
        """Our own address."""
        return self._conn.local.ip

    @property
    def tls_words(self) -> str:
        """For logs: protocol, cipher, how far the peer was checked."""
        tls = self._conn.tls
        if tls is None:
            return ""
        return f"{tls.version} {tls.cipher} {self.way.demand.level.value}"

    def close(self) -> None:
        """QUIT, without waiting for the answer."""
        if self.alive:
            self._client.quit()
            self._conn.write(self._client.outgoing())
        self._conn.close()

    async def gone(self, seconds: float) -> None:
        """Wait for the end of a closed session."""
        await self._conn.gone(seconds)

    def abort(self) -> None:
        """Drop the connection."""
        self._conn.abort()

    # ------------------------------------------------------------------ reading

    def _patience(self) -> float:
        return TIMEOUTS.get(self._client.state, 300.0) * self._tools.options.patience

    async def _read(self) -> list[ev.ClientEvent]:
        """Write what is to be written, and hear what comes."""
        client, conn = self._client, self._conn
        out = client.outgoing()
        if out:
            conn.write(out)
        conn.timeout = self._patience()
        try:
            data = await conn.read()
        except IdleTimeout:
            return client.lose(Reply(451, "4.4.2", f"{self.way.host} stopped answering"))
        except NetFault as fault:
            return client.lose(
                Reply(451, "4.4.2", f"The connection to {self.way.host} broke: {fault}")
            )
        self.answered = self.answered or bool(data)
        return client.feed(data) if data else client.eof()

    async def _await(self, *wanted: type[ev.ClientEvent]) -> ev.ClientEvent:
        """The next event of these kinds. Raises Refused when the connection is lost first."""
        while True:
            for event in await self._read():
                if isinstance(event, wanted):
                    return event
                if isinstance(event, ev.Lost):
                    raise Refused(event.reply, by=self.way.host)


def _takes(body: str, offered: Capabilities) -> bool:
    """Whether content of this kind may go there as it is (RFC 6152 §3, RFC 3030 §3)."""
    if body == "BINARYMIME":
        return offered.has(Extension.BINARYMIME) and offered.has(Extension.CHUNKING)
    return body == "7BIT" or offered.has(Extension.EIGHTBITMIME)


def _softened(reply: Reply) -> Reply:
    """The words of a refusal that is not about the message, as something to try again after."""
    if reply.temporary:
        return reply
    return Reply(451, "4.3.0", f"The server says: {reply}")


def _is_here(address: str) -> bool:
    return address.startswith("/") or ipaddress.ip_address(address).is_loopback
