"""Key records of signers (RFC 6376 §3.6.1, RFC 8463 §4.2): text to keys that can verify."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pillarbox.policy.dkim.keys import Algorithm
from pillarbox.policy.dkim.tags import Malformed, octets, read_tags, without_space

LEAST_BITS = 1024
"""RFC 8301 §3.2: less is no signature at all."""
MOST_BITS = 8192
"""Twice what verifiers must know; beyond it a key costs more than it says."""
MOST_RECORDS = 4
"""Of one name that are looked at."""

Public = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
_KINDS = {"rsa": Algorithm.RSA, "ed25519": Algorithm.ED25519}


class Revoked(Exception):
    """p= is empty (§3.6.1)."""


class Weak(Exception):
    """A key too short to say anything."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """``testing``: t=y. ``exact``: t=s, i= must be of d= itself."""

    algorithm: Algorithm
    public: Public
    testing: bool = False
    exact: bool = False

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the owner of the key signed the canonical header ``data``."""
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:  # RFC 8463 §3: over the hash
                self.public.verify(signature, hashlib.sha256(data).digest())
        except InvalidSignature:
            return False
        return True

    @property
    def bits(self) -> int:
        """Size of the key, for logs."""
        return self.public.key_size if isinstance(self.public, rsa.RSAPublicKey) else 256


def read_keys(texts: Iterable[bytes]) -> PublicKey:
    """The key in the TXT records of its name: the first sound one (§6.1.2).

    Raises Malformed, Revoked or Weak where there is none.
    """
    trouble: Exception = Malformed("there is no key")
    for text in list(texts)[:MOST_RECORDS]:
        try:
            return read_key(text)
        except (Malformed, Revoked, Weak) as error:
            trouble = error
    raise trouble


@lru_cache(maxsize=256)
def read_key(text: bytes) -> PublicKey:
    """One record. Raises Malformed, Revoked or Weak."""
    tags = read_tags(text)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise Malformed("the key record is of another version")
    if "p" not in tags:
        raise Malformed("the key record has no key")
    algorithm = _KINDS.get(tags.get("k", "rsa"))
    if algorithm is None:
        raise Malformed("the key is of an unknown kind")
    if "h" in tags and "sha256" not in without_space(tags["h"]).split(":"):
        raise Malformed("the key is not for this hash")
    if not {"*", "email"} & set(without_space(tags.get("s", "*")).split(":")):
        raise Malformed("the key is not for mail")
    data = octets(tags["p"], "p")
    if not data:
        raise Revoked("the key was revoked")
    flags = set(without_space(tags.get("t", "")).split(":"))
    return PublicKey(algorithm, _public(algorithm, data), "y" in flags, "s" in flags)


def _public(algorithm: Algorithm, data: bytes) -> Public:
    try:
        if algorithm is Algorithm.ED25519:
            return ed25519.Ed25519PublicKey.from_public_bytes(data)
        public = load_der_public_key(data)  # RSAPublicKey alone too, as §3.6.1 has it
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("the key cannot be read") from None
    if not isinstance(public, rsa.RSAPublicKey):
        raise Malformed("the key is of another kind")
    if public.key_size < LEAST_BITS:
        raise Weak(f"the key has only {public.key_size} bits")
    if public.key_size > MOST_BITS:
        raise Malformed("the key is too large")
    return public
