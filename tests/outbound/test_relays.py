"""Mail that does not go to the mail hosts of its recipients' domains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pillarbox.model.address import Address
from pillarbox.model.transaction import Role, Sender
from pillarbox.outbound.options import Level, Relay
from pillarbox.outbound.relays import read_relay
from pillarbox.outbound.remote import Onward, relay_for


@pytest.mark.parametrize(
    ("text", "relay"),
    [
        ("mx.example", Relay("mx.example", 25)),
        ("mx.example:2525", Relay("mx.example", 2525)),
        ("192.0.2.1:2525", Relay("192.0.2.1", 2525)),
        ("[2001:db8::1]:2525", Relay("2001:db8::1", 2525)),
        ("smtp://mx.example", Relay("mx.example", 25)),
        ("smtp://mx.example:26?tls=verified", Relay("mx.example", 26, level=Level.VERIFIED)),
        ("smtps://mx.example", Relay("mx.example", 465, implicit_tls=True, level=Level.VERIFIED)),
        ("lmtp://127.0.0.1", Relay("127.0.0.1", 24, lmtp=True)),
        ("lmtp:/run/lmtp", Relay("/run/lmtp", 0, lmtp=True, level=Level.NONE)),
        ("/run/smtp", Relay("/run/smtp", 0, level=Level.NONE)),
    ],
)
def test_names_of_servers(text: str, relay: Relay) -> None:
    assert read_relay(text) == relay


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", "mx.example:port", "mx.example:99999", "ftp://mx.example", "lmtp:", "-a"),
        *("smtp://user@mx.example", "mx.example/path", "mx.example?tls=dane", "x?tls=much"),
    ],
)
def test_what_names_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_relay(text)


async def test_exceptions_by_sender_before_those_by_domain(far: Any) -> None:
    async with far(servers=1) as world:
        one, two, rest = (Relay(name) for name in ("one", "two", "rest"))
        options = replace(
            world.options,
            relays={"*": rest, "far.test": one, "near.test": None},
            sender_relays={"ann@example.test": two, "example.net": None},
        )
        assert relay_for(options, "ann@example.test", "far.test") == two
        assert relay_for(options, "bob@example.test", "far.test") == one
        assert relay_for(options, "bob@example.test", "near.test") is None
        assert relay_for(options, "bob@example.test", "other.test") == rest
        assert relay_for(options, "bob@example.net", "other.test") is None


async def test_a_domain_we_stand_in_front_of(far: Any) -> None:
    """To its server, or its better mail hosts, whatever smarthost there is; the sender stays who
    it is, because nobody forwards."""
    async with far(servers=2) as world:
        first, second = world.peers
        hop = Relay(second.address, second.port, level=Level.NONE)
        kinds = {"inner.test": Onward(hop), "far.test": Onward()}

        async def onward(domain: str) -> Onward | None:
            return kinds.get(domain)

        world.onward = onward
        world.forward = lambda sender, here: replace(sender, domain=here)
        world.role = Role.MX
        world.options = replace(world.options, relays={"*": Relay("nowhere.invalid")})
        reports = await world.send("bob@inner.test", "bob@far.test")
        assert [report.reply.code for report in reports] == [250, 250]
        assert [str(one.sender.address) for one in first.taken] == ["ann@example.test"]
        assert [str(one.sender.address) for one in second.taken] == ["ann@example.test"]
        assert [str(r.address) for r in second.taken[0].recipients] == ["bob@inner.test"]


@pytest.mark.parametrize("role", Role)
async def test_forwarded_mail_of_others_goes_on_under_our_name(far: Any, role: Role) -> None:
    """Whichever door it came through: a relay in front of us hands it over by LMTP."""
    async with far() as world:
        world.role = role
        world.forward = lambda sender, here: Address(f"SRS0={sender.local}", here)
        eve = Sender(Address("eve", "else.test"))
        await world.send("bob@far.test", sender=eve, via="ann@example.test")
        sender = str(world.peers[0].taken[0].sender.address)
        ours = role in {Role.SUBMISSION, Role.LOCAL}
        assert sender == ("eve@else.test" if ours else "SRS0=eve@example.test")
