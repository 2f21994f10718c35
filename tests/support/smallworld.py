"""A small internet: our house, three servers of other authors, names with DNSSEC, policies."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import os
import random
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pillarbox.app.house import House
from pillarbox.app.internet import Internet
from pillarbox.model.numset import NumSet
from pillarbox.net.certs import DemoCa
from pillarbox.store.api import Column
from support import names
from support.boxed import Box
from support.mailservers import HOME, OURS, Place, exim, opensmtpd, postfix
from support.names import Zone, free_port
from support.whole import PASSWORD

os.environ["PATH"] = names.PATH

STS = ("stsok", "ststest", "stsbad", "stsold")
"""Domains with an MTA-STS policy: enforced, only tested, enforced on a host that fails it, and
enforced once."""
HOSTS = ["mx.postfix.test", "mx.exim.test", "mx.smtpd.test", *(f"mx.{one}.test" for one in STS[:1])]


def loopback_net() -> str:
    """Three octets of addresses that nobody else uses at the moment, we hope."""
    chance = random.Random(os.getpid() ^ time.monotonic_ns())
    return f"127.{chance.randrange(16, 250)}.{chance.randrange(256)}"


class _Policies(BaseHTTPRequestHandler):
    """MTA-STS policies by host name; ``policies`` is set on a subclass."""

    policies: Mapping[str, str] = {}

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").partition(":")[0]
        body = self.policies.get(host, "").encode()
        if not body or self.path != "/.well-known/mta-sts.txt":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@dataclass
class World:
    """``net``.1 to .5: postfix, without extensions, without TLS, exim, opensmtpd; .53: names."""

    net: str
    place: Place
    authority: DemoCa
    resolver: str
    https: int
    policies: dict[str, str]
    boxes: dict[str, Box]
    certificate: Path
    key: Path

    @property
    def internet(self) -> Internet:
        return Internet(self.place.port, self.https, loopback=True, ca=self.authority.pem)


def zones_of(net: str, port: int, home: int, der: x509.Certificate) -> dict[str, Zone]:
    mark = der.fingerprint(SHA256()).hex()

    def tlsa(host: str, kind: str, value: str, at: int = port) -> str:
        return f"_{at}._tcp.{host} TLSA {kind} {value}\n"

    full, narrow, plain = f"{net}.1", f"{net}.2", f"{net}.3"
    host = "@ MX 10 mx\nmx A "
    return {
        "postfix.test": Zone(f"{host}{full}\n" + tlsa("mx", "3 0 1", mark), signed=True),
        "exim.test": Zone(f"{host}{net}.4\n" + tlsa("mx", "3 0 1", mark), signed=True),
        "smtpd.test": Zone(
            f'{host}{net}.5\n_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@postfix.test"\n'
        ),
        # A second house of ours.
        "second.test": Zone(f"{host}{net}.10\n" + tlsa("mx", "3 0 1", mark), signed=True),
        # We are its second mail host.
        "backed.test": Zone(f"{host}{full}\n@ MX 20 mail.example.test.\n"),
        # The neighbours' other faces: all of them postfix.
        "narrow.test": Zone(f"{host}{narrow}\n"),
        "wrongdane.test": Zone(f"{host}{full}\n" + tlsa("mx", "3 0 1", "0" * 64), signed=True),
        "odddane.test": Zone(f"{host}{full}\n" + tlsa("mx", "1 0 1", mark), signed=True),
        "many.test": Zone(
            f"*.a MX 10 mx\n*.b MX 10 mx.exim.test.\n*.c MX 10 mx.smtpd.test.\nmx A {full}\n"
        ),
        **{
            f"{one}.test": Zone(
                f"{host}{plain if one == 'stsold' else full}\n"
                "mta-sts A 127.0.0.1\n"
                '_mta-sts TXT "v=STSv1; id=1"\n'
            )
            for one in STS
        },
        HOME: Zone(
            f"@ MX 10 mail\nmail A {net}.9\n" + tlsa("mail", "3 0 1", mark, home), signed=True
        ),
    }


def policy(mode: str, mx: str, age: int = 86_400) -> str:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n"


@contextlib.contextmanager
def https_for(base: Path, policies: dict[str, str]) -> Iterator[int]:
    """A web server for the policies, on 127.0.0.1."""
    handler = type("Handler", (_Policies,), {"policies": policies})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(base / "cert.pem", base / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Home:
    """Our house in that world; Ann lives there."""

    house: House
    world: World
    seen: int = 0
    """Messages of earlier tests."""
    address: str = f"ann@{HOME}"

    async def write(
        self,
        *to: str,
        message: bytes = b"Subject: hello\r\n\r\nhello\r\n",
        mail: Sequence[str] = (),
        rcpt: Sequence[str] = (),
    ) -> None:
        """Ann submits a message."""
        port = self.house.ports["submission"]

        def submit() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                client.starttls(context=ssl._create_unverified_context())
                client.login(f"ann@{HOME}", PASSWORD)
                data = b"From: Ann <ann@example.test>\r\n" + message
                refused = client.sendmail(f"ann@{HOME}", list(to), data, list(mail), list(rcpt))
                assert not refused

        await asyncio.to_thread(submit)

    async def inbox(self) -> list[bytes]:
        """Whole messages that are new in Ann's INBOX."""
        store = self.house.core.store
        person = await store.account_by_address(self.address)
        assert person is not None
        box = await store.mailbox_by_name(person.id, "INBOX")
        assert box is not None
        out: list[bytes] = []
        async for rows in store.rows(
            person.id, box.id, NumSet([(self.seen + 1, 9999)]), [Column.BLOB]
        ):
            out += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
        return out

    async def waiting(self) -> list[str]:
        """The last answer about each recipient that still waits."""
        items = await self.house.core.store.queue_items()
        return [str(r.last) for item in items for r in item.recipients if r.state == "due"]

    async def report(self) -> EmailMessage:
        """The first report that comes to Ann."""
        found = await until(self.inbox)
        return email.message_from_bytes(found[0], policy=email.policy.SMTP)


