"""The same servers, found through a real name server and a resolver that validates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pillarbox.base.clock import SystemClock
from pillarbox.net.dnsclient import DnsClient, Options, Server
from support import names
from support.names import Zone

os.environ["PATH"] = names.PATH

pytestmark = pytest.mark.needs("nsd", "unbound")


async def test_dane_null_mx_and_broken_signatures(far: Any, tmp_path: Path) -> None:
    async with far(servers=1, tls=True) as world:
        certificate = x509.load_pem_x509_certificate(world.chain[0])
        right = certificate.fingerprint(SHA256()).hex()
        tlsa = f"_{world.options.port}._tcp.mx TLSA 3 0 1"
        host = "@ MX 10 mx\nmx A 127.0.0.1\n"
        zones = {
            "match.test": Zone(f"{host}{tlsa} {right}", signed=True),
            "mismatch.test": Zone(f"{host}{tlsa} {'0' * 64}", signed=True),
            "unusable.test": Zone(f"{host}{tlsa.replace('3 0 1', '1 0 1')} {right}", signed=True),
            "unsigned.test": Zone(f"{host}{tlsa} {'0' * 64}"),
            "without.test": Zone(host, signed=True),
            "null.test": Zone("@ MX 0 .", signed=True),
            "implicit.test": Zone("@ A 127.0.0.1"),
            "bogus.test": Zone("@ MX 10 mx\nmx A 192.0.2.66", signed=True, bogus=True),
        }
        with names.serve(tmp_path, zones) as running:
            server = Server("127.0.0.1", running.unbound)
            world.resolver = DnsClient(SystemClock(), Options(servers=(server,)))
            found = {}
            for zone in zones:
                (report,) = await world.send(f"ann@{zone}")
                level = report.tls.rpartition(" ")[2]
                found[zone] = (report.reply.code, report.reply.enhanced, level)
            (report,) = await world.send("ann@nowhere.match.test")
            found["nowhere"] = (report.reply.code, report.reply.enhanced, "")
    assert found == {
        "match.test": (250, "2.0.0", "dane"),
        "mismatch.test": (451, "4.7.5", ""),
        "unusable.test": (250, "2.0.0", "encrypted"),
        "unsigned.test": (250, "2.0.0", "opportunistic"),
        "without.test": (250, "2.0.0", "opportunistic"),
        "null.test": (556, "5.1.10", ""),
        "implicit.test": (250, "2.0.0", "opportunistic"),
        "bogus.test": (451, "4.4.3", ""),
        "nowhere": (550, "5.1.2", ""),
    }
