"""pillarbox why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import moment, plain, show


@click.command("why")
@click.argument("word")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Newest messages."
)
@config_option
@json_option
def command(word: str, limit: int, config: Path, as_json: bool) -> None:
    """Tell what happened to a message, from its first connection to its end.

    WORD is a Message-ID, the name under which it was accepted (in the Received field, in the
    answer to the client and in the log), the number of a queue item, or an address: then the
    newest messages from and to it are told of, those that were refused among them.
    """
    value = ask(config, "why", word=word, limit=limit)
    show(value, as_json, lambda: _people(value))


def _people(value: dict[str, Any]) -> Iterator[str]:
    for number, story in enumerate(value["stories"]):
        if number:
            yield ""
        for line in story["lines"]:
            yield f"{moment(line['at'])}  {plain(line['text'])}"
    if value["more"]:
        yield ""
        yield "There may be older ones: see --limit"
