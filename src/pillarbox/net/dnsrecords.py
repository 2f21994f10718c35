"""Records as dnspython reads them, as the house's own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import dns.name
import dns.rdata
import dns.rdatatype

from pillarbox.dns.answers import Mx, Record, Srv, Tlsa


def host(name: dns.name.Name) -> str:
    """A name without its final dot, lower-case; '' for the root."""
    text = name.to_text(omit_final_dot=True).lower()
    return "" if text in {"@", "."} else text


_MAKERS: Final[Mapping[int, Callable[[Any], Record]]] = {
    dns.rdatatype.A: lambda one: str(one.address),
    dns.rdatatype.AAAA: lambda one: str(one.address),
    dns.rdatatype.CNAME: lambda one: host(one.target),
    dns.rdatatype.PTR: lambda one: host(one.target),
    dns.rdatatype.MX: lambda one: Mx(one.preference, host(one.exchange)),
    dns.rdatatype.SRV: lambda one: Srv(one.priority, one.weight, one.port, host(one.target)),
    dns.rdatatype.TLSA: lambda one: Tlsa(one.usage, one.selector, one.mtype, bytes(one.cert)),
    dns.rdatatype.TXT: lambda one: b"".join(one.strings),
}


def record_of(rdata: dns.rdata.Rdata) -> Record | None:
    """The record, None for a type that mail does not ask for."""
    maker = _MAKERS.get(rdata.rdtype)
    return maker(rdata) if maker is not None else None
