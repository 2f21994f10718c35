"""USER and PASS, AUTH, STLS: how a session comes to its maildrop."""

from __future__ import annotations

import math

from pillarbox.auth.exchange import Exchange
from pillarbox.auth.results import Accepted, LoginResult, Reason, Rejected
from pillarbox.model.account import Account
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3 import events, render
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.sasl.machine import Challenge

_REFUSED = {  # RFC 3206 §4, §5: AUTH is for credentials, and makes clients ask for new ones
    Reason.CREDENTIALS: (Phrase.LOGIN_FAILED, render.AUTH),
    Reason.LOCKED: (Phrase.TRY_LATER, render.SYS_TEMP),
    Reason.NEEDS_TLS: (Phrase.NEEDS_TLS, ""),
    Reason.MECHANISM: (Phrase.MECHANISM_UNKNOWN, ""),
    Reason.MALFORMED: (Phrase.AUTH_MALFORMED, ""),
    Reason.AUTHORIZATION: (Phrase.LOGIN_FAILED, render.AUTH),
}
_CLOSED = {  # why a maildrop could not be opened
    Kind.IN_USE: (Phrase.IN_USE, render.IN_USE),  # RFC 2449 §8.1.2
}


async def on_user(session: Session, _event: events.User) -> None:
    """RFC 1939 §7. Every name is taken: who is there is nobody's business (§13)."""
    if not session.needs.authenticator.cleartext(session.context()):  # RFC 2595 §2.3
        session.engine.refuse()
        session.write(session.voice.err(Phrase.NEEDS_TLS))
        return
    session.engine.accept()
    session.write(session.voice.ok(Phrase.SEND_PASSWORD))


async def on_pass(session: Session, event: events.Pass) -> None:
    """RFC 1939 §7."""
    authenticator = session.needs.authenticator
    result = await authenticator.plain(event.user, event.password, session.context(), "PASS")
    await _ended(session, result)


async def on_auth(session: Session, event: events.Auth) -> None:
    """RFC 5034 §4."""
    exchange = session.needs.authenticator.begin(event.mechanism, session.context())
    if isinstance(exchange, Rejected):
        await _ended(session, exchange)
        return
    await _step(session, exchange, event.initial)


async def on_response(session: Session, event: events.AuthResponse) -> None:
    """The client's answer to a challenge."""
    exchange, session.exchange = session.exchange, None
    if exchange is None:
        raise RuntimeError("no exchange is going on")  # the engine's table forbids it
    await _step(session, exchange, event.data)


async def on_auth_failed(session: Session, event: events.AuthFailed) -> None:
    """Cancelled, or not base64."""
    session.exchange = None
    session.write(session.voice.auth_failed(event))


async def on_mechanisms(session: Session, _event: events.Mechanisms) -> None:
    """AUTH alone: the list."""
    names = session.needs.authenticator.mechanisms(session.context())
    session.write(session.voice.mechanisms(names))


async def on_stls(session: Session, _event: events.Stls) -> None:
    """RFC 2595 §4. What stood behind the command in the clear is thrown away."""
    session.write(session.voice.ok(Phrase.BEGIN_TLS))
    injected = session.engine.start_tls()
    injected += await session.conn.start_tls()
    if injected:
        session.log.warning("pop3.injected", octets=injected)


async def _step(session: Session, exchange: Exchange, data: bytes | None) -> None:
    outcome = await exchange.step(data)
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        session.write(session.engine.challenge(outcome.data))
        return
    await _ended(session, outcome)


async def _ended(session: Session, result: LoginResult) -> None:
    """Open the maildrop or say why not; after too many wrong passwords, hang up."""
    if isinstance(result, Accepted):
        await _enter(session, result.account)
    elif isinstance(result, Rejected):
        _refuse(session, *_REFUSED[result.reason])
        session.login_failures += result.guess
        session.over = session.login_failures >= session.needs.options.login_failures
    else:
        _refuse(session, Phrase.TRY_LATER, render.SYS_TEMP)


async def _enter(session: Session, account: Account) -> None:
    """RFC 1939 §4: the lock, then the listing, then +OK."""
    wait = session.pace.wait(account.id)
    if wait > 0:  # RFC 2449 §8.1.1
        _refuse(session, Phrase.LOGIN_DELAY, render.LOGIN_DELAY, seconds=math.ceil(wait))
        return
    by = f"pop3 {account.address} from {session.conn.peer.ip}"
    drop = await session.needs.maildrops.open(account.id, account.pop3, by)
    if isinstance(drop, Refusal):
        _refuse(session, *_CLOSED.get(drop.kind, (Phrase.BROKEN, render.SYS_PERM)))
        return
    session.maildrop = drop
    session.pace.entered(account.id)
    session.log = session.log.bind(user=account.address)
    session.conn.timeout = session.needs.options.timeout
    session.engine.accept()
    count, octets = drop.stat()
    session.write(session.voice.ok(Phrase.MAILDROP, count=count, octets=octets))


def _refuse(session: Session, phrase: Phrase, code: str, **fields: object) -> None:
    session.engine.refuse()
    session.write(session.voice.err(phrase, code, **fields))


HANDLERS = {
    events.User: on_user,
    events.Pass: on_pass,
    events.Auth: on_auth,
    events.AuthResponse: on_response,
    events.AuthFailed: on_auth_failed,
    events.Mechanisms: on_mechanisms,
    events.Stls: on_stls,
}
