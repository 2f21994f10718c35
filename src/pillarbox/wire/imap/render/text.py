"""Strings, names and status lines: the spelling of everything a server says.

No value can break out of its line: line ends and NUL send a string into a literal, and are
dropped from human text, where no literal is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pillarbox.wire.imap import utf7

CRLF = b"\r\n"
_SAFE = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]{0,900}\Z")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,900}\Z")
_QUOTABLE_UTF8 = re.compile(rb"[^\x00-\x1f\x7f]{0,900}\Z")
_SPECIAL = re.compile(rb'(["\\])')
_ATOM = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+\Z")
_UNSAID = re.compile(r"[\x00-\x1f\x7f]+")


def literal_head(size: int, *, binary: bool = False) -> bytes:
    """What stands before ``size`` octets of a literal (``~{n}`` if they may include NUL)."""
    return b"%b{%d}\r\n" % (b"~" if binary else b"", size)


def literal(data: bytes, *, binary: bool = False) -> bytes:
    """A whole literal, announcement and octets."""
    return literal_head(len(data), binary=binary) + data


def string(data: bytes, *, utf8: bool = False) -> bytes:
    """``string``: quoted where it can be, else a literal.

    ``utf8``: the client enabled UTF8=ACCEPT or IMAP4rev2, so quoted strings may hold UTF-8
    (RFC 9051 §4.3); sent unasked, it breaks clients. NUL, which neither form can hold, is
    dropped (RFC 9051 §4.3.1 has it in literal8 only, which is for BINARY).
    """
    if _SAFE.match(data):
        return b'"%b"' % data
    if _QUOTABLE.match(data) or (utf8 and _QUOTABLE_UTF8.match(data) and _is_utf8(data)):
        return b'"%b"' % _SPECIAL.sub(rb"\\\1", data)
    return literal(data.replace(b"\0", b""))


def nstring(data: bytes | None, *, utf8: bool = False, binary: bool = False) -> bytes:
    """``nstring``: None is NIL. ``binary``: a literal8 is allowed here and keeps NUL."""
    if data is None:
        return b"NIL"
    if binary and b"\0" in data:
        return literal(data, binary=True)
    return string(data, utf8=utf8)


def astring(text: str, *, utf8: bool = False) -> bytes:
    """``astring``: bare where it is an atom, for values clients expect so (tags, ids)."""
    if _ATOM.match(text) and text.upper() != "NIL":
        return text.encode("ascii")
    return string(text.encode("utf-8", "replace"), utf8=utf8)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(8192)
def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name: always quoted but INBOX, in modified UTF-7 unless ``utf8``."""
    if name == "INBOX":
        return b"INBOX"
    spelt = name if utf8 else utf7.encode(name)
    return string(spelt.encode("utf-8", "replace"), utf8=utf8)


def parenthesized(words: Iterable[str]) -> bytes:
    """Words in a list; they must be ASCII atoms or flags."""
    return ("(" + " ".join(words) + ")").encode("ascii", "replace")


# --- status responses (RFC 9051 §7.1)


def _line(head: str, code: str, text: str) -> bytes:
    if code:
        head += f" [{code}]"
    said = f"{head} {text or 'Done'}"
    if not said.isprintable() or not said.isascii():
        said = _UNSAID.sub(" ", said)
    return said.encode("utf-8", "replace") + CRLF


def ok(tag: str, text: str, code: str = "") -> bytes:
    """Tagged OK; ``tag`` ``*`` makes it untagged. ``code`` is a response code, see ``codes``.

    Text is English ASCII unless the client chose a language (RFC 5255) or enabled UTF-8.
    """
    return _line(tag + " OK", code, text)


def no(tag: str, text: str, code: str = "") -> bytes:
    """Tagged NO: the command was understood and not obeyed."""
    return _line(tag + " NO", code, text)


def bad(tag: str, text: str, code: str = "") -> bytes:
    """Tagged BAD: the command was not understood."""
    return _line(tag + " BAD", code, text)


def bye(text: str, code: str = "") -> bytes:
    """The connection ends (RFC 9051 §7.1.5)."""
    return _line("* BYE", code, text)


def preauth(text: str, code: str = "") -> bytes:
    """A greeting to somebody who is known already (RFC 9051 §7.1.4)."""
    return _line("* PREAUTH", code, text)


def continuation(text: str) -> bytes:
    """``+`` and words, where a command waits for its rest (RFC 9051 §7.6)."""
    return _line("+", "", text)
