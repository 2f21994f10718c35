"""pillarbox account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pillarbox.app.channel import Caller
from pillarbox.cli.options import (
    Size,
    ask,
    chosen_password,
    config_option,
    json_option,
    make_sure,
    password_options,
    sure_option,
    with_house,
)
from pillarbox.cli.output import octets, show, table

COUNT = click.IntRange(min=0)
POP3 = click.Choice(["delete", "keep", "archive"])
POP3_HELP = (
    "What a POP3 deletion does: delete (can be undone for a while), keep (hides the message from "
    "POP3 only), archive (moves it to Archive)."
)

_OWN = "0: as the configuration says, -1: to none."


@click.group("account")
def command() -> None:
    """People and roles with a mailbox and a password."""


@command.command("add")
@click.argument("address")
@password_options
@click.option("--quota", type=Size(), default=0, help="Most mail it may hold, as 2G; 0: no limit.")
@click.option("--pop3", type=POP3, default="delete", show_default=True, help=POP3_HELP)
@click.option("--name", "display_name", default="", help="The person's name.")
@config_option
@json_option
def add(
    address: str,
    password_stdin: bool,
    generate: bool,
    quota: int,
    pop3: str,
    display_name: str,
    config: Path,
    as_json: bool,
) -> None:
    """Make an account whose login name is ADDRESS."""
    password = chosen_password(password_stdin=password_stdin, generate=generate)
    value = ask(
        config,
        "account.add",
        address=address,
        password=password,
        quota=quota,
        pop3=pop3,
        display_name=display_name,
    )
    if generate:
        value["password"] = password
    show(value, as_json, lambda: [f"account {value['address']} is there", *_told(value)])


@command.command("list")
@click.option("--domain", default="", help="Only those of a domain.")
@config_option
@json_option
def list_(domain: str, config: Path, as_json: bool) -> None:
    """List the accounts."""

    async def all_pages(caller: Caller) -> list[dict[str, Any]]:
        page = await caller.call("account.list", {"domain": domain})
        found: list[dict[str, Any]] = page["accounts"]
        while page["next"]:
            page = await caller.call("account.list", {"domain": domain, "after": page["next"]})
            found += page["accounts"]
        return found

    value = {"accounts": with_house(config, all_pages)}
    rows = [
        (
            account["address"],
            octets(account["used"]),
            octets(account["quota"]) if account["quota"] else "-",
            account["pop3"],
            "yes" if account["enabled"] else "no",
            account["display_name"],
        )
        for account in value["accounts"]
    ]
    head = ("account", "used", "quota", "pop3", "enabled", "name")
    show(value, as_json, lambda: table(head, rows))


@command.command("passwd")
@click.argument("address")
@password_options
@config_option
@json_option
def passwd(address: str, password_stdin: bool, generate: bool, config: Path, as_json: bool) -> None:
    """Give the account ADDRESS another password."""
    password = chosen_password(password_stdin=password_stdin, generate=generate)
    value = ask(config, "account.passwd", address=address, password=password)
    if generate:
        value["password"] = password
    show(value, as_json, lambda: [f"{value['address']} has a new password", *_told(value)])


@command.command("set")
@click.argument("address")
@click.option("--quota", type=Size(), help="Most mail it may hold, as 2G; 0: no limit.")
@click.option("--pop3", type=POP3, help=POP3_HELP)
@click.option("--enable/--disable", "enabled", default=None, help="May it log in and get mail?")
@click.option("--name", "display_name", help="The person's name.")
@click.option("--max-messages", type=COUNT, help="Most messages it may hold; 0: no limit.")
@click.option("--max-mailboxes", type=COUNT, help="Most mailboxes it may have; 0: no limit.")
@click.option("--admin/--no-admin", default=None, help="May it set quotas over IMAP?")
@click.option("--hour-limit", type=int, help=f"Recipients it may write to in an hour; {_OWN}")
@click.option("--day-limit", type=int, help=f"The same in a day; {_OWN}")
@click.option("--imap-mask", help="IMAP capabilities it is not offered, in one text; '' for none.")
@config_option
@json_option
def set_(
    address: str,
    quota: int | None,
    pop3: str | None,
    enabled: bool | None,
    display_name: str | None,
    max_messages: int | None,
    max_mailboxes: int | None,
    admin: bool | None,
    hour_limit: int | None,
    day_limit: int | None,
    imap_mask: str | None,
    config: Path,
    as_json: bool,
) -> None:
    """Change what is given of the account ADDRESS, leave the rest."""
    wanted = {
        "quota": quota,
        "pop3": pop3,
        "enabled": enabled,
        "display_name": display_name,
        "max_messages": max_messages,
        "max_mailboxes": max_mailboxes,
        "admin": admin,
        "hour_limit": hour_limit,
        "day_limit": day_limit,
        "imap_mask": None if imap_mask is None else imap_mask.split(),
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise click.UsageError(
            "nothing to change: give --quota, --pop3, --enable, --disable, --name, --max-messages,"
            " --max-mailboxes, --admin, --no-admin, --hour-limit, --day-limit, --imap-mask"
        )
    value = ask(config, "account.set", address=address, **given)
    show(value, as_json, lambda: [f"account {value['address']} is changed"])


@command.command("forward")
@click.argument("address")
@click.argument("targets", nargs=-1)
@click.option("--off", is_flag=True, help="Forward no more.")
@click.option("--keep/--no-keep", default=None, help="Does a copy stay in the mailbox? [yes]")
@config_option
@json_option
def forward(
    address: str,
    targets: tuple[str, ...],
    off: bool,
    keep: bool | None,
    config: Path,
    as_json: bool,
) -> None:
    """Send all mail of the account ADDRESS on to TARGETS; without them, show where it goes."""
    if off and targets:
        raise click.UsageError("--off and addresses exclude each other")
    wanted = list(targets) if targets or off else None
    value = ask(config, "account.forward", address=address, targets=wanted, keep_copy=keep)
    show(value, as_json, lambda: [_forwarding(value)])


@command.command("remove")
@click.argument("address")
@sure_option
@config_option
@json_option
def remove(address: str, yes: bool, config: Path, as_json: bool) -> None:
    """Remove the account ADDRESS with all its mail, for good."""
    make_sure(f"Remove {address} with all its mail, for good?", yes=yes)
    value = ask(config, "account.remove", address=address)
    show(value, as_json, lambda: [f"account {value['address']} is gone"])


def _forwarding(value: dict[str, Any]) -> str:
    if not value["forward"]:
        return f"{value['address']} forwards nothing"
    kept = "and keeps a copy" if value["keep_copy"] else "and keeps nothing"
    return f"{value['address']} forwards to {' '.join(value['forward'])} {kept}"


def _told(value: dict[str, object]) -> list[str]:
    """A generated password is shown once."""
    return [f"password {value['password']}"] if "password" in value else []
