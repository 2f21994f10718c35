"""pillarbox domain."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show, table


@click.group("domain")
def command() -> None:
    """Domains whose mail ends here."""


@command.command("add")
@click.argument("name")
@click.option("--catchall", default="", metavar="ADDRESS", help="Who gets what nobody else does.")
@click.option("--relay", default="", metavar="SERVER", help="Pass its mail on to this server.")
@click.option("--backup", is_flag=True, help="Keep its mail for its better mail hosts.")
@config_option
@json_option
def add(name: str, catchall: str, relay: str, backup: bool, config: Path, as_json: bool) -> None:
    """Take mail for the domain NAME, or change what becomes of it.

    SERVER is host:port, smtps://host, lmtp://host:port or lmtp:/path; addresses that have an
    account or alias here stay here.
    """
    value = ask(config, "domain.add", name=name, catchall=catchall, relay=relay, backup=backup)
    if value["kind"] != "local":
        goal = value["relay"] or "its better mail hosts"
        show(value, as_json, lambda: [f"mail for {value['name']} is taken for {goal}"])
        return
    keys = ask(config, "domain.keys", name=name)["keys"]
    lines = [
        f"mail for {value['name']} is taken, and signed with {len(keys)} keys",
        f"what to publish for it: pillarbox dns {value['name']}",
    ]
    show(value, as_json, lambda: lines)


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the domains."""
    value = ask(config, "domain.list")
    rows = [
        (d["name"], d["kind"], d["accounts"], d["aliases"], d["catchall"] or d["relay"])
        for d in value["domains"]
    ]
    head = ("domain", "mail ends", "accounts", "aliases", "catch-all or relay")
    show(value, as_json, lambda: table(head, rows))


@command.command("remove")
@click.argument("name")
@config_option
@json_option
def remove(name: str, config: Path, as_json: bool) -> None:
    """Take no more mail for the domain NAME; nobody may live there."""
    value = ask(config, "domain.remove", name=name)
    show(value, as_json, lambda: [f"mail for {value['name']} is not taken any more"])


@command.command("keys")
@click.argument("name")
@click.option("--new", is_flag=True, help="Make another pair, which takes over from today.")
@config_option
@json_option
def keys(name: str, new: bool, config: Path, as_json: bool) -> None:
    """Show the keys that sign mail of the domain NAME, making them if there are none.

    After --new publish the new records at once; keep the old ones for a week.
    """
    value = ask(config, "domain.keys", name=name, new=new)
    rows = [
        (one["selector"], one["algorithm"], "yes" if one["signs"] else "no", one["name"])
        for one in value["keys"]
    ]
    show(value, as_json, lambda: table(("selector", "algorithm", "signs", "record"), rows))
