"""Houses that only send, and the sink that takes it all: Pillarbox and Postfix, the same mail.

Each relays what it takes to one smtp-sink over ``CONNECTIONS`` connections, without TLS. Needs
root, as Postfix does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import houses
import rivals
import uvloop

CONNECTIONS = 20
PASSWORD = rivals.PASSWORD


class Sink:
    """Debian's smtp-sink, and how many messages it has taken."""

    def __init__(self) -> None:
        (self.port,) = rivals.free_ports(1)
        program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin") or "smtp-sink"
        command = [program, "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.count = 0
        threading.Thread(target=self._read, daemon=True).start()
        rivals.wait_for(self.port)

    def _read(self) -> None:
        """It says ``sess=1 quit=0 mesg=17`` over and over."""
        assert self._process.stdout is not None
        while chunk := self._process.stdout.read1(4096):
            found = re.findall(rb"mesg=(\d+)", chunk)
            if found:
                self.count = int(found[-1])

    def wait(self, count: int, seconds: float) -> float:
        """When it had so many."""
        deadline = time.monotonic() + seconds
        while self.count < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the sink got {self.count} of {count}")
            time.sleep(0.005)
        return time.perf_counter()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


_CONFIG = """
[limits]
connections_per_address = 1000
hour_recipients = 0
day_recipients = 0
burst_recipients = 0
[checks]
enabled = false
[send]
smarthost = "127.0.0.1:{sink}"
smarthost_tls = "none"
concurrency = 40
per_destination = {connections}
"""

_POSTFIX = """
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
smtp_destination_concurrency_limit = {connections}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtp_tls_security_level = none
maillog_file = {top}/log
maillog_file_prefixes = /
"""


@contextlib.contextmanager
def pillarbox(top: Path, sink: int, *, signs: bool = False) -> Iterator[tuple[int, list[int]]]:
    """Its port, and its processes. ``signs``: with the two signatures of each message that
    ``domain add`` makes the keys for; Postfix would need a milter for them."""
    (port,) = rivals.free_ports(1)
    (top / "data").mkdir(mode=0o700, parents=True)
    config = top / "pillarbox.toml"
    config.write_text(
        houses.config(
            "mail.example.test",
            top / "data",
            {"submission": port},
            _CONFIG.format(sink=sink, connections=CONNECTIONS),
        )
    )
    command, end = [sys.executable, "-m", "pillarbox"], ["--config", str(config)]
    for words in (["domain", "add", "example.test"], ["account", "add", "s@example.test"]):
        more = ["--password-stdin"] if words[0] == "account" else []
        subprocess.run(
            [*command, *words, *more, *end],
            input=PASSWORD.encode(),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    if not signs:
        for key in (top / "data" / "dkim").rglob("*"):
            if key.is_file():
                key.unlink()
    with (top / "log").open("wb") as log:
        process = subprocess.Popen([*command, "serve", *end], stdout=log, stderr=log)
    try:
        rivals.wait_for(port, 60)
        yield port, [process.pid]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextlib.contextmanager
def postfix(top: Path, sink: int) -> Iterator[tuple[int, list[int]]]:
    """Its port, and its first process."""
    (port,) = rivals.free_ports(1)
    for name in ("conf", "queue", "data"):
        (top / name).mkdir(parents=True)
    for each in (top, *top.parents[:-1]):
        each.chmod(each.stat().st_mode | 0o055)
    shutil.chown(top / "data", "postfix")
    conf = top / "conf"
    (conf / "main.cf").write_text(_POSTFIX.format(top=top, sink=sink, connections=CONNECTIONS))
    text = Path("/etc/postfix/master.cf").read_text()
    text = re.sub(
        r"^smtp +inet .*$", f"127.0.0.1:{port} inet n - n - - smtpd", text, flags=re.MULTILINE
    )
    text = re.sub(r"^(\w\S* +\S+ +\S+ +\S+ +)y( )", r"\1n\2", text, flags=re.MULTILINE)  # no chroot
    (conf / "master.cf").write_text(text)
    control = ["/usr/sbin/postfix", "-c", str(conf)]
    subprocess.run([*control, "start"], check=False, capture_output=True)
    try:
        rivals.wait_for(port)
        yield port, [int((top / "queue/pid/master.pid").read_text())]
    finally:
        subprocess.run([*control, "stop"], check=False, capture_output=True)


async def submit(port: int, messages: list[bytes], login: bool) -> None:
    """One connection's share."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def answer(code: bytes) -> None:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise RuntimeError(line)

    await answer(b"220")
    writer.write(b"EHLO load.test\r\n")
    await answer(b"250")
    if login:
        secret = base64.b64encode(f"\0s@example.test\0{PASSWORD}".encode())
        writer.write(b"AUTH PLAIN " + secret + b"\r\n")
        await answer(b"235")
    for n, one in enumerate(messages):
        to = b"r%d@d%d.test" % (n, n % 50)
        writer.write(b"MAIL FROM:<s@example.test>\r\nRCPT TO:<%b>\r\nDATA\r\n" % to)
        for code in (b"250", b"250", b"354"):
            await answer(code)
        writer.write(one + b".\r\n")
        await answer(b"250")
    writer.write(b"QUIT\r\n")
    await answer(b"221")
    writer.close()


OURS, SIGNING, POSTFIX = "pillarbox", "pillarbox, signing", "postfix"
SERVERS: dict[str, Callable[[Path, int], contextlib.AbstractContextManager[tuple[int, list[int]]]]]
SERVERS = {
    OURS: pillarbox,
    SIGNING: partial(pillarbox, signs=True),
    POSTFIX: postfix,
}


def through(name: str, messages: list[bytes]) -> tuple[float, float, float]:
    """Messages a second into the server, out at the sink, and its CPU for each in ms."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-sink-") as folder:
        sink = Sink()
        try:
            with SERVERS[name](Path(folder) / "server", sink.port) as (port, first):
                before = rivals.cpu(rivals.children(first[0]))
                began = time.perf_counter()

                async def work() -> None:
                    shares = [messages[n::CONNECTIONS] for n in range(CONNECTIONS)]
                    login = name != POSTFIX
                    await asyncio.gather(*(submit(port, share, login) for share in shares))

                uvloop.run(work())
                taken = time.perf_counter() - began
                out = sink.wait(len(messages), 300) - began
                used = rivals.cpu(rivals.children(first[0])) - before
        finally:
            sink.close()
    count = len(messages)
    print(
        f"  {name}: in {count / taken:.0f}/s, out {count / out:.0f}/s, {used / count * 1e3:.2f} ms",
        file=sys.stderr,
    )
    return count / taken, count / out, used / count * 1e3
