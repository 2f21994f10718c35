"""Verifying the signatures on a message (RFC 6376 §6).

``Signatures`` reads them off the header; ``bodies.Bodies`` takes the body as it comes; then
``verify`` asks for the keys and decides. A sender may put any number of signatures on a message:
a few are looked at, those of the author's own domain first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pillarbox.base.together import together
from pillarbox.dns.answers import Kind, Resolver, Status
from pillarbox.policy.dkim.bodies import Bodies
from pillarbox.policy.dkim.canon import Head
from pillarbox.policy.dkim.record import PublicKey, Revoked, Weak, read_keys
from pillarbox.policy.dkim.signature import Signature, Signer, read_signature
from pillarbox.policy.dkim.tags import Malformed

MOST = 10
"""Signatures of one message that are verified; a mailing list leaves three or four."""
FIELD = b"dkim-signature"


class Verdict(Enum):
    """RFC 8601 §2.7.1, without none, which is no result."""

    PASS = "pass"  # noqa: S105  the word of the RFC
    FAIL = "fail"
    POLICY = "policy"
    """Right, but it says too little to be of use: part of the body is not signed."""
    NEUTRAL = "neutral"
    """It cannot be read."""
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DkimResult:
    """``domain``, ``selector``, ``agent`` are '' and ``algorithm`` too for what is no signature.

    ``start``: its first characters, which tell signatures of one domain apart (RFC 6008).
    ``unsigned``: octets of the body behind what l= covers. ``testing``: the key says t=y.
    """

    verdict: Verdict
    domain: str = ""
    selector: str = ""
    agent: str = ""
    algorithm: str = ""
    start: str = ""
    problem: str = ""
    unsigned: int = 0
    testing: bool = False


@dataclass(frozen=True, slots=True)
class NoKey:
    """Why there is no key to verify with."""

    verdict: Verdict
    problem: str


@dataclass(frozen=True, slots=True)
class _Readable:
    place: int
    signature: Signature


class Signatures:
    """The signatures of one header; ``skipped`` of them are left alone as too many."""

    def __init__(self, head: Head, *, author: str = "", most: int = MOST) -> None:
        """``author``: the domain of From, whose signatures come first where there are many."""
        self._head = head
        self._readable: list[_Readable] = []
        self._unreadable: list[str] = []
        places = head.places(FIELD)
        # Reading costs little beside verifying, yet not nothing.
        for place in places[: most * 10]:
            try:
                found = read_signature(head.fields[place][1])
            except Malformed as error:
                self._unreadable.append(str(error))
            else:
                self._readable.append(_Readable(place, found))
        self._readable.sort(key=lambda one: not _related(one.signature.signer.domain, author))
        self.skipped = len(places) - len(self._readable) - len(self._unreadable)
        self.skipped += max(0, len(self._readable) - most)
        del self._readable[most:], self._unreadable[most:]

    @property
    def values(self) -> list[Signature]:
        """Those that ``Bodies`` must know."""
        return [one.signature for one in self._readable]

    async def verify(
        self, bodies: Bodies, resolver: Resolver, *, now: float
    ) -> tuple[DkimResult, ...]:
        """One result for each signature; ``now`` in seconds since 1970. Never raises."""
        signers = {one.signature.signer for one in self._readable}
        keys = await fetch_keys(signers, resolver)
        found = [self._one(one, keys[one.signature.signer], bodies, now) for one in self._readable]
        bad = [DkimResult(Verdict.NEUTRAL, problem=problem) for problem in self._unreadable]
        return (*found, *bad)

    def _one(
        self, one: _Readable, key: PublicKey | NoKey, bodies: Bodies, now: float
    ) -> DkimResult:
        verdict, problem = self._judge(one, key, bodies, now)
        signature, signer = one.signature, one.signature.signer
        unsigned = bodies.unsigned(signature)
        if verdict is Verdict.PASS and unsigned:  # §8.2: anything may stand there
            verdict, problem = Verdict.POLICY, f"{unsigned} octets of the body are not signed"
        return DkimResult(
            verdict,
            signer.domain,
            signer.selector,
            signature.agent,
            signer.algorithm.value,
            signature.start,
            problem,
            unsigned,
            isinstance(key, PublicKey) and key.testing,
        )

    def _judge(
        self, one: _Readable, key: PublicKey | NoKey, bodies: Bodies, now: float
    ) -> tuple[Verdict, str]:
        signature = one.signature
        if signature.expires is not None and signature.expires < now:
            return Verdict.FAIL, "the signature has expired"
        if not bodies.matches(signature):
            return Verdict.FAIL, "the body was changed"
        if isinstance(key, NoKey):
            return key.verdict, key.problem
        if key.algorithm is not signature.signer.algorithm:
            return Verdict.PERMERROR, "the key is of another kind than the signature"
        if key.exact and signature.agent != signature.signer.domain:
            return Verdict.PERMERROR, "the key is not for subdomains"
        data = self._head.canonical(
            signature.names,
            FIELD,
            signature.unsigned,
            relaxed=signature.relaxed_header,
            without=one.place,
        )
        if not key.verifies(signature.value, data):
            return Verdict.FAIL, "the header was changed"
        return Verdict.PASS, ""


async def fetch_keys(
    signers: Sequence[Signer] | set[Signer], resolver: Resolver
) -> dict[Signer, PublicKey | NoKey]:
    """The keys of all signers, asked for at the same time. Never raises."""
    distinct = list(signers)
    found = await together([fetch_key(one, resolver) for one in distinct])
    return dict(zip(distinct, found, strict=True))


async def fetch_key(signer: Signer, resolver: Resolver) -> PublicKey | NoKey:
    """RFC 6376 §6.1.2."""
    answer = await resolver.ask(signer.key_name, Kind.TXT)
    if answer.status is Status.FAILED:
        return NoKey(Verdict.TEMPERROR, f"no answer about {signer.key_name}")
    try:
        return read_keys(answer.octets)
    except (Revoked, Weak) as error:
        return NoKey(Verdict.FAIL, str(error))
    except Malformed as error:
        return NoKey(Verdict.PERMERROR, str(error))


def _related(domain: str, author: str) -> bool:
    return domain == author or domain.endswith("." + author) or author.endswith("." + domain)
