"""The formulas of SCRAM with SHA-256 (RFC 5802 §3, RFC 7677 §3), and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from pillarbox.model.account import Credentials

SALT_OCTETS = 16
KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Keys:
    """What a server keeps of a password; enough to check it, not enough to use it."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def sign(key: bytes, message: bytes) -> bytes:
    """HMAC(key, message)."""
    return hmac.digest(key, message, "sha256")


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Hi(password, salt, i). ``password`` is in SASLprep form. 0.25 µs an iteration."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def client_key(salted: bytes) -> bytes:
    """What a client proves to have."""
    return sign(salted, b"Client Key")


def server_key(salted: bytes) -> bytes:
    """What a server proves to have."""
    return sign(salted, b"Server Key")


def stored_key(key: bytes) -> bytes:
    """H(ClientKey)."""
    return hashlib.sha256(key).digest()


def xor(left: bytes, right: bytes) -> bytes:
    """Octet by octet; both of KEY_OCTETS."""
    number = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return number.to_bytes(len(left), "big")


def derive(password: str, salt: bytes, iterations: int) -> Keys:
    """Keys for a new password in SASLprep form."""
    salted = salted_password(password, salt, iterations)
    return Keys(salt, iterations, stored_key(client_key(salted)), server_key(salted))


def keys_of(credentials: Credentials | None) -> Keys | None:
    """The SCRAM part of ``credentials``; None when it has none."""
    if credentials is None or not credentials.scram_stored_key:
        return None
    return Keys(
        credentials.scram_salt,
        credentials.scram_iterations,
        credentials.scram_stored_key,
        credentials.scram_server_key,
    )


def made_up(secret: bytes, identity: str, iterations: int) -> Keys:
    """Keys for somebody who is not there: the same every time, and matched by no password.

    RFC 5802 §5.1 lets a server hide who exists; a salt that changed between two tries would
    tell.
    """
    name = identity.encode(errors="surrogatepass")
    return Keys(
        sign(secret, b"salt\0" + name)[:SALT_OCTETS],
        iterations,
        sign(secret, b"stored\0" + name),
        sign(secret, b"server\0" + name),
    )
