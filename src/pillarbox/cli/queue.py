"""pillarbox queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import moment, octets, plain, show, table

F = TypeVar("F", bound=Callable[..., Any])

_STATES = ("due", "held")


@click.group("queue")
def command() -> None:
    """Mail that waits to be delivered."""


def _age(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A time as 2h or 3d to seconds."""
    if value is None:
        return None
    from pillarbox.config import checks

    try:
        return checks.duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}", ctx, param) from None


_FILTERS = (
    click.option("--sender", metavar="ADDRESS", help="From this address or @domain; '' for none."),
    click.option("--recipient", metavar="ADDRESS", help="To this address or @domain."),
    click.option("--domain", metavar="DOMAIN", help="That goes to this domain."),
    click.option("--older", callback=_age, metavar="TIME", help="That came before 2h, 3d, … ago."),
    click.option("--state", type=click.Choice(_STATES), help="With a recipient in this state."),
)


def filters(command: F) -> F:
    """What mail in the queue can have in common."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _given(which: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in which.items() if value is not None}


@command.command("list")
@filters
@click.option("--limit", type=click.IntRange(1), help="At most so many messages.")
@config_option
@json_option
def list_(limit: int | None, config: Path, as_json: bool, **which: Any) -> None:
    """List waiting mail and why it waits."""
    value = ask(config, "queue.list", limit=limit or 0, **_given(which))
    rows = [
        (
            item["id"],
            octets(item["size"]),
            item["sender"] or "<>",
            recipient["recipient"],
            "active" if item["leased"] and recipient["state"] == "due" else recipient["state"],
            recipient["attempts"],
            moment(recipient["due"]),
            recipient["last"] or item["held"],
        )
        for item in value["items"]
        for recipient in item["recipients"]
    ]
    head = ("id", "size", "sender", "recipient", "state", "tries", "next try (UTC)", "last answer")
    empty = "nothing" if _given(which) else "the queue is empty"
    show(value, as_json, lambda: table(head, rows) if rows else [empty])


@command.command("show")
@click.argument("item", type=int)
@config_option
@json_option
def show_(item: int, config: Path, as_json: bool) -> None:
    """Tell all about queue item ITEM."""
    value = ask(config, "queue.show", item=item)
    show(value, as_json, lambda: _people(value))


def _people(value: dict[str, Any]) -> Iterator[str]:
    came = value["received"]
    facts = {
        "item": value["id"],
        "accepted as": value["trace"],
        "sender": value["sender"] or "<>",
        "size": octets(value["size"]),
        "queued (UTC)": moment(value["created"]),
        "from": " ".join(filter(None, (came["from"], came["helo"]))) or "this server",
        "user": came["user"],
        "tls": came["tls"],
        "priority": value["priority"] or "",
        "envid": value["envid"],
        "held": value["held"],
        "being tried": "now" if value["leased"] else "",
    }
    for name, fact in facts.items():
        if fact != "":
            yield f"{name + ':':<14}{plain(fact)}"
    yield ""
    yield from table(
        ("recipient", "leads to", "state", "tries", "next try (UTC)", "last answer"),
        [
            (r["recipient"], r["route"], r["state"], r["attempts"], moment(r["due"]), r["last"])
            for r in value["recipients"]
        ],
    )
    yield ""
    yield f"its story: pillarbox why {value['id']}"


def _many(name: str, operation: str, about: str, done: str, *, all_: bool = False) -> None:
    """A command on queue items."""

    @command.command(name, help=about)
    @click.argument("items", type=int, nargs=-1, metavar="[ITEM]…")
    @filters
    @click.option("--all", "every", is_flag=True, default=None, help="Whatever waits.")
    @config_option
    @json_option
    def many(items: tuple[int, ...], config: Path, as_json: bool, **which: Any) -> None:
        chosen = _given(which)
        if all_ and not chosen and not items:
            chosen = {"every": True}
        if bool(items) == bool(chosen):
            raise click.UsageError("say which: numbers of items, or a filter, or --all")
        value = ask(config, operation, items=list(items), **chosen)
        lines = [f"queue item {item} {done}" for item in value["items"]]
        lines += [f"queue item {item} was busy and is left alone" for item in value["passed"]]
        show(value, as_json, lambda: lines or ["nothing to do"])


_many("hold", "queue.hold", "Do not try waiting mail until it is released.", "is held")
_many("release", "queue.release", "Let held mail go on.", "goes on")
_many("retry", "queue.retry", "Try waiting mail now instead of later.", "is tried again")
_many(
    "expire",
    "queue.expire",
    "Give waiting mail up now; its senders get the report they would get in the end.",
    "is given up",
)
_many("drop", "queue.drop", "Forget waiting mail; nobody is told.", "is dropped")
_many(
    "flush",
    "queue.retry",
    "Try everything that waits now, or what the filters choose.",
    "is tried again",
    all_=True,
)