async def until(
    ask: Callable[[], Any], done: Callable[[Any], bool] = bool, most: float = 25
) -> Any:
    """Ask until the answer will do."""
    answer: Any = None
    end = time.monotonic() + most
    while time.monotonic() < end:
        answer = ask()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if done(answer):
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"not in time: {answer!r}"[:3000])


def hand_in(address: str, port: int, sender: str, to: str, message: bytes, *options: str) -> None:
    """Give a neighbour a message as any program would."""
    with smtplib.SMTP(address, port, timeout=30) as client:
        client.sendmail(sender, [to], message, list(options))


def reachable(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


@contextlib.contextmanager
def small_world(base: Path) -> Iterator[World]:
    """Every server takes mail for whoever asks it."""
    net, port, home = loopback_net(), free_port(), free_port()
    authority = DemoCa()
    certificate, key = authority.issue([*HOSTS, OURS, *(f"mta-sts.{one}.test" for one in STS)])
    (base / "cert.pem").write_bytes(certificate)
    (base / "key.pem").write_bytes(key)
    policies = {
        "mta-sts.stsok.test": policy("enforce", "mx.stsok.test"),
        "mta-sts.ststest.test": policy("testing", "mx.ststest.test"),
        "mta-sts.stsbad.test": policy("enforce", "mx.stsbad.test"),
        "mta-sts.stsold.test": policy("enforce", "mx.stsold.test", age=2),
    }
    zones = zones_of(net, port, home, x509.load_pem_x509_certificate(certificate))
    place = Place(port, home, f"{net}.53", authority.pem, certificate, key)
    with ExitStack() as stack:
        (base / "names").mkdir()
        found = stack.enter_context(names.serve(base / "names", zones, also=f"{net}.53"))
        https = stack.enter_context(https_for(base, policies))
        boxes = {
            "exim": stack.enter_context(exim(base / "exim", place, f"{net}.4")),
            "smtpd": stack.enter_context(opensmtpd(base / "smtpd", place, f"{net}.5")),
            "postfix": stack.enter_context(
                postfix(base / "postfix", place, *(f"{net}.{n}" for n in (1, 2, 3)))
            ),
        }
        yield World(
            net,
            place,
            authority,
            f"127.0.0.1:{found.unbound}",
            https,
            policies,
            boxes,
            base / "cert.pem",
            base / "key.pem",
        )
