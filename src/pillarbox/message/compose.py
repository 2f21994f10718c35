"""Writing messages, and adding to or taking from the header of one that exists.

Pure: time, identifiers and boundaries are handed in. A value can never break out of its field:
line ends in it become spaces. What is there already is never rewritten; octets are put before it
or cut out of it, so that signatures over the rest still hold.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pillarbox.message import date, header, params, words

_LINE = 78  # RFC 5322 §2.1.1: SHOULD
_LONGEST_LINE = 998  # RFC 5322 §2.1.1: MUST
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_PHRASE = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_HARMLESS = re.compile(r"[A-Za-z0-9_.:@\[\]-]+")
_FROM_LINE = re.compile(rb"(?m)^From ")


def field(name: str, value: str) -> bytes:
    """A whole field for unstructured text: encoded where needed, folded, with its CRLF."""
    value = _CONTROLS.sub(" ", value).strip()
    octets = words.encode(value) if words.needs_encoding(value) else value.encode("ascii")
    return raw_field(name, octets)


def raw_field(name: str, value: bytes) -> bytes:
    """A field whose value is written already; folded at spaces (RFC 5322 §2.2.3)."""
    value = value.translate(None, b"\r\n\0")
    if len(name) + 2 + len(value) <= _LINE:
        return b"%b: %b\r\n" % (name.encode("ascii"), value)
    lines: list[bytes] = []
    line = name.encode("ascii") + b":"
    fresh = True  # a fold may not leave a line of white space only (§3.2.2)
    for word in value.split(b" "):
        if len(line) + 1 + len(word) > _LINE and not fresh and word:
            lines.append(line)
            line = b""
        line += b" " + word
        fresh = fresh and not word
    lines.append(line)
    return b"\r\n".join(lines) + b"\r\n"


def mailbox(display: str, addr: str) -> bytes:
    """``display <addr>``, quoted or encoded as it must be (RFC 5322 §3.4). ``addr`` is a mailbox
    in wire form; one with raw UTF-8 is written as such (RFC 6532 §3.2)."""
    spec = _CONTROLS.sub("", addr).encode("utf-8", "replace")
    display = _CONTROLS.sub(" ", display).strip()
    if not display:
        return spec
    if words.needs_encoding(display):
        name = words.encode(display)
    elif _PHRASE.fullmatch(display):
        name = display.encode("ascii")
    else:
        escaped = display.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'.encode("ascii")
    return name + b" <" + spec + b">"


def address_field(name: str, people: Iterable[tuple[str, str]]) -> bytes:
    """A field of ``(display name, address)`` pairs, one field for all (RFC 5322 §3.6.3)."""
    return raw_field(name, b", ".join([mailbox(display, addr) for display, addr in people]))


def date_field(when: datetime, name: str = "Date") -> bytes:
    """RFC 5322 §3.6.1."""
    return raw_field(name, date.write(when).encode("ascii"))


# ---------------------------------------------------------------------------- trace


def return_path(sender: str | None) -> bytes:
    """RFC 5321 §4.4; None is the null reverse-path ``<>``."""
    return raw_field("Return-Path", b"<" + _clean(sender or "") + b">")


def received(
    *,
    helo: str,
    client: str,
    by: str,
    protocol: str,
    ident: str,
    when: str,
    recipient: str | None = None,
    tls: str = "",
    priority: str = "",
) -> bytes:
    """A trace field (RFC 5321 §4.4), folded one clause a line.

    ``helo``: as the client gave it. ``client``: TCP-info, such as ``mx.example [192.0.2.1]``; ''
    leaves the ``from`` clause out, so that a submitting user's own machine is not told of.
    ``protocol``: a registered keyword (RFC 3848). ``when``: as ``date`` writes it. ``recipient``:
    only when there is exactly one (§7.2). ``tls``: a comment on version and cipher, without
    parentheses. ``priority``: as asked for (RFC 6710 §4.1).
    """
    clauses = [
        b"by " + _word(by) + (b" (" + _comment(tls) + b")" if tls else b""),
        b"with " + _word(protocol) + b" id " + _word(ident),
    ]
    if client:
        clauses.insert(0, b"from " + _word(helo) + b" (" + _comment(client) + b")")
    clauses[0] = b"Received: " + clauses[0]
    if recipient:
        clauses.append(b"for <" + _clean(recipient) + b">")
    if priority:
        clauses.append(b"PRIORITY " + _word(priority))
    clauses[-1] += b";"
    clauses.append(when.encode("ascii"))
    return b"\r\n\t".join(clauses) + b"\r\n"


def _clean(text: str) -> bytes:
    return _CONTROLS.sub("", text).encode("utf-8", "replace")


def _word(text: str) -> bytes:
    """One word that ends no clause and opens no comment, whatever the peer said."""
    if _HARMLESS.fullmatch(text):
        return text.encode("ascii")
    return re.sub(rb"[\s();<>\"\\]+", b"", _clean(text)) or b"unknown"


def _comment(text: str) -> bytes:
    if _HARMLESS.fullmatch(text):
        return text.encode("ascii")
    return re.sub(rb"[()\\]+", b"", _clean(text))


# ---------------------------------------------------------------------------- mending a header


def prepend(data: bytes, *fields: bytes) -> bytes:
    """``fields`` (each with its CRLF) before the message; what is there stays as it is.

    A message without a header gets the blank line that then parts its body from the new one.
    """
    found = header.section(data, 0, len(data))
    gap = b"" if found.fields or found.blank else b"\r\n"
    return b"".join([*fields, gap, data])


def without(data: bytes, names: Collection[bytes]) -> bytes:
    """The message without the header fields of these (lower-case) names.

    For Bcc of a submitted message (RFC 5322 §3.6.3) and for Return-Path before final delivery
    (RFC 5321 §4.4). The same object when there is none.
    """
    kept: list[bytes] = []
    at = 0
    # No limit: a Bcc must not slip through behind very many other fields.
    found = header.section(data, 0, len(data), header.NO_LIMIT, header.NO_LIMIT)
    for one in found.fields:
        if one.name in names:
            kept.append(data[at : one.start])
            at = one.end
    if not at:
        return data
    if at == len(data) and not any(kept):
        return b"\r\n"  # nothing is left; a header is at least its blank line
    return b"".join([*kept, data[at:]])


def missing(data: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Those of the (lower-case) ``names`` that the header has no field of, in their order."""
    present = {one.name for one in header.section(data, 0, len(data)).fields}
    return [name for name in names if name not in present]


