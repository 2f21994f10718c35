"""Base64 as SASL profiles demand it: canonical or refused.

RFC 5034 §4 and RFC 4954 §4 want every octet outside the alphabet rejected, not skipped, and
padding only at the end; RFC 5802 §2.2 wants the canonical form. One test covers all of it:
what does not encode back to itself is not base64.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64


def encode(data: bytes) -> bytes:
    """Canonical base64 on one line, without line end."""
    return b2a_base64(data, newline=False)


def decode(text: bytes) -> bytes | None:
    """The octets, or None for anything but canonical base64. Empty text is empty data."""
    try:
        data = a2b_base64(text)
    except Error:
        return None
    return data if b2a_base64(data, newline=False) == text else None


def decode_initial(text: bytes) -> bytes | None:
    """An initial response as command argument, where ``=`` stands for an empty one.

    RFC 4954 §4, RFC 5034 §4, RFC 9051 §6.2.2.
    """
    return b"" if text == b"=" else decode(text)


def encode_initial(data: bytes) -> bytes:
    """The opposite of ``decode_initial``, for clients."""
    return encode(data) or b"="
