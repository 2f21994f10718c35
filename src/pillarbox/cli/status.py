"""pillarbox status."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import moment, octets, show, table


@click.command("status")
@config_option
@json_option
def command(config: Path, as_json: bool) -> int:
    """Show whether the server runs, and what it holds. Exit status 1 if it does not run."""
    value = ask(config, "status")

    def people() -> list[str]:
        lines = [f"running   {'yes' if value['running'] else 'no'}"]
        if value["running"]:
            lines += [
                f"version   {value['version']}",
                f"pid       {value['pid']}",
                f"since     {moment(value['since'])} UTC",
            ]
        lines += [
            f"domains   {value['domains']}",
            f"accounts  {value['accounts']}, {octets(value['used'])} of mail",
            f"queue     {value['queue']}",
            f"index     {_index(value['index'])}",
        ]
        doors = value.get("doors", [])
        rows = [(d["name"], " ".join(d["addresses"]), d["connections"]) for d in doors]
        return [*lines, *([""] if rows else []), *table(("door", "listens on", "open"), rows)]

    show(value, as_json, people)
    return 0 if value["running"] else 1


def _index(value: dict[str, int]) -> str:
    """How far the index of texts is."""
    waiting = value["waiting"]
    return f"{value['indexed']} messages" + (f", {waiting} waiting" if waiting else "")