def add_missing(data: bytes, *, when: datetime, message_id: str, author: str = "") -> bytes:
    """Add Date and Message-ID where a submission lacks them (RFC 6409 §8.2, §8.3), and the From
    that RFC 5322 §3.6 demands.

    ``message_id`` includes its angle brackets. ``author`` is an address, '' for none to add.
    """
    absent = missing(data, (b"date", b"from", b"message-id"))
    makers = {
        b"date": date_field(when),
        b"from": raw_field("From", author.encode()) if author else b"",
        b"message-id": raw_field("Message-ID", _clean(message_id)),
    }
    made = [makers[name] for name in absent if makers[name]]
    return prepend(data, *made) if made else data


# ---------------------------------------------------------------------------- whole messages


@dataclass(frozen=True, slots=True)
class Piece:
    """A MIME entity to be written: its content fields (each with CRLF) and its encoded body."""

    fields: bytes
    body: bytes

    @property
    def entity(self) -> bytes:
        """Header, blank line, body."""
        return self.fields + b"\r\n" + self.body


def text(content: str, subtype: str = "plain") -> Piece:
    """A text part, 7bit if it can be, else quoted-printable (RFC 2045 §6.7)."""
    octets = content.encode("utf-8", "replace")
    octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    ascii_only = octets.isascii()
    encoding = "7bit"
    if not ascii_only or b"\0" in octets or _FROM_LINE.search(octets) or _too_long(octets):
        encoding = "quoted-printable"
        octets = binascii.b2a_qp(octets, istext=True)
        octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    charset_name = "us-ascii" if ascii_only else "utf-8"
    return Piece(
        raw_field("Content-Type", f"text/{subtype}; charset={charset_name}".encode("ascii"))
        + raw_field("Content-Transfer-Encoding", encoding.encode("ascii")),
        octets,
    )


def _too_long(octets: bytes) -> bool:
    return any(len(line) > _LONGEST_LINE for line in octets.split(b"\r\n"))


def piece(media_type: str, body: bytes, *, description: str = "") -> Piece:
    """A part written as it is: 7bit, or 8bit when it holds octets above 127 (RFC 2045 §6.2).

    For embedded messages, which may not be encoded (RFC 2046 §5.2.1), and for reports.
    """
    fields = raw_field("Content-Type", media_type.encode("ascii"))
    fields += raw_field("Content-Transfer-Encoding", b"7bit" if body.isascii() else b"8bit")
    if description:
        fields += field("Content-Description", description)
    return Piece(fields, body)


def attachment(media_type: str, filename: str, body: bytes) -> Piece:
    """A file in base64, its name by RFC 2231 where it is not plain ASCII."""
    if filename.isascii() and not _CONTROLS.search(filename):
        escaped = filename.replace("\\", "\\\\").replace('"', '\\"')
        name = f'filename="{escaped}"'.encode("ascii")
    else:
        name = b"filename*=utf-8''" + params.percent(filename.encode("utf-8", "replace"))
    lines = [
        binascii.b2a_base64(body[at : at + 57], newline=False) for at in range(0, len(body), 57)
    ]
    return Piece(
        raw_field("Content-Type", media_type.encode("ascii"))
        + raw_field("Content-Transfer-Encoding", b"base64")
        + raw_field("Content-Disposition", b"attachment; " + name),
        b"\r\n".join(lines) + b"\r\n",
    )


def multipart(subtype: str, boundary: str, pieces: Sequence[Piece], parameters: str = "") -> Piece:
    """A multipart of ``pieces`` (RFC 2046 §5.1.1).

    ``boundary`` is made longer as often as it takes not to occur in any of them. ``parameters``:
    more of them for the Content-Type, such as ``report-type=delivery-status``.
    """
    mark = boundary.encode("ascii")
    while any(b"--" + mark in one.entity for one in pieces):
        mark += b"-"
    more = f"; {parameters}" if parameters else ""
    head = f"multipart/{subtype}{more}; boundary=".encode("ascii") + b'"' + mark + b'"'
    body = b"".join([b"--" + mark + b"\r\n" + one.entity + b"\r\n" for one in pieces])
    eight_bit = not body.isascii()
    return Piece(
        raw_field("Content-Type", head)
        + (raw_field("Content-Transfer-Encoding", b"8bit") if eight_bit else b""),
        body + b"--" + mark + b"--\r\n",
    )


def report_fields(groups: Iterable[Iterable[tuple[str, str]]]) -> bytes:
    """The body of message/delivery-status and its kin (RFC 3464 §2.1): groups of fields, a blank
    line after each but the last."""
    return b"\r\n".join(
        [b"".join([field(name, value) for name, value in group]) for group in groups]
    )


def message(fields: Iterable[bytes], content: Piece) -> bytes:
    """A whole message: ``fields`` (each with CRLF), MIME-Version, and the content."""
    return b"".join([*fields, b"MIME-Version: 1.0\r\n", content.entity])
