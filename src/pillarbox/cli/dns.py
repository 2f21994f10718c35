"""pillarbox dns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show

_HARM = {
    "lost": "mail to you",
    "refused": "mail from you",
    "open": "safety",
    "comfort": "comfort",
    "none": "ok",
}
"""What suffers, in the words of the list."""


@click.command("dns")
@click.argument("name")
@click.option("--check", is_flag=True, help="Compare with the live DNS; the worst comes first.")
@config_option
@json_option
def command(name: str, check: bool, config: Path, as_json: bool) -> int:
    """Print the DNS records to publish for the domain NAME, as lines of a zone file.

    With --check say what is wrong with those that are published, and what to do. Exit status 1 if
    mail to or from the domain suffers.
    """
    if check:
        value = ask(config, "dns.check", name=name)
        show(value, as_json, lambda: _findings(value["findings"]))
        return int(not value["ok"])
    value = ask(config, "dns.records", name=name)
    show(value, as_json, lambda: _zone(value["records"]))
    return 0


def _zone(records: list[dict[str, str]]) -> list[str]:
    lines = []
    why = ""
    for one in records:
        if one["why"] != why:
            why = one["why"]
            lines.append(f"; {why}")
        lines.append(f"{one['name']}. {one['type']} {one['value']}")
    return lines


def _findings(findings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in findings:
        lines.append(f"{_HARM[one['harm']]:13}  {one['record']}: {one['text']}")
        if one["hint"]:
            lines.append(f"{'':13}  → {one['hint']}")
    return lines
