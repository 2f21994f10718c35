"""pillarbox dns."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show


@click.command("dns")
@click.argument("name")
@config_option
@json_option
def command(name: str, config: Path, as_json: bool) -> None:
    """Print the DNS records to publish for the domain NAME, as lines of a zone file."""
    value = ask(config, "dns.records", name=name)
    lines = [f"{one['name']}. {one['type']} {one['value']}" for one in value["records"]]
    show(value, as_json, lambda: lines)
