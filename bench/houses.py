"""The configuration of a house that is measured: which doors are open, everything else shut."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_DOORS = ["smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s", "sieve", "http"]
_COMMON = """
[server]
hostname = "{hostname}"
data = "{data}"
allow_root = true
[auth]
argon2_memory = 8
argon2_time = 1
cleartext_on_loopback = true
[listen]
{doors}
"""


def config(hostname: str, data: Path, doors: Mapping[str, int], rest: str) -> str:
    """``doors``: ports on loopback by name; ``rest``: the tables that are this house's own."""
    listen = (f'{door} = ["127.0.0.1:{doors[door]}"]' if door in doors else f"{door} = []"
              for door in _DOORS)  # fmt: skip
    return _COMMON.format(hostname=hostname, data=data, doors="\n".join(listen)) + rest
