"""Validating a chain (RFC 8617 §5.2). A failure of any kind, of the DNS too, is final (§5.2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pillarbox.dns.answers import Resolver
from pillarbox.policy.arc.sets import (
    KINDS,
    MESSAGE,
    SEAL,
    Seal,
    Set,
    read_message,
    read_seal,
    read_sets,
)
from pillarbox.policy.dkim.bodies import Bodies
from pillarbox.policy.dkim.canon import Head, relaxed_field
from pillarbox.policy.dkim.record import PublicKey
from pillarbox.policy.dkim.signature import Signature, Signer, emptied
from pillarbox.policy.dkim.tags import Malformed
from pillarbox.policy.dkim.verify import NoKey, fetch_keys


class Verdict(Enum):
    """The Chain Validation Status (§4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105  the word of the RFC
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ArcResult:
    """``sealers``: the domains of the seals, the oldest first; nobody's word without a pass.

    ``oldest_pass``: the oldest set whose signature over the message still holds, 0 when all do.
    ``results``: what the sets' ARC-Authentication-Results say, the oldest first, unfolded.
    """

    verdict: Verdict
    sealers: tuple[str, ...] = ()
    oldest_pass: int = 0
    results: tuple[str, ...] = ()
    problem: str = ""


class Chain:
    """The chain on one message. Reads the header; ``bodies.Bodies`` takes the body."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._problem = ""
        self._sets: list[Set] = []
        self._seals: list[Seal] = []
        self._messages: dict[int, Signature] = {}
        try:
            self._sets = read_sets(head)
            self._read()
        except Malformed as error:
            self._problem = str(error)

    @property
    def present(self) -> bool:
        """There is a chain, sound or not."""
        return bool(self._sets or self._problem)

    @property
    def values(self) -> Sequence[Signature]:
        """What ``Bodies`` must know."""
        return [] if self._problem else list(self._messages.values())

    def _read(self) -> None:
        for one in self._sets:
            seal = read_seal(self._head.fields[one.seal][1])
            wanted = "none" if one.instance == 1 else "pass"
            if seal.status != wanted:  # §5.2 steps 2 and 3 C
                raise Malformed(f"seal {one.instance} says {seal.status}, not {wanted}")
            self._seals.append(seal)
            try:
                message = read_message(self._head.fields[one.message][1])
            except Malformed:
                if one.instance == len(self._sets):
                    raise
            else:
                self._messages[one.instance] = message

    async def verify(self, bodies: Bodies, resolver: Resolver) -> ArcResult:
        """Never raises."""
        if self._problem:
            return ArcResult(Verdict.FAIL, problem=self._problem)
        if not self._sets:
            return ArcResult(Verdict.NONE)
        signers = {seal.signer for seal in self._seals}
        signers |= {message.signer for message in self._messages.values()}
        keys = await fetch_keys(signers, resolver)
        last = len(self._sets)
        if not self._message_holds(last, bodies, keys):
            return ArcResult(Verdict.FAIL, problem=f"signature {last} does not hold")
        for place in reversed(range(last)):
            key = keys[self._seals[place].signer]
            if not self._seal_holds(place, key):
                why = f": {key.problem}" if isinstance(key, NoKey) else ""
                return ArcResult(Verdict.FAIL, problem=f"seal {place + 1} does not hold{why}")
        return ArcResult(
            Verdict.PASS,
            tuple(seal.signer.domain for seal in self._seals),
            self._oldest(bodies, keys),
            tuple(self._head.value(one.results).decode("utf-8", "replace") for one in self._sets),
        )

    def _oldest(self, bodies: Bodies, keys: Mapping[Signer, PublicKey | NoKey]) -> int:
        """§5.2 step 5."""
        for instance in reversed(range(1, len(self._sets))):
            if not self._message_holds(instance, bodies, keys):
                return instance + 1
        return 0

    def _message_holds(
        self, instance: int, bodies: Bodies, keys: Mapping[Signer, PublicKey | NoKey]
    ) -> bool:
        signature = self._messages.get(instance)
        if signature is None or not bodies.matches(signature) or bodies.unsigned(signature):
            return False
        key = keys[signature.signer]
        if isinstance(key, NoKey) or key.algorithm is not signature.signer.algorithm:
            return False
        place = self._sets[instance - 1].message
        data = self._head.canonical(
            signature.names,
            MESSAGE,
            signature.unsigned,
            relaxed=signature.relaxed_header,
            without=place,
        )
        return key.verifies(signature.value, data)

    def _seal_holds(self, place: int, key: PublicKey | NoKey) -> bool:
        seal, one = self._seals[place], self._sets[place]
        if isinstance(key, NoKey) or key.algorithm is not seal.signer.algorithm:
            return False
        raw = self._head.fields[one.seal][1]
        data = sealed(self._head, self._sets[: place + 1], emptied(raw))
        return key.verifies(seal.value, data)


def sealed(head: Head, sets: Sequence[Set], unsigned: bytes) -> bytes:
    """What a seal signs (§5.1.1): all fields of all sets up to its own, and itself with nothing
    in b= (``unsigned``)."""
    out = []
    for one in sets:
        for kind, place in zip(KINDS, (one.results, one.message, one.seal), strict=True):
            if one is sets[-1] and kind == SEAL:
                break
            out.append(head.relaxed(place) + b"\r\n")
    return b"".join(out) + relaxed_field(SEAL, unsigned)
