"""pillarbox audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import plain, show


@click.command("audit")
@click.option("--repair", is_flag=True, help="Put right what can be put right.")
@config_option
@json_option
def command(repair: bool, config: Path, as_json: bool) -> int:
    """Prove that no message was lost.

    Each message that was answered 250 and each copy that was put into a mailbox, within the time
    that stories are kept, must lie in a mailbox, have been moved or deleted by its owner, wait in
    the queue, have been taken by another server, have been reported to its sender, or have been
    discarded by name. Beside that the references, counters and contents of the store are compared.

    Exit status 1 when something is wrong and was not repaired.
    """
    value = ask(config, "audit", repair=repair)
    show(value, as_json, lambda: _people(value))
    return 1 if value["broken"] else 0


def _people(value: dict[str, Any]) -> Iterator[str]:
    yield f"{value['messages']} messages"
    for end, count in value["ends"].items():
        yield f"{count:>8}  {end}"
    for one in value["findings"]:
        mended = "repaired" if one["repaired"] else "WRONG"
        yield f"{mended}: {one['kind']}: {plain(one['text'])}"
    more = value["broken"] - sum(not one["repaired"] for one in value["findings"])
    if more > 0:
        yield f"and {more} more"
    if not value["findings"]:
        yield "nothing was lost, and all agrees"
