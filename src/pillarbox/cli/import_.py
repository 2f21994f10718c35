"""pillarbox import."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import account_option, config_option, json_option, with_house
from pillarbox.cli.output import Progress, complain, octets, show


@click.command("import")
@click.argument("kind", type=click.Choice(["maildir", "mbox", "eml-dir"]))
@click.argument("path", type=click.Path(path_type=Path))
@account_option
@click.option("--mailbox", default="INBOX", show_default=True, help="Where the top level goes.")
@click.option("--tree", is_flag=True, help="eml-dir: make a mailbox of each directory.")
@click.option("--resume", is_flag=True, help="Leave out what is in the mailbox already.")
@click.option("--ignore-quota", is_flag=True, help="Import more than the account may hold.")
@config_option
@json_option
def command(
    kind: str,
    path: Path,
    account: str,
    mailbox: str,
    tree: bool,
    resume: bool,
    ignore_quota: bool,
    config: Path,
    as_json: bool,
) -> int:
    """Bring in mail from PATH.

    \b
    maildir  a Maildir with its folders, or a directory of Maildirs
    mbox     an mbox file, or a directory of them
    eml-dir  every .eml in a directory and below

    Flags and dates come along. A message that cannot be read is named and passed over, and the
    exit status is 1. An import that was cut off goes on with --resume.
    """
    from pillarbox.app.importing import Tally, import_mail

    if tree and kind != "eml-dir":
        raise click.UsageError("--tree is for eml-dir")
    shown = Progress()

    def progress(tally: Tally) -> None:
        more = f", {tally.skipped} there already" if tally.skipped else ""
        shown(tally.imported, tally.octets, more)

    tally = with_house(
        config,
        lambda caller: import_mail(
            caller,
            "eml-tree" if tree else kind,
            path.absolute(),
            account,
            mailbox=mailbox,
            resume=resume,
            enforce_quota=not ignore_quota,
            progress=progress,
        ),
    )
    shown.end()
    show(tally.value(), as_json, lambda: _people(tally.value()))
    for problem in tally.problems:
        complain(problem)
    return int(tally.bad > 0)


def _people(value: dict[str, int]) -> list[str]:
    line = f"imported {value['imported']} messages, {octets(value['octets'])}"
    if value["skipped"]:
        line += f"; {value['skipped']} were there already"
    if value["bad"]:
        line += f"; {value['bad']} could not be read"
    return [line]
