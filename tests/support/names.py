"""A real DNS on loopback: nsd with signed, unsigned and broken zones, unbound that validates."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

from support.needs import could_not_run

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Zone:
    """``text`` is a zone file without SOA and NS. ``signed``: with DNSSEC; ``bogus``: and then
    changed, so that no signature fits."""

    text: str
    signed: bool = False
    bogus: bool = False


@dataclass(frozen=True)
class Names:
    """Ports on 127.0.0.1."""

    nsd: int
    unbound: int


def free_port() -> int:
    """A port free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _zone(name: str, zone: Zone) -> tuple[str, str]:
    """The whole zone file, and the DS record to trust ('' if unsigned)."""
    head = f"$ORIGIN {name}.\n$TTL 300\n@ SOA ns postmaster 1 3600 600 86400 60\n@ NS ns\n"
    made = dns.zone.from_text(head + "ns A 127.0.0.1\n" + zone.text, f"{name}.", relativize=False)
    if not zone.signed:
        return made.to_text(relativize=False), ""
    key = ec.generate_private_key(ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(key.public_key(), "ECDSAP256SHA256", flags=257)
    expires = datetime.now(UTC) + timedelta(days=2)
    inception = datetime.now(UTC) - timedelta(days=1)
    with made.writer() as writer:
        dns.dnssec.sign_zone(
            made,
            writer,
            keys=[(key, dnskey)],
            inception=inception,
            expiration=expires,
            add_dnskey=True,
        )
    ds = dns.dnssec.make_ds(dns.name.from_text(name), dnskey, "SHA256")
    text = made.to_text(relativize=False)
    if zone.bogus:
        text = text.replace("192.0.2.66", "192.0.2.67")
    return text, f"{name}. IN DS {ds}"


def _start(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, "PATH": PATH})


def _wait(port: int, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    query = dns.message.make_query(name, dns.rdatatype.SOA)
    for _ in range(100):
        if process.poll() is not None:
            break
        with contextlib.suppress(Exception):
            dns.query.udp(query, "127.0.0.1", port=port, timeout=0.5)
            return
        time.sleep(0.05)
    could_not_run(f"a name server did not start: {log.read_text('utf-8', 'replace')[-500:]}")


@contextlib.contextmanager
def serve(
    directory: Path, zones: Mapping[str, Zone], *, also: str = "", port: int = 0
) -> Iterator[Names]:
    """Run both servers over ``zones`` (by name, without final dot). ``port``: of the resolver.
    ``also``: another address where it listens, on port 53, for programs that know no other."""
    for program in ("nsd", "unbound"):
        if shutil.which(program, path=PATH) is None:
            could_not_run(f"no program {program}")
    names = Names(free_port(), port or free_port())
    anchors = _nsd_files(directory, zones, names.nsd)
    _unbound_file(directory, zones, names, anchors, also)
    running: list[subprocess.Popen[bytes]] = []
    first = next(iter(zones))
    try:
        for program, at in (("nsd", names.nsd), ("unbound", names.unbound)):
            log = directory / f"{program}.log"
            running.append(_start([program, "-d", "-c", str(directory / f"{program}.conf")], log))
            _wait(at, first, running[-1], log)
        yield names
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def _nsd_files(directory: Path, zones: Mapping[str, Zone], port: int) -> list[str]:
    lines = [
        "server:",
        f'  ip-address: "127.0.0.1@{port}"',
        *('  username: ""', '  chroot: ""', "  server-count: 1", '  database: ""'),
        *(f'  pidfile: "{directory}/nsd.pid"', f'  xfrdfile: "{directory}/xfrd.state"'),
        *(f'  zonesdir: "{directory}"', f'  zonelistfile: "{directory}/zone.list"'),
        f'  xfrdir: "{directory}"',
        *("remote-control:", "  control-enable: no"),
    ]
    anchors = []
    for name, zone in zones.items():
        text, ds = _zone(name, zone)
        (directory / f"{name}.zone").write_text(text)
        lines += ["zone:", f'  name: "{name}"', f'  zonefile: "{name}.zone"']
        if ds:
            anchors.append(ds)
    (directory / "nsd.conf").write_text("\n".join(lines) + "\n")
    return anchors


def _unbound_file(
    directory: Path, zones: Mapping[str, Zone], names: Names, anchors: list[str], also: str
) -> None:
    lines = [
        "server:",
        *("  interface: 127.0.0.1", f"  port: {names.unbound}", "  num-threads: 1"),
        *([f"  interface: {also}@53", "  access-control: 127.0.0.0/8 allow"] if also else []),
        *('  username: ""', '  chroot: ""', f'  directory: "{directory}"', '  logfile: ""'),
        *(f'  pidfile: "{directory}/unbound.pid"', "  use-syslog: no", "  do-daemonize: no"),
        *("  do-not-query-localhost: no", '  module-config: "validator iterator"'),
        *('  local-zone: "test." nodefault', "  do-ip6: no", "  harden-dnssec-stripped: yes"),
        '  local-zone: "127.in-addr.arpa." nodefault',
        *(f'  trust-anchor: "{anchor}"' for anchor in anchors),
        *("remote-control:", "  control-enable: no"),
    ]
    for name in zones:
        lines += ["stub-zone:", f'  name: "{name}"', f"  stub-addr: 127.0.0.1@{names.nsd}"]
    (directory / "unbound.conf").write_text("\n".join(lines) + "\n")
