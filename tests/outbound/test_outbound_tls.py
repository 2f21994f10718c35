"""How much TLS a way must have, and what happens when it does not."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.dns.answers import Kind, Tlsa
from pillarbox.model.address import Address
from pillarbox.model.transaction import Sender
from pillarbox.policy.mtasts import Mode, Policy
from pillarbox.wire.smtp.options import Extension

ONE = {"servers": 1, "tls": True}


def key_hash(pem: bytes) -> bytes:
    key = x509.load_pem_x509_certificate(pem).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()


class Fixed:
    """MTA-STS policies from a table."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    async def of(self, domain: str) -> Policy | None:
        return self.policy if domain == "far.test" else None


def results(world: Any) -> list[tuple[str, str]]:
    return [(one.policy, one.result) for one in world.results]


async def test_taken_when_offered(far: Any) -> None:
    async with far(**ONE) as world:
        (report,) = await world.send("ann@far.test")
        assert report.reply.ok
        assert report.tls.endswith("opportunistic")
        assert world.peers[0].snis == ["mx1.far.test"]
        assert world.peers[0].taken[0].protocol.startswith("ESMTPS")
        assert results(world) == [("no-policy-found", "")]


async def test_broken_tls_is_no_reason_not_to_send(far: Any) -> None:
    async with far(**ONE) as world:
        world.peers[0].faults = deque(["break tls"])
        (report,) = await world.send("ann@far.test")
        assert report.reply.ok
        assert report.tls == ""
        assert results(world) == [("no-policy-found", "validation-failure")]


@pytest.mark.parametrize(
    ("mode", "mx", "names", "tls", "code", "found"),
    [
        (Mode.ENFORCE, "mx1.far.test", None, True, 250, ["sts:"]),
        (Mode.ENFORCE, "*.far.test", None, True, 250, ["sts:"]),
        (Mode.ENFORCE, "*.test", None, True, 451, ["sts:validation-failure"]),
        (Mode.ENFORCE, "mx1.far.test", ["other.test"], True, 451,
         ["sts:certificate-host-mismatch"]),
        (Mode.ENFORCE, "mx1.far.test", None, False, 451, ["sts:starttls-not-supported"]),
        (Mode.TESTING, "mx1.far.test", ["other.test"], True, 250,
         ["sts:certificate-host-mismatch"]),
        (Mode.TESTING, "mx1.far.test", None, False, 250, ["sts:starttls-not-supported"]),
        (Mode.NONE, "mx1.far.test", ["other.test"], True, 250, ["no-policy-found:"]),
    ],
)  # fmt: skip
async def test_mta_sts(
    far: Any,
    mode: Mode,
    mx: str,
    names: list[str] | None,
    tls: bool,
    code: int,
    found: list[str],
) -> None:
    async with far(servers=1, tls=tls, names=names) as world:
        world.policies = Fixed(Policy(mode, 1000, (mx,)))
        (report,) = await world.send("ann@far.test")
        assert report.reply.code == code
        assert [":".join(one) for one in results(world)] == found


@pytest.mark.parametrize(
    ("record", "names", "tls", "code", "level"),
    [
        ("3 right", ["other.test"], True, 250, "dane"),  # names do not count for DANE-EE
        ("3 wrong", None, True, 451, ""),
        ("2 right", None, True, 250, "dane"),
        ("2 right", ["far.test"], True, 250, "dane"),
        ("2 right", ["other.test"], True, 451, ""),
        ("2 wrong", None, True, 451, ""),
        ("1 right", ["other.test"], True, 250, "encrypted"),  # unusable: TLS, whoever is there
        ("1 right", None, False, 451, ""),
        ("3 right", None, False, 451, ""),
    ],
)
async def test_dane(
    far: Any, record: str, names: list[str] | None, tls: bool, code: int, level: str
) -> None:
    async with far(servers=1, tls=tls, names=names, secure=["far.test"]) as world:
        usage = int(record[0])
        pems = world.chain if tls else []
        data = b"\0" * 32
        if record.endswith("right") and tls:
            data = key_hash(pems[1] if usage == 2 else pems[0])
        name = f"_{world.options.port}._tcp.mx1.far.test"
        world.resolver.add(name, Tlsa(usage, 1, 1, data))
        (report,) = await world.send("ann@far.test")
        assert report.reply.code == code, report
        assert report.tls.endswith(level)
        assert world.results[0].policy == "tlsa"


async def test_tlsa_records_that_nobody_vouches_for_do_not_count(far: Any) -> None:
    async with far(**ONE) as world:
        world.resolver.add(f"_{world.options.port}._tcp.mx1.far.test", Tlsa(3, 1, 1, b"\0" * 32))
        (report,) = await world.send("ann@far.test")
        assert report.reply.ok
        assert report.tls.endswith("opportunistic")


async def test_tlsa_that_cannot_be_asked_for_stops_the_host(far: Any) -> None:
    async with far(**ONE, secure=["far.test"]) as world:
        world.resolver.failing.add(f"_{world.options.port}._tcp.mx1.far.test")
        (report,) = await world.send("ann@far.test")
        assert report.reply.code == 451
        assert world.peers[0].connections == 0


