"""pillarbox junk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pillarbox.app.channel import Caller
from pillarbox.cli.options import ask, config_option, json_option, with_house
from pillarbox.cli.output import show


@click.group("junk")
def command() -> None:
    """What accounts taught their filters by moving mail to Junk and out of it."""


@command.command("status")
@click.argument("address")
@config_option
@json_option
def status(address: str, config: Path, as_json: bool) -> None:
    """Say what the filter of ADDRESS learned, and whether that is enough."""
    value = ask(config, "junk.status", address=address)
    show(value, as_json, lambda: _lines(value))


def _lines(value: dict[str, Any]) -> list[str]:
    enough = "it judges mail that comes in"
    if not value["speaks"]:
        enough = f"it says nothing before it learned {value['needed']} of each"
    counts = f"{value['junk']} messages of junk and {value['good']} good ones"
    return [f"{value['address']}: learned {counts}, {value['words']} words; {enough}"]


@command.command("learn")
@click.argument("address")
@click.option("--most", default=1000, show_default=True, help="Messages of each mailbox.")
@config_option
@json_option
def learn(address: str, most: int, config: Path, as_json: bool) -> None:
    """Learn the mail that ADDRESS has: what lies in Junk, and what was read elsewhere.

    Junk should hold nothing good when you do this. Trash, Sent and Drafts are left out, and what
    is learned already stays as it is.
    """

    async def work(caller: Caller) -> dict[str, Any]:
        learned, place = 0, {"mailbox": 0, "after": 0}
        while True:
            done = await caller.call("junk.learn", {"address": address, "most": most, **place})
            learned += done["learned"]
            place = {"mailbox": done["mailbox"], "after": done["after"]}
            if done["done"]:
                return {**await caller.call("junk.status", {"address": address}), "new": learned}

    value = with_house(config, work)
    show(value, as_json, lambda: [f"{value['new']} messages learned", *_lines(value)])


@command.command("forget")
@click.argument("address")
@config_option
@json_option
def forget(address: str, config: Path, as_json: bool) -> None:
    """Forget all that the filter of ADDRESS learned."""
    value = ask(config, "junk.forget", address=address)
    show(value, as_json, lambda: [f"the filter of {value['address']} begins anew"])
