"""Options that several commands share, and how a command reaches the house."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pillarbox.app.channel import Caller
from pillarbox.base.errors import Misuse

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIG = Path("/etc/pillarbox/pillarbox.toml")
GENERATED = 20
"""Characters of a generated password, 5 bits each."""


def config_option(command: F) -> F:
    """``--config FILE``, or the environment's PILLARBOX_CONFIG."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=DEFAULT_CONFIG,
        envvar="PILLARBOX_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The configuration file.",
    )(command)


def json_option(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def sure_option(command: F) -> F:
    """``--yes``, for ``make_sure``."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def make_sure(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone, unless ``yes`` was said. Raises Misuse where nobody can be
    asked, click.Abort where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("this cannot be undone, and there is no terminal to ask", hint="add --yes")
    click.confirm(question, abort=True)


def account_option(command: F) -> F:
    """``--account ADDRESS``."""
    return click.option(
        "--account", required=True, metavar="ADDRESS", help="Whose mail; an account's address."
    )(command)


def password_options(command: F) -> F:
    """``--password-stdin`` and ``--generate``; without them the terminal is asked."""
    command = click.option(
        "--generate", is_flag=True, help="Make a password up and print it, once."
    )(command)
    return click.option(
        "--password-stdin", is_flag=True, help="Read the password from standard input: one line."
    )(command)


def chosen_password(*, password_stdin: bool, generate: bool) -> str:
    """The password that the options ask for. Raises Misuse where it cannot be had."""
    if password_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other")
    if generate:
        from pillarbox.base.ids import SystemRng

        return SystemRng().token(GENERATED)
    if password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Misuse(
            "there is no terminal to ask for the password",
            hint="use --password-stdin, or --generate",
        )
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more")
    return password


class Size(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Octets, as 1000000 or 50M."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error."""
        from pillarbox.config import checks

        try:
            return checks.size(int(value) if str(value).isdecimal() else value)
        except ValueError as error:
            self.fail(f"{value!r} is not {error}.", param, ctx)


def with_house(config: Path, work: Callable[[Caller], Awaitable[T]]) -> T:
    """Run ``work`` with a caller for the house of a configuration."""
    from pillarbox.app.core import reach_house
    from pillarbox.app.loops import run
    from pillarbox.config.load import load

    loaded = load(config)

    async def reached() -> T:
        async with reach_house(loaded) as caller:
            return await work(caller)

    return run(reached(), loaded.server.event_loop)


def ask(config: Path, operation: str, **arguments: Any) -> dict[str, Any]:
    """Perform one operation and return its result."""
    return with_house(config, lambda caller: caller.call(operation, arguments))
