"""The one place where every door asks who somebody is.

How a door uses it::

    ctx = Context("imap", ip, secure=tls is not None, bindings=tls.channel_bindings, conn=id)
    names = authenticator.mechanisms(ctx)            # for EHLO, CAPABILITY, CAPA
    clear = authenticator.cleartext(ctx)             # may LOGIN, USER and PASS be used?
    result = await authenticator.plain(user, password, ctx, "LOGIN")

    exchange = authenticator.begin(mechanism, ctx)   # AUTH, AUTHENTICATE
    if isinstance(exchange, Rejected): ...
    outcome = await exchange.step(initial_response_or_None)
    # Challenge(data): send it, then exchange.step(response). Anything else is a LoginResult and
    # the end. A client that cancels needs nothing: drop the exchange.

After STARTTLS make a new Context and ask for the mechanisms again. A door that advertised another
list than ``mechanisms`` gives it to ``begin``: SCRAM finds out lies about that list.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.auth.cache import SuccessCache
from pillarbox.auth.check import Attempt, Checks
from pillarbox.auth.context import Context
from pillarbox.auth.exchange import Exchange
from pillarbox.auth.lockout import Lockout
from pillarbox.auth.passwords import Passwords
from pillarbox.auth.presence import Presence
from pillarbox.auth.results import LoginResult, Reason, Rejected
from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.store.api import Directory
from pillarbox.wire.sasl.machine import ServerContext
from pillarbox.wire.sasl.mechanisms import MECHANISMS, Need, mechanism, offered

ALL_MECHANISMS = frozenset(row.name for row in MECHANISMS)
NONCE_LENGTH = 24
"""Characters of 5 bits."""


@dataclass(frozen=True, slots=True)
class Options:
    """Policy of a house. Without TLS there is no login (RFC 8314 §4.1), except:"""

    cleartext_on_loopback: bool = True
    """from this machine itself, by any mechanism;"""
    scram_in_the_clear: bool = False
    """by SCRAM, which shows no password but lets a listener guess it at leisure."""
    mechanisms: frozenset[str] = ALL_MECHANISMS
    """What may be offered at all."""
    plus_with: frozenset[str] = frozenset({"tls-exporter", "tls-unique"})
    """SCRAM-…-PLUS is offered where one of these bindings is at hand. By ``tls-server-end-point``
    alone it is not: a client cannot see which types we have, and most take the connection's own
    (RFC 9266 §3 makes ``tls-exporter`` the default of TLS 1.3); they would fail, not fall back."""


@lru_cache(64)
def _offers(options: Options, private: bool, bound: bool, scram: bool) -> tuple[str, ...]:
    """What may be offered where a connection is private, has a binding, and keys are kept."""
    if not private and not options.scram_in_the_clear:
        return ()
    has = {Need.PRIVACY: private, Need.SCRAM_KEYS: scram, Need.BINDING: bound}
    names = offered([need for need, there in has.items() if there])
    return tuple(name for name in names if name in options.mechanisms)


class Authenticator:
    """One for a process; holds the cache, the failures and the turns."""

    def __init__(
        self,
        directory: Directory,
        passwords: Passwords,
        *,
        clock: Clock,
        rng: Rng,
        secret: bytes,
        lockout: Lockout | None = None,
        cache: SuccessCache | None = None,
        options: Options | None = None,
        presence: Presence | None = None,
    ) -> None:
        """``secret`` keys the salts of users that are not there. It is kept with the house and
        the same for all its processes, or those salts would change and tell."""
        self.options = options or Options()
        self._passwords = passwords
        self._rng = rng
        self._secret = secret
        lockout, cache = lockout or Lockout(clock), cache or SuccessCache(clock, rng)
        presence = presence or Presence()
        self._checks = Checks(directory, passwords, lockout, cache, clock, presence)

    def cleartext(self, ctx: Context) -> bool:
        """May a password cross this connection as it is (LOGIN, USER and PASS, PLAIN)?"""
        return ctx.secure or (ctx.loopback and self.options.cleartext_on_loopback)

    def mechanisms(self, ctx: Context) -> tuple[str, ...]:
        """What to offer here, strongest first; empty where nobody may log in yet."""
        bound = not self.options.plus_with.isdisjoint(ctx.bindings)
        scram = self._passwords.options.scram_iterations > 0
        return _offers(self.options, self.cleartext(ctx), bound, scram)

    async def plain(
        self, user: str, password: str, ctx: Context, mech: str = "PLAIN"
    ) -> LoginResult:
        """Log in with a password that is at hand: LOGIN, USER and PASS, a web form."""
        if not self.cleartext(ctx):
            return Rejected(Reason.NEEDS_TLS)
        attempt = Attempt(user, mech, ctx)
        return await self._checks.guarded(self._checks.by_password(attempt, password, ""))

    def begin(
        self, name: str, ctx: Context, advertised: Collection[str] | None = None
    ) -> Exchange | Rejected:
        """Start a SASL exchange with the mechanism ``name``, in any case of letters.

        ``advertised``: the list that the client was shown, None for that of ``mechanisms``.
        """
        row = mechanism(name)
        if row is None or row.name not in self.options.mechanisms:
            return Rejected(Reason.MECHANISM, "unknown")
        offers = self.mechanisms(ctx)
        if row.name not in offers:
            clear = not self.cleartext(ctx)
            return Rejected(Reason.NEEDS_TLS if clear else Reason.MECHANISM, "not offered")
        shown = offers if advertised is None else advertised
        binds = any(name.endswith("-PLUS") for name in shown)
        context = ServerContext(
            self._secret,
            nonce=lambda: self._rng.token(NONCE_LENGTH),
            bindings=ctx.bindings if binds else {},  # RFC 5802 §6: exactly when -PLUS is offered
            iterations=self._passwords.options.scram_iterations,
        )
        return Exchange(self._checks, row.name, row.server(context), ctx)
