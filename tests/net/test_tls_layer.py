"""The TLS layer and its contexts, coupled in memory: no sockets."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.errors import Misuse
from pillarbox.net import certs
from pillarbox.net.certs import DemoCa, certificate_expiry, make_demo_ca
from pillarbox.net.contexts import KeyPair, ServerTls, client_context
from pillarbox.net.faults import TlsFailed
from pillarbox.net.tls import PIECE, TlsLayer

CA = DemoCa()


def store(folder: Path, name: str, *names: str, ca: DemoCa = CA) -> KeyPair:
    certificate, key = ca.issue(names or (name,))
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate)
    pair.key.write_bytes(key)
    return pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certs")


@pytest.fixture(scope="module")
def server(folder: Path) -> ServerTls:
    return ServerTls([store(folder, "mx.example")])


def couple(
    server: ssl.SSLContext,
    client: ssl.SSLContext | None = None,
    hostname: str | None = "mx.example",
    piece: int = 1 << 20,
) -> tuple[TlsLayer, TlsLayer]:
    """A server and a client after their handshake, the bytes between cut in ``piece``s."""
    one = TlsLayer(server, server_side=True)
    two = TlsLayer(client or client_context(ca=CA.pem), server_side=False, server_hostname=hostname)
    done = {one: False, two: two.handshake()}
    for _ in range(20):
        for source, sink in ((two, one), (one, two)):
            data = source.pending()
            for at in range(0, len(data), piece):
                part = data[at : at + piece]
                if done[sink]:
                    assert sink.decrypt(part) == b""
                else:
                    done[sink] = sink.handshake(part)
    assert all(done.values())
    return one, two


def versioned(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context(ca=CA.pem)
    context.maximum_version = context.minimum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_talk_both_ways(server: ServerTls, version: ssl.TLSVersion, piece: int) -> None:
    one, two = couple(server.context, versioned(version), piece=piece)
    info = one.info()
    assert info.version == two.info().version == version.name.replace("_", ".")
    assert info.bits >= 128
    assert info.sni == "mx.example"
    assert info.peer_certificate is None
    for source, sink in ((one, two), (two, one)):
        wire = source.encrypt(b"NOOP\r\n") + source.encrypt(b"QUIT\r\n")
        came = b"".join([sink.decrypt(wire[at : at + piece]) for at in range(0, len(wire), piece)])
        assert came == b"NOOP\r\nQUIT\r\n"
    assert two.decrypt(one.close()) == b""
    assert two.peer_closed
    assert one.decrypt(two.encrypt(b"late")) == b"late"  # half-closed: the other way still works


@given(st.integers(0, 5 * PIECE))
def test_any_amount_in_bounded_pieces(server: ServerTls, size: int) -> None:
    one, two = couple(server.context)
    data = b"0123456789abcdef" * (size // 16 + 1)
    assert two.decrypt(one.encrypt(data)) == data


def test_many_records_in_one_packet(server: ServerTls) -> None:
    one, two = couple(server.context)
    wire = b"".join([one.encrypt(b"%d\r\n" % n) for n in range(1000)])
    assert two.decrypt(wire) == b"".join([b"%d\r\n" % n for n in range(1000)])


def test_channel_bindings(server: ServerTls) -> None:
    der = certs.leaf(server.pairs[0].certificate.read_bytes())
    one, two = couple(server.context, versioned(ssl.TLSVersion.TLSv1_3))
    for layer in (one, two):
        bindings = dict(layer.info().channel_bindings)
        assert bindings.pop("tls-server-end-point") == hashlib.sha256(der).digest()
        assert "tls-unique" not in bindings  # RFC 8446 appendix C.5
    one, two = couple(server.context, versioned(ssl.TLSVersion.TLSv1_2))
    first, second = one.info().channel_bindings, two.info().channel_bindings
    assert first == second
    assert len(first["tls-unique"]) == 12
    again = couple(server.context, versioned(ssl.TLSVersion.TLSv1_2))[0].info().channel_bindings
    assert again["tls-unique"] != first["tls-unique"]


def test_a_resumed_session_gives_no_tls_unique(server: ServerTls) -> None:
    context = versioned(ssl.TLSVersion.TLSv1_2)
    _, two = couple(server.context, context)
    session = two._object.session
    one = TlsLayer(server.context, server_side=True)
    third = TlsLayer(context, server_side=False, server_hostname="mx.example")
    third._object.session = session
    third.handshake()
    one.handshake(third.pending())
    third.handshake(one.pending())
    assert one.handshake(third.pending())
    assert one.info().resumed
    assert third.info().resumed
    assert set(one.info().channel_bindings) == {"tls-server-end-point"}


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")],
)
def test_end_point_follows_the_signature(algorithm: hashes.HashAlgorithm, expected: str) -> None:
    der = self_signed(ec.generate_private_key(ec.SECP384R1()), algorithm)
    assert certs.end_point(der) == hashlib.new(expected, der).digest()


def test_end_point_is_undefined_without_a_hash() -> None:
    assert certs.end_point(self_signed(ed25519.Ed25519PrivateKey.generate(), None)) is None
    assert certs.end_point(b"nonsense") is None


def self_signed(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    algorithm: hashes.HashAlgorithm | None,
) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    base = x509.load_pem_x509_certificate(CA.pem)
    return (
        x509.CertificateBuilder()
        .subject_name(base.subject)
        .issuer_name(base.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(base.not_valid_before_utc)
        .not_valid_after(base.not_valid_after_utc)
        .sign(key, algorithm)  # type: ignore[arg-type]
        .public_bytes(Encoding.DER)
    )


def test_sni_chooses_the_certificate(folder: Path) -> None:
    tls = ServerTls(
        [
            store(folder, "default.example"),
            store(folder, "two", "a.two.example", "B.two.example"),
            store(folder, "wild", "*.wild.example"),
        ]
    )
    shown = {}
    for asked in (
        None,
        "unknown.example",
        "a.two.example",
        "b.TWO.example",
        "x.wild.example",
        "x.y.wild.example",
        "wild.example",
    ):
        one, two = couple(tls.context, client_context(verify=False), asked)
        der = two.info().peer_certificate
        assert der is not None
        shown[asked] = min(certs.names(der))
        assert one.info().sni == asked
        # The binding is that of the certificate shown, not of the default.
        assert one.info().channel_bindings == two.info().channel_bindings
    assert shown == {
        None: "default.example",
        "unknown.example": "default.example",
        "a.two.example": "a.two.example",
        "b.TWO.example": "a.two.example",
        "x.wild.example": "*.wild.example",
        "x.y.wild.example": "default.example",  # a wildcard is one label. RFC 9525 §6.3
        "wild.example": "default.example",
    }


def test_verification_is_demanded(server: ServerTls) -> None:
    with pytest.raises(TlsFailed, match="certificate"):
        couple(server.context, client_context(ca=DemoCa().pem))
    with pytest.raises(TlsFailed, match="certificate"):
        couple(server.context, client_context(ca=CA.pem), "other.example")
    couple(server.context, client_context(verify=False), "other.example")


def test_old_versions_and_weak_ciphers_are_refused(server: ServerTls) -> None:
    old = client_context(verify=False, ciphers="ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(TlsFailed):
        couple(server.context, old)
    for weak in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE+AES128+SHA256:!AESGCM"):
        context = client_context(verify=False, ciphers=weak)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(TlsFailed):
            couple(server.context, context)


def test_a_failed_handshake_leaves_an_alert(server: ServerTls) -> None:
    one = TlsLayer(server.context, server_side=True)
    with pytest.raises(TlsFailed, match=r"\w+"):
        one.handshake(b"EHLO plaintext.example\r\n")
    assert one.pending()[:1] in {b"", b"\x15"}  # 0x15: an alert record
    client = client_context(verify=False, ciphers="AES128-SHA")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    two = TlsLayer(client, server_side=False)
    two.handshake()
    one = TlsLayer(server.context, server_side=True)
    with pytest.raises(TlsFailed, match="no shared cipher"):
        one.handshake(two.pending())
    assert one.pending()[:1] == b"\x15"


def test_broken_records_are_a_fault(server: ServerTls) -> None:
    one, two = couple(server.context)
    wire = bytearray(two.encrypt(b"hello"))
    wire[-1] ^= 1
    with pytest.raises(TlsFailed):
        one.decrypt(wire)
    one.close()  # no exception after a break


@given(st.binary(max_size=300))
def test_any_bytes_are_a_handshake_or_a_fault(server: ServerTls, data: bytes) -> None:
    layer = TlsLayer(server.context, server_side=True)
    try:
        assert layer.handshake(data) is False
    except TlsFailed:
        pass


def test_reload_takes_new_files_and_only_good_ones(folder: Path) -> None:
    pair = store(folder, "reload.example")
    tls = ServerTls([pair])
    first = tls.context
    established, peer = couple(first, client_context(verify=False), "reload.example")
    before = peer.info().peer_certificate
    store(folder, "reload.example")  # renewed
    tls.reload()
    after = couple(tls.context, client_context(verify=False), None)[1].info().peer_certificate
    assert after != before
    assert after == certs.leaf(pair.certificate.read_bytes())
    assert peer.decrypt(established.encrypt(b"still here")) == b"still here"
    good = tls.context
    pair.certificate.write_bytes(pair.certificate.read_bytes()[:200])  # half-written
    with pytest.raises(Misuse):
        tls.reload()
    assert tls.context is good


def test_misuse_names_the_file(folder: Path) -> None:
    pair, other = store(folder, "m1"), store(folder, "m2")
    with pytest.raises(Misuse, match="at least one"):
        ServerTls([])
    with pytest.raises(Misuse, match=r"gone\.crt"):
        ServerTls([KeyPair(folder / "gone.crt", pair.key)])
    with pytest.raises(Misuse, match=r"m1\.crt"):
        ServerTls([KeyPair(pair.certificate, other.key)])


def test_demo_certificates_and_their_expiry(tmp_path: Path) -> None:
    class Fixed:
        def now(self) -> float:
            return 1_800_000_000.0

        def monotonic(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None: ...

    ca, certificate, key = make_demo_ca(["mail.example", "127.0.0.1", "::1"], clock=Fixed())
    path = tmp_path / "c.pem"
    path.write_bytes(certificate + ca)
    assert certificate_expiry(path) == 1_800_000_000 + 30 * 86400
    leaf = x509.load_pem_x509_certificate(certificate)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    assert certs.names(certs.leaf(certificate)) == {"mail.example"}
    assert b"PRIVATE KEY" in key
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"\w"):
        certificate_expiry(path)
