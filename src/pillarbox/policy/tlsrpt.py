"""Reports on TLS that domains ask for (SMTP TLS Reporting, RFC 8460): record, tally, report. Pure.

A day's tally of one recipient domain is a JSON object, so that it can lie in a store and be added
to: ``{policy key: {"policy": …, "good": n, "bad": [[details, n], …]}}``.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

DAY = 86_400
MAX_PLACES = 5
"""Of one record; a report goes to the first that takes it."""
MAX_DETAILS = 200
"""Kinds of failure told of one policy: an attacker can make many."""


@dataclass(frozen=True, slots=True)
class TlsResult:
    """One try at TLS (§4.3): ``result`` '' is a success, else a result type.

    ``domain``: of the recipients. ``policy``: tlsa, sts or no-policy-found; ``rule`` its text
    (§4.5), ``patterns`` the hosts it is for. ``reason``: what the TLS library or server said.
    """

    domain: str
    policy: str
    host: str
    address: str
    result: str
    rule: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    reason: str = ""
    source: str = ""
    """Our own address in that connection, '' when there was none."""

    @property
    def policy_domain(self) -> str:
        """A TLSA record belongs to the host, everything else to the domain (§1.1)."""
        return self.host if self.policy == "tlsa" else self.domain


Tally = dict[str, dict[str, Any]]


def read_record(texts: Sequence[bytes]) -> list[str]:
    """The places that reports go to (§3): ``mailto:`` and ``https:`` URIs, in their order. None of
    them unless there is exactly one record."""
    ours = [text for text in texts if re.match(rb"v=TLSRPTv1[ \t]*;", text)]
    if len(ours) != 1:
        return []
    for field in ours[0].decode("ascii", "replace").split(";")[1:]:
        name, _, value = field.strip().partition("=")
        if name.strip() == "rua":
            places = [place.strip() for place in value.split(",")]
            known = [one for one in places if re.match(r"(mailto|https):", one, re.IGNORECASE)]
            return known[:MAX_PLACES]
    return []


def mailbox(place: str) -> str | None:
    """The address in a ``mailto:`` URI (RFC 6068 §2); None for another one."""
    parts = urlsplit(place)
    return unquote(parts.path) if parts.scheme == "mailto" and "@" in parts.path else None


def count(tally: Tally, result: TlsResult, times: int = 1) -> None:
    """Add a result to a day's tally."""
    key = json.dumps([result.policy, result.policy_domain, *result.rule])
    entry = tally.setdefault(key, {"policy": _policy(result), "good": 0, "bad": []})
    if not result.result:
        entry["good"] += times
        return
    details = {
        "result-type": result.result,
        "sending-mta-ip": result.source,
        "receiving-mx-hostname": result.host,
        "receiving-ip": result.address,
        "failure-reason-code": result.reason[:200],
    }
    _fail(entry, {name: value for name, value in details.items() if value}, times)


def merge(into: Tally, more: Mapping[str, Any]) -> None:
    """Add one tally to another."""
    for key, entry in more.items():
        mine = into.setdefault(key, {"policy": entry["policy"], "good": 0, "bad": []})
        mine["good"] += entry["good"]
        for details, times in entry["bad"]:
            _fail(mine, details, times)


def _fail(entry: dict[str, Any], details: dict[str, str], times: int) -> None:
    for known in entry["bad"]:
        if known[0] == details:
            known[1] += times
            return
    if len(entry["bad"]) >= MAX_DETAILS:  # counted still, as what it was
        details = {"result-type": details["result-type"]}
        for known in entry["bad"]:
            if known[0] == details:
                known[1] += times
                return
    entry["bad"].append([details, times])


def _policy(result: TlsResult) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "policy-type": result.policy,
        "policy-string": list(result.rule),
        "policy-domain": result.policy_domain,
    }
    if result.patterns:
        policy["mx-host"] = list(result.patterns)
    return policy if result.rule else {n: v for n, v in policy.items() if n != "policy-string"}


@dataclass(frozen=True, slots=True)
class About:
    """Who reports on whom. ``day``: days since 1970; ``contact``: a mail address of ours."""

    organization: str
    contact: str
    domain: str
    day: int
    ident: str
    """Unique, without angle brackets, with an ``@``."""

    @property
    def submitter(self) -> str:
        """Our domain (§5.3)."""
        return self.contact.rpartition("@")[2]

    @property
    def filename(self) -> str:
        """§5.1."""
        unique = re.sub(r"[^A-Za-z0-9]", "", self.ident.partition("@")[0])
        start = self.day * DAY
        return f"{self.submitter}!{self.domain}!{start}!{start + DAY - 1}!{unique}.json.gz"


def report(about: About, tally: Mapping[str, Any]) -> dict[str, Any]:
    """The report of a day (§4.4)."""
    start = about.day * DAY
    return {
        "organization-name": about.organization,
        "date-range": {"start-datetime": _time(start), "end-datetime": _time(start + DAY - 1)},
        "contact-info": about.contact,
        "report-id": about.ident,
        "policies": [_told(entry) for entry in tally.values()],
    }


def packed(value: Mapping[str, Any]) -> bytes:
    """As it travels (§5.2)."""
    return gzip.compress(json.dumps(value, separators=(",", ":")).encode("utf-8"), mtime=0)


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "policy": entry["policy"],
        "summary": {
            "total-successful-session-count": entry["good"],
            "total-failure-session-count": sum(times for _, times in entry["bad"]),
        },
    }
    if entry["bad"]:
        told["failure-details"] = [
            {**details, "failed-session-count": times} for details, times in entry["bad"]
        ]
    return told


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
