"""pillarbox dmarc."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.options import ask, config_option, json_option, with_house
from pillarbox.cli.output import moment, show, table


@click.group("dmarc")
def command() -> None:
    """Reports on mail in your domains' names, and those that this server sends (RFC 9990).

    Publish an address for reports (pillarbox dns prints the record), name its account in
    checks.reports_inbox, and they are read as they come in.
    """


days_option = click.option(
    "--days", type=click.IntRange(1, 400), default=30, show_default=True, help="That far back."
)


@command.command("list")
@click.argument("domain", default="")
@days_option
@config_option
@json_option
def list_(domain: str, days: int, config: Path, as_json: bool) -> None:
    """List the reports that came in, about DOMAIN or all domains."""
    value = ask(config, "dmarc.list", domain=domain, days=days)
    head = ("domain", "from", "by", "policy", "messages", "passed")
    rows = [
        (
            *(one["domain"], moment(one["begin"]), one["by"], one["policy"]),
            *(one["messages"], one["passed"]),
        )
        for one in value["reports"]
    ]
    show(value, as_json, lambda: table(head, rows) if rows else ["no report came in"])


@command.command("senders")
@click.argument("domain", default="")
@days_option
@config_option
@json_option
def senders(domain: str, days: int, config: Path, as_json: bool) -> None:
    """Sum up who sent mail in the name of DOMAIN, or of all domains.

    Machines of yours that fail need their SPF record or their signature mended; others that fail
    are not yours, and a stricter policy keeps them out.
    """
    value = ask(config, "dmarc.senders", domain=domain, days=days)
    head = ("domain", "address", "messages", "passed", "by DKIM", "by SPF", "refused or junk")
    rows = [
        tuple(one[key] for key in ("domain", "ip", "messages", "passed", "dkim", "spf", "refused"))
        for one in value["senders"]
    ]
    show(value, as_json, lambda: table(head, rows) if rows else ["no report came in"])


@command.command("read")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@config_option
@json_option
def read(files: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Read reports from FILES: messages, or the reports themselves, packed or not."""
    value = _read(config, files)
    words = [f"{one['domain']}: {one['messages']} messages, by {one['by']}" for one in value]
    show({"reports": value}, as_json, lambda: words)


def _read(config: Path, files: tuple[str, ...]) -> list[dict[str, Any]]:
    contents = [Path(name).read_bytes() for name in files]

    async def work(caller: Any) -> list[dict[str, Any]]:
        found = []
        for data in contents:
            given = await caller.call(
                "dmarc.read", {"size": len(data)}, body=_octets(data), size=len(data)
            )
            found += given["reports"]
        return found

    return with_house(config, work)


async def _octets(data: bytes) -> AsyncIterator[bytes]:
    yield data


@command.command("send")
@config_option
@json_option
def send(config: Path, as_json: bool) -> None:
    """Send this server's own reports on past days that are due, without waiting for their turn."""
    value = ask(config, "dmarc.send")
    show(value, as_json, lambda: [f"{value['sent']} reports sent"])
