"""How the server grows with its accounts: what each piece of work costs with 10 of them, and with
100,000.

    python bench/account_growth.py [--accounts 10,1000,100000] [--page docs/bench/accounts.md]

Makes a store with so many accounts in bulk, starts ``pillarbox serve`` on it, and does the same
work for ten of the people, spread over all. Figures are processor time of the server, all its
threads, for one operation: the least of several turns, which other work on the machine changes
least.
Prints Markdown; ``--page`` puts it, with a picture, between the page's marks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import crowd
import houses
import load
import pages
import plots
from imap_growth import Server
from rivals import DOMAIN, PASSWORD, Ports, free_ports

from pillarbox.cli.options import ask
from pillarbox.model.account import Credentials, Domain
from pillarbox.store.sqlite import open_store

PEOPLE, TURNS = 10, 3
_CONFIG = """
[limits]
connections_per_address = 1000
[checks]
enabled = false
tarpit = 0
[send]
enabled = false
"""


@dataclass
class House(Server):
    """A server with accounts made in bulk."""

    accounts: int = 10
    ports: Ports = field(init=False)
    people: Sequence[str] = ()

    def prepare(self) -> None:
        smtp, imap = free_ports(2)
        self.port = imap
        self.ports = Ports(smtp, 0, imap, 0, 0, "")
        data = self.directory / "data"
        data.mkdir(mode=0o700)
        doors = {"smtp": smtp, "imap": imap}
        self.config.write_text(houses.config(f"mail.{DOMAIN}", data, doors, _CONFIG))
        self.people = [f"user{n * self.accounts // PEOPLE}" for n in range(PEOPLE)]
        self.command("domain", "add", DOMAIN)
        first = f"user0@{DOMAIN}"
        self.command("account", "add", first, "--password-stdin", stdin=PASSWORD + "\n")

    async def fill(self) -> float:
        """All others, who have the password of the first; seconds that it took."""
        store = await open_store(self.directory / "data" / "store")
        try:
            found = await store.account_by_address(f"user0@{DOMAIN}")
            assert found
            known = await store.credentials(found.id)
            assert isinstance(known, Credentials)
            await store.set_domain(Domain(DOMAIN))
            began = time.perf_counter()
            names = ((f"user{n}@{DOMAIN}", known) for n in range(1, self.accounts))
            await store.add_accounts(names)
            return time.perf_counter() - began
        finally:
            await store.close()


Work = Callable[[House], int]
"""Does something, and says how many operations that was."""


def _login(house: House) -> int:
    for user in house.people:
        load.Imap(house.ports, user).close()
    return len(house.people)


def _rcpt(house: House, name: str) -> int:
    """One recipient a connection: who guesses many in one is turned away."""

    def say(user: str) -> crowd.Script:
        yield b"", 1
        yield b"EHLO load.test\r\n", 1
        answer = yield f"MAIL FROM:<s@a.test>\r\nRCPT TO:<{user}@{DOMAIN}>\r\n".encode(), 2
        assert (b"550 " in answer) == bool(name), answer
        yield b"QUIT\r\n", 1

    visits = [
        crowd.Visit(house.ports.smtp, crowd.SMTP, [partial(say, name or user)] * 20)
        for user in house.people
    ]
    crowd.crowd(visits)
    return 20 * len(house.people)


def _deliver(house: House) -> int:
    messages = load.corpus(200, 4_000)
    crowd.deliver_apart(house.ports, messages, house.people)
    return len(messages)


def _imap(house: House, command: str) -> int:
    with load.client(house.ports, house.people[-1]) as imap:
        for _ in range(300):
            imap.say(command)
    return 300


def _ask(house: House, operation: str, **arguments: object) -> int:
    """What the command of that name asks of the server, without a new interpreter."""
    ask(house.config, operation, **arguments)
    return 1


def _add(house: House) -> int:
    return _ask(house, "account.add", address=f"new{time.time_ns()}@{DOMAIN}", password=PASSWORD)


WORK: dict[str, Work] = {
    "LOGIN": _login,
    "connection, RCPT known": partial(_rcpt, name=""),
    "connection, RCPT unknown": partial(_rcpt, name="nobody"),
    "delivery of 4 KB": _deliver,
    "LIST": partial(_imap, command='LIST "" *'),
    "SELECT": partial(_imap, command="SELECT INBOX"),
    "STATUS": partial(_imap, command="STATUS INBOX (MESSAGES UNSEEN)"),
    "APPEND": partial(_imap, command="APPEND INBOX {4+}\r\na: b"),
    "`account add`": _add,
    "`account set`": partial(
        _ask, operation="account.set", address=f"user0@{DOMAIN}", display_name="Ann"
    ),
    "a page of `account list`": partial(_ask, operation="account.list"),
}


def measured(accounts: int) -> dict[str, float]:
    """By work: microseconds of the processor; and seconds and megabytes of the rest."""
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="pillarbox-growth-") as folder:
        house = House(Path(folder), accounts=accounts)
        house.prepare()
        out["made in bulk, ms each"] = asyncio.run(house.fill()) / accounts * 1e3
        for _ in range(2):
            house.start()
            time.sleep(1)
            used = house.cpu() * 1e6
            out["start"] = min(out.get("start", used), used)
            out["memory after the start, MB"] = house.memory()
            house.stop()
        house.start()
        try:
            for name, work in WORK.items():
                out[name] = min(_once(house, work) for _ in range(TURNS))
            out["memory after the work, MB"] = house.memory()
        finally:
            house.stop()
    print(accounts, json.dumps({name: round(value, 1) for name, value in out.items()}), flush=True)
    return out


def _once(house: House, work: Work) -> float:
    before = house.cpu()
    count = work(house)
    time.sleep(0.2)  # what it left to do is part of it
    return (house.cpu() - before) / count * 1e6


def told(found: dict[int, dict[str, float]]) -> list[str]:
    """The table."""
    sizes = list(found)
    head = " | ".join(f"{size:,}" for size in sizes)
    lines = [f"| | {head} | growth |", f"| --- |{' ---: |' * (len(sizes) + 1)}"]
    for name in found[sizes[0]]:
        row = [found[size][name] for size in sizes]
        unit = "" if "," in name and name[-1] in "Bh" else ", µs"
        cells = " | ".join(f"{value:,.1f}" if not unit else f"{value:,.0f}" for value in row)
        lines.append(f"| {name}{unit} | {cells} | {row[-1] / row[0]:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", default="10,1000,100000")
    parser.add_argument("--page", type=Path)
    wanted = parser.parse_args()
    found = {int(size): measured(int(size)) for size in wanted.accounts.split(",")}
    lines = told(found)
    print("\n".join(lines))
    if wanted.page:
        picture = wanted.page.with_suffix(".svg")
        sizes = list(found)
        names = list(found[sizes[0]])
        picture.write_text(
            plots.growth(
                sizes, {n: [found[s][n] / found[sizes[0]][n] for s in sizes] for n in names}
            )
        )
        shown = f"![Cost against that with the fewest accounts]({picture.name})"
        pages.put_into(wanted.page, "figures", "\n".join([pages.machine(), "", shown, "", *lines]))


if __name__ == "__main__":
    main()
