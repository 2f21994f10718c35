"""The servers that are compared, each in a directory of its own on free loopback ports.

``PostfixDovecot`` is Debian's pair as in production: Postfix takes mail in and hands it to Dovecot
by LMTP; fsync as they come. ``Pillarbox`` is the server of this checkout with the same people.
Both run unprivileged ports on 127.0.0.1 only, and are stopped by their own means.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pillarbox.net.certs import make_demo_ca

PASSWORD = "bench-only"  # noqa: S105
DOMAIN = "example.test"
USERS = 60


@dataclass(frozen=True)
class Ports:
    """Where a server listens, and the authority of its certificate."""

    smtp: int
    smtps: int
    imap: int
    imaps: int
    pop3: int
    ca: str


class Server(Protocol):
    """What is measured."""

    name: str
    ports: Ports

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def pids(self) -> list[int]:
        """All its processes."""
        ...

    def disk(self) -> int:
        """Octets of mail on disk."""
        ...


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_for(port: int, seconds: float = 20.0) -> None:
    """Until something listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _quietly(*words: str) -> None:
    """Runs a tool that may complain; what matters is seen by what does not listen."""
    subprocess.run(words, check=False, capture_output=True, timeout=30)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks first, then insists."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def memory(pids: list[int]) -> int:
    """Octets that these processes use, shared pages divided among their users (PSS)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.split("\nPss:", 1)[1].split()[0]) * 1024
    return total


def cpu(pids: list[int]) -> float:
    """Seconds of CPU that these processes and those they have reaped took."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text()
            ticks += sum(int(word) for word in text.rsplit(")", 1)[1].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{one}/task/{one}/children").read_text()
            found += [int(child) for child in text.split()]
    return found


def octets_under(directory: Path) -> int:
    """Blocks of all files below, as the file system counts them."""
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


@dataclass
class Pillarbox:
    """The server of this checkout."""

    directory: Path
    workers: int = 1
    users: int = USERS
    under: Sequence[str] = ()
    """Words between the interpreter and our own, such as those of a profiler."""
    plain: bool = False
    """Without compiled rooms, though they may be on the path of this process."""
    ports: Ports = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        if self.plain:
            return "pillarbox, plain Python"
        return "pillarbox" if self.workers == 1 else f"pillarbox, {self.workers} workers"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = self.directory / "ready.json"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            *self.under,
            "-m",
            "pillarbox",
            "demo",
            "--users",
            str(self.users),
        ]
        command += ["--password", PASSWORD, "--ready-file", str(ready)]
        command += ["--dir", str(self.directory / "house"), "--workers", str(self.workers)]
        around = {name: told for name, told in os.environ.items() if name != "PYTHONPATH"}
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=around if self.plain else None
            )
        deadline = time.monotonic() + 120
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.01)
        told = json.loads(ready.read_text())
        self.ports = Ports(
            told["smtp_port"],
            told["smtps_port"],
            told["imap_port"],
            told["imaps_port"],
            told["pop3_port"],
            told["cert"],
        )

    def stop(self) -> None:
        if self._process is not None:
            _end(self._process)

    def pids(self) -> list[int]:
        assert self._process is not None
        return children(self._process.pid)

    def disk(self) -> int:
        return octets_under(self.directory / "house")


_MASTER = """\
{smtp} inet n - n - - smtpd
{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=inet:127.0.0.1:{sasl}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_auth_destination, reject
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = static:everybody
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
lmtp_destination_concurrency_limit = 20
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
maillog_file = {log}
maillog_file_prefixes = /
"""

_DOVECOT = """\
base_dir = {run}
state_dir = {run}
log_path = {log}
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = {location}
mail_max_userip_connections = 0
mailbox_list_index = yes
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={home}/%n
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  client_limit = 4000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  process_limit = 6000
  service_count = 100
}}
service lmtp {{
  process_min_avail = 4
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener sasl {{
    address = 127.0.0.1
    port = {sasl}
  }}
}}
service stats {{
  client_limit = 10000
}}
default_vsz_limit = 1G
default_client_limit = 8000
namespace inbox {{
  inbox = yes
  mailbox Trash {{
    auto = create
  }}
  mailbox Archive {{
    auto = create
  }}
}}
"""

_HIBERNATING = """
imap_hibernate_timeout = 2s
service imap {
  service_count = 1
  unix_listener imap-master {
    user = $default_internal_user
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
"""


@dataclass
class PostfixDovecot:
    """Debian's Postfix and Dovecot; ``store`` is maildir or mdbox. ``hibernates``: sessions that
    idle are handed to one process, which saves memory and costs each of their wakes."""

    directory: Path
    store: str
    hibernates: bool = False
    ports: Ports = field(init=False)
    _dovecot: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return f"postfix+dovecot/{'hibernating' if self.hibernates else self.store}"

    def start(self) -> None:
        top = self.directory
        smtp, smtps, sasl, lmtp, imap, imaps, pop3 = free_ports(7)
        ca, cert, key = (top / f"{name}.pem" for name in ("ca", "cert", "key"))
        if not ca.exists():  # the first start is longer than those that are timed
            _quietly("useradd", "-r", "-M", "vmail")
            _certificate(ca, cert, key)
        self.ports = Ports(smtp, smtps, imap, imaps, pop3, str(ca))
        mail, run, queue, data, conf = (
            top / name for name in ("mail", "run", "queue", "data", "postfix")
        )
        for each in (mail, run, queue, data, conf):
            each.mkdir(parents=True, exist_ok=True)
        for each in (top, *top.parents[:-1]):
            each.chmod(each.stat().st_mode | 0o055)
        shutil.chown(mail, "vmail", "vmail")
        shutil.chown(data, "postfix")
        (top / "dovecot.conf").write_text(
            _DOVECOT.format(
                run=run, log=top / "dovecot.log", cert=cert, key=key, password=PASSWORD,
                location=f"{self.store}:~/{self.store}", home=mail,
                imap=imap, imaps=imaps, pop3=pop3, lmtp=lmtp, sasl=sasl,
            )
            + (_HIBERNATING if self.hibernates else "")
        )  # fmt: skip
        self._dovecot = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(top / "dovecot.conf")],
            stderr=subprocess.DEVNULL,
        )
        (conf / "master.cf").write_text(
            _MASTER.format(smtp=f"127.0.0.1:{smtp}", smtps=f"127.0.0.1:{smtps}", sasl=sasl)
        )
        (conf / "main.cf").write_text(
            _MAIN.format(
                queue=queue, data=data, domain=DOMAIN, lmtp=lmtp, log=top / "postfix.log",
                cert=cert, key=key,
            )
        )  # fmt: skip
        try:
            _quietly("/usr/sbin/postfix", "-c", str(conf), "start")
            for port in (smtp, imap, pop3, lmtp):
                wait_for(port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        conf = self.directory / "postfix"
        _quietly("/usr/sbin/postfix", "-c", str(conf), "stop")
        if self._dovecot is not None:
            _end(self._dovecot)

    def pids(self) -> list[int]:
        assert self._dovecot is not None
        master = int((self.directory / "queue/pid/master.pid").read_text())
        return children(self._dovecot.pid) + children(master)

    def disk(self) -> int:
        return octets_under(self.directory / "mail")


def _certificate(*paths: Path) -> None:
    """A throw-away authority, a certificate for localhost and its key."""
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, make_demo_ca(["localhost", "127.0.0.1"]), strict=True):
        path.write_bytes(text)
    os.chmod(paths[2], 0o600)