async def test_requiretls(far: Any) -> None:
    sender = Sender(Address("ann", "example.test"), params={"REQUIRETLS": None})
    async with far(**ONE) as world:
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.enhanced == "5.7.10"
    async with far(**ONE) as world:
        world.policies = Fixed(Policy(Mode.ENFORCE, 1000, ("mx1.far.test",)))
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.enhanced == "5.7.30"  # the server does not know it
        extensions = world.peers[0].options.extensions | {Extension.REQUIRETLS}
        world.peers[0].options = replace(world.peers[0].options, extensions=extensions)
        await world.close()
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.ok
        assert "REQUIRETLS" in world.peers[0].taken[0].sender.params


async def test_requiretls_tries_every_host(far: Any) -> None:
    """What one cannot do another may; where none can, the sender hears at once (RFC 8689
    §4.2.1)."""
    sender = Sender(Address("ann", "example.test"), params={"REQUIRETLS": None})
    async with far(servers=2, tls=True) as world:
        world.policies = Fixed(Policy(Mode.ENFORCE, 1000, ("*.far.test",)))
        second = world.peers[1]
        extensions = second.options.extensions | {Extension.REQUIRETLS}
        second.options = replace(second.options, extensions=extensions)
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.ok
        assert (len(world.peers[0].taken), len(second.taken)) == (0, 1)
    async with far(servers=2, tls=True, names=["other.test"]) as world:
        world.policies = Fixed(Policy(Mode.ENFORCE, 1000, ("*.far.test",)))
        (report,) = await world.send("ann@far.test", sender=sender)
        assert (report.reply.code, report.reply.enhanced) == (550, "5.7.10")
        assert [peer.connections for peer in world.peers] == [1, 1]


async def test_requiretls_and_a_policy_that_is_only_tested(far: Any) -> None:
    """Its list of hosts says whom to trust all the same."""
    sender = Sender(Address("ann", "example.test"), params={"REQUIRETLS": None})
    async with far(**ONE) as world:
        world.policies = Fixed(Policy(Mode.TESTING, 1000, ("mx1.far.test",)))
        extensions = world.peers[0].options.extensions | {Extension.REQUIRETLS}
        world.peers[0].options = replace(world.peers[0].options, extensions=extensions)
        (report,) = await world.send("ann@far.test", sender=sender)
        assert report.reply.ok
        assert report.tls.endswith("verified")


async def test_a_report_is_not_lost_for_requiretls(far: Any) -> None:
    """RFC 8689 §5."""
    async with far(**ONE) as world:
        (report,) = await world.send("a@far.test", sender=Sender(None, params={"REQUIRETLS": None}))
        assert report.reply.ok
        assert "REQUIRETLS" not in world.peers[0].taken[0].sender.params


@pytest.mark.parametrize("value", [b"No", b" no ", b"yes", b"no, not"])
async def test_arriving_may_be_worth_more(far: Any, value: bytes) -> None:
    """TLS-Required: No gets past a policy (RFC 8689 §4.2.2), and is not reported on."""
    body = b"TLS-Required: " + value + b"\r\nSubject: x\r\n\r\nx\r\n"
    wanted = value.strip().lower() == b"no"
    for mx in ("mx1.far.test", "other.test"):  # a wrong certificate; a host that is not listed
        async with far(**ONE, names=["wrong.test"]) as world:
            world.policies = Fixed(Policy(Mode.ENFORCE, 1000, (mx,)))
            (report,) = await world.send("ann@far.test", body=body)
            assert report.reply.ok is wanted
            assert bool(world.results) is not wanted


@pytest.mark.parametrize(
    ("where", "secure", "level", "sni"),
    [
        ("real.other.test", ["far.test", "other.test"], "dane", "real.other.test"),
        ("mx1.far.test", ["far.test", "other.test"], "dane", "mx1.far.test"),
        ("mx1.far.test", ["far.test"], "dane", "mx1.far.test"),  # leads out of the signed world
        ("real.other.test", ["far.test"], "opportunistic", "mx1.far.test"),
    ],
)
async def test_a_mail_host_that_is_an_alias(
    far: Any, where: str, secure: list[str], level: str, sni: str
) -> None:
    """TLSA records are looked for at the end of the alias first (RFC 7672 §2.2.2)."""
    zone = {("real.other.test", "A"): ["127.0.0.1"]}
    async with far(zone, **ONE, secure=secure, names=["far.test"]) as world:
        world.resolver.zone["mx1.far.test", Kind.CNAME] = ("real.other.test",)
        del world.resolver.zone["mx1.far.test", Kind.A]
        record = Tlsa(2, 1, 1, key_hash(world.chain[1]))
        world.resolver.add(f"_{world.options.port}._tcp.{where}", record)
        (report,) = await world.send("ann@far.test")
        assert report.reply.ok, report
        assert report.tls.endswith(level)
        assert world.peers[0].snis == [sni]


async def test_a_domain_that_is_an_alias(far: Any) -> None:
    """The certificate may be for where the domain's alias leads (RFC 7672 §3.2.2)."""
    async with far(**ONE, secure=["far.test", "alias.test"], names=["far.test"]) as world:
        world.resolver.zone["alias.test", Kind.CNAME] = ("far.test",)
        world.resolver.add(
            f"_{world.options.port}._tcp.mx1.far.test", Tlsa(2, 1, 1, key_hash(world.chain[1]))
        )
        (report,) = await world.send("ann@alias.test")
        assert report.reply.ok, report
        assert report.tls.endswith("dane")
