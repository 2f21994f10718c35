"""The messages of SCRAM as text (RFC 5802 §7): read strictly, or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.wire.sasl import b64

MAX_MESSAGE = 8192
"""Octets; certificates' hashes are short and names are bounded, so this is plenty."""

_VALUE = r"[^\0,]+"
_SASLNAME = r"(?:[^\0=,]|=2C|=3D)+"
_NONCE = r"[\x21-\x2b\x2d-\x7e]+"
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_EXTENSIONS = rf"(?:,[A-Za-z]={_VALUE})*"

_CLIENT_FIRST = re.compile(
    rf"(?P<gs2>(?P<flag>n|y|p=(?P<cbname>[A-Za-z0-9.\-]+)),(?:a=(?P<authzid>{_SASLNAME}))?,)"
    rf"(?P<bare>(?:m={_VALUE},)?n=(?P<user>{_SASLNAME}),r=(?P<nonce>{_NONCE}){_EXTENSIONS})",
)
_SERVER_FIRST = re.compile(
    rf"(?:m={_VALUE},)?r=(?P<nonce>{_NONCE}),s=(?P<salt>{_BASE64})"
    rf",i=(?P<iterations>[1-9][0-9]{{0,9}}){_EXTENSIONS}",
)
_CLIENT_FINAL = re.compile(
    rf"(?P<signed>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_NONCE}){_EXTENSIONS})"
    rf",p=(?P<proof>{_BASE64})",
)
_SERVER_FINAL = re.compile(
    rf"(?:v=(?P<signature>{_BASE64})|e=(?P<error>{_VALUE})){_EXTENSIONS}",
)
_MANDATORY = re.compile(r"(?:\A|,)m=")


@dataclass(frozen=True, slots=True)
class ClientFirst:
    gs2: str
    """The GS2 header, up to and with its second comma: part of what is proved."""
    flag: str
    """'n' cannot bind, 'y' could but saw no -PLUS, 'p' binds."""
    binding: str
    """Channel binding type with 'p', else ''."""
    authzid: str
    user: str
    nonce: str
    bare: str
    mandatory: bool
    """True with a mandatory extension: nobody knows one yet, so it must fail (§5.1)."""


@dataclass(frozen=True, slots=True)
class ServerFirst:
    nonce: str
    salt: bytes
    iterations: int
    mandatory: bool


@dataclass(frozen=True, slots=True)
class ClientFinal:
    signed: str
    """Everything before the proof."""
    binding: bytes
    nonce: str
    proof: bytes


@dataclass(frozen=True, slots=True)
class ServerFinal:
    """Either of the two is empty."""

    signature: bytes
    error: str


def escape(name: str) -> str:
    """A saslname: ``=`` and ``,`` would end it (§5.1)."""
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescape(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _match(pattern: re.Pattern[str], message: bytes) -> re.Match[str] | None:
    if len(message) > MAX_MESSAGE:
        return None
    try:
        return pattern.fullmatch(message.decode())
    except UnicodeDecodeError:
        return None


def client_first(message: bytes) -> ClientFirst | None:
    """None when it is not one."""
    match = _match(_CLIENT_FIRST, message)
    if match is None:
        return None
    return ClientFirst(
        gs2=match["gs2"],
        flag=match["flag"][0],
        binding=match["cbname"] or "",
        authzid=_unescape(match["authzid"] or ""),
        user=_unescape(match["user"]),
        nonce=match["nonce"],
        bare=match["bare"],
        mandatory=_MANDATORY.search(match["bare"]) is not None,
    )


def server_first(message: bytes) -> ServerFirst | None:
    """None when it is not one."""
    match = _match(_SERVER_FIRST, message)
    salt = b64.decode(match["salt"].encode()) if match else None
    if match is None or not salt:
        return None
    mandatory = _MANDATORY.search(match[0]) is not None
    return ServerFirst(match["nonce"], salt, int(match["iterations"]), mandatory)


def client_final(message: bytes) -> ClientFinal | None:
    """None when it is not one."""
    match = _match(_CLIENT_FINAL, message)
    if match is None:
        return None
    binding = b64.decode(match["binding"].encode())
    proof = b64.decode(match["proof"].encode())
    if binding is None or proof is None:
        return None
    return ClientFinal(match["signed"], binding, match["nonce"], proof)


def server_final(message: bytes) -> ServerFinal | None:
    """None when it is not one."""
    match = _match(_SERVER_FINAL, message)
    if match is None:
        return None
    signature = b64.decode((match["signature"] or "").encode())
    return None if signature is None else ServerFinal(signature, match["error"] or "")
