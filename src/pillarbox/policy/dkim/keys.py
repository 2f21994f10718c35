"""Keys to sign with, and the records that publish them (RFC 6376 §3.6.1, RFC 8463 §4)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

RSA_BITS = 2048
"""RFC 8301 §3.2 asks for at least 1024 and would like 2048; more does not fit one DNS packet."""

Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Algorithm(Enum):
    """The value is the ``a=`` tag."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and the name under which its public half is in the DNS."""

    domain: str
    """A-labels, lower-case."""
    selector: str
    private: Private

    @property
    def algorithm(self) -> Algorithm:
        return Algorithm.RSA if isinstance(self.private, rsa.RSAPrivateKey) else Algorithm.ED25519

    @property
    def name(self) -> str:
        """Of the TXT record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """Text of the TXT record."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, data = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:  # RFC 8463 §4.2: the 32 octets alone
            kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode('ascii')}"

    def sign(self, data: bytes) -> bytes:
        """The signature of ``data``, the canonical header."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        digest = hashes.Hash(hashes.SHA256())
        digest.update(data)
        return self.private.sign(digest.finalize())  # RFC 8463 §3

    @property
    def pem(self) -> bytes:
        """The private key as it is kept: PKCS #8, unencrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make(domain: str, selector: str, algorithm: Algorithm) -> Key:
    """A new key; RSA takes a moment."""
    if algorithm is Algorithm.RSA:
        return Key(domain, selector, rsa.generate_private_key(65537, RSA_BITS))
    return Key(domain, selector, ed25519.Ed25519PrivateKey.generate())


def read(domain: str, selector: str, pem: bytes) -> Key:
    """A key as kept. Raises ValueError for anything that is none to sign with."""
    try:
        private = load_pem_private_key(pem, None)
    except TypeError as error:
        raise ValueError("the key is encrypted") from error
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < 1024:  # RFC 8301 §3.2: verifiers must refuse less
            raise ValueError("an RSA key needs at least 1024 bits")
        return Key(domain, selector, private)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return Key(domain, selector, private)
    raise ValueError("neither an RSA nor an Ed25519 key")
