"""Aggregate reports (RFC 9990): what is counted about mail in a domain's name, written as XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from pillarbox.policy.dmarc.evaluate import DmarcResult, Method, Verdict
from pillarbox.policy.dmarc.record import Policy, Record

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
MOST_KINDS = 5000
"""Different rows of one report; what comes above them is not counted."""

Tally = dict[str, Any]
"""``policy``: what was published; ``rows``: how often, by row as JSON; ``lost``: messages above
``MOST_KINDS``. What JSON can hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """What many messages have in common (§3.1.1.7 to §3.1.1.13).

    ``disposition``: none, pass, quarantine or reject. ``dkim`` and ``spf``: whether they bear the
    author out. ``reason``: why not what was asked, '' for no reason. ``signatures`` are
    (domain, selector, result), ``envelope`` and ``envelope_result`` are SPF's.
    """

    ip: str
    disposition: str
    dkim: bool
    spf: bool
    reason: str
    author: str
    envelope: str
    envelope_result: str
    signatures: tuple[tuple[str, str, str], ...] = ()


def row(
    result: DmarcResult,
    *,
    ip: str,
    disposition: str,
    exempt: str,
    spf: tuple[str, str],
    signatures: Iterable[tuple[str, str, str]],
) -> Row:
    """What is counted of one message. ``disposition``: what became of it if it failed; ``spf``:
    domain of the envelope and result."""
    vouched = {one.method for one in result.aligned}
    if result.verdict is Verdict.PASS:
        disposition = "none" if result.policy is Policy.NONE else "pass"
    elif not exempt and result.applied is not result.policy:
        exempt = "policy_test_mode"
    reason = exempt if result.verdict is Verdict.FAIL else ""
    bears = (Method.DKIM in vouched, Method.SPF in vouched)
    return Row(ip, disposition, *bears, reason, result.author, *spf, tuple(signatures))


def count(tally: Tally, record: Record, one: Row, times: int = 1) -> None:
    """Add a message to what is known of a domain and day."""
    tally["policy"] = published(record)
    _add(tally, json.dumps(asdict(one), separators=(",", ":")), times)


def merge(tally: Tally, more: Tally) -> None:
    """Add all that ``more`` counted."""
    tally["policy"] = more.get("policy") or tally.get("policy")
    for key, times in more.get("rows", {}).items():
        _add(tally, key, times)
    tally["lost"] = tally.get("lost", 0) + more.get("lost", 0)


def _add(tally: Tally, key: str, times: int) -> None:
    rows = tally.setdefault("rows", {})
    if key in rows or len(rows) < MOST_KINDS:
        rows[key] = rows.get(key, 0) + times
    else:
        tally["lost"] = tally.get("lost", 0) + times


def published(record: Record) -> dict[str, str]:
    """The policy_published element (§3.1.1.5), but for the domain."""
    wanted = (record.p or Policy.NONE).value
    return {
        "p": wanted,
        "sp": (record.sp or record.p or Policy.NONE).value,
        "np": (record.np or record.sp or record.p or Policy.NONE).value,
        "adkim": "s" if record.strict_dkim else "r",
        "aspf": "s" if record.strict_spf else "r",
        "discovery_method": "treewalk",
        "fo": ":".join(sorted(record.failure_options)),
        "testing": "y" if record.testing else "n",
    }


@dataclass(frozen=True, slots=True)
class About:
    """``begin`` and ``end`` in seconds since 1970. ``ident`` is unique (§3.5.1)."""

    organization: str
    contact: str
    domain: str
    begin: int
    end: int
    ident: str
    generator: str = "Pillarbox"

    @property
    def filename(self) -> str:
        """§3.5.2."""
        return f"{self.organization}!{self.domain}!{self.begin}!{self.end}.xml.gz"

    @property
    def subject(self) -> str:
        """§3.5.2."""
        return (
            f"Report Domain: {self.domain} Submitter: {self.organization} Report-ID: <{self.ident}>"
        )


def write(about: About, tally: Tally) -> bytes:
    """The report."""
    root = Element("feedback", {"xmlns": NAMESPACE})
    _text(root, "version", "1.0")
    meta = SubElement(root, "report_metadata")
    _texts(meta, {"org_name": about.organization, "email": about.contact, "report_id": about.ident})
    span = SubElement(meta, "date_range")
    _texts(span, {"begin": str(about.begin), "end": str(about.end)})
    if tally.get("lost"):
        _text(meta, "error", f"{tally['lost']} messages of other kinds were not counted")
    _text(meta, "generator", about.generator)
    policy = SubElement(root, "policy_published")
    _texts(policy, {"domain": about.domain, **tally["policy"]})
    for key, times in tally["rows"].items():
        _record(root, Row(**json.loads(key)), times)
    text: str = tostring(root, "unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode("utf-8", "replace")


def _record(root: Element, one: Row, times: int) -> None:
    record = SubElement(root, "record")
    line = SubElement(record, "row")
    _texts(line, {"source_ip": one.ip, "count": str(times)})
    evaluated = SubElement(line, "policy_evaluated")
    bears = {True: "pass", False: "fail"}
    words = {"disposition": one.disposition, "dkim": bears[one.dkim], "spf": bears[one.spf]}
    _texts(evaluated, words)
    if one.reason:
        _text(SubElement(evaluated, "reason"), "type", one.reason)
    named = SubElement(record, "identifiers")
    _texts(named, {"header_from": one.author, "envelope_from": one.envelope})
    results = SubElement(record, "auth_results")
    for domain, selector, result in one.signatures:
        signature = SubElement(results, "dkim")
        _texts(signature, {"domain": domain, "selector": selector, "result": result})
    spf = SubElement(results, "spf")
    _texts(spf, {"domain": one.envelope, "scope": "mfrom", "result": one.envelope_result})


def _texts(parent: Element, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        _text(parent, name, text)


def _text(parent: Element, name: str, text: str) -> None:
    # What is no character of XML (§2.2 of XML 1.0) would make the whole report unreadable.
    SubElement(parent, name).text = "".join(c if c.isprintable() else "?" for c in text)
