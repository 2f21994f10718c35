"""Signature fields as values (RFC 6376 §3.5; the same shape serves RFC 8617 §4.1.2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pillarbox.model.address import normal_domain
from pillarbox.policy.dkim.keys import Algorithm
from pillarbox.policy.dkim.tags import Malformed, number, octets, read_tags, without_space

MOST_NAMES = 1000
"""Entries of h= that are gone through."""

_EMPTIED = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9][a-z0-9-]{0,62}\Z")
_SELECTOR = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_-]{1,63})*\Z")
_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}
_FORMS = {"simple": False, "relaxed": True}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed and where the key is."""

    algorithm: Algorithm
    domain: str
    """A-labels, lower-case."""
    selector: str

    @property
    def key_name(self) -> str:
        """Of the TXT record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A whole signature over header and body.

    ``agent`` is the domain of i=. ``names`` are in lower case. ``length`` is l=, ``made`` and
    ``expires`` are seconds since 1970; None where the tag is absent. ``unsigned`` is the field
    with nothing in b=.
    """

    signer: Signer
    agent: str
    relaxed_header: bool
    relaxed_body: bool
    names: tuple[bytes, ...]
    body_hash: bytes
    value: bytes
    unsigned: bytes
    length: int | None = None
    made: int | None = None
    expires: int | None = None

    @property
    def start(self) -> str:
        """RFC 6008 §4: the first characters of b=, which tell signatures apart."""
        return base64.b64encode(self.value[:6]).decode("ascii")


def read_signature(raw: bytes) -> Signature:
    """A DKIM-Signature field, name and line end included. Raises Malformed (§6.1.1)."""
    tags = read_tags(raw[raw.find(b":") + 1 :])
    if tags.get("v") != "1":
        raise Malformed("not a signature of version 1")
    found = message_signature(raw, tags)
    agent = _agent(tags.get("i"), found.signer.domain)
    if agent != found.signer.domain and not agent.endswith("." + found.signer.domain):
        raise Malformed("i= is not below d=")
    if b"from" not in found.names:
        raise Malformed("From is not signed")
    methods = without_space(tags.get("q", "dns/txt")).split(":")
    if "dns/txt" not in methods:
        raise Malformed("the key is not in the DNS")
    if found.expires is not None and found.made is not None and found.expires <= found.made:
        raise Malformed("it expires before it was made")
    return replace(found, agent=agent)


def message_signature(raw: bytes, tags: Mapping[str, str]) -> Signature:
    """What DKIM-Signature and ARC-Message-Signature have in common. Raises Malformed."""
    signer = read_signer(tags)
    header_form, slash, body_form = tags.get("c", "simple/simple").partition("/")
    body_form = body_form if slash else "simple"
    if header_form not in _FORMS or body_form not in _FORMS:
        raise Malformed("c= is no form that is known")
    names = tuple(
        name.strip(" \t\r\n").lower().encode("utf-8") for name in _wanted(tags, "h").split(":")
    )
    if len(names) > MOST_NAMES or not all(names):
        raise Malformed("h= is not a list of names")
    return Signature(
        signer,
        signer.domain,
        _FORMS[header_form],
        _FORMS[body_form],
        names,
        octets(_wanted(tags, "bh"), "bh"),
        octets(_wanted(tags, "b"), "b"),
        emptied(raw),
        number(tags.get("l"), "l"),
        number(tags.get("t"), "t"),
        number(tags.get("x"), "x"),
    )


def read_signer(tags: Mapping[str, str]) -> Signer:
    """a=, d= and s=. Raises Malformed."""
    algorithm = _ALGORITHMS.get(_wanted(tags, "a"))
    if algorithm is None:  # RFC 8301 §3.1: rsa-sha1 among them
        raise Malformed("a= is no algorithm that is accepted")
    domain = normal_domain(_wanted(tags, "d"))
    selector = normal_domain(_wanted(tags, "s"))
    if not _DOMAIN.match(domain):
        raise Malformed("d= is not a domain")
    if not _SELECTOR.match(selector) or len(domain) + len(selector) > 230:
        raise Malformed("s= is not a selector")
    return Signer(algorithm, domain, selector)


def emptied(raw: bytes) -> bytes:
    """The field as it was signed: with nothing in b= (§3.7), without its line end."""
    name, colon, value = raw.partition(b":")
    return (name + colon + _EMPTIED.sub(rb"\1", value, count=1)).removesuffix(b"\r\n")


def _wanted(tags: Mapping[str, str], name: str) -> str:
    value = tags.get(name, "")
    if not value:
        raise Malformed(f"{name}= is missing")
    return value


def _agent(text: str | None, domain: str) -> str:
    if text is None:
        return domain
    _, at, host = without_space(text).rpartition("@")
    if not at or not host:
        raise Malformed("i= is not an address")
    return normal_domain(host)
