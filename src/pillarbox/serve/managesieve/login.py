"""AUTHENTICATE, UNAUTHENTICATE, STARTTLS, and what may be said at any time."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.auth.exchange import Exchange
from pillarbox.auth.results import Accepted, LoginResult, Reason, Rejected
from pillarbox.serve.managesieve.session import Handler, Session
from pillarbox.wire.managesieve import events, render
from pillarbox.wire.sasl.machine import Challenge

_REFUSED = {
    Reason.CREDENTIALS: ("name or password is wrong", ""),
    Reason.LOCKED: ("too many failed logins; try again later", "TRYLATER"),
    Reason.NEEDS_TLS: ("use STARTTLS first", "ENCRYPT-NEEDED"),
    Reason.MECHANISM: ("that mechanism is not offered", ""),
    Reason.MALFORMED: ("that is not how the mechanism goes", ""),
    Reason.AUTHORIZATION: ("name or password is wrong", ""),
}


async def on_authenticate(session: Session, event: events.Authenticate) -> None:
    """RFC 5804 §2.1."""
    exchange = session.needs.authenticator.begin(event.mechanism, session.context())
    if isinstance(exchange, Rejected):
        _ended(session, exchange)
    else:
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
    session.no("cancelled" if event.cancelled else "that is not base64")


async def _step(session: Session, exchange: Exchange, data: bytes | None) -> None:
    outcome = await exchange.step(data)
    if isinstance(outcome, Challenge):
        session.exchange = exchange
        session.write(session.engine.challenge(outcome.data))
    else:
        _ended(session, outcome)


def _ended(session: Session, result: LoginResult) -> None:
    if isinstance(result, Accepted):
        session.account = result.account
        session.log = session.log.bind(user=result.account.address)
        session.conn.timeout = session.needs.options.timeout
        session.engine.accept()
        session.ok("welcome")
        return
    session.engine.refuse()
    if isinstance(result, Rejected):
        text, code = _REFUSED[result.reason]
        session.login_failures += result.guess
        if session.login_failures >= session.needs.options.login_failures:
            session.bye(text)
        else:
            session.no(text, code)
    else:
        session.no("try again later", "TRYLATER")


async def on_unauthenticate(session: Session, _event: events.Unauthenticate) -> None:
    """RFC 5804 §2.14."""
    session.account = None
    session.start_login_clock()
    session.ok()


async def on_start_tls(session: Session, _event: events.StartTls) -> None:
    """RFC 5804 §2.2: the capabilities are told again inside TLS."""
    session.ok("begin TLS")
    injected = session.engine.start_tls()
    injected += await session.conn.start_tls()
    if injected:
        session.log.warning("managesieve.injected", octets=injected)
    session.write(session.capabilities() + render.line("OK", "TLS is on"))


async def on_capability(session: Session, _event: events.Capability) -> None:
    """RFC 5804 §2.4."""
    session.write(session.capabilities())
    session.ok()


async def on_noop(session: Session, event: events.Noop) -> None:
    """RFC 5804 §2.13."""
    if event.tag is None:
        session.ok("here")
    else:
        tag = render.string(event.tag).decode("utf-8")
        session.ok("here", f"TAG {tag}")


async def on_logout(session: Session, _event: events.Logout) -> None:
    """RFC 5804 §2.3."""
    session.ok("goodbye")
    session.over = True


async def on_fault(session: Session, event: events.Fault) -> None:
    """A line that is no command."""
    if event.fatal:
        session.bye(event.text)
    else:
        session.no(event.text, event.code)


async def on_eof(session: Session, _event: events.Eof) -> None:
    """The client is gone."""
    session.over = True


HANDLERS: Mapping[type, Handler] = {
    events.Authenticate: on_authenticate,
    events.AuthResponse: on_response,
    events.AuthFailed: on_auth_failed,
    events.Unauthenticate: on_unauthenticate,
    events.StartTls: on_start_tls,
    events.Capability: on_capability,
    events.Noop: on_noop,
    events.Logout: on_logout,
    events.Fault: on_fault,
    events.Eof: on_eof,
}
