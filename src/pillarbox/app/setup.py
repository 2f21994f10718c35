"""A first configuration: what ``pillarbox init`` writes."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse
from pillarbox.config import checks, document
from pillarbox.net.certs import DemoCa

SYSTEM_USER = "pillarbox"
SELF_SIGNED_DAYS = 365


@dataclass(frozen=True, slots=True)
class Plan:
    """What a first configuration is to be. Paths absolute."""

    config: Path
    data: Path
    hostname: str = ""
    certificate: Path | None = None
    key: Path | None = None
    self_signed: bool = False
    user: str = ""
    """System user to become; empty takes ``pillarbox`` where root asks and that user exists."""
    force: bool = False
    """Replace a configuration that is there."""


@dataclass(slots=True)
class Made:
    """What was made, and what to do next."""

    config: Path
    data: Path
    hostname: str
    user: str
    certificate: Path | None = None
    key: Path | None = None
    next_steps: list[str] = field(default_factory=list)

    def value(self) -> dict[str, Any]:
        """For programs."""
        return {
            "config": str(self.config),
            "data": str(self.data),
            "hostname": self.hostname,
            "user": self.user,
            "certificate": str(self.certificate) if self.certificate else "",
            "next": self.next_steps,
        }


def init(plan: Plan, clock: Clock) -> Made:
    """Write a configuration and make the data directory. Raises Misuse.

    The configuration comes last: where it is, everything it names is.
    """
    if plan.config.exists() and not plan.force:
        raise Misuse(
            f"{plan.config} is there already",
            hint="edit it and run: pillarbox check; or replace it: pillarbox init --force",
        )
    hostname = _hostname(plan.hostname or socket.gethostname())
    made = Made(plan.config, plan.data, hostname, plan.user or _user())
    try:
        _make_data(made)
        if plan.certificate is not None:
            made.certificate, made.key = plan.certificate, plan.key
        elif plan.self_signed:
            _make_certificate(made, clock)
        plan.config.parent.mkdir(parents=True, exist_ok=True)
        plan.config.write_text(_text(made), "utf-8")
    except OSError as error:
        raise Misuse(
            f"cannot write {error.filename}: {error.strerror}",
            hint="run it as root, or choose other places with --config and --data",
        ) from error
    made.next_steps = _next_steps(made, self_signed=plan.self_signed)
    return made


def _hostname(name: str) -> str:
    try:
        return checks.hostname(name)
    except ValueError as error:
        raise Misuse(
            f"the host name must be {error}, not {name!r}", hint="give it with --hostname"
        ) from None


def _user() -> str:
    """Who to become when started as root."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam(SYSTEM_USER).pw_name
    except KeyError:
        return ""


def _make_data(made: Made) -> None:
    made.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _give(made.data, made.user)


def _give(path: Path, user: str) -> None:
    """To the user who will run the server."""
    if user and os.geteuid() == 0:
        try:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        except KeyError:
            raise Misuse(
                f"there is no system user {user}",
                hint=f"make one: adduser --system --group {user}",
            ) from None


def _make_certificate(made: Made, clock: Clock) -> None:
    """A certificate nobody knows the signer of: enough to encrypt, not to be recognised by."""
    folder = made.data / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    _give(folder, made.user)
    authority = DemoCa(clock=clock, days=SELF_SIGNED_DAYS)
    names = dict.fromkeys([made.hostname, "localhost"])
    certificate, key = authority.issue(names, days=SELF_SIGNED_DAYS)
    made.certificate, made.key = folder / "certificate.pem", folder / "key.pem"
    made.certificate.write_bytes(certificate + authority.pem)
    made.key.touch(mode=0o600)
    made.key.write_bytes(key)
    for path in (made.certificate, made.key):
        _give(path, made.user)


def _text(made: Made) -> str:
    chosen: dict[tuple[str, str], Any] = {
        ("server", "hostname"): made.hostname,
        ("server", "data"): str(made.data),
    }
    if made.user:
        chosen["server", "user"] = made.user
    if made.certificate is not None:
        chosen["tls", "certificate"] = str(made.certificate)
        chosen["tls", "key"] = str(made.key)
    else:
        for door in ("smtps", "imaps", "pop3s"):
            chosen["listen", door] = []
    return document.starter(chosen)


def _next_steps(made: Made, *, self_signed: bool) -> list[str]:
    option = f" --config {made.config}"
    if made.config == Path("/etc/pillarbox/pillarbox.toml"):
        option = ""
    domain = made.hostname.partition(".")[2] or "example.org"
    steps = [
        f"read {made.config} and change what does not fit",
        f"pillarbox check{option}",
        f"pillarbox domain add {domain}{option}",
        f"pillarbox account add you@{domain}{option}",
        f"pillarbox serve{option}",
    ]
    if os.geteuid() == 0 and not made.user:
        steps.insert(
            1,
            f"adduser --system --group {SYSTEM_USER}; chown -R {SYSTEM_USER} {made.data}; name "
            f"it in server.user, whom the server becomes: it does not stay root",
        )
    if made.certificate is None:
        steps.insert(1, "get a certificate and name it in [tls]; without one nobody can log in")
    elif self_signed:
        steps.insert(1, "get a certificate that programs trust and name it in [tls] in its place")
    return steps
