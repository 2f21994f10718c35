"""MAIL and RCPT as a client writes them, fitted to what the server offers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pillarbox.model.address import Address, normal_domain
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.smtp import xtext
from pillarbox.wire.smtp.capabilities import Capabilities
from pillarbox.wire.smtp.grammar import Malformed, parse_path
from pillarbox.wire.smtp.options import Extension

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

NO_UTF8 = Reply(550, "5.6.7", "The next server does not take internationalized mail")
NO_8BIT = Reply(554, "5.6.3", "The next server does not take 8-bit content")
NO_BINARY = Reply(554, "5.6.3", "The next server does not take binary content")
NO_REQUIRETLS = Reply(550, "5.7.30", "REQUIRETLS support required")  # RFC 8689 §4.2.1
TOO_BIG = Reply(552, "5.3.4", "Message too big for the next server")
BAD_ADDRESS = Reply(553, "5.1.3", "Address cannot be written in SMTP")
BAD_SENDER = Reply(553, "5.1.7", "Sender address cannot be written in SMTP")
TOO_MANY = Reply(452, "4.5.3", "Too many recipients for one transaction there")  # RFC 9422

_MAX_PATH = 2048


def path(address: Address | None, *, utf8: bool) -> str | None:
    """``<local@domain>``; None when it has no form that means the same to the server.

    Addresses come from many hands, so nothing goes out that our own grammar does not read back:
    that keeps CR, LF and ``>`` from writing commands. Without SMTPUTF8 the domain goes as
    A-labels (RFC 6531 §3.2).
    """
    if address is None:
        return "<>"
    if not utf8 and not address.domain.isascii():
        address = Address(address.local, normal_domain(address.domain))
    if not utf8 and not address.is_ascii:
        return None
    text = f"<{address}>"
    try:
        back, rest = parse_path(text, _MAX_PATH)
    except Malformed:
        return None
    return text if back == address and not rest else None


def needs_utf8(sender: Sender) -> bool:
    """Whether the message, apart from its recipients, is an internationalized one."""
    return sender.smtputf8 or (sender.address is not None and not sender.address.local.isascii())


def shortfall(sender: Sender, offered: Capabilities, *, eightbit_anyway: bool) -> Reply | None:
    """Why this server cannot have this message, as the reply to tell; None when it can."""
    if needs_utf8(sender) and not offered.has(Extension.SMTPUTF8):
        return NO_UTF8  # RFC 6531 §3.2
    binary = offered.has(Extension.BINARYMIME) and offered.has(Extension.CHUNKING)
    if sender.body == "BINARYMIME" and not binary:
        return NO_BINARY  # RFC 3030 §3
    no_8bit = not offered.has(Extension.EIGHTBITMIME) and not eightbit_anyway
    if sender.body == "8BITMIME" and no_8bit:
        return NO_8BIT  # RFC 6152 §3: convert or return; converting is not done here
    if offered.max_size and sender.size is not None and sender.size > offered.max_size:
        return TOO_BIG  # RFC 1870 §7
    if "REQUIRETLS" in sender.params and not offered.has(Extension.REQUIRETLS):
        # RFC 8689 §5: a bounce goes anyway.
        return NO_REQUIRETLS if sender.address is not None else None
    return None


def use_utf8(sender: Sender, recipients: Sequence[Recipient], offered: Capabilities) -> bool:
    """Whether to declare SMTPUTF8; only when something needs it (RFC 6531 §3.4)."""
    if not offered.has(Extension.SMTPUTF8):
        return False
    return needs_utf8(sender) or not all(r.address.local.isascii() for r in recipients)


def unwritable(recipient: Recipient) -> Reply:
    """What to say about a recipient that ``rcpt_line`` has no line for."""
    return BAD_ADDRESS if recipient.address.local.isascii() else NO_UTF8


def mail_line(
    sender: Sender, offered: Capabilities, *, utf8: bool, authenticated: bool
) -> bytes | None:
    """The MAIL command; only parameters of offered extensions (RFC 5321 §4.1.1.2). None when
    the sender cannot be written.
    """
    written = path(sender.address, utf8=utf8)
    if written is None:
        return None
    out = [f"MAIL FROM:{written}"]
    if sender.size is not None and offered.takes_size:
        out.append(f"SIZE={sender.size}")
    if sender.body != "7BIT" and offered.has(Extension.EIGHTBITMIME):
        out.append(f"BODY={sender.body}")
    if utf8:
        out.append("SMTPUTF8")
    if offered.has(Extension.DSN):
        if sender.ret:
            out.append(f"RET={sender.ret}")
        if sender.envid:
            out.append(f"ENVID={xtext.encode(sender.envid)}")
    if authenticated and "AUTH" in offered.keywords:
        # RFC 4954 §5: who has authenticated says whose mail it is, or that it does not know.
        out.append(f"AUTH={xtext.encode(sender.auth) if sender.auth else '<>'}")
    out += _kept(sender, offered)
    return _line(out)


def _kept(sender: Sender, offered: Capabilities) -> list[str]:
    """Parameters that travel on as they came, where the next server knows them."""
    out = []
    if "BY" in sender.params and "DELIVERBY" in offered.keywords:
        out.append(f"BY={sender.params['BY']}")
    if "MT-PRIORITY" in sender.params and "MT-PRIORITY" in offered.keywords:
        out.append(f"MT-PRIORITY={sender.params['MT-PRIORITY']}")
    if "REQUIRETLS" in sender.params and offered.has(Extension.REQUIRETLS):
        out.append("REQUIRETLS")
    return out


def rcpt_line(recipient: Recipient, offered: Capabilities, *, utf8: bool) -> bytes | None:
    """The RCPT command, with what the sender asked about notifications; None as in mail_line."""
    written = path(recipient.address, utf8=utf8)
    if written is None:
        return None
    out = [f"RCPT TO:{written}"]
    if offered.has(Extension.DSN):
        if recipient.notify:
            out.append(f"NOTIFY={','.join(sorted(recipient.notify))}")
        if recipient.orcpt:
            kind, _, original = recipient.orcpt.partition(";")
            if kind.lower() == "utf-8":
                coded = xtext.encode_unitext(original, utf8=utf8)  # RFC 6533 §3
            else:
                coded = xtext.encode(original)
            out.append(f"ORCPT={kind};{coded}")
    return _line(out)


def _line(words: list[str]) -> bytes | None:
    """One command line; None if it would be more than that. The last guard, not the first."""
    line = " ".join(words)
    if _CONTROL.search(line):
        return None
    return line.encode("utf-8", "replace") + b"\r\n"
