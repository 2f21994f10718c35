"""TLS reports: the record that asks for them, the tally, what is told."""

from __future__ import annotations

import gzip
import json

import pytest

from pillarbox.policy import tlsrpt
from pillarbox.policy.tlsrpt import About, Tally, TlsResult


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        ([b"v=TLSRPTv1; rua=mailto:r@x.test"], ["mailto:r@x.test"]),
        ([b"v=TLSRPTv1;rua=https://x.test/v1,mailto:r@x.test;"],
         ["https://x.test/v1", "mailto:r@x.test"]),
        ([b"v=TLSRPTv1; more=1; rua = mailto:r@x.test , ftp://x.test"], ["mailto:r@x.test"]),
        ([b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:r@x.test"], ["mailto:r@x.test"]),
        ([b"v=TLSRPTv1; rua=mailto:a@x.test", b"v=TLSRPTv1; rua=mailto:b@x.test"], []),
        ([b"v=TLSRPTv1"], []),
        ([b"v=TLSRPTv2; rua=mailto:r@x.test"], []),
        ([b"v=TLSRPTv1; ruf=mailto:r@x.test"], []),
        ([], []),
    ],
)  # fmt: skip
def test_records(texts: list[bytes], places: list[str]) -> None:
    assert tlsrpt.read_record(texts) == places


def test_addresses_in_places() -> None:
    assert tlsrpt.mailbox("mailto:tls%2Brpt@x.test?subject=hi") == "tls+rpt@x.test"
    assert tlsrpt.mailbox("https://x.test/") is None
    assert tlsrpt.mailbox("mailto:nobody") is None


def sts(result: str = "", host: str = "mx.x.test") -> TlsResult:
    rule = ("version: STSv1", "mode: enforce", "mx: *.x.test", "max_age: 9")
    return TlsResult(
        "x.test", "sts", host, "192.0.2.1", result, rule, ("*.x.test",), "why", "192.0.2.9"
    )


def test_a_day_told() -> None:
    first: Tally = {}
    second: Tally = {}
    for result in (sts(), sts(), sts("certificate-expired")):
        tlsrpt.count(first, result)
    dane = TlsResult("x.test", "tlsa", "mx.x.test", "192.0.2.1", "", ("3 1 1 ab",), ("mx.x.test",))
    for result in (sts("certificate-expired"), dane):
        tlsrpt.count(second, result)
    tlsrpt.count(second, TlsResult("x.test", "no-policy-found", "mx", "192.0.2.1", ""))
    tally = json.loads(json.dumps(first))
    tlsrpt.merge(tally, json.loads(json.dumps(second)))
    about = About(
        "mail.example.test", "postmaster@example.test", "x.test", 19_000, "1@example.test"
    )
    assert about.filename == "example.test!x.test!1641600000!1641686399!1.json.gz"
    told = json.loads(gzip.decompress(tlsrpt.packed(tlsrpt.report(about, tally))))
    assert told == {
        "organization-name": "mail.example.test",
        "date-range": {
            "start-datetime": "2022-01-08T00:00:00Z",
            "end-datetime": "2022-01-08T23:59:59Z",
        },
        "contact-info": "postmaster@example.test",
        "report-id": "1@example.test",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": [
                        "version: STSv1", "mode: enforce", "mx: *.x.test", "max_age: 9",
                    ],
                    "policy-domain": "x.test",
                    "mx-host": ["*.x.test"],
                },
                "summary": {
                    "total-successful-session-count": 2,
                    "total-failure-session-count": 2,
                },
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "192.0.2.9",
                        "receiving-mx-hostname": "mx.x.test",
                        "receiving-ip": "192.0.2.1",
                        "failure-reason-code": "why",
                        "failed-session-count": 2,
                    }
                ],
            },
            {
                "policy": {
                    "policy-type": "tlsa",
                    "policy-string": ["3 1 1 ab"],
                    "policy-domain": "mx.x.test",
                    "mx-host": ["mx.x.test"],
                },
                "summary": {
                    "total-successful-session-count": 1,
                    "total-failure-session-count": 0,
                },
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "x.test"},
                "summary": {
                    "total-successful-session-count": 1,
                    "total-failure-session-count": 0,
                },
            },
        ],
    }  # fmt: skip


def test_a_thousand_ways_to_fail_are_bounded_and_counted() -> None:
    tally: Tally = {}
    for number in range(1000):
        tlsrpt.count(tally, sts("validation-failure", f"mx{number}.x.test"))
    (policy,) = tlsrpt.report(About("", "", "", 0, ""), tally)["policies"]
    assert policy["summary"]["total-failure-session-count"] == 1000
    assert len(policy["failure-details"]) == tlsrpt.MAX_DETAILS + 1
