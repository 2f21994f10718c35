"""The hashes of one body for all signatures on a message, made while it streams by.

However many signatures there are, the body is brought into each of its two forms once.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from pillarbox.policy.dkim.canon import BodyHash
from pillarbox.policy.dkim.signature import Signature


class Bodies:
    """Feed it the body, then ask about any of the signatures that it was made for."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        lengths: dict[bool, set[int]] = {}
        for signature in signatures:
            wanted = lengths.setdefault(signature.relaxed_body, set())
            if signature.length is not None:
                wanted.add(signature.length)
        self._hashes = {
            relaxed: BodyHash(relaxed=relaxed, lengths=some) for relaxed, some in lengths.items()
        }

    def feed(self, data: bytes) -> None:
        """The next octets of the body, CRLF line ends."""
        for body in self._hashes.values():
            body.feed(data)

    def close(self) -> None:
        """The body is over."""
        for body in self._hashes.values():
            body.digest()

    def matches(self, signature: Signature) -> bool:
        """Whether its bh= is the hash of this body (RFC 6376 §6.1.3)."""
        body = self._hashes[signature.relaxed_body]
        whole, length = body.digest(), signature.length
        # §3.5: l= must not be larger than the body is.
        found = whole if length is None else body.part(length)
        return found is not None and hmac.compare_digest(found, signature.body_hash)

    def unsigned(self, signature: Signature) -> int:
        """Octets at the end of the body that l= leaves out."""
        if signature.length is None:
            return 0
        body = self._hashes[signature.relaxed_body]
        body.digest()
        return max(body.size - signature.length, 0)
