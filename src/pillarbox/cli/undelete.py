"""pillarbox undelete."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import account_option, ask, config_option, json_option
from pillarbox.cli.output import moment, octets, show, table


@click.group("undelete")
def command() -> None:
    """Bring back what was deleted, by whatever program, within the retention time."""


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A time ago, as 2h or 3d, to seconds since 1970."""
    if value is None:
        return None
    from pillarbox.base.clock import SystemClock
    from pillarbox.config import checks

    try:
        return SystemClock().now() - checks.duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}", ctx, param) from None


mailbox_option = click.option("--mailbox", default="", help="Only what was in this mailbox.")
since_option = click.option(
    "--since", callback=_since, metavar="TIME", help="Only what was deleted within 2h, 3d, …"
)


@command.command("list")
@account_option
@mailbox_option
@since_option
@config_option
@json_option
def list_(account: str, mailbox: str, since: float | None, config: Path, as_json: bool) -> None:
    """List what can be brought back."""
    value = ask(config, "undelete.list", account=account, mailbox=mailbox, since=since)
    rows = [
        (
            moment(m["expunged_at"]),
            m["by"] or "-",
            m["mailbox"],
            m["uid"],
            octets(m["size"]),
            m["from"][:30],
            m["subject"][:60],
        )
        for m in value["messages"]
    ]
    head = ("deleted (UTC)", "by", "mailbox", "uid", "size", "from", "subject")
    show(value, as_json, lambda: table(head, rows) if rows else ["nothing"])


@command.command("restore")
@account_option
@mailbox_option
@since_option
@click.option("--uid", "uids", type=int, multiple=True, help="Only this UID; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Everything that can be brought back.")
@click.option("--to", default="", help="Into this mailbox instead of where each message was.")
@config_option
@json_option
def restore(
    account: str,
    mailbox: str,
    since: float | None,
    uids: tuple[int, ...],
    everything: bool,
    to: str,
    config: Path,
    as_json: bool,
) -> None:
    """Bring messages back, into the mailbox they were in."""
    if not (everything or mailbox or uids or since is not None):
        raise click.UsageError("say what: --mailbox, --uid, --since or --all")
    value = ask(
        config,
        "undelete.restore",
        account=account,
        mailbox=mailbox,
        since=since,
        uids=list(uids) or None,
        to=to,
    )
    lines = [
        f"{one['messages']} messages are back in {one['mailbox']}" for one in value["restored"]
    ]
    show(value, as_json, lambda: lines or ["nothing to bring back"])
