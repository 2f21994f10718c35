"""pillarbox tls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show, table


@click.group("tls")
def command() -> None:
    """How TLS with other mail servers went, and the reports on it (RFC 8460)."""


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List connections by day and domain, as far as they are not reported yet."""
    value = ask(config, "tls.reports")
    rows = [row for day in value["days"] for one in day["policies"] for row in _rows(day, one)]
    head = ("day (UTC)", "domain", "policy", "good", "failed", "why", "host")
    show(value, as_json, lambda: table(head, rows) if rows else ["no connection is counted"])


def _rows(day: dict[str, Any], one: dict[str, Any]) -> list[tuple[object, ...]]:
    """A line for the good ones, and one for each kind of failure."""
    begin = (day["day"], day["domain"], one["policy"]["policy-type"])
    good = one["summary"]["total-successful-session-count"]
    rows: list[tuple[object, ...]] = [(*begin, good, 0, "", "")] if good else []
    for bad in one.get("failure-details", []):
        times, host = bad["failed-session-count"], bad.get("receiving-mx-hostname", "")
        rows.append((*begin, 0, times, bad["result-type"], host))
    return rows


@command.command("send")
@config_option
@json_option
def send(config: Path, as_json: bool) -> None:
    """Send the reports of past days that are due, without waiting for their turn."""
    value = ask(config, "tls.send")
    show(value, as_json, lambda: [f"{value['sent']} reports sent"])
