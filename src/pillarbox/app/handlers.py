"""The rooms behind the doors, and what runs a connection through each door.

What can change while the house runs (limits, sizes, time-outs) is in the Options that a handler
takes when a connection begins, so ``adopt`` changes it for the connections that come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pillarbox.app.core import Core
from pillarbox.app.counts import Counts
from pillarbox.app.hearing import Heard
from pillarbox.app.hooking import settled
from pillarbox.app.recorder import Recorder
from pillarbox.app.sending import Sending
from pillarbox.app.settings import ROLES, Settings
from pillarbox.app.web import site
from pillarbox.auth.login import Authenticator
from pillarbox.auth.presence import Presence
from pillarbox.auth.sendas import SendAs
from pillarbox.base.log import Logger
from pillarbox.bus.api import Bus
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.authors import AuthorRule
from pillarbox.delivery.consequences import Consequences
from pillarbox.delivery.gate import Gate, ListRule
from pillarbox.delivery.hooked import Hooked
from pillarbox.delivery.letters import Letters
from pillarbox.delivery.lists.marks import ListMarks
from pillarbox.delivery.lists.subscriptions import Subscriptions
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.delivery.lists.transport import ListTransport
from pillarbox.delivery.lists.transport import Options as ListOptions
from pillarbox.delivery.local import LocalTransport
from pillarbox.delivery.route import Router
from pillarbox.delivery.senders import SenderRules
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.events import Events as ScriptEvents
from pillarbox.delivery.sieve.filtering import Filtering
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.planner import Planner
from pillarbox.dns.answers import Resolver
from pillarbox.filters.chain import Chain as Filters
from pillarbox.filters.chain import Screened
from pillarbox.filters.greylist import Greylist
from pillarbox.filters.lessons import Teacher
from pillarbox.filters.personal import Personal
from pillarbox.hooks.crew import Crew
from pillarbox.mailbox.intake import Intake, whole
from pillarbox.mailbox.ops import Ops
from pillarbox.mailbox.pop3 import Maildrops
from pillarbox.mailbox.views import Views
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import (
    Envelope,
    Listed,
    Local,
    Peer,
    Recipient,
    Remote,
    Role,
    Route,
    Sender,
)
from pillarbox.model.verdict import Verdict
from pillarbox.net.driver import Connection
from pillarbox.net.listen import Handler
from pillarbox.policy.inbound.inspect import Inspector, Tell, untold
from pillarbox.queue.attempt import Transport
from pillarbox.queue.notify import Notifier
from pillarbox.queue.runner import Runner, domain_of
from pillarbox.serve.http.door import http_door
from pillarbox.serve.imap.door import imap_door
from pillarbox.serve.imap.options import Events
from pillarbox.serve.imap.options import Needs as ImapNeeds
from pillarbox.serve.imap.options import Options as ImapOptions
from pillarbox.serve.managesieve.door import managesieve_door
from pillarbox.serve.managesieve.options import Needs as SieveNeeds
from pillarbox.serve.pop3.door import pop3_door
from pillarbox.serve.pop3.options import Needs as Pop3Needs
from pillarbox.serve.smtp.options import Needs as SmtpNeeds
from pillarbox.serve.smtp.options import Options as SmtpOptions
from pillarbox.serve.smtp.session import Session as SmtpSession
from pillarbox.store.api import NewItem, NewMessage

log = Logger("house")


class Handlers:
    """One for a house. ``secret`` is the house's own key; without ``sending`` no mail leaves;
    ``resolver`` knows what checks of incoming mail ask for."""

    def __init__(
        self,
        core: Core,
        bus: Bus,
        settings: Settings,
        counts: Counts,
        *,
        hostname: str,
        secret: bytes,
        resolver: Resolver,
        sending: Sending | None = None,
    ) -> None:
        self._core = core
        self._hostname = hostname
        store, clock, rng = core.store, core.clock, core.rng
        back = sending.back if sending is not None else _nowhere
        self._router = Router(store, settings.route, back)
        letters = Letters(self._route_report, self._message, clock, rng, hostname)
        self._senders = SenderRules(
            *(store, letters, clock, settings.senders, settings.suppress_for)
        )
        send_as = SendAs(store, settings.send_as)
        authors = [AuthorRule(store, send_as)] if settings.own_authors else []
        gate = Gate([*authors, ListRule(store, letters), self._senders])
        self.crew = Crew(clock)
        way = self._senders.onward
        self._hands = Hands(
            store, settings.site, self._route_report, self._message, clock, rng, way
        )
        self._acceptor = self._accepting(settings, gate)
        self.teacher = Teacher(store, core.scan, clock)
        self._tarpit = counts.tarpit
        self._personal = Personal(store, core.scan, settings.personal)
        tokens = Tokens(secret)
        self._subscriptions = Subscriptions(store, tokens, clock)
        self._ops = Ops(store)
        self._maildrops = Maildrops(store)
        self.views = Views(store, bus, fetch_cache=settings.fetch_cache)
        self.presence = Presence()
        self._authenticator = Authenticator(
            store,
            core.passwords,
            clock=clock,
            rng=rng,
            secret=secret,
            lockout=counts.lockout,
            cache=counts.logins,
            options=settings.login,
            presence=self.presence,
        )
        self.runner = self._running(settings, tokens, sending)
        self.recorder = Recorder(store, clock)
        self._smtp_needs = SmtpNeeds(
            self._router,
            self._acceptor,
            self._authenticator,
            send_as,
            self._intake,
            clock,
            rng,
            queued=self.runner.wake,
            senders=self._senders,
            refused=self.recorder.refused,
            screen=self._screen,
            tarpit=self._tarpit,
            hooks=self.crew,
        )
        self._resolver = resolver
        reports = sending.dmarc_reports if sending is not None else None
        self._tell: Tell = reports.count if reports is not None else untold
        self._inspector: Inspector | None = None
        self._table = self._made(settings)

    def _running(self, settings: Settings, tokens: Tokens, sending: Sending | None) -> Runner:
        """Works the queue."""
        store, clock, rng = self._core.store, self._core.clock, self._core.rng
        return Runner(
            store,
            self._transports(settings, tokens, sending),
            Notifier(
                *(store, self._route_report, self._message, clock, rng, self._hostname),
                settings.runner.policy,
            ),
            clock,
            rng,
            settings.runner,
            destination=sending.transport.destination if sending else domain_of,
            failed=Consequences(store, clock),
            settled=lambda item, results: settled(self.crew, item, results),
        )

    def _transports(
        self, settings: Settings, tokens: Tokens, sending: Sending | None
    ) -> dict[type[Route], Transport]:
        """Who carries queued mail, by where it goes."""
        core, url = self._core, settings.web.url
        made: dict[type[Route], Transport] = {
            Local: LocalTransport(
                *(core.store, self._acceptor, self._message), ListMarks(tokens, url)
            ),
            Listed: ListTransport(
                *(core.store, self._subscriptions, self._route_report, self._message),
                sending.strict if sending is not None else _never,
                *(core.clock, core.rng),
                ListOptions(self._hostname, url, settings.suppress_for),
            ),
        }
        return made if sending is None else made | {Remote: sending.transport}

    def _accepting(self, settings: Settings, gate: Gate) -> Acceptor:
        """The end of DATA, with the scripts of accounts."""
        store, clock = self._core.store, self._core.clock
        chain = Chain(store, clock, self._core.scan)
        self._events = ScriptEvents(store, chain, self._hands, self._wake)
        self._filtering = Filtering(store, chain, self._hands, self._senders, self._wake)
        scripted = Hooked(self.crew, Planner(chain, self._hands), self._hands, store)
        return Acceptor(store, clock, settings.accept, scripted, gate)

    def adopt(self, settings: Settings) -> None:
        """Other Options, for the connections that come."""
        self._hands.site = settings.site
        self._personal.options = settings.personal
        self._tarpit.options = settings.tarpit
        self._table = self._made(settings)

    def handler(self, door: str) -> Handler:
        """What runs a connection through ``door``."""

        async def handle(conn: Connection) -> None:
            self.presence.came(conn.id, conn.abort)
            try:
                await self._table[door](conn)
            finally:
                self.presence.left(conn.id)

        return handle

    def _made(self, settings: Settings) -> Mapping[str, Handler]:
        self.crew.adopt(settings.hooks)
        self._filters = Filters(settings.filters)
        self._greylist = (
            Greylist(self._core.store, self._core.clock, settings.greylist)
            if settings.greylist is not None
            else None
        )
        self._inspector = (
            Inspector(settings.inbound, self._resolver, self._core.clock, self._tell)
            if settings.inbound is not None
            else None
        )
        sieve = managesieve_door(
            SieveNeeds(
                self._core.store, self._authenticator, self._core.clock, settings.managesieve
            )
        )
        pop3 = pop3_door(
            Pop3Needs(self._maildrops, self._authenticator, self._core.clock, settings.pop3)
        )
        web = http_door(
            site(settings.web, self._core.store, self._subscriptions),
            settings.web.door,
            self._core.clock,
        )
        mail = {door: self._smtp(settings.smtp[door]) for door in ROLES}
        return {
            **mail,
            **{door: self._imap(options) for door, options in settings.imap.items()},
            "pop3": pop3,
            "pop3s": pop3,
            "sieve": sieve,
            "http": web,
            "https": web,
        }

    def _wake(self) -> None:
        self.runner.wake()

    def _imap(self, options: ImapOptions) -> Handler:
        core, rooms = self._core, (self._ops, self.views, self._authenticator, self._intake)
        listeners: list[Events] = []
        if options.managesieve_url:
            listeners.append(self._events)
        if self._personal.options.enabled:
            listeners.append(self.teacher)
        heard = Heard(listeners) if listeners else None
        filtering = self._filtering if self._hands.site.enabled else None
        return imap_door(
            ImapNeeds(core.store, *rooms, core.clock, options, heard, filtering, self.crew)
        )

    def _smtp(self, options: SmtpOptions) -> Handler:
        needs = replace(self._smtp_needs, greylist=self._greylist)
        if self._inspector is not None:
            needs = replace(needs, inspect=self._inspector.begin)

        async def handle(conn: Connection) -> None:
            await SmtpSession(conn, options, needs).run()

        return handle

    def _intake(self, expected: int, binary: bool) -> Intake:
        return Intake(self._core.store, lane=self._core.scan, expected=expected, binary=binary)

    async def _screen(self, envelope: Envelope, content: memoryview, verdict: Verdict) -> Screened:
        screened = Screened(verdict)
        if self._filters:
            screened = await self._filters.screen(envelope, content, verdict)
        return await self._personal.screen(envelope, content, screened)

    async def _message(self, data: bytes) -> NewMessage:
        return await whole(self._core.store, data, self._core.scan)

    async def write(self, data: bytes, sender: Address, to: Address) -> None:
        """Queue a message of the house itself; nobody is told what became of it."""
        routes = await self._router.route(to, Role.LOCAL)
        if isinstance(routes, Reply):
            log.warning("house.not-written", to=str(to), reply=str(routes))
            return
        core, now = self._core, self._core.clock.now()
        envelope = Envelope(
            Sender(sender, body="7BIT" if data.isascii() else "8BITMIME"),
            (Recipient(to, routes, frozenset({"NEVER"})),),
            Role.LOCAL,
            Peer("", helo=self._hostname, protocol="LOCAL"),
            now,
            id=core.rng.token(16),
        )
        pairs = [(0, number) for number in range(len(routes))]
        item = NewItem(envelope, pairs, due=now)
        message = await self._message(data)
        try:
            await core.store.accept(message, [], item)
        finally:
            message.content.discard()  # does nothing to what was taken
        self.runner.wake()

    async def _route_report(self, sender: Address) -> tuple[Route, ...] | Reply:
        return await self._router.route(sender, Role.LOCAL)


async def _never(domain: str) -> bool:  # noqa: ARG001
    """Without DNS nobody is known to be strict."""
    return False


def _nowhere(address: Address) -> Address | None:  # noqa: ARG001
    """Without forwarding no sender was ever rewritten."""
    return None
