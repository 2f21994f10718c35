"""What is done with a message: from what the DNS says to accept, junk or refuse."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pillarbox.dns.answers import Answer, Kind, Mx
from pillarbox.model.address import parse_address
from pillarbox.model.transaction import Peer, Sender
from pillarbox.model.verdict import Action, Verdict
from pillarbox.policy.arc.seal import seal
from pillarbox.policy.arc.verify import Verdict as Arc
from pillarbox.policy.dkim.canon import BodyHash
from pillarbox.policy.dkim.keys import Key
from pillarbox.policy.dnsxl import Zone
from pillarbox.policy.inbound.inspect import Inspection, Inspector
from pillarbox.policy.inbound.options import Obey, OnFail, Options
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support.signed import made, parts, signed

ACCEPT, JUNK, REFUSE = Action.ACCEPT, Action.JUNK, Action.REFUSE
OPTIONS = Options("mx.here.test")
KEYS = {name: made(f"{name}.test", selector="k") for name in ("bank", "list", "fwd", "plain")}
HOSTS = {"bank": "192.0.2.1", "list": "192.0.2.2", "fwd": "192.0.2.3", "plain": "192.0.2.4"}
POLICIES = {
    "bank.test": "v=DMARC1; p=reject",
    "soft.test": "v=DMARC1; p=quarantine",
    "none.test": "v=DMARC1; p=none",
    "trying.test": "v=DMARC1; p=reject; t=y",
    "down.test": "v=DMARC1; p=reject",
}


def dns() -> FakeResolver:
    rows: dict[tuple[str, str], list[object]] = {}
    for name, ip in HOSTS.items():
        rows[f"{name}.test", "TXT"] = [f"v=spf1 ip4:{ip} -all".encode()]
        rows[f"mail.{name}.test", "A"] = [ip]
        rows[".".join(reversed(ip.split("."))) + ".in-addr.arpa", "PTR"] = [f"mail.{name}.test"]
        rows[KEYS[name].name, "TXT"] = [KEYS[name].record.encode()]
    for domain, text in POLICIES.items():
        rows[f"_dmarc.{domain}", "TXT"] = [text.encode()]
    return FakeResolver(rows, failing=["down.test"])  # type: ignore[arg-type]


def mail(author: str, *more: str, sign: str = "") -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"From: A <a@{author}>", *more))
    message = f"{head}Subject: x\r\n\r\nbody\r\n".encode()
    return signed(message, KEYS[sign]) if sign else message


async def judged(
    message: bytes,
    *,
    host: str = "plain",
    sender: str = "",
    options: Options = OPTIONS,
    resolver: FakeResolver | None = None,
) -> Verdict:
    inspector = Inspector(options, resolver or dns(), FakeClock())
    address = parse_address(sender) if sender else None
    found = inspector.begin(Peer(HOSTS[host], helo=f"mail.{host}.test"), Sender(address))
    assert found is not None
    head, body = parts(message)
    found.header(head)
    found.body(body)
    return await found.verdict()


LISTED = ("List-Id: <l.list.test>",)
CASES = {
    "honest, signed": (mail("bank.test", sign="bank"), "bank", "a@bank.test", ACCEPT),
    "honest, by its host": (mail("bank.test"), "bank", "a@bank.test", ACCEPT),
    "forwarded, signed": (mail("bank.test", sign="bank"), "fwd", "srs@fwd.test", ACCEPT),
    "spoofed": (mail("bank.test"), "plain", "a@plain.test", REFUSE),
    "spoofed, signed by another": (
        mail("bank.test", sign="plain"),
        "plain",
        "a@plain.test",
        REFUSE,
    ),
    "spoofed, envelope too": (mail("bank.test"), "plain", "a@bank.test", REFUSE),
    "spoofed below": (mail("x.bank.test"), "plain", "a@plain.test", REFUSE),
    "signed for the organization": (mail("x.bank.test", sign="bank"), "plain", "", ACCEPT),
    "by a list": (mail("bank.test", *LISTED), "list", "l@list.test", JUNK),
    "pretends to be a list": (mail("bank.test", *LISTED), "plain", "l@other.test", REFUSE),
    "quarantine": (mail("soft.test"), "plain", "a@plain.test", JUNK),
    "nothing wanted": (mail("none.test"), "plain", "a@plain.test", ACCEPT),
    "no policy": (mail("any.test"), "plain", "a@plain.test", ACCEPT),
    "on trial": (mail("trying.test"), "plain", "a@plain.test", JUNK),
    "disowned": (mail("any.test"), "fwd", "a@plain.test", JUNK),
    "disowned, yet signed": (mail("any.test", sign="plain"), "fwd", "a@plain.test", ACCEPT),
    "disowned, nothing wanted": (mail("none.test"), "fwd", "a@plain.test", JUNK),
    "two authors, one spoofed": (
        mail("plain.test", "From: b@bank.test", sign="plain"),
        "plain",
        "a@plain.test",
        REFUSE,
    ),
    "two authors in one field": (
        mail("plain.test>, Boss <b@bank.test"),
        "plain",
        "a@plain.test",
        REFUSE,
    ),
    "too many authors": (
        mail("any.test", *[f"From: b@d{n}.test" for n in range(9)]),
        "plain",
        "",
        JUNK,
    ),
    "no author": (b"Subject: x\r\n\r\nbody\r\n", "plain", "", JUNK),
    "an author without domain": (b"From: root\r\n\r\nbody\r\n", "plain", "", JUNK),
    "bounce": (mail("plain.test"), "plain", "", ACCEPT),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_done(case: str) -> None:
    message, host, sender, action = CASES[case]
    verdict = await judged(message, host=host, sender=sender)
    assert verdict.action is action, verdict
    assert bool(verdict.reason) == (action is not ACCEPT)
    if action is REFUSE:
        assert verdict.reply is not None
        assert (verdict.reply.code, verdict.reply.enhanced) == (550, "5.7.1")
        assert "bank.test" in verdict.reply.text


@pytest.mark.parametrize(
    ("options", "case", "action"),
    [
        (replace(OPTIONS, dmarc=Obey.JUNK), "spoofed", JUNK),
        (replace(OPTIONS, dmarc=Obey.NOT), "spoofed", ACCEPT),
        (replace(OPTIONS, dmarc=Obey.NOT), "no author", ACCEPT),
        (replace(OPTIONS, lists=frozenset({"list.test"})), "by a list", ACCEPT),
        (replace(OPTIONS, lists=frozenset({"list.test"})), "pretends to be a list", REFUSE),
        (replace(OPTIONS, spf_fail=OnFail.ACCEPT), "disowned", ACCEPT),
        (replace(OPTIONS, spf_fail=OnFail.REFUSE), "disowned", REFUSE),
    ],
)
async def test_what_the_house_wants(options: Options, case: str, action: Action) -> None:
    message, host, sender, _ = CASES[case]
    verdict = await judged(message, host=host, sender=sender, options=options)
    assert verdict.action is action
    assert {one.method for one in verdict.findings} >= {"spf", "dkim", "dmarc"}


def sealed(message: bytes, key: Key, results: str, status: Arc = Arc.NONE) -> bytes:
    head, body = parts(message)
    hashed = BodyHash()
    hashed.feed(body)
    return seal(head, hashed.digest(), key, results=results, status=status, now=0) + message


PASSED = "fwd.test; dmarc=pass header.from=bank.test"


@pytest.mark.parametrize(
    ("results", "trusted", "action"),
    [
        (PASSED, {"fwd.test"}, ACCEPT),
        (PASSED, {"test"}, ACCEPT),
        (PASSED, {"other.test"}, REFUSE),
        (PASSED, set(), REFUSE),
        ("fwd.test; dmarc=fail header.from=bank.test", {"fwd.test"}, REFUSE),
        ("fwd.test; dmarc=pass header.from=other.test", {"fwd.test"}, REFUSE),
        ("fwd.test; spf=pass (dmarc=pass header.from=bank.test)", {"fwd.test"}, REFUSE),
    ],
)
async def test_trusted_forwarders(results: str, trusted: set[str], action: Action) -> None:
    message = sealed(mail("bank.test"), KEYS["fwd"], results)
    options = replace(OPTIONS, sealers=frozenset(trusted))
    verdict = await judged(message, host="fwd", sender="a@fwd.test", options=options)
    assert verdict.action is action, verdict
    broken = message.replace(b"body", b"buddy")
    verdict = await judged(broken, host="fwd", sender="a@fwd.test", options=options)
    assert verdict.action is REFUSE


async def test_a_hand_that_is_not_trusted_hides_those_behind_it() -> None:
    once = sealed(mail("bank.test"), KEYS["fwd"], PASSED)
    twice = sealed(once, KEYS["plain"], "plain.test; dmarc=fail", Arc.PASS)
    options = replace(OPTIONS, sealers=frozenset({"fwd.test"}))
    verdict = await judged(twice, sender="a@plain.test", options=options)
    assert verdict.action is REFUSE
    options = replace(OPTIONS, sealers=frozenset({"fwd.test", "plain.test"}))
    verdict = await judged(twice, sender="a@plain.test", options=options)
    assert verdict.action is ACCEPT


async def test_results_in_the_order_of_the_rooms() -> None:
    verdict = await judged(mail("bank.test", sign="bank"), host="bank", sender="a@bank.test")
    told = [(one.method, one.result) for one in verdict.findings]
    assert told == [("iprev", "pass"), ("spf", "pass"), ("dkim", "pass"), ("dmarc", "pass")]
    assert dict(verdict.findings[2].properties)["header.d"] == "bank.test"


FAILING: Mapping[str, list[str]] = {
    "the policy": ["_dmarc.bank.test"],
    "the author's SPF": ["bank.test"],
    "the author's key": [KEYS["bank"].name],
    "everything": [".test"],
}


@pytest.mark.parametrize("what", FAILING)
async def test_a_fault_of_the_dns_speaks_against_nobody(what: str) -> None:
    resolver = dns()
    if what == "everything":
        resolver.failing |= {name for name, _ in resolver.zone}
    resolver.failing |= set(FAILING[what])
    message = mail("bank.test", sign="bank" if "key" in what else "plain")
    verdict = await judged(
        message, sender="a@bank.test" if "SPF" in what else "a@plain.test", resolver=resolver
    )
    assert verdict.action is ACCEPT
    assert "temperror" in {one.result for one in verdict.findings}


@pytest.mark.parametrize(
    "silent", [["plain.test"], [KEYS["plain"].name], ["_dmarc.plain.test"], ["mail.plain.test"]]
)
async def test_the_silent_dns_of_a_forger_spares_nobody(silent: list[str]) -> None:
    """Whoever writes in the name of another chooses the domain of the envelope and of the
    signature, and how its servers answer: what they would say could not help anyway."""
    resolver = dns()
    resolver.failing |= set(silent)
    message = mail("bank.test", sign="plain")
    verdict = await judged(message, sender="a@plain.test", resolver=resolver)
    assert verdict.action is REFUSE


class Tarpit(FakeResolver):
    """Does not answer about one name."""

    def __init__(self, name: str) -> None:
        known = dns()
        super().__init__({(name, kind.value): rows for (name, kind), rows in known.zone.items()})
        self.name = name

    async def ask(self, name: str, kind: Kind) -> Answer:
        if name == self.name:
            await asyncio.Event().wait()
        return await super().ask(name, kind)


@pytest.mark.parametrize("name", ["plain.test", KEYS["plain"].name, "4.2.0.192.in-addr.arpa"])
async def test_the_slow_dns_of_a_forger_spares_nobody(name: str) -> None:
    clock = FakeClock()
    inspector = Inspector(OPTIONS, Tarpit(name), clock)
    sender = Sender(parse_address("a@plain.test"))
    found = inspector.begin(Peer(HOSTS["plain"], helo="mail.plain.test"), sender)
    assert found is not None
    head, body = parts(mail("bank.test", sign="plain"))
    found.header(head)
    found.body(body)
    task = asyncio.create_task(found.verdict())
    for _ in range(3):
        await clock.advance(OPTIONS.deadline / 2)
    assert (await task).action is REFUSE


async def test_a_forger_cannot_spend_the_questions_about_the_author() -> None:
    """SPF of the envelope asks first, for a hundred names; the policy is found all the same."""
    resolver = dns()
    for n in range(10):
        hosts = [f"h{k}.m{n}.plain.test" for k in range(10)]
        resolver.add(f"m{n}.plain.test", *[Mx(k, host) for k, host in enumerate(hosts)])
        resolver.zone |= {(host, Kind.A): ("192.0.2.99",) for host in hosts}
    terms = " ".join(f"mx:m{n}.plain.test" for n in range(10))
    resolver.add("plain.test", f"v=spf1 {terms} -all".encode())
    inspector = Inspector(replace(OPTIONS, questions=60), resolver, FakeClock())
    found = inspector.begin(Peer("192.0.2.9", helo="h"), Sender(parse_address("a@plain.test")))
    assert found is not None
    for _ in range(500):
        await asyncio.sleep(0)
    head, body = parts(mail("x.bank.test"))
    found.header(head)
    found.body(body)
    assert (await found.verdict()).action is REFUSE


class Silent(FakeResolver):
    """Never answers."""

    async def ask(self, name: str, kind: object) -> object:  # type: ignore[override]
        self.asked.append((name, kind))  # type: ignore[arg-type]
        return await asyncio.Event().wait()


async def test_the_deadline() -> None:
    clock, resolver = FakeClock(), Silent({})
    inspector = Inspector(OPTIONS, resolver, clock)
    found = inspector.begin(Peer("192.0.2.1", helo="x.test"), Sender(parse_address("a@x.test")))
    assert found is not None
    found.header(parts(mail("bank.test", sign="bank"))[0])
    task = asyncio.create_task(found.verdict())
    await clock.advance(OPTIONS.deadline - 1)
    assert not task.done()
    await clock.advance(2)
    verdict = await task
    assert verdict.action is ACCEPT
    assert [one.result for one in verdict.findings] == ["temperror"] * 3


async def test_questions_are_bounded() -> None:
    """A hundred signatures, fifty seals, ten authors: so many questions and no more."""
    message = mail("bank.test", *[f"From: b@d{n}.test" for n in range(4)])
    for n in range(40):
        message = signed(message, made(f"s{n}.test"))
    for n in range(40):
        results = "x.test; none"
        message = sealed(message, made(f"h{n}.test"), results, Arc.PASS if n else Arc.NONE)
    resolver = dns()
    await judged(message, sender="a@plain.test", resolver=resolver)
    assert len(set(resolver.asked)) <= OPTIONS.questions
    resolver = dns()
    few = replace(OPTIONS, questions=20)
    verdict = await judged(message, sender="a@plain.test", options=few, resolver=resolver)
    assert len(set(resolver.asked)) <= 20
    assert verdict.action is ACCEPT


async def test_trusted_clients_and_forgotten_messages() -> None:
    options = replace(OPTIONS, trusted=(ipaddress.ip_network("192.0.2.0/24"),))
    inspector = Inspector(options, dns(), FakeClock())
    for ip in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert inspector.begin(Peer(ip), Sender(None)) is None
    found = inspector.begin(Peer("198.51.100.1"), Sender(None))
    assert isinstance(found, Inspection)
    found.abandon()


BAD, GOOD, WORSE = Zone("bad.test", 3), Zone("good.test", -4), Zone("worse.test", 6)


@pytest.mark.parametrize(
    ("answers", "zones", "action", "result"),
    [
        ({}, [BAD, WORSE], ACCEPT, ""),
        ({"bad": "127.0.0.2"}, [BAD, WORSE], JUNK, "fail"),
        ({"worse": "127.0.0.9"}, [BAD, WORSE], REFUSE, "fail"),
        ({"bad": "127.0.0.2", "worse": "127.0.0.2"}, [BAD, WORSE, GOOD], REFUSE, "fail"),
        ({"worse": "127.0.0.2", "good": "127.0.0.2"}, [WORSE, GOOD], ACCEPT, "fail"),
        ({"good": "127.0.0.2"}, [BAD, GOOD], ACCEPT, "pass"),
        ({"worse": "127.255.255.254"}, [WORSE], ACCEPT, ""),  # they do not like our question
        ({"worse": "192.0.2.1"}, [WORSE], ACCEPT, ""),  # a name server that answers everything
    ],
)
async def test_lists_of_addresses(
    answers: dict[str, str], zones: list[Zone], action: Action, result: str
) -> None:
    resolver = dns()
    for name, answer in answers.items():
        resolver.zone[f"4.2.0.192.{name}.test", Kind.A] = (answer,)
    options = replace(OPTIONS, zones=tuple(zones))
    message = mail("plain.test", sign="plain")
    verdict = await judged(message, sender="a@plain.test", options=options, resolver=resolver)
    assert verdict.action is action, verdict
    assert [one.result for one in verdict.findings if one.method == "dnsbl"] == (
        [result] if result else []
    )
