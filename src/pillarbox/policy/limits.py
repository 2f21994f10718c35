"""How much an account may send, and whether its sending looks like its own. Pure.

Counted are recipients whose mail leaves this house. A window of hours is a sum over the hours of
the clock, the oldest by the share of it that is still inside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.model.account import Account
from pillarbox.model.reply import Reply
from pillarbox.model.sending import HOUR, Hour, Sending

DAY = 24 * HOUR
NONE_AT_ALL = Reply(550, "5.7.1", "This account may not write to other servers")


@dataclass(frozen=True, slots=True)
class Options:
    """Recipients; 0 is no limit."""

    hour: int = 1000
    day: int = 5000
    burst: int = 200
    """Within an hour, from which on sending is compared with what is usual."""
    failures: int = 20
    """Within an hour, from which on they count as a sign."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many recipients more there may be now, None for any number, and what is said then."""

    left: int | None = None
    reply: Reply = NONE_AT_ALL


def allowance(account: Account, sending: Sending, now: float, options: Options) -> Allowance:
    """Under the stricter of both limits; the account's own go before the house's."""
    found = Allowance()
    for own, general, hours, word in (
        (account.hour_limit, options.hour, 1, "an hour"),
        (account.day_limit, options.day, 24, "a day"),
    ):
        most = own or general
        if most < 0:
            return Allowance(0)
        if not most:
            continue
        left = max(0, most - int(_recipients(sending.hours, now, hours)))
        if found.left is None or left < found.left:
            text = f"You may write to {most} recipients {word}; try again later"
            found = Allowance(left, Reply(450, "4.7.1", text))
    return found


def suspicion(
    account: Account, sending: Sending, new: int, network: str, now: float, options: Options
) -> str:
    """Why it looks as if somebody else had the password, in words; '' when it does not.

    An account whose hourly limit was set by hand may use it: somebody has thought about it.
    """
    if not options.burst or account.hour_limit > 0:
        return ""
    hour = int(_recipients(sending.hours, now, 1)) + new
    lost = int(_failures(sending.hours, now, 1))
    usual = max((h.recipients for h in sending.hours if h.start < now - DAY), default=0)
    if hour >= options.burst and hour > 5 * usual:
        return f"{hour} recipients within an hour, where {usual} were the most before"
    strange = is_strange(sending, network, now)
    if strange and hour >= options.burst / 4 and hour > 2 * usual:
        return f"{hour} recipients within an hour from {network}, where it never came from before"
    if lost >= options.failures and lost * 3 >= hour:
        return f"{lost} recipients that failed within an hour"
    return ""


def is_strange(sending: Sending, network: str, now: float) -> bool:
    """Nobody came from there until a day ago, though the account was in use by then."""
    known = {name for name, first, _ in sending.networks if first <= now - DAY}
    return bool(known) and bool(network) and network not in known


@lru_cache(4096)
def network_of(ip: str) -> str:
    """The network that a client's address is in, as far as it tells people apart; '' for none."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    width = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{width}", strict=False))


def _recipients(hours: Sequence[Hour], now: float, length: int) -> float:
    return _window(hours, now, length, lambda hour: hour.recipients)


def _failures(hours: Sequence[Hour], now: float, length: int) -> float:
    return _window(hours, now, length, lambda hour: hour.failures)


def _window(hours: Sequence[Hour], now: float, length: int, value: Callable[[Hour], int]) -> float:
    begin = now - length * HOUR
    total = 0.0
    for hour in hours:
        inside = min(1.0, (hour.start + HOUR - begin) / HOUR)
        if inside > 0:
            total += inside * value(hour)
    return total
