"""STARTTLS, LOGIN and AUTHENTICATE."""

from __future__ import annotations

from pillarbox.auth.exchange import Exchange
from pillarbox.auth.results import Accepted, LoginResult, Reason, Rejected
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, events, render
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.state import State
from pillarbox.wire.sasl.machine import Challenge

_REFUSED = {  # RFC 5530 §3
    Reason.CREDENTIALS: ("User name or password is wrong", codes.AUTHENTICATIONFAILED),
    Reason.LOCKED: ("Too many failed logins from your network; try later", codes.UNAVAILABLE),
    Reason.NEEDS_TLS: ("Start TLS first", codes.PRIVACYREQUIRED),
    Reason.MECHANISM: ("That mechanism is not offered", codes.CANNOT),
    Reason.MALFORMED: ("That is not what the mechanism expects", codes.CLIENTBUG),
    Reason.AUTHORIZATION: ("You may not act as that user", codes.AUTHORIZATIONFAILED),
}


async def on_starttls(session: Session, command: commands.StartTls) -> None:
    """RFC 9051 §6.2.1. What stood behind the command in the clear is thrown away."""
    if not session.conn.can_start_tls:
        session.write(render.bad(command.tag, "TLS cannot be started here"))
        return
    session.write(render.ok(command.tag, "Begin TLS now"))
    session.engine.accept()
    injected = await session.conn.start_tls()
    if injected or command.pipelined:
        session.log.warning("imap.injected", octets=injected)


async def on_login(session: Session, command: commands.Login) -> None:
    """RFC 9051 §6.2.3."""
    result = await session.needs.authenticator.plain(
        command.user, command.password, session.context(), "LOGIN"
    )
    _ended(session, command.tag, result)


async def on_authenticate(session: Session, command: commands.Authenticate) -> None:
    """RFC 9051 §6.2.2."""
    exchange = session.needs.authenticator.begin(command.mechanism, session.context())
    if isinstance(exchange, Rejected):
        _ended(session, command.tag, exchange)
        return
    await _step(session, command.tag, exchange, command.initial)


async def on_response(session: Session, event: events.AuthResponse) -> None:
    """The client's answer to a challenge."""
    exchange: Exchange = session.scratch.pop("exchange")
    await _step(session, event.tag, exchange, event.data)


async def on_cancelled(session: Session, event: events.AuthCancelled) -> None:
    """The client gave the exchange up."""
    session.scratch.pop("exchange", None)
    session.write(render.bad(event.tag, "Authentication cancelled"))


async def _step(session: Session, tag: str, exchange: Exchange, data: bytes | None) -> None:
    outcome = await exchange.step(data)
    if isinstance(outcome, Challenge):
        session.scratch["exchange"] = exchange
        session.write(session.engine.challenge(outcome.data))
        return
    _ended(session, tag, outcome)


def _ended(session: Session, tag: str, result: LoginResult) -> None:
    """Say how it went; after too many wrong passwords, hang up."""
    if isinstance(result, Accepted):
        session.account = result.account
        session.engine.state = State.AUTHENTICATED
        session.conn.timeout = session.needs.options.timeout
        session.write(render.ok(tag, "Welcome", session.capabilities()))
        return
    if not isinstance(result, Rejected):
        text = "Logging in is not possible at the moment; try again later"
        session.write(render.no(tag, text, codes.UNAVAILABLE))
        return
    text, code = _REFUSED[result.reason]
    if result.reason is Reason.MALFORMED:
        session.write(render.bad(tag, text, code))
    else:
        session.write(render.no(tag, text, code))
    session.login_failures += result.guess
    if session.login_failures >= session.needs.options.login_failures:
        session.bye("Too many failed logins")


HANDLERS = {
    commands.StartTls: on_starttls,
    commands.Login: on_login,
    commands.Authenticate: on_authenticate,
    events.AuthResponse: on_response,
    events.AuthCancelled: on_cancelled,
}
