"""Signing and verifying in one line, for tests of those who sign or verify."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.message import header
from pillarbox.policy.arc.verify import ArcResult, Chain
from pillarbox.policy.dkim import keys
from pillarbox.policy.dkim.bodies import Bodies
from pillarbox.policy.dkim.canon import BodyHash, Head
from pillarbox.policy.dkim.keys import Algorithm, Key
from pillarbox.policy.dkim.sign import RELAXED, Form, sign
from pillarbox.policy.dkim.verify import DkimResult, Signatures
from pillarbox.testing.dns import FakeResolver

NOW = 1_700_000_000.0
"""When everything here happens, in seconds since 1970."""


def parts(message: bytes) -> tuple[bytes, bytes]:
    """Header section and body."""
    section = header.section(message, 0, len(message))
    return message[: section.body_start], message[section.body_start :]


def signed(message: bytes, key: Key, *, form: Form = RELAXED, now: float = NOW) -> bytes:
    """The message with a signature of ``key`` in front."""
    head, body = parts(message)
    hashed = BodyHash(relaxed=form.relaxed_body)
    hashed.feed(body)
    return sign(head, hashed.digest(), key, now=now, form=form) + message


def zone(*made: Key) -> FakeResolver:
    """A resolver that has the records of these keys."""
    return resolver({key.name: key.record for key in made})


def resolver(records: Mapping[str, str]) -> FakeResolver:
    """TXT records by name."""
    return FakeResolver({(name, "TXT"): [text.encode()] for name, text in records.items()})


async def verified(
    message: bytes, dns: FakeResolver, *, now: float = NOW, author: str = "", pieces: int = 0
) -> tuple[DkimResult, ...]:
    """What DKIM says of a message; the body fed in ``pieces`` of that size (0: at once)."""
    head, body = parts(message)
    found = Signatures(Head(head), author=author)
    bodies = Bodies(found.values)
    step = pieces or max(1, len(body))
    for at in range(0, len(body), step):
        bodies.feed(body[at : at + step])
    return await found.verify(bodies, dns, now=now)


async def validated(message: bytes, dns: FakeResolver) -> ArcResult:
    """What ARC says of a message."""
    head, body = parts(message)
    chain = Chain(Head(head))
    bodies = Bodies(chain.values)
    bodies.feed(body)
    return await chain.verify(bodies, dns)


def made(domain: str, algorithm: Algorithm = Algorithm.ED25519, selector: str = "s") -> Key:
    """A new key."""
    return keys.make(domain, selector, algorithm)
