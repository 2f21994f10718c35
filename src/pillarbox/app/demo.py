"""A mail house of the moment: free loopback ports, an authority of its own, accounts to try.

The tests and benches of this and other projects start it too, by ``--users`` and
``--ready-file``; what the ready file says is a promise.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.app import showing
from pillarbox.app.house import House
from pillarbox.app.loops import run
from pillarbox.app.run import catch, logging_to_stderr, quiet_collector
from pillarbox.app.trial import Person, Trial, TrialFailed, trial
from pillarbox.base.clock import SystemClock
from pillarbox.base.errors import Misuse
from pillarbox.base.ids import SystemRng
from pillarbox.config.checks import Bind
from pillarbox.config.inbound import Checks
from pillarbox.config.schema import Auth, Config, Limits, Listen, Log, Send, Server, Tls
from pillarbox.model.account import Credentials, Domain
from pillarbox.model.refusal import Refusal
from pillarbox.net.certs import make_demo_ca

DOMAIN = "example.test"
HOST = "127.0.0.1"
NAME = "localhost"
FILE = "pillarbox.toml"
USER_FORMAT = f"user{{}}@{DOMAIN}"
MANY = 1_000_000
"""Stands for no limit: a bench opens all its connections from one address."""
PASSWORD_LENGTH = 12

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the demo is asked for. ``users`` None: ann and bob."""

    users: int | None = None
    password: str | None = None
    ready_file: Path | None = None
    directory: Path | None = None
    once: bool = False
    workers: int = 1
    log_level: str = "warning"


def demo(wish: Wish, say: Say) -> int:
    """Run it until it is stopped; exit status. Raises Misuse where it cannot start."""
    with ExitStack() as stack:
        stack.enter_context(logging_to_stderr(Log(level=wish.log_level)))
        if wish.directory is not None:
            directory = wish.directory.absolute()
            directory.mkdir(parents=True, exist_ok=True)
        else:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="pillarbox-demo-"))
            directory = Path(name)
        return run(_Demo(wish, directory, say).run())


def config_for(directory: Path, wish: Wish = Wish()) -> Config:
    """The configuration of a demo: everything open on loopback, passwords cheap to check."""
    anywhere = (Bind(HOST, 0),)
    return Config(
        server=Server(
            hostname=NAME, data=directory / "data", allow_root=True, drain=1.0, workers=wish.workers
        ),
        listen=Listen(
            smtp=anywhere,
            submission=anywhere,
            smtps=anywhere,
            lmtp=anywhere,
            imap=anywhere,
            imaps=anywhere,
            pop3=anywhere,
            pop3s=anywhere,
            sieve=anywhere,
        ),
        tls=Tls(
            certificate=directory / "tls" / "certificate.pem", key=directory / "tls" / "key.pem"
        ),
        limits=Limits(
            connections=MANY,
            connections_per_address=MANY,
            hour_recipients=0,
            day_recipients=0,
            burst_recipients=0,
        ),
        auth=Auth(argon2_memory=8, argon2_time=1),
        log=Log(level=wish.log_level),
        send=Send(enabled=False),  # made-up people must not write to real ones
        checks=Checks(enabled=False),  # nor does the DNS know them
    )


def make_certificates(directory: Path) -> Path:
    """An authority and a certificate in ``directory``/tls; the file of the authority."""
    folder = directory / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    ca, certificate, key = make_demo_ca([NAME, HOST, "::1", f"mail.{DOMAIN}"])
    (folder / "key.pem").touch(mode=0o600)
    for name, text in (("ca", ca), ("certificate", certificate), ("key", key)):
        (folder / f"{name}.pem").write_bytes(text)
    return folder / "ca.pem"


def write_file(path: Path, config: Config) -> None:
    """As much of the configuration as the commands that ask a running server need."""
    tls, data = config.tls, config.server.data
    lines = ["[server]", f"data = {json.dumps(str(data))}", "[tls]"]
    lines += [
        f"certificate = {json.dumps(str(tls.certificate))}",
        f"key = {json.dumps(str(tls.key))}",
    ]
    path.write_text("\n".join(lines) + "\n")


