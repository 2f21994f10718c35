"""Signs what leaves, as it leaves: after every change, over exactly the octets that are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pillarbox.base.clock import Clock
from pillarbox.base.lanes import Lane
from pillarbox.message import address, authres, header
from pillarbox.model.address import normal_domain
from pillarbox.model.transaction import Envelope, Role
from pillarbox.outbound.letter import Pieces
from pillarbox.policy.arc.seal import seal
from pillarbox.policy.arc.verify import Verdict
from pillarbox.policy.dkim.canon import BodyHash
from pillarbox.policy.dkim.keys import Algorithm, Key
from pillarbox.policy.dkim.sign import sign
from pillarbox.wire.smtp.data import LineEnds
from pillarbox.wire.smtp.options import BareNewline

_LONGEST = 1024 * 1024
"""Octets of header beyond which a message goes unsigned."""
_OURS = frozenset({Role.SUBMISSION, Role.LOCAL})


@dataclass(frozen=True, slots=True)
class Signer:
    """A ``letter.Sign``. ``keys`` gives those of a domain, none where it is not ours; ``server``
    names us in what others can read of our checks.

    Signed is what our users and the house itself write, by the domain of From (RFC 7489 §3.1.1
    compares that one) where it is also the envelope's or the user's own, else by theirs: whoever
    has an account in one domain, or writes to a list of it, does not speak for another one here.
    What others wrote and an alias passes on is sealed with what we saw of it (RFC 8617), if it
    was checked.
    """

    keys: Callable[[str], Sequence[Key]]
    clock: Clock
    server: str = "localhost"
    lane: Lane | None = None
    """Where the arithmetic is done, which takes half a millisecond for RSA and lets go of the
    interpreter meanwhile; without one, on the loop."""

    async def __call__(self, envelope: Envelope, pieces: Pieces) -> bytes:
        """DKIM-Signature or ARC fields to go in front; b'' where nobody signs."""
        if envelope.role not in _OURS and not envelope.verdict.findings:
            return b""
        named = _named(envelope)
        if named and not any(map(self.keys, named)):
            return b""  # whatever is in it
        ends = None if envelope.sender.body == "BINARYMIME" else LineEnds(BareNewline.NORMALISE)
        head, keys, body = b"", [], None
        async for piece in pieces():
            if ends is not None:
                piece = ends.feed(piece)
            if body is not None:
                body.feed(piece)
                continue
            head += piece
            end = _end_of_header(head)
            if end or len(head) > _LONGEST:
                keys = list(self._keys_for(envelope, head[:end]))
                if not keys:
                    return b""
                body = BodyHash()
                body.feed(head[end:])
                head = head[:end]
        rest = ends.finish() if ends is not None else b""
        if body is None:  # all header, or too short to tell
            keys, body = list(self._keys_for(envelope, head + rest)), BodyHash()
            head, rest = head + rest, b""
        body.feed(rest)
        if not keys:
            return b""
        digest = body.digest()
        if self.lane is None:
            return self._fields(envelope, head, digest, keys)
        return await self.lane.run(self._fields, envelope, head, digest, keys)

    def _fields(self, envelope: Envelope, head: bytes, digest: bytes, keys: Sequence[Key]) -> bytes:
        now = self.clock.now()
        if envelope.role in _OURS:
            return b"".join([sign(head, digest, key, now=now) for key in keys])
        findings = envelope.verdict.findings
        arc = next((one.result for one in findings if one.method == "arc"), "none")
        # One seal, and RSA's: few verifiers know Ed25519, and an unknown seal breaks the chain.
        key = next((one for one in keys if one.algorithm is Algorithm.RSA), None)
        if key is None:
            return b""
        results = authres.text(self.server, findings)
        return seal(head, digest, key, results=results, status=Verdict(arc), now=now)

    def _keys_for(self, envelope: Envelope, head: bytes) -> Sequence[Key]:
        for domain in _domains(envelope, head):
            found = self.keys(domain)
            if found:
                return found
        return ()


def _named(envelope: Envelope) -> list[str]:
    """Whose mail it may be by its envelope."""
    if envelope.role not in _OURS:
        return list({normal_domain(one.address.domain): None for one in envelope.recipients})
    sender, user = envelope.sender.address, envelope.peer.user
    own = [normal_domain(sender.domain)] if sender is not None else []
    return own + ([normal_domain(user.rpartition("@")[2])] if user else [])


def _domains(envelope: Envelope, head: bytes) -> list[str]:
    """Whose mail it is, best first; for mail of others, whose alias passes it on. Without From
    nothing may be signed (RFC 6376 §5.4)."""
    named = _named(envelope)
    if envelope.role not in _OURS:
        return named
    value = header.first(head, b"from")
    if value is None:
        return []
    found = [
        normal_domain(one.host.decode("utf-8", "replace"))
        for one in address.parse(value, 1)
        if one.host
    ]
    if not named and envelope.role is Role.LOCAL:
        # The house's own letters, from nobody, are from the server's name: a domain above it has
        # the keys, and may sign for it (RFC 6376 §3.10).
        return [parent for one in found for parent in _with_parents(one)]
    return sorted(named, key=lambda one: one not in found)


def _with_parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def _end_of_header(head: bytes) -> int:
    """Octets of the header with its blank line; 0 while that is not here."""
    if head.startswith(b"\r\n"):
        return 2
    return head.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in head else 0
