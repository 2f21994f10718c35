"""pillarbox reindex."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pillarbox.app.channel import Caller
from pillarbox.cli.options import config_option, json_option, with_house
from pillarbox.cli.output import show


@click.command("reindex")
@click.option("--account", default="", metavar="ADDRESS", help="Only the mail of this account.")
@config_option
@json_option
def command(account: str, config: Path, as_json: bool) -> None:
    """Make the index that searches use again.

    Searches are answered all the while, only slower. Needed only where the index is
    thought to be wrong: it is kept up to date, and made again where it is missing.
    """
    shown = not as_json and sys.stderr.isatty()

    async def work(caller: Caller) -> dict[str, Any]:
        begun = await caller.call("index.again", {"account": account})
        total = 0
        while True:
            progress = await caller.call("index.fill", {"seconds": 1.0})
            indexed = progress["indexed"]
            total = total or indexed + progress["waiting"]  # mail that comes now is not ours
            if shown:
                click.echo(f"\r{indexed} of {total} messages", nl=False, err=True)
            if indexed >= total or not progress["waiting"]:
                return begun

    value = with_house(config, work)
    if shown:
        click.echo(err=True)
    show(value, as_json, lambda: [f"{value['messages']} messages indexed again"])
