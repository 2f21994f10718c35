"""Is this configuration going to work? What ``pillarbox check`` finds out, and what to do."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pillarbox
from pillarbox.app.core import reach_house
from pillarbox.app.scripts import site
from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import Misuse, PillarboxError
from pillarbox.config.checks import Bind
from pillarbox.config.schema import Config
from pillarbox.hooks.load import source
from pillarbox.net import certs
from pillarbox.net.contexts import KeyPair, ServerTls
from pillarbox.net.sockets import bind_tcp

DAY = 86_400.0
SOON = 14 * DAY
"""A certificate that ends within this time is worth a warning."""
LITTLE_ROOM = 1 << 30
"""Octets free on the disk below which mail may soon be refused."""

DOORS = ("smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s", "sieve")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``level``: ok, warning or error."""

    level: str
    subject: str
    text: str
    hint: str = ""

    def value(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def ok(subject: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", subject, text)


def warning(subject: str, text: str, hint: str = "") -> Finding:
    """It works, and could be better."""
    return Finding("warning", subject, text, hint)


def error(subject: str, text: str, hint: str = "") -> Finding:
    """It will not work."""
    return Finding("error", subject, text, hint)


def examine(config: Config, clock: Clock, *, running: bool) -> Iterator[Finding]:
    """Everything that can be found out without the store. ``running``: a server holds the ports.

    Nothing is asked from the network.
    """
    yield from hostname(config)
    yield from user(config)
    yield from data(config)
    yield from certificate(config, clock)
    yield from exposure(config)
    yield from scripts(config)
    yield from hooks(config)
    if running:
        yield ok("ports", "held by the running server")
    else:
        yield from ports(config)


def ports(config: Config) -> Iterator[Finding]:
    """Every door's, when nobody should hold them."""
    for door in DOORS:
        for bind in getattr(config.listen, door):
            yield port(door, bind)


async def whole(config: Config) -> list[Finding]:
    """The same with what the store holds, by way of the running server if there is one.

    Looks before it asks: to open the store root becomes its owner, who may bind and read less
    than the server that root starts.
    """
    clock = SystemClock()
    found = {running: list(examine(config, clock, running=running)) for running in (False, True)}
    try:
        async with reach_house(config) as caller:
            state = await caller.call("status", {})
    except PillarboxError as problem:
        held = [error("store", str(problem), problem.hint)]
        running = False
    else:
        held = list(_held(state))
        running = state["running"]
    return [*found[running], *held]


def _held(state: Mapping[str, Any]) -> Iterator[Finding]:
    domains, accounts = state["domains"], state["accounts"]
    if state["running"]:
        yield ok("server", f"runs as process {state['pid']}, version {state['version']}")
    if not domains:
        yield warning("store", "no domain is served yet", "pillarbox domain add example.org")
    elif not accounts:
        yield warning("store", "there is no account yet", "pillarbox account add ann@example.org")
    else:
        yield ok("store", f"{domains} domains, {accounts} accounts, {state['queue']} queued")


def hostname(config: Config) -> Iterator[Finding]:
    """Other servers look at the name that greets them."""
    name = config.server.hostname
    if "." in name:
        yield ok("hostname", name)
    else:
        yield warning(
            "hostname",
            f"{name} is not a full name; other servers may refuse to talk to it",
            "set server.hostname to the name that the MX record gives, as mail.example.org",
        )


def user(config: Config) -> Iterator[Finding]:
    """Who the server will run as."""
    name = config.server.user
    if name:
        try:
            pwd.getpwnam(name)
        except KeyError:
            yield error(
                "user", f"there is no system user {name}", f"adduser --system --group {name}"
            )
        else:
            yield ok("user", f"{name}, once the ports are bound")
            yield from _python(name)
    elif os.geteuid() == 0 and not config.server.allow_root:
        yield error(
            "user",
            "started as root it would stay root, and refuses to",
            "set server.user, or start it by systemd as packaging/systemd does",
        )


def _python(name: str) -> Iterator[Finding]:
    """The server loads parts of Python when it first needs them, as the user it has become."""
    for module in (os, pillarbox):
        path = Path(module.__file__ or "").resolve()
        shut = _closed_to(name, path)
        if shut is not None:
            yield warning(
                "user",
                f"{name} may not {_verb(shut, path)} {shut}, and {module.__name__} is in there",
                "install Python and Pillarbox where everybody may read them, as in /usr or /opt",
            )


def data(config: Config) -> Iterator[Finding]:
    """The directory of everything durable."""
    path = config.server.data
    try:
        found = path.stat()
    except OSError as problem:
        yield error("data", f"{path}: {problem.strerror}", "make it with: pillarbox init")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield error("data", f"{path} is not a directory")
        return
    owner = _owner(config)
    if owner is not None and found.st_uid != owner:
        yield error(
            "data",
            f"{path} belongs to uid {found.st_uid}, the server will be uid {owner}",
            f"chown -R {config.server.user or owner} {path}",
        )
    elif found.st_mode & 0o077:
        yield warning("data", f"others may look into {path}", f"chmod 700 {path}")
    else:
        yield ok("data", str(path))
    yield _room(path)


def _owner(config: Config) -> int | None:
    if not config.server.user:
        return os.geteuid()
    try:
        return pwd.getpwnam(config.server.user).pw_uid
    except KeyError:
        return None


def _room(path: Path) -> Finding:
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    text = f"{free // (1 << 20)} MB free"
    if free < LITTLE_ROOM:
        return warning("disk", text, "mail is refused for the time being when the disk is full")
    return ok("disk", text)


def certificate(config: Config, clock: Clock) -> Iterator[Finding]:
    """Certificate and key: there, readable, a pair, for our name, and for how long."""
    tls = config.tls
    if tls.certificate is None or tls.key is None:
        yield warning(
            "certificate",
            "none: only programs on this machine can log in",
            "name one in tls.certificate and tls.key",
        )
        return
    try:
        ServerTls([KeyPair(tls.certificate, tls.key)])
        names = certs.names(certs.leaf(tls.certificate.read_bytes()))
        left = certs.certificate_expiry(tls.certificate) - clock.now()
    except (Misuse, OSError, ValueError) as problem:
        yield error("certificate", str(problem), getattr(problem, "hint", ""))
        return
    if left <= 0:
        yield error(
            "certificate", f"ended {_days(-left)} ago", "renew it, then: systemctl reload pillarbox"
        )
    elif left < SOON:
        yield warning("certificate", f"ends in {_days(left)}", "renew it")
    else:
        yield ok("certificate", f"good for {_days(left)}")
    yield from _renewable(config, tls.certificate, tls.key)
    if not _covers(names, config.server.hostname):
        yield warning(
            "certificate",
            f"is for {', '.join(sorted(names)) or 'no name'}, not for {config.server.hostname}",
            "programs that check the name will refuse it",
        )


def _renewable(config: Config, *paths: Path) -> Iterator[Finding]:
    """A reload reads the certificate as the user the server has become, not as root."""
    name = config.server.user
    for path in (one.resolve() for one in paths):
        shut = _closed_to(name, path)
        if shut is not None:
            yield warning(
                "certificate",
                f"{name} may not {_verb(shut, path)} {shut}: a renewed certificate waits for a "
                "restart",
                f"let {name} read it, by a group or a copy",
            )


def _verb(shut: Path, path: Path) -> str:
    return "read" if shut == path else "enter"


def _closed_to(name: str, path: Path) -> Path | None:
    """What on the way to ``path`` is closed to the user that root will become; access lists are
    not looked at. None where all is open, or where nobody changes."""
    try:
        person = pwd.getpwnam(name) if name and os.geteuid() == 0 else None
    except KeyError:  # said elsewhere
        person = None
    return _shut(path, person.pw_uid, os.getgrouplist(name, person.pw_gid)) if person else None


def _shut(path: Path, uid: int, groups: Collection[int]) -> Path | None:
    for place, want in [*((parent, 1) for parent in reversed(path.parents)), (path, 4)]:
        found = place.stat()
        shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
        if not found.st_mode >> shift & want:
            return place
    return None


def _covers(names: frozenset[str], hostname: str) -> bool:
    return hostname in names or "*." + hostname.partition(".")[2] in names


def _days(seconds: float) -> str:
    days = int(seconds // DAY)
    return f"{days} days" if days != 1 else "1 day"


def exposure(config: Config) -> Iterator[Finding]:
    """LMTP takes mail from anyone who reaches it."""
    far = [bind for bind in config.listen.lmtp if not _is_near(bind)]
    if far:
        yield warning(
            "lmtp",
            f"{far[0]} can be reached from other machines, and takes mail from everybody",
            "listen on 127.0.0.1 or [::1]",
        )


def scripts(config: Config) -> Iterator[Finding]:
    """The operator's Sieve scripts are good: the server does not start with one that is not."""
    if config.sieve.directory is None:
        return
    try:
        made = site(config, "")
    except Misuse as problem:
        yield error("sieve", str(problem), problem.hint)
        return
    count = len(made.before) + len(made.after) + len(made.shared)
    yield ok("sieve", f"{count} scripts in {config.sieve.directory}")


def hooks(config: Config) -> Iterator[Finding]:
    """Files with hooks are Python, and nobody else can have written them. They are not run: that
    is for the server, with the server's rights."""
    owner = _owner(config)
    for path in config.hooks.files:
        try:
            source(path, [owner] if owner is not None else [])
        except Misuse as problem:
            yield error("hooks", str(problem), problem.hint)
            continue
        shut = _closed_to(config.server.user, path.resolve())
        if shut is not None:
            text = f"{config.server.user} may not {_verb(shut, path)} {shut}"
            yield error("hooks", text, f"let {config.server.user} read it")
        else:
            yield ok("hooks", str(path))


def _is_near(bind: Bind) -> bool:
    return bind.host.startswith("127.") or bind.host == "::1"


def port(door: str, bind: Bind) -> Finding:
    """Can it be had?"""
    try:
        for sock in bind_tcp(bind.host, bind.port):
            sock.close()
    except Misuse as problem:
        low = 0 < bind.port < 1024 and os.geteuid() != 0
        hint = "another program listens there" if "in use" in str(problem) else ""
        if low and not hint:
            hint = "ports below 1024 need socket activation, the systemd unit, or a start as root"
        return (warning if low and "ermission" in str(problem) else error)(
            f"listen.{door}", str(problem), hint
        )
    return ok(f"listen.{door}", str(bind))
