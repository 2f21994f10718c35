"""pillarbox demo."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--users",
    type=click.IntRange(0, 100_000),
    help="Accounts user0@example.test and so on; without it, ann and bob.",
)
@click.option("--password", help="The password of all of them; made up unless given.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write names and ports here, as JSON, once everything listens.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data here; without it, it goes when the demo ends.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that talk to clients.",
)
@click.option("--once", is_flag=True, help="Send and read a first message, and end.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Least severe event shown.",
)
def command(
    users: int | None,
    password: str | None,
    ready_file: Path | None,
    directory: Path | None,
    workers: int,
    once: bool,
    log_level: str,
) -> int:
    """Run a whole mail house on free loopback ports, until Ctrl-C.

    It has a throw-away certificate authority and passwords that are cheap to check, so it is for
    trying out and for tests only.
    """
    from pillarbox.app.demo import Wish, demo

    wish = Wish(
        users=users,
        password=password,
        ready_file=ready_file,
        directory=directory,
        once=once,
        workers=workers,
        log_level=log_level,
    )
    return demo(wish, click.echo)
