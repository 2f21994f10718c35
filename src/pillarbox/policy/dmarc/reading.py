"""Aggregate reports that others send (RFC 9990, RFC 7489 appendix C): octets to values.

Whoever writes such a report is a stranger: nothing is unpacked beyond a bound, XML is read without
document types or entities, and what makes no sense is refused whole.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

LARGEST = 32 << 20
"""Octets of a report when unpacked."""
MOST_RECORDS = 20_000
MOST_ELEMENTS = 500_000
"""About 350 octets of memory each."""
DEEPEST = 16
_TEXT = 2000
"""Characters of one value."""


class Unreadable(Exception):
    """It is no report, or one that nobody should read; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody saw of mail in a domain's name: ``count`` messages from ``ip``.

    ``dkim`` and ``spf`` say whether they bore the author out. ``signers``: domains whose
    signatures held. ``envelope``: the domain that SPF was asked about, and ``envelope_result``.
    """

    ip: str
    count: int
    disposition: str
    dkim: bool
    spf: bool
    author: str
    envelope: str = ""
    envelope_result: str = ""
    signers: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """``begin`` and ``end`` in seconds since 1970; ``policy`` is what the reporter saw (p=)."""

    organization: str
    ident: str
    domain: str
    begin: int
    end: int
    policy: str = ""
    seen: tuple[Seen, ...] = ()

    @property
    def key(self) -> str:
        """The same for a report that is sent twice (§3.5.4)."""
        return f"{self.domain} {self.begin} {self.organization} {self.ident}"


def unpack(data: bytes) -> bytes:
    """The XML in a gzip, a zip, or plain. Raises Unreadable."""
    if data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text = unpacker.decompress(data, LARGEST + 1)
        except zlib.error as error:
            raise Unreadable(f"bad gzip: {error}") from error
        if not unpacker.eof and len(text) <= LARGEST:
            raise Unreadable("bad gzip: it is cut short")
    elif data.startswith(b"PK"):
        text = _unzipped(data)
    else:
        text = data
    if len(text) > LARGEST:
        raise Unreadable("the report is too large")
    return text


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [one for one in archive.infolist()[:20] if not one.is_dir()]
            if len(names) != 1 or names[0].flag_bits & 1:
                raise Unreadable("the zip does not hold just a report")
            with archive.open(names[0]) as file:
                return file.read(LARGEST + 1)
    except Unreadable:
        raise
    except Exception as error:  # of the archive, and of each packer that it may name
        raise Unreadable(f"bad zip: {error}") from error


def read(data: bytes) -> Report:
    """A report, packed or not. Raises Unreadable."""
    root = _parse(unpack(data))
    if root.name != "feedback":
        raise Unreadable("it is no DMARC report")
    meta, policy = root.one("report_metadata"), root.one("policy_published")
    span = meta.one("date_range")
    records = root.all("record")
    if len(records) > MOST_RECORDS:
        raise Unreadable("it has too many records")
    domain = policy.text("domain").lower().rstrip(".")
    if not domain or not meta.text("report_id") or not meta.text("org_name"):
        raise Unreadable("it does not say by whom or about whom it is")
    return Report(
        meta.text("org_name"),
        meta.text("report_id"),
        domain,
        _number(span.text("begin")),
        _number(span.text("end")),
        policy.text("p").lower(),
        tuple(map(_seen, records)),
    )


def _seen(record: _Element) -> Seen:
    row, named, results = record.one("row"), record.one("identifiers"), record.one("auth_results")
    evaluated = row.one("policy_evaluated")
    spf = results.one("spf")
    signers = [
        one.text("domain").lower()
        for one in results.all("dkim")
        if one.text("result").lower() == "pass"
    ]
    return Seen(
        row.text("source_ip"),
        _number(row.text("count")),
        evaluated.text("disposition").lower(),
        evaluated.text("dkim").lower() == "pass",
        evaluated.text("spf").lower() == "pass",
        named.text("header_from").lower(),
        spf.text("domain").lower(),
        spf.text("result").lower(),
        tuple(dict.fromkeys(signers)),
        evaluated.one("reason").text("type"),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise Unreadable(f"{text[:20]!r} is not a number")
    return int(text)


@dataclass(slots=True)
class _Element:
    name: str
    words: list[str] = field(default_factory=list)
    inside: list[_Element] = field(default_factory=list)

    def one(self, name: str) -> _Element:
        """The first element of that name; an empty one where there is none."""
        return next((one for one in self.inside if one.name == name), _Element(name))

    def all(self, name: str) -> list[_Element]:
        return [one for one in self.inside if one.name == name]

    def text(self, name: str) -> str:
        return "".join(self.one(name).words)[:_TEXT].strip()


def _parse(text: bytes) -> _Element:
    """The elements, whatever their namespace."""
    root = _Element("")
    stack, count = [root], 0

    def begin(name: str, attributes: Any) -> None:  # noqa: ARG001
        nonlocal count
        count += 1
        if len(stack) > DEEPEST or count > MOST_ELEMENTS:
            raise Unreadable("it is too large")
        made = _Element(name.rpartition(":")[2])
        stack[-1].inside.append(made)
        stack.append(made)

    def end(name: str) -> None:  # noqa: ARG001
        stack.pop()

    def said(words: str) -> None:
        stack[-1].words.append(words)

    def doctype(*_: Any) -> None:
        raise Unreadable("a document type has no place in a report")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = said, doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Unreadable(f"bad XML: {error}") from error
    except (ValueError, LookupError) as error:
        raise Unreadable(f"bad XML: {error}") from error
    return root.inside[0]
