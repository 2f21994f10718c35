"""How the server grows with its accounts: start, delivery, login and memory for 10, 1,000, 100,000.

    python bench/account_growth.py [--accounts 10,1000,100000]

A house of so many people as a process of its own; the work is the same for all sizes and spread
over 50 of the people. Prints Markdown: seconds, and processor time of the server for one
operation, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import crowd
import load
from rivals import Pillarbox, cpu, memory

MESSAGES, LOGINS = 1_000, 500


def measured(accounts: int) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-growth-") as scratch:
        server = Pillarbox(Path(scratch) / "server", users=accounts)
        began = time.perf_counter()
        server.start()
        try:
            made = time.perf_counter() - began
            server.stop()
            began = time.perf_counter()
            server.start()
            started = time.perf_counter() - began
            chance = random.Random(1)
            people = [f"user{n}" for n in chance.choices(range(accounts), k=50)]
            before = cpu(server.pids())
            shares = [load.corpus(MESSAGES // 50, 4_000, seed=n) for n in range(50)]
            crowd.crowd(
                [
                    crowd.Visit(
                        server.ports.smtp,
                        crowd.SMTP,
                        [lambda share=share, one=one: crowd.smtp(share, [one])],  # type: ignore[misc]
                    )
                    for share, one in zip(shares, people, strict=True)
                ]
            )
            taken = (cpu(server.pids()) - before) / MESSAGES * 1e6
            before = cpu(server.pids())
            crowd.crowd(
                [
                    crowd.Visit(
                        server.ports.imap,
                        crowd.IMAP,
                        [lambda one=one: crowd.in_and_out(one)] * (LOGINS // 50),  # type: ignore[misc]
                    )
                    for one in people
                ]
            )
            login = (cpu(server.pids()) - before) / LOGINS * 1e6
            held = memory(server.pids()) / 1e6
        finally:
            server.stop()
    figures = (f"{made:.1f}", f"{started:.1f}", f"{taken:.0f}", f"{login:.0f}", f"{held:.0f}")
    return [f"{accounts:,}", *figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", default="10,1000,100000")
    told = parser.parse_args()
    columns = ["accounts", "make, s", "start again, s", "SMTP, µs CPU a message"]
    columns += ["LOGIN+LOGOUT, µs CPU", "memory, MB"]
    print(f"| {' | '.join(columns)} |\n|{' ---: |' * len(columns)}", flush=True)
    for size in told.accounts.split(","):
        print(f"| {' | '.join(measured(int(size)))} |", flush=True)


if __name__ == "__main__":
    main()
