"""pillarbox alias."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show, table


@click.group("alias")
def command() -> None:
    """Addresses that lead to other addresses."""


@command.command("add")
@click.argument("address")
@click.argument("targets", nargs=-1, required=True)
@config_option
@json_option
def add(address: str, targets: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Lead ADDRESS to every one of TARGETS, in place of where it led before."""
    value = ask(config, "alias.add", address=address, targets=list(targets))
    show(value, as_json, lambda: [f"{value['address']} leads to {' '.join(value['targets'])}"])


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the aliases."""
    value = ask(config, "alias.list")
    rows = [(alias["address"], " ".join(alias["targets"])) for alias in value["aliases"]]
    show(value, as_json, lambda: table(("alias", "leads to"), rows))


@command.command("remove")
@click.argument("address")
@config_option
@json_option
def remove(address: str, config: Path, as_json: bool) -> None:
    """Forget the alias ADDRESS."""
    value = ask(config, "alias.remove", address=address)
    show(value, as_json, lambda: [f"{value['address']} leads nowhere any more"])
