"""The connection itself: greetings, log-in, TLS, ENABLE, IDLE (RFC 9051 §6.1, §6.2)."""

from __future__ import annotations

from pillarbox.wire.imap.commands import (
    Authenticate,
    Capability,
    Enable,
    Id,
    Idle,
    Login,
    Logout,
    Noop,
    StartTls,
)
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Bare, Parser
from pillarbox.wire.sasl.b64 import decode_initial

ID_FIELDS = 30
"""RFC 2971 §3.3: no more than 30 pairs, names to 30 octets, values to 1024."""


def login(cur: Cursor, tag: str) -> Login:
    """``LOGIN user password``."""
    cur.space()
    user = cur.astring()
    cur.space()
    password = cur.astring()
    cur.end()
    return Login(tag, user, password)


def authenticate(cur: Cursor, tag: str) -> Authenticate:
    """``AUTHENTICATE mechanism [initial-response]``."""
    cur.space()
    mechanism = cur.word()
    initial = None
    if cur.more():  # RFC 4959 §3
        initial = decode_initial(cur.text[cur.pos :].encode("utf-8", "surrogateescape"))
        if initial is None:
            raise Bad("The initial response is not base64")
    else:
        cur.end()
    return Authenticate(tag, mechanism, initial)


def starttls(cur: Cursor, tag: str) -> StartTls:
    """STARTTLS; the engine adds whether octets were waiting behind it."""
    cur.end()
    return StartTls(tag, False)


def enable(cur: Cursor, tag: str) -> Enable:
    """``ENABLE`` and names; unknown ones are the answerer's to ignore."""
    names = []
    while cur.more():
        names.append(cur.word())
    if not names:
        raise Bad("Missing argument")  # RFC 9051 §6.3.1
    cur.end()
    return Enable(tag, tuple(names))


def identify(cur: Cursor, tag: str) -> Id:
    """ID (RFC 2971). A key given twice keeps its last value; pairs beyond the limit are read
    and dropped, since the whole command is advisory."""
    cur.space()
    if cur.peek() != "(":
        if cur.word() != "NIL":
            raise Bad("Expected a list or NIL")
        cur.end()
        return Id(tag, {})

    def pair() -> tuple[str, str | None]:
        key = cur.string()
        cur.space()
        return key[:30].lower(), cur.nstring()

    pairs = cur.items(pair, empty=True)
    cur.end()
    fields = {key: value[:1024] if value else value for key, value in pairs[:ID_FIELDS]}
    return Id(tag, fields)


BARE: Bare = {"CAPABILITY": Capability, "NOOP": Noop, "LOGOUT": Logout, "IDLE": Idle}

PARSERS: dict[str, Parser] = {
    "ID": identify,
    "STARTTLS": starttls,
    "LOGIN": login,
    "AUTHENTICATE": authenticate,
    "ENABLE": enable,
}
