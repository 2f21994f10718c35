"""pillarbox export."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import account_option, config_option, json_option, with_house
from pillarbox.cli.output import Progress, complain, octets, show


@click.command("export")
@account_option
@click.option(
    "--to",
    "directory",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A new or empty directory.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["maildir", "mbox", "eml"]),
    default="maildir",
    show_default=True,
)
@click.option("--mailbox", "mailboxes", multiple=True, help="Only this one; may be repeated.")
@config_option
@json_option
def command(
    account: str,
    directory: Path,
    kind: str,
    mailboxes: tuple[str, ...],
    config: Path,
    as_json: bool,
) -> int:
    """Write an account's mail into files that other programs read.

    Messages come out octet for octet, with CRLF line ends; flags and dates go along. In mbox,
    lines that begin with "From " are quoted and a last line without end gets one.
    """
    from pillarbox.app.exporting import Tally, export_mail

    shown = Progress()

    def progress(tally: Tally) -> None:
        shown(tally.exported, tally.octets)

    tally = with_house(
        config,
        lambda caller: export_mail(
            caller, kind, account, directory.absolute(), mailboxes=mailboxes, progress=progress
        ),
    )
    shown.end()
    size = octets(tally.octets)
    show(
        tally.value(),
        as_json,
        lambda: [f"exported {tally.exported} messages, {size}, to {directory}"],
    )
    for problem in tally.problems:
        complain(problem)
    return int(bool(tally.problems))
