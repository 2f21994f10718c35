"""Parameters of MIME header fields: the syntax of RFC 2045 §5.1, the meaning of RFC 2231.

Reading is lenient the way mail needs it: a missing semicolon, an unquoted value with spaces, a
quote that never closes. Values are the bytes of the message with quoting removed; names are in
lower case.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from pillarbox.message import charset, words

Params = tuple[tuple[bytes, bytes], ...]

_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]++"  # RFC 2045 §5.1
_TYPE = re.compile(rb"[ \t]*+(" + _TOKEN + rb")[ \t]*+/[ \t]*+(" + _TOKEN + rb")")
_WORD = re.compile(rb"[ \t\"]*+(" + _TOKEN + rb")")
_GAP = re.compile(rb"[ \t;,\r]*+")
_PARAM = re.compile(
    rb"(" + _TOKEN + rb')[ \t]*+=[ \t]*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^;]*+))',
    re.DOTALL,
)
# A second parameter inside an unquoted value: the semicolon was forgotten.
_NEXT = re.compile(rb"(?<![ \t])[ \t]++" + _TOKEN + rb"[ \t]*+=")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# A comment stands apart; that of ``name=a (1).pdf`` is none. Quoted strings are matched to be
# left alone, one that never closes to its end: that keeps the search linear.
_COMMENT = re.compile(
    rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|(?<![^ \t;])\((?:[^()\\]|\\.)*+\)(?![^ \t;)])', re.DOTALL
)
_PIECE = re.compile(rb"([^*]++)\*(?:(0|[1-9][0-9]{0,2})(\*)?)?")
_ATTR_CHAR = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_REMEMBERED = 128
_PERCENT = [bytes([n]) if n in _ATTR_CHAR else b"%%%02X" % n for n in range(256)]


def without_comments(value: bytes) -> bytes:
    """``value`` without RFC 5322 §3.2.2 comments; nested ones to a depth of eight."""
    for _ in range(8):
        value, found = _COMMENT.subn(lambda m: m[0] if m[0][:1] == b'"' else b" ", value)
        if not found or b"(" not in value:
            break
    return value


def media_type(value: bytes, limit: int) -> tuple[bytes, bytes, Params] | None:
    """Type, subtype and parameters of a Content-Type value; None if it is not one.

    For None RFC 2045 §5.2 asks to assume text/plain. At most ``limit`` parameters are read.
    """
    # A few of them head nearly all parts; boundaries, which differ, are not worth remembering.
    if len(value) <= _REMEMBERED and b"oundary" not in value:
        return _short_media_type(value, limit)
    return _media_type(value, limit)


@lru_cache(maxsize=1024)
def _short_media_type(value: bytes, limit: int) -> tuple[bytes, bytes, Params] | None:
    return _media_type(value, limit)


def _media_type(value: bytes, limit: int) -> tuple[bytes, bytes, Params] | None:
    if b"(" in value:
        value = without_comments(value)
    found = _TYPE.match(value)
    if found is None:
        return None
    return found[1].lower(), found[2].lower(), parse(value, found.end(), limit)


def disposition(value: bytes, limit: int) -> tuple[bytes, Params] | None:
    """Type and parameters of a Content-Disposition value (RFC 2183 §2).

    Parameters without a type, seen in the wild, are taken for an attachment's; a type nobody
    knows is the reader's to treat as one (§2.8).
    """
    if b"(" in value:
        value = without_comments(value)
    found = _WORD.match(value)
    if found is not None and value[found.end() : found.end() + 1] != b"=":
        return found[1].lower(), parse(value, found.end(), limit)
    read = parse(value, 0, limit)
    return (b"attachment", read) if read else None


def token(value: bytes) -> bytes:
    """The first token of a value in lower case (Content-Transfer-Encoding), else empty."""
    found = _WORD.match(without_comments(value) if b"(" in value else value)
    return found[1].lower() if found else b""


def parse(value: bytes, start: int, limit: int) -> Params:
    """Parameters from ``start`` on, in order, duplicates included."""
    read: list[tuple[bytes, bytes]] = []
    at = start
    gap = _GAP.match
    while len(read) < limit:
        if between := gap(value, at):
            at = between.end()
        found = _PARAM.match(value, at)
        if found is None:
            at = value.find(b";", at) + 1
            if not at:
                break
            continue
        name, quoted, bare = found.groups()
        at = found.end()
        if quoted is None:
            if cut := _NEXT.search(bare):
                bare = bare[: cut.start()]
                at = found.start(3) + cut.start()
            quoted = bare.strip(b' \t\r"')
        elif b"\\" in quoted:
            quoted = _ESCAPED.sub(rb"\1", quoted)
        read.append((name.lower(), quoted))
    return tuple(read)


def get(params: Params, name: bytes) -> bytes | None:
    """The raw value of the first parameter with this lower-case name."""
    for key, value in params:
        if key == name:
            return value
    return None


def collapse(params: Params) -> Params:
    """RFC 2231 §3, §4.1: join continuations.

    ``baz*0``, ``baz*1`` become ``baz``. If any piece is extended the result is one extended
    parameter ``foo*`` in the form ``charset'language'percent-encoded``.
    """
    if not any(b"*" in name for name, _ in params):
        return params
    joined: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    order: list[tuple[bytes, bytes | None]] = []
    for name, value in params:
        piece = _PIECE.fullmatch(name)
        if piece is None or piece[2] is None:
            order.append((name, value))
            continue
        key = piece[1]
        if key not in joined:
            joined[key] = {}
            order.append((key, None))
        joined[key].setdefault(int(piece[2]), (value, piece[3] is not None))
    return tuple(
        _join(name, joined[name]) if value is None else (name, value) for name, value in order
    )


def _join(name: bytes, pieces: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bytes]:
    """One parameter from its numbered pieces, up to the first gap."""
    first = min(pieces)
    run = []
    for number in range(first, first + len(pieces)):
        if number not in pieces:
            break
        run.append(pieces[number])
    if not any(extended for _, extended in run):
        return name, b"".join(value for value, _ in run)
    head = b"" if run[0][1] else b"''"  # no charset was declared
    return name + b"*", head + b"".join(
        value if extended else percent(value) for value, extended in run
    )


def percent(value: bytes) -> bytes:
    """RFC 2231 §7: octets that are not attribute-char as ``%XX``."""
    return b"".join([_PERCENT[n] for n in value])


def seven_bit(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A parameter without raw octets, by way of the extended form (RFC 2231 §4)."""
    if value.isascii():
        return name, value
    if name.endswith(b"*"):
        return name, b"".join([bytes([n]) if n < 0x80 else _PERCENT[n] for n in value])
    octets = charset.decode_raw(value).encode("utf-8", "replace")
    return name + b"*", b"utf-8''" + percent(octets)


def extended(value: bytes) -> str:
    """Text of an extended value ``charset'language'percent-encoded`` (RFC 2231 §4)."""
    declared, quote, rest = value.partition(b"'")
    if quote and b"'" in rest:
        octets = unquote_to_bytes(rest.partition(b"'")[2])
        return charset.decode(octets, declared) if declared else charset.decode_raw(octets)
    return charset.decode_raw(unquote_to_bytes(value))


def text(params: Params, name: bytes) -> str | None:
    """The value of a parameter as text: RFC 2231 first, else plain, encoded words read too.

    RFC 2047 §5 forbids encoded words here; many senders put file names in them all the same.
    """
    plain: bytes | None = None
    for key, value in collapse(params):
        if key == name + b"*":
            return extended(value)
        if key == name and plain is None:
            plain = value
    return None if plain is None else words.decode(plain)
