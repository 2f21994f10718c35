"""ENVELOPE, BODYSTRUCTURE and BODY as bytes ready to send (RFC 9051 §7.5.2, RFC 3501 §7.4.2).

Made once, when a message arrives, for clients that have not enabled UTF-8: the bytes are 7-bit
and hold neither NUL nor a bare CR or LF, whatever the message holds. Strings are quoted; a very
long one is a literal, since clients limit the length of a line. The README tells what becomes
of raw octets in headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pillarbox.message import address, charset, params, words
from pillarbox.message.address import Address
from pillarbox.message.params import Params
from pillarbox.message.part import Envelope, Part, Scan

_CONTROL = bytes.maketrans(b"\0\r\n", b"   ")
_AWKWARD = re.compile(rb'["\\\0\r\n]')
_MAX_QUOTED = 4096
_COMMON_OCTETS = 128
_COMMON_ENTRIES = 1000
_COMMON: dict[tuple[int, bytes, bytes, Params, bytes], bytes] = {}
"""Bounded: strangers choose what comes, and the first thousand kinds are those that matter."""
_REMEMBERED = 512
"""Octets of an address list whose form is worth remembering: the same people write again."""
_MAX_LINE = 500_000  # imaplib gives up at a million octets


def envelope(scan: Scan) -> bytes:
    """The ENVELOPE, a parenthesised list of ten."""
    return _render(lambda form: form.envelope(scan.envelope, scan.root))


def bodystructure(scan: Scan) -> bytes:
    """The BODYSTRUCTURE, with all extension data."""
    return _render(lambda form: form.body(scan.root, True))


def body(scan: Scan) -> bytes:
    """The non-extensible BODY."""
    return _render(lambda form: form.body(scan.root, False))


def _render(make: Callable[[_Form], bytes]) -> bytes:
    """Quoted strings; but if the line gets too long for clients, literals, which end a line."""
    made = make(_Form(_MAX_QUOTED))
    return made if len(made) <= _MAX_LINE else make(_Form(0))


def charset_hint(root: Part) -> bytes | None:
    """The charset of the first text: raw octets in a header were often written in the same."""
    part = root
    while part.children:
        part = part.children[0]
    return params.get(part.params, b"charset") if part.type == b"text" else None


class _Form:
    """Renders with one bound on quoted strings, in octets."""

    __slots__ = ("max_quoted",)

    def __init__(self, max_quoted: int) -> None:
        self.max_quoted = max_quoted

    def string(self, value: bytes, hint: bytes | None = None) -> bytes:
        """``quoted``, or ``literal`` if long."""
        if not value.isascii():
            value = words.downgrade(value, hint)
        awkward = _AWKWARD.search(value) is not None
        if awkward:
            value = value.translate(_CONTROL)
        if len(value) > self.max_quoted:
            return b"{%d}\r\n%b" % (len(value), value)
        if awkward:
            value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return b'"' + value + b'"'

    def token(self, value: bytes) -> bytes:
        """A media type in upper case: the grammar wants the known ones quoted, never literal."""
        return b'"%b"' % value.upper() if len(value) < _MAX_QUOTED else self.string(value)

    def nstring(self, value: bytes | None, hint: bytes | None = None) -> bytes:
        """NIL where the field is absent, "" where it is empty."""
        return b"NIL" if value is None else self.string(value, hint)

    # ------------------------------------------------------------------ ENVELOPE

    def envelope(self, found: Envelope, root: Part) -> bytes:
        """Ten fields; ``root`` is the message they head."""
        hint = charset_hint(root)
        senders = self.addresses(found.from_, hint)
        sender = self.addresses(found.sender, hint)
        reply_to = self.addresses(found.reply_to, hint)
        return b"(%b %b %b %b %b %b %b %b %b %b)" % (
            self.nstring(found.date, hint),
            self.nstring(found.subject, hint),
            senders,
            # RFC 9051 §7.5.2: absent or empty, these default to From.
            senders if sender == b"NIL" else sender,
            senders if reply_to == b"NIL" else reply_to,
            self.addresses(found.to, hint),
            self.addresses(found.cc, hint),
            self.addresses(found.bcc, hint),
            self.nstring(found.in_reply_to, hint),
            self.nstring(found.message_id, hint),
        )

    def addresses(self, value: bytes | None, hint: bytes | None) -> bytes:
        """``"(" 1*address ")" / nil``: an empty list is NIL too."""
        if not value:
            return b"NIL"
        if len(value) <= _REMEMBERED:
            return _short_addresses(self.max_quoted, value, None if value.isascii() else hint)
        return self.all_addresses(value, hint)

    def all_addresses(self, value: bytes, hint: bytes | None) -> bytes:
        found = address.parse(value)
        return b"(%b)" % b"".join([self.address(one, hint) for one in found]) if found else b"NIL"

    def address(self, one: Address, hint: bytes | None) -> bytes:
        name, adl, mailbox, host = one
        if host is not None and not host.isascii():
            host = _alabels(host, hint)
        return b"(%b %b %b %b)" % (
            self.nstring(name, hint),
            self.nstring(adl, hint),
            self.nstring(mailbox, hint),
            self.nstring(host, hint),
        )

    # ------------------------------------------------------------------ BODYSTRUCTURE

    def body(self, part: Part, extensible: bool) -> bytes:
        """One body, with all below it."""
        if part.is_multipart:
            inner = b"".join([self.body(child, extensible) for child in part.children])
            inner += b" " + self.token(part.subtype)
            if extensible:
                inner += b" " + self.parameters(part.params) + self.extension(part)
            return b"(%b)" % inner
        inner = self.basic(part)
        root = part.embedded
        if root is not None and part.envelope is not None:
            inner += b" %b %b %d" % (
                self.envelope(part.envelope, root),
                self.body(root, extensible),
                part.lines,
            )
        elif part.type == b"text":
            inner += b" %d" % part.lines
        if extensible:
            inner += b" " + self.nstring(part.md5) + self.extension(part)
        return b"(%b)" % inner

    def basic(self, part: Part) -> bytes:
        """Type, subtype and ``body-fields``."""
        kind, subtype = part.type, part.subtype
        if part.embedded is None and (
            kind == b"multipart" or (kind == b"message" and subtype in (b"rfc822", b"global"))
        ):
            # The grammar has no place for these without their insides (RFC 9051 §9,
            # body-type-basic); what cannot be looked into is octets (RFC 2046 §4.5.1).
            kind, subtype = b"application", b"octet-stream"
        if part.content_id is None and part.description is None and len(part.params) <= 1:
            return b"%b %d" % (self.common(kind, subtype, part.params, part.encoding), part.size)
        return b"%b %b %b %b %b %b %d" % (
            self.token(kind),
            self.token(subtype),
            self.parameters(part.params),
            self.nstring(part.content_id),
            self.nstring(part.description),
            self.encoding(part.encoding),
            part.size,
        )

    def common(self, kind: bytes, subtype: bytes, found: Params, encoding: bytes) -> bytes:
        """All but the size of the parts that most messages are made of, made once for each."""
        key = (self.max_quoted, kind, subtype, found, encoding)
        made = _COMMON.get(key)
        if made is None:
            made = b"%b %b %b NIL NIL %b" % (
                self.token(kind),
                self.token(subtype),
                self.parameters(found),
                self.encoding(encoding),
            )
            if len(made) <= _COMMON_OCTETS and len(_COMMON) < _COMMON_ENTRIES:
                _COMMON[key] = made
        return made

    def encoding(self, name: bytes) -> bytes:
        """RFC 2045 §6.1: 7BIT where none is said."""
        return self.string(name.upper() or b"7BIT")

    def extension(self, part: Part) -> bytes:
        """Disposition, language, location, each after a space."""
        disposition = b"NIL"
        if part.disposition is not None:
            kind, found = part.disposition
            disposition = b"(%b %b)" % (self.string(kind.upper()), self.parameters(found))
        return b" %b %b %b" % (
            disposition,
            self.language(part.language),
            self.nstring(part.location),
        )

    def language(self, tags: tuple[bytes, ...]) -> bytes:
        """NIL, one string, or a list."""
        if len(tags) > 1:
            return b"(%b)" % b" ".join(map(self.string, tags))
        return self.string(tags[0]) if tags else b"NIL"

    def parameters(self, found: Params) -> bytes:
        """``body-fld-param``; continuations joined (RFC 9051 §7.5.2 asks for it)."""
        if not found:
            return b"NIL"
        pairs = [params.seven_bit(name, value) for name, value in params.collapse(found)]
        return b"(%b)" % b" ".join(
            [b"%b %b" % (self.string(name.upper()), self.string(value)) for name, value in pairs]
        )


@lru_cache(maxsize=4096)
def _short_addresses(max_quoted: int, value: bytes, hint: bytes | None) -> bytes:
    return _Form(max_quoted).all_addresses(value, hint)


def _alabels(host: bytes, hint: bytes | None) -> bytes:
    """A host name in A-labels (RFC 5890 §2.3.2.1); as it was where IDNA refuses."""
    text = charset.decode_raw(host, hint)
    if len(text) > 255:
        return host
    try:
        return text.encode("idna")
    except UnicodeError:
        return host
