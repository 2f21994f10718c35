"""One command line to one event: decode, look the verb up in the table, judge the argument.

Pure in what it is given: nothing here changes the session. BDAT is judged by ``server``, because
its octets have to be read whatever the verdict.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.smtp import quirks, replies
from pillarbox.wire.smtp.events import (
    Auth,
    Data,
    Event,
    Expn,
    Fault,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
)
from pillarbox.wire.smtp.grammar import Malformed, parse_path
from pillarbox.wire.smtp.lines import LOGGED
from pillarbox.wire.smtp.params import Fields, Parser, parse_params
from pillarbox.wire.smtp.session import Session
from pillarbox.wire.smtp.states import VERBS, State

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")  # RFC 4422 §3.1
_BDAT = re.compile(r"([0-9]{1,20})(?: +([A-Za-z]+))?\Z")

FOREIGN = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH"})
"""A browser was tricked into talking to us: its form fields must never run as commands."""
OBSOLETE = frozenset({"SEND", "SOML", "SAML", "TURN", "ETRN", "ATRN", "BURL"})
"""Known by name and not implemented: 502, not 500 (RFC 5321 §4.2.4)."""


def fault(reply: Reply, line: bytes, *, fatal: bool = False) -> Fault:
    """A Fault that keeps no more of the line than a log needs."""
    return Fault(reply, line[:LOGGED], fatal)


_BARE = {verb.encode("ascii"): (verb, "") for verb in VERBS}


def split_line(line: bytes, utf8: bool) -> tuple[str, str] | None:
    """Verb in upper case and argument; None when there is an octet that no command may have.

    ``utf8`` is whether SMTPUTF8 is offered (RFC 5321 §2.4, RFC 6531 §3.3). Only ASCII is folded
    in the verb: ``ſ`` is no S.
    """
    known = _BARE.get(line)
    if known is not None:
        return known
    if line.isascii():
        text = line.decode("ascii")
        if not text.isprintable():
            return None
    elif not utf8:
        return None
    else:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if _CONTROL.search(text) is not None:
            return None
    verb, _, argument = text.partition(" ")
    return (verb.upper() if verb.isascii() else verb), quirks.trailing_space(argument)


def judge(
    session: Session, row: Mapping[str, State | Reply], line: bytes, verb: str, argument: str
) -> Event:
    """The event that a command makes in the state whose table row is given."""
    if verb not in session.offer.verbs:
        return _unknown(line, verb, argument)
    cell = row[verb]
    if isinstance(cell, Reply):
        return fault(cell, line)
    found = _PARSERS[verb](session, verb, argument)
    return fault(found, line) if isinstance(found, Reply) else found


def parse_bdat(argument: str) -> tuple[int, bool] | None:
    """Size and whether it is LAST; None when where the octets end cannot be known."""
    match = _BDAT.match(argument)
    if match is None or (match[2] or "LAST").upper() != "LAST":
        return None
    return int(match[1]), match[2] is not None


def decode_base64(text: str | bytes) -> bytes | None:
    """Strict base64 (RFC 4954 §4: no foreign character, no padding inside); None when not."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _unknown(line: bytes, verb: str, argument: str) -> Event:
    if not verb and not argument:
        return fault(replies.EMPTY_LINE, line)
    if verb in FOREIGN:
        return fault(replies.NOT_MAIL, line, fatal=True)
    if verb in ("HELO", "EHLO"):
        return Unknown(verb, argument, replies.SAY_LHLO)
    if verb == "LHLO":
        return Unknown(verb, argument, replies.SAY_EHLO)
    if verb in OBSOLETE or verb in VERBS:
        return Unknown(verb, argument, replies.NOT_IMPLEMENTED)
    return Unknown(verb, argument, replies.UNRECOGNISED)


def _hello(_session: Session, verb: str, argument: str) -> Event | Reply:
    name = quirks.hello_name(argument)
    return replies.HELLO_SYNTAX if name is None else Hello(name, verb)


def _mail(session: Session, _verb: str, argument: str) -> Event | Reply:
    if argument[:5].upper() != "FROM:":
        return replies.MAIL_SYNTAX
    options = session.options
    try:
        address, rest = parse_path(quirks.space_after_colon(argument[5:]), options.max_path)
    except Malformed as why:
        return Reply(501, "5.1.7", str(why))
    if address is not None and not address.domain:
        return Reply(501, "5.1.7", "A sender address needs a domain")
    if not rest:
        sender = Sender(address)
    else:
        fields: Fields = {}
        refusal = _parameters(rest, session.offer.mail, fields)
        if refusal is not None:
            return refusal
        sender = Sender(address, **fields)
        if options.max_size and sender.size is not None and sender.size > options.max_size:
            return replies.TOO_BIG  # RFC 1870 §6.1 (2)
    if not argument.isascii() and not sender.smtputf8:
        return replies.SENDER_NEEDS_UTF8
    return Mail(sender)


