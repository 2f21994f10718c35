"""Whether the name of an address leads back to it."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.policy.iprev import MOST_NAMES, check
from pillarbox.testing.dns import FakeResolver

ZONE = {
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mail.x.test"],
    ("mail.x.test", "A"): ["192.0.2.9", "192.0.2.1"],
    ("2.2.0.192.in-addr.arpa", "PTR"): ["mail.x.test"],
    ("3.2.0.192.in-addr.arpa", "PTR"): ["broken.test"],
    ("4.2.0.192.in-addr.arpa", "PTR"): ["broken.test", "four.test"],
    ("four.test", "A"): ["192.0.2.4"],
    ("1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["six.test"],
    ("six.test", "AAAA"): ["2001:DB8:0::1"],
    ("5.2.0.192.in-addr.arpa", "PTR"): [f"n{n}.test" for n in range(50)],
}


@pytest.mark.parametrize(
    ("ip", "verdict", "name"),
    [
        ("192.0.2.1", "pass", "mail.x.test"),
        ("::ffff:192.0.2.1", "pass", "mail.x.test"),
        ("192.0.2.2", "fail", "mail.x.test"),
        ("192.0.2.3", "temperror", "broken.test"),
        ("192.0.2.4", "pass", "four.test"),
        ("192.0.2.5", "fail", "n0.test"),
        ("192.0.2.6", "permerror", ""),
        ("192.0.2.7", "temperror", ""),
        ("2001:db8::1", "pass", "six.test"),
        ("nothing", "permerror", ""),
    ],
)
def test_names(ip: str, verdict: str, name: str) -> None:
    dns = FakeResolver(ZONE, failing=["broken.test", "7.2.0.192.in-addr.arpa"])
    result = asyncio.run(check(ip, dns))
    assert (result.verdict.value, result.name) == (verdict, name)
    assert len(dns.asked) <= MOST_NAMES + 1
