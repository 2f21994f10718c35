"""What programs look for: the policy about TLS, and how to set up an account."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from pillarbox.policy.mtasts import Mode, Policy, read_policy
from pillarbox.serve.http.discovery import Discovery, Service
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.values import Answer, Request

POLICY = Policy(Mode.ENFORCE, 604800, ("mail.example.test",))
SERVICES = [Service("imap", 993, True), Service("smtp", 587, False)]
CONFIG = "/mail/config-v1.1.xml"


async def serves(domain: str) -> bool:
    return domain in {"example.test", "xn--bcher-kva.test"}


async def ask(host: str, path: str, query: str = "", policy: Policy | None = POLICY) -> Answer:
    pages = Discovery("mail.example.test", SERVICES, policy, serves).pages()
    return await Site(pages, "").answer(Request("GET", host, path, query))


async def test_the_policy_is_read_by_our_own_reader() -> None:
    answer = await ask("mta-sts.example.test", "/.well-known/mta-sts.txt")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain")  # RFC 8461 §3.2
    assert read_policy(answer.body) == POLICY
    assert answer.body.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("host", "policy"),
    [
        ("example.test", POLICY),
        ("mta-sts.other.test", POLICY),
        ("mta-sts.example.test", None),
        ("", POLICY),
    ],
)
async def test_no_policy(host: str, policy: Policy | None) -> None:
    assert (await ask(host, "/.well-known/mta-sts.txt", policy=policy)).status == 404


@pytest.mark.parametrize(
    ("host", "path", "query", "domain"),
    [
        ("autoconfig.example.test", CONFIG, "", "example.test"),
        ("mail.example.test", CONFIG, "emailaddress=a%40example.test", "example.test"),
        ("example.test", f"/.well-known/autoconfig{CONFIG}", "", "example.test"),
        ("x", CONFIG, "emailaddress=a@b%C3%BCcher.test", "xn--bcher-kva.test"),
        ("x", CONFIG, "emailaddress=a@other.test", ""),
        ("x", CONFIG, "emailaddress=%3Cscript%3E", ""),
    ],
)
async def test_account_set_up(host: str, path: str, query: str, domain: str) -> None:
    answer = await ask(host, path, query)
    if not domain:
        assert answer.status == 404
        return
    root = ET.fromstring(answer.body)  # noqa: S314  (our own words)
    provider = root.find("emailProvider")
    assert provider is not None
    assert provider.get("id") == domain
    (incoming,) = provider.findall("incomingServer")
    (outgoing,) = provider.findall("outgoingServer")
    assert incoming.get("type") == "imap"
    names = ("hostname", "port", "socketType", "username")
    assert [incoming.findtext(name) for name in names] == [
        "mail.example.test",
        "993",
        "SSL",
        "%EMAILADDRESS%",
    ]
    assert [outgoing.findtext(name) for name in ("port", "socketType")] == ["587", "STARTTLS"]
