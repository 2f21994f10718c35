"""pillarbox replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import config_option, json_option, with_house
from pillarbox.cli.output import plain, show

SHOWN = 20
"""Faults that people are shown."""


@click.command("replay")
@click.option(
    "--hook",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The file with hooks.",
)
@click.option(
    "--last",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="So many messages, newest first.",
)
@config_option
@json_option
def command(file: Path, last: int, config: Path, as_json: bool) -> None:
    """Say which messages of the last time a hook would have treated otherwise.

    Runs the `data` hooks in FILE, here and not in the server, over messages that came in and are
    still in a mailbox, each with what was found out about it then. Nothing is changed.
    """
    from pillarbox.app.replay import replay
    from pillarbox.config.load import load

    loaded = load(config)
    done = with_house(config, lambda caller: replay(caller, loaded, file.absolute(), last))
    value = asdict(done)
    show(value, as_json, lambda: _people(value))


def _people(value: dict[str, Any]) -> Iterator[str]:
    for one in value["changes"]:
        why = f": {one['reason']}" if one["reason"] else ""
        by = f" (the hook {one['hook']})" if one["hook"] else ""
        yield plain(f"{one['id']}  from <{one['from']}>  {one['subject'][:60]}")
        yield plain(f"    {one['before']} → {one['after']}{why}{by}")
    for one in value["faults"][:SHOWN]:
        yield plain(f"{one['id']}  the hook {one['hook']} failed: {one['fault']}")
    gone = f"; {value['gone']} more are in no mailbox any more" if value["gone"] else ""
    yield (
        f"{value['messages']} messages, {len(value['changes'])} would be treated otherwise, "
        f"{value['tagged']} tagged or given fields, {len(value['faults'])} faults{gone}"
    )
