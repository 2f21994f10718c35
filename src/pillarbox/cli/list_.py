"""pillarbox list."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option, make_sure, sure_option
from pillarbox.cli.output import show, table

POST = click.Choice(["anyone", "members", "owners"])
OTHERS = click.Choice(["refuse", "hold"])
REWRITE = click.Choice(["auto", "always", "never"])
POST_HELP = "Whose mail goes to the members at once."
OTHERS_HELP = "What becomes of other mail: hold keeps it until `pillarbox queue release`."
REWRITE_HELP = (
    "Put the list into From in the place of the author: auto does where the author's domain has a "
    "strict DMARC policy and did not sign."
)


@click.group("list")
def command() -> None:
    """Addresses whose mail goes to many members."""


@command.command("add")
@click.argument("address")
@click.option("--title", default="", help="What the list is called.")
@click.option("--post", type=POST, default="members", show_default=True, help=POST_HELP)
@click.option("--others", type=OTHERS, default="refuse", show_default=True, help=OTHERS_HELP)
@click.option("--rewrite-from", type=REWRITE, default="auto", show_default=True, help=REWRITE_HELP)
@config_option
@json_option
def add(
    address: str,
    title: str,
    post: str,
    others: str,
    rewrite_from: str,
    config: Path,
    as_json: bool,
) -> None:
    """Make a list with the address ADDRESS."""
    wanted = {"title": title, "post": post, "others": others, "rewrite_from": rewrite_from}
    value = ask(config, "list.add", address=address, **wanted)
    told = [f"list {value['address']} is there", f"mail to {value['owner']} reaches its owners"]
    show(value, as_json, lambda: told)


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the lists."""
    value = ask(config, "list.list")
    rows = [
        (one["address"], one["members"], one["post"], one["others"], one["title"])
        for one in value["lists"]
    ]
    head = ("list", "members", "who may post", "others", "title")
    show(value, as_json, lambda: table(head, rows))


@command.command("set")
@click.argument("address")
@click.option("--title", help="What the list is called.")
@click.option("--post", type=POST, help=POST_HELP)
@click.option("--others", type=OTHERS, help=OTHERS_HELP)
@click.option("--rewrite-from", type=REWRITE, help=REWRITE_HELP)
@config_option
@json_option
def set_(
    address: str,
    title: str | None,
    post: str | None,
    others: str | None,
    rewrite_from: str | None,
    config: Path,
    as_json: bool,
) -> None:
    """Change what is given of the list ADDRESS, leave the rest."""
    wanted = {"title": title, "post": post, "others": others, "rewrite_from": rewrite_from}
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise click.UsageError("nothing to change: give --title, --post, --others, --rewrite-from")
    value = ask(config, "list.set", address=address, **given)
    show(value, as_json, lambda: [f"list {value['address']} is changed"])


@command.command("members")
@click.argument("address")
@config_option
@json_option
def members(address: str, config: Path, as_json: bool) -> None:
    """Show who is on the list ADDRESS, and who of them gets nothing and why."""
    value = ask(config, "list.members", address=address)
    rows = [
        (
            member["address"],
            "owner" if member["owner"] else "member",
            member["suppressed"] or "-",
            member["detail"],
        )
        for member in value["members"]
    ]
    head = ("address", "role", "gets nothing", "why")
    show(value, as_json, lambda: table(head, rows))


@command.command("join")
@click.argument("address")
@click.argument("members", nargs=-1)
@click.option("--owner", is_flag=True, help="They own the list: they get mail to ADDRESS-owner.")
@click.option("--stdin", is_flag=True, help="Read addresses from standard input too, one a line.")
@config_option
@json_option
def join(
    address: str,
    members: tuple[str, ...],
    owner: bool,
    stdin: bool,
    config: Path,
    as_json: bool,
) -> None:
    """Put MEMBERS on the list ADDRESS."""
    names = [*members, *(line.strip() for line in sys.stdin if line.strip())] if stdin else members
    if not names:
        raise click.UsageError("who? give addresses, or --stdin")
    value = ask(config, "list.join", address=address, members=list(names), owner=owner)
    said = f"{len(value['members'])} on the list {value['address']}"
    show(value, as_json, lambda: [said])


@command.command("leave")
@click.argument("address")
@click.argument("members", nargs=-1, required=True)
@config_option
@json_option
def leave(address: str, members: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Take MEMBERS off the list ADDRESS."""
    value = ask(config, "list.leave", address=address, members=list(members))
    show(value, as_json, lambda: [f"{' '.join(value['members'])} off the list {value['address']}"])


@command.command("remove")
@click.argument("address")
@sure_option
@config_option
@json_option
def remove(address: str, yes: bool, config: Path, as_json: bool) -> None:
    """Remove the list ADDRESS with its members, for good."""
    make_sure(f"Remove the list {address} with its members, for good?", yes=yes)
    value = ask(config, "list.remove", address=address)
    show(value, as_json, lambda: [f"list {value['address']} is gone"])
