"""Replies the engine gives of itself, and how any reply looks on the wire."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pillarbox.model.reply import Reply

START_INPUT = Reply(354, "", "Send the message; end with <CRLF>.<CRLF>")
GO_AHEAD = Reply(220, "2.0.0", "Ready to start TLS")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
AUTH_TOO_LONG = Reply(500, "5.5.6", "Authentication exchange line is too long")  # RFC 4954 §6
BARE_LINE_END = Reply(500, "5.5.2", "A line must end with CRLF")
BAD_CHARACTER = Reply(500, "5.5.2", "Invalid character in command")
EMPTY_LINE = Reply(500, "5.5.2", "Empty command")
UNRECOGNISED = Reply(500, "5.5.1", "Command not recognised")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
NOT_MAIL = Reply(421, "4.7.0", "This is a mail server; goodbye")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; goodbye")
FLOOD = Reply(421, "4.3.2", "Too much input while an answer was awaited; goodbye")
TOO_BIG = Reply(552, "5.3.4", "Message too big")  # RFC 1870 §6.1
ENDLESS = Reply(421, "4.3.4", "Message far too big; goodbye")
BARE_NEWLINE = Reply(
    550, "5.6.0", "Message has a CR or LF that is not part of a CRLF (RFC 5321 section 2.3.8)"
)
TOO_MANY_RCPT = Reply(452, "4.5.3", "Too many recipients")  # RFC 5321 §4.5.3.1.10
BINARY_BY_DATA = Reply(503, "5.5.1", "BINARYMIME needs BDAT")  # RFC 3030 §3
BAD_BDAT = Reply(501, "5.5.4", "BDAT needs a size; goodbye")
AUTH_TWICE = Reply(503, "5.5.1", "Authenticated already")  # RFC 4954 §4
NO_SUCH_MECHANISM = Reply(504, "5.5.4", "Mechanism not offered")  # RFC 4954 §4
TLS_FIRST = Reply(538, "5.7.11", "Encryption required for this mechanism")  # RFC 4954 §6
NOT_BASE64 = Reply(501, "5.5.2", "Not base64")  # RFC 4954 §4
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
HELLO_SYNTAX = Reply(501, "5.5.4", "A hello needs your host name")
NEEDS_ARGUMENT = Reply(501, "5.5.4", "This command needs an argument")
AUTH_SYNTAX = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
SENDER_NEEDS_UTF8 = Reply(550, "5.6.7", "A non-ASCII sender needs SMTPUTF8")  # RFC 6531 §3.5
RCPT_NEEDS_UTF8 = Reply(553, "5.6.7", "A non-ASCII recipient needs SMTPUTF8")  # RFC 6531 §3.5
SAY_LHLO = Reply(500, "5.5.1", "This is LMTP; say LHLO")  # RFC 2033 §4.1
SAY_EHLO = Reply(500, "5.5.1", "This is SMTP; say EHLO")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
TLS_TWICE = Reply(503, "5.5.1", "TLS is active already")

MAX_REPLY_TEXT = 480
"""Octets of text a line: 512 (RFC 5321 §4.5.3.1.5) less code, enhanced code and CRLF."""

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render(reply: Reply, *, enhanced: bool = True, utf8: bool = False) -> bytes:
    """The wire form of a reply; a LF in the text starts another line of it.

    Nothing in the text can end the reply or forge another: each line carries the code, control
    characters become ``?``. Characters beyond ASCII leave as UTF-8 only if ``utf8`` (RFC 6531
    §3.7.4), else escaped. ``enhanced`` False is for the greeting and answers to a hello; codes
    3xx never carry one (RFC 2034 §4).
    """
    text = reply.text
    code = str(reply.code)
    prefix = ""
    if enhanced and code[0] != "3":
        prefix = (reply.enhanced or f"{code[0]}.0.0") + " "
    if text.isascii() and text.isprintable() and len(text) <= MAX_REPLY_TEXT:
        return f"{code} {prefix}{text}\r\n".encode("ascii")
    return multiline(code, prefix, wrap(text, utf8=utf8))


def multiline(code: str, prefix: str, lines: Sequence[bytes]) -> bytes:
    """Lines that are safe already, as one reply; RFC 2034 §4 wants the prefix on each."""
    head = f"{code}-{prefix}".encode("ascii")
    last = f"{code} {prefix}".encode("ascii")
    out = [head + line for line in lines[:-1]]
    out.append(last + lines[-1])
    return b"\r\n".join(out) + b"\r\n"


def wrap(text: str, *, utf8: bool = False) -> list[bytes]:
    """Text made safe and cut into lines that fit a reply; never an empty list."""
    lines = []
    for part in text.replace("\r\n", "\n").split("\n"):
        safe = _UNSAFE.sub("?", part.replace("\t", " "))
        if utf8:
            raw = safe.encode("utf-8", "backslashreplace")
        else:
            raw = safe.encode("ascii", "backslashreplace")
        while len(raw) > MAX_REPLY_TEXT:
            cut = raw.rfind(b" ", MAX_REPLY_TEXT // 2, MAX_REPLY_TEXT)
            if cut < 0:
                cut = MAX_REPLY_TEXT
                while cut > 0 and 0x80 <= raw[cut] < 0xC0:  # not inside a UTF-8 sequence
                    cut -= 1
            lines.append(raw[:cut])
            raw = raw[cut:].lstrip(b" ")
        lines.append(raw)
    return lines
