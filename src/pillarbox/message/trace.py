"""Where a message has been, as its header says (RFC 5321 §6.3): what loops are told by."""

from __future__ import annotations

from pillarbox.message import compose, header
from pillarbox.model.address import Address, parse_address


def delivered_to(head: bytes) -> frozenset[str]:
    """The addresses, in normal form, that the message was passed on or delivered by."""
    found = set()
    for value in header.every(head, b"delivered-to"):
        address = parse_address(value.decode("utf-8", "replace").strip().strip("<>"))
        if address is not None:
            found.add(address.normal())
    return frozenset(found)


def hops(head: bytes) -> int:
    """Received fields."""
    return len(header.every(head, b"received"))


def passed_on_by(address: Address) -> bytes:
    """The field that whoever passes mail on for ``address`` puts in front."""
    return compose.raw_field("Delivered-To", address.normal().encode("utf-8", "replace"))
