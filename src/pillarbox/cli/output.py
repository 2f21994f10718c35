"""How commands print: tables for people, JSON for programs, errors with what to do next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

_UNITS = ("", "K", "M", "G", "T", "P")


def complain(message: str, hint: str = "") -> None:
    """An error, on standard error."""
    for line in message.splitlines() or [""]:
        click.echo(f"error: {line}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def show(value: Mapping[str, Any], as_json: bool, people: Callable[[], Iterable[str]]) -> None:
    """A result: as one JSON object, or as the lines that ``people`` gives."""
    if as_json:
        import json

        click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
        return
    for line in people():
        click.echo(line)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterable[str]:
    """Columns under a heading; what is a number stands to the right."""
    if not rows:
        return
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [list(head), *cells]) for n in range(len(head))]
    right = [all(isinstance(row[n], int) for row in rows) for n in range(len(head))]
    for line in [list(head), *cells]:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def plain(cell: object) -> str:
    """Nothing that strangers wrote into a subject reaches the terminal as a command."""
    return "".join(c if c.isprintable() else "�" for c in str(cell))


def octets(count: int) -> str:
    """A size for people: 0, 999, 1.5K, 20M."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{value:.1f}{unit}" if unit and value < 10 else f"{value:.0f}{unit}"
        value /= 1024
    return str(count)


def moment(seconds: float) -> str:
    """A time for people, in UTC."""
    if not seconds:
        return "never"
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Progress:
    """One line that is written over, on a terminal only."""

    def __init__(self) -> None:
        from pillarbox.base.clock import SystemClock

        self._clock = SystemClock()
        self._began = self._last = self._clock.monotonic()
        self._shown = False
        self._wanted = sys.stderr.isatty()

    def __call__(self, done: int, size: int, more: str = "") -> None:
        """So many messages of so many octets are done."""
        now = self._clock.monotonic()
        if not self._wanted or now - self._last < 0.2:
            return
        self._last = now
        self._shown = True
        rate = done / max(now - self._began, 0.001)
        text = f"{done} messages, {octets(size)}, {rate:.0f} a second{more}"
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)

    def end(self) -> None:
        """Clear the line, for what is printed next."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
