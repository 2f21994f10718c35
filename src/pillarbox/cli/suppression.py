"""pillarbox suppression."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import moment, show, table


@click.group("suppression")
def command() -> None:
    """Addresses that an account or list sends nothing more to: they bounced, or left a list."""


@command.command("list")
@click.argument("owner", default="")
@config_option
@json_option
def list_(owner: str, config: Path, as_json: bool) -> None:
    """List what is suppressed for the account or list OWNER, or for everybody."""
    value = ask(config, "suppression.list", owner=owner)
    rows = [
        (one["owner"], one["address"], one["cause"], moment(one["at"]), one["detail"])
        for one in value["suppressions"]
    ]
    head = ("account or list", "address", "cause", "since (UTC)", "detail")
    show(value, as_json, lambda: table(head, rows) if rows else ["nothing is suppressed"])


@command.command("add")
@click.argument("owner")
@click.argument("addresses", nargs=-1, required=True)
@config_option
@json_option
def add(owner: str, addresses: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Let the account or list OWNER send nothing more to ADDRESSES."""
    value = ask(config, "suppression.add", owner=owner, addresses=list(addresses))
    names = [one["address"] for one in value["suppressions"]]
    show(value, as_json, lambda: [f"nothing more goes to {' '.join(names)}"])


@command.command("remove")
@click.argument("owner")
@click.argument("address")
@config_option
@json_option
def remove(owner: str, address: str, config: Path, as_json: bool) -> None:
    """Let the account or list OWNER write to ADDRESS again."""
    value = ask(config, "suppression.remove", owner=owner, address=address)
    show(value, as_json, lambda: [f"{value['owner']} may write to {value['address']} again"])
