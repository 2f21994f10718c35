"""pillarbox queue."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import moment, octets, show, table


@click.group("queue")
def command() -> None:
    """Mail that waits to be delivered."""


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List waiting mail and why it waits."""
    value = ask(config, "queue.list")
    rows = [
        (
            item["id"],
            octets(item["size"]),
            item["sender"] or "<>",
            recipient["recipient"],
            recipient["state"],
            recipient["attempts"],
            moment(recipient["due"]),
            recipient["last"],
        )
        for item in value["items"]
        for recipient in item["recipients"]
    ]
    head = ("id", "size", "sender", "recipient", "state", "tries", "next try (UTC)", "last answer")
    show(value, as_json, lambda: table(head, rows) if rows else ["the queue is empty"])


def _one(name: str, operation: str, about: str, done: str) -> None:
    """A command on one queue item."""

    @command.command(name, help=about)
    @click.argument("item", type=int)
    @config_option
    @json_option
    def one(item: int, config: Path, as_json: bool) -> None:
        value = ask(config, operation, item=item)
        show(value, as_json, lambda: [f"queue item {value['id']} {done}"])


_one("hold", "queue.hold", "Do not try queue item ITEM until it is released.", "is held")
_one("release", "queue.release", "Let the held queue item ITEM go on.", "goes on")
_one("retry", "queue.retry", "Try queue item ITEM now instead of later.", "is tried again")
_one("drop", "queue.drop", "Forget queue item ITEM; nobody is told.", "is dropped")
