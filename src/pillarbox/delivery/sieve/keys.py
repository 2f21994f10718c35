"""Keys of what is remembered for an account (``store.scripts.Mark``): hashes, so that neither
addresses nor texts of people lie about."""

from __future__ import annotations

import hashlib


def key(kind: str, *words: str) -> bytes:
    """16 octets for a kind of deed and what it was done about; each word counts by itself."""
    digest = hashlib.blake2b(digest_size=16, person=kind.encode("ascii"))
    for word in words:
        octets = word.encode("utf-8", "surrogatepass")
        digest.update(len(octets).to_bytes(8) + octets)
    return digest.digest()
