"""TLS contexts: certificates by name for servers, trust for clients.

TLS 1.2 and 1.3 only, with forward secrecy and authenticated encryption only (RFC 9325 §4.2), no
renegotiation, no compression. Session tickets stay on, so a client's second connection is cheap.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pillarbox.base.errors import Misuse
from pillarbox.net import certs
from pillarbox.net.tls import TlsContext, TlsObject

#: For TLS 1.2; those of 1.3 are all good and not configurable. RFC 9325 §4.2
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Files of one certificate (leaf first, then the chain) and its key, both PEM."""

    certificate: Path
    key: Path


class ServerTls:
    """The certificates a server shows, chosen by the name the client asks for (SNI).

    The first pair is shown to clients that ask for none or for a name that nobody has. ``reload``
    reads the files again; connections made before keep what they have.
    """

    def __init__(self, pairs: Sequence[KeyPair], *, ciphers: str = CIPHERS) -> None:
        """Raises ``Misuse`` if a file is missing, not PEM, or key and certificate do not match."""
        if not pairs:
            raise Misuse("TLS needs at least one certificate and key")
        self._pairs = tuple(pairs)
        self._ciphers = ciphers
        self._context = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next connection. Do not keep it: ``reload`` replaces it."""
        return self._context

    @property
    def pairs(self) -> tuple[KeyPair, ...]:
        """The files, for whoever watches their dates."""
        return self._pairs

    def reload(self) -> None:
        """Read all files again, as on SIGHUP.

        Raises ``Misuse`` and changes nothing if any of them is not good, so that a half-written
        certificate cannot take the server's voice.
        """
        self._context = self._load()

    def _load(self) -> ssl.SSLContext:
        by_name: dict[str, ssl.SSLContext] = {}
        contexts = []
        for pair in self._pairs:
            context, names = _server_context(pair, self._ciphers)
            contexts.append(context)
            for name in names:
                by_name.setdefault(name, context)
        contexts[0].sni_callback = _chooser(by_name)
        return contexts[0]


def client_context(
    *,
    verify: bool = True,
    ca: bytes | None = None,
    certificate: KeyPair | None = None,
    ciphers: str = CIPHERS,
) -> ssl.SSLContext:
    """A context for dialling out.

    ``verify``: demand a chain to a trusted root and the server's name in the certificate; without
    it the connection is only opportunistic (RFC 7435). ``ca``: PEM of roots to trust in place of
    the system's. ``certificate``: what to show a server that asks.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, ciphers)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate is not None:
        _load_pair(context, certificate)
    return context


def _server_context(pair: KeyPair, ciphers: str) -> tuple[TlsContext, frozenset[str]]:
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, ciphers)
    context.sslobject_class = TlsObject
    context.num_tickets = 1  # OpenSSL sends two; mail programs resume on one connection at a time
    _load_pair(context, pair)
    try:
        der = certs.leaf(pair.certificate.read_bytes())
        names = certs.names(der)
        context.end_point = certs.end_point(der)
    except (OSError, ValueError) as error:
        raise Misuse(f"{pair.certificate}: {error}") from error
    return context, names


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    try:
        # A password callback that gives none: OpenSSL would ask on the terminal.
        context.load_cert_chain(pair.certificate, pair.key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise Misuse(
            f"cannot use certificate {pair.certificate} with key {pair.key}: {error}",
            hint="Both must be readable PEM files that belong together, the key unencrypted.",
        ) from error


def _harden(context: ssl.SSLContext, ciphers: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(ciphers)


def _chooser(
    by_name: Mapping[str, ssl.SSLContext],
) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """The SNI callback: exact names first, then a wildcard for the leftmost label. RFC 9525 §6.3"""

    def choose(obj: ssl.SSLObject, name: str | None, _default: ssl.SSLContext) -> None:
        if name is None:
            return
        if isinstance(obj, TlsObject):
            obj.sni = name
        asked = name.lower().rstrip(".")
        found = by_name.get(asked) or by_name.get("*." + asked.partition(".")[2])
        # An unknown name gets the default certificate, not an alert: the client compares names
        # itself, and many ask for an alias nobody told us of. RFC 6066 §3
        if found is not None:
            obj.context = found

    return choose


class ClientTls:
    """The contexts for dialling out: one that checks nothing, one that checks everything."""

    def __init__(self, *, ca: bytes | None = None, certificate: KeyPair | None = None) -> None:
        """``ca`` and ``certificate`` as for ``client_context``."""
        self.unchecked = client_context(verify=False, certificate=certificate)
        """For opportunistic TLS (RFC 7435), and where the caller judges the chain (DANE)."""
        self.checked = client_context(ca=ca, certificate=certificate)
        """For a peer that must be who it says (RFC 9525)."""