def _rcpt(session: Session, _verb: str, argument: str) -> Event | Reply:
    if argument[:3].upper() != "TO:":
        return replies.RCPT_SYNTAX
    options = session.options
    try:
        address, rest = parse_path(quirks.space_after_colon(argument[3:]), options.max_path)
    except Malformed as why:
        return Reply(501, "5.1.3", str(why))
    if address is None:
        return Reply(501, "5.1.3", "The null path is no recipient")
    if not address.domain and address.local.lower() != "postmaster":  # RFC 5321 §4.1.1.3
        return Reply(501, "5.1.3", "A recipient address needs a domain")
    if not rest:
        recipient = Recipient(address)
    else:
        fields: Fields = {}
        refusal = _parameters(rest, session.offer.rcpt, fields)
        if refusal is not None:
            return refusal
        recipient = Recipient(address, **fields)
    if not argument.isascii() and not (session.sender and session.sender.smtputf8):
        return replies.RCPT_NEEDS_UTF8
    if len(session.recipients) >= options.max_recipients:
        return replies.TOO_MANY_RCPT
    return Rcpt(recipient)


def _parameters(rest: str, known: Mapping[str, Parser], fields: Fields) -> Reply | None:
    if not rest.startswith(" "):
        return Reply(501, "5.5.4", "Garbage after the address")
    try:
        unknown = parse_params(rest, known, fields)
    except Malformed as why:
        return Reply(501, "5.5.4", str(why))
    if unknown:  # RFC 5321 §4.1.1.11
        return Reply(555, "5.5.4", f"Parameter {unknown[:40]} is not recognised")
    return None


def _data(session: Session, _verb: str, argument: str) -> Event | Reply:
    if argument:
        return replies.NO_ARGUMENT
    if session.sender is not None and session.sender.body == "BINARYMIME":
        return replies.BINARY_BY_DATA
    return Data()


def _auth(session: Session, _verb: str, argument: str) -> Event | Reply:
    if session.authenticated:
        return replies.AUTH_TWICE
    mechanism, space, initial = argument.partition(" ")
    if _MECHANISM.match(mechanism) is None:
        return replies.AUTH_SYNTAX
    mechanism = mechanism.upper()
    if mechanism not in session.offer.mechanisms:
        late = mechanism in session.options.auth and not session.tls
        return replies.TLS_FIRST if late else replies.NO_SUCH_MECHANISM
    if not space:
        return Auth(mechanism, None)
    # RFC 4954 §4: "=" is an empty initial response.
    decoded = b"" if initial == "=" else decode_base64(initial)
    return replies.NOT_BASE64 if decoded is None else Auth(mechanism, decoded)


def _starttls(session: Session, _verb: str, argument: str) -> Event | Reply:
    if argument:
        return replies.NO_ARGUMENT  # RFC 3207 §4
    return replies.TLS_TWICE if session.tls else StartTls()


def _rset(_session: Session, _verb: str, argument: str) -> Event | Reply:
    return replies.NO_ARGUMENT if argument else Rset()


def _quit(_session: Session, _verb: str, argument: str) -> Event | Reply:
    return replies.NO_ARGUMENT if argument else Quit()


def _noop(_session: Session, _verb: str, _argument: str) -> Event | Reply:
    return Noop()  # RFC 5321 §4.1.1.9: a parameter is ignored


def _help(_session: Session, _verb: str, argument: str) -> Event | Reply:
    return Help(argument)


def _ask(session: Session, verb: str, argument: str) -> Event | Reply:
    """VRFY and EXPN, with the SMTPUTF8 parameter of RFC 6531 §3.7.4.2."""
    what, space, last = argument.rpartition(" ")
    utf8 = bool(space) and last.upper() == "SMTPUTF8" and last.isascii()
    utf8 = utf8 and session.offer.utf8
    if utf8:
        argument = what.rstrip(" ")
    if not argument:
        return replies.NEEDS_ARGUMENT
    if not utf8 and not argument.isascii():
        return replies.RCPT_NEEDS_UTF8
    return Vrfy(argument, utf8) if verb == "VRFY" else Expn(argument, utf8)


_PARSERS: Mapping[str, Callable[[Session, str, str], Event | Reply]] = {
    "HELO": _hello,
    "EHLO": _hello,
    "LHLO": _hello,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "RSET": _rset,
    "NOOP": _noop,
    "QUIT": _quit,
    "VRFY": _ask,
    "EXPN": _ask,
    "HELP": _help,
    "AUTH": _auth,
    "STARTTLS": _starttls,
}