def people_of(wish: Wish, rng: SystemRng) -> list[Person]:
    """Who is to live in the house. Passwords that were not given are made up."""
    if wish.users is None:
        return [
            Person(f"{name}@{DOMAIN}", wish.password or rng.token(PASSWORD_LENGTH))
            for name in ("ann", "bob")
        ]
    password = wish.password or rng.token(PASSWORD_LENGTH)
    return [Person(USER_FORMAT.format(number), password) for number in range(wish.users)]


class _Demo:
    def __init__(self, wish: Wish, directory: Path, say: Say) -> None:
        self._wish = wish
        self._directory = directory
        self._say = say
        self._people = people_of(wish, SystemRng())

    async def run(self) -> int:
        ca = make_certificates(self._directory)
        config = config_for(self._directory, self._wish)
        write_file(self._directory / FILE, config)
        async with House(config) as house:
            stop = house.stop
            caught = catch({signal.SIGINT: stop, signal.SIGTERM: stop})
            try:
                await settle(house, self._people)
                quiet_collector()
                if self._wish.ready_file is not None:
                    write_whole(self._wish.ready_file, self._ready(house, ca))
                for line in showing.page(NAME, house.ports, self._people, ca, self._directory):
                    self._say(line)
                if (self._wish.once or self._wish.users is None) and not await self._try(house, ca):
                    return 1
                if not self._wish.once:
                    self._invite(house, ca)
                    await house.serve()
            finally:
                caught.close()
        return 0

    async def _try(self, house: House, ca: Path) -> bool:
        """The first message; whether it went through."""
        if not self._people:
            raise Misuse("without accounts there is nothing to try", hint="--users 2")
        sender, reader = self._people[0], self._people[1 % len(self._people)]
        clock = SystemClock()
        began = clock.monotonic()
        self._say("")
        try:
            await asyncio.to_thread(trial, Trial(NAME, house.ports, ca, sender, reader))
        except TrialFailed as error:
            self._say(f"The first message did not come through: {error}")
            return False
        took = clock.monotonic() - began
        self._say(
            f"A first message went from {sender.address} by submission over TLS and was read by "
            f"{reader.address} by IMAP and by POP3 over TLS, in {took:.1f} s."
        )
        return True

    def _invite(self, house: House, ca: Path) -> None:
        if self._wish.users is None:
            sender, reader = self._people
            self._say("")
            program = f"{sys.executable} -m pillarbox"
            told = f"{program} why {reader.address} --config {self._directory / FILE}"
            for line in showing.recipes(NAME, house.ports, sender, reader, ca, told):
                self._say(line)
        self._say("")
        self._say("Ctrl-C ends it.")

    def _ready(self, house: House, ca: Path) -> dict[str, Any]:
        return {
            "name": "pillarbox",
            "host": HOST,
            "domain": DOMAIN,
            "users": len(self._people),
            "user_format": USER_FORMAT,
            "password": self._people[0].password if self._people else "",
            "pids": house.pids,
            "cert": str(ca),
            **{f"{door}_port": port for door, port in house.ports.items()},
        }


async def settle(house: House, people: Iterable[Person]) -> None:
    """See that the people live in the house, with these passwords; mail they have stays.

    Those who share a password share what is kept of it: made once, checked once. Nobody should
    do that but a demo.
    """
    store, passwords = house.core.store, house.core.passwords
    await store.set_domain(Domain(DOMAIN))
    made: dict[str, Credentials] = {}
    right: dict[tuple[str, str], bool] = {}
    new: list[tuple[str, Credentials]] = []
    there = {account.address: account for account in await store.accounts()}
    for person in people:
        if person.password not in made:
            kept = await passwords.make(person.password)
            if not isinstance(kept, Credentials):
                raise Misuse(kept.value)
            made[person.password] = kept
        account = there.get(person.address)
        if account is None:
            new.append((person.address, made[person.password]))
            continue
        old = await store.credentials(account.id)
        key = (old.argon2 if old else "", person.password)
        if key not in right:
            right[key] = (await passwords.check(old, person.password)).right
        if not right[key]:
            await store.set_credentials(account.id, made[person.password])
    for result in await store.add_accounts(new):
        if isinstance(result, Refusal):
            raise Misuse(result.text)


def write_whole(path: Path, value: dict[str, Any]) -> None:
    """Write JSON so that whoever waits for the file never sees half of it."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    temporary.replace(path)
