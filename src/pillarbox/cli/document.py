"""The help of all commands as one page: ``docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pillarbox.cli.main import cli

_WIDTH = 90
_HEAD = """\
# Commands

What `pillarbox COMMAND --help` says, on one page, made from the same texts.

A command that needs the house asks the running server through its control socket, and opens the
store itself where none runs ([why](decisions/0030-one-process-one-store.md)). Results go to
standard output, with `--json` as one object; errors to standard error as `error:` and `hint:`.
Exit status: 0 done, 1 it did not work, 2 the command line was wrong, 130 interrupted.
"""


def markdown() -> str:
    """The text of ``docs/cli.md``."""
    root = click.Context(
        cli, info_name="pillarbox", terminal_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    return "\n".join([_HEAD, *_sections(cli, root)])


def _sections(group: click.Group, above: click.Context) -> Iterator[str]:
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        if command is None:
            continue
        context = click.Context(command, above, info_name=name, terminal_width=_WIDTH)
        yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            yield from _sections(command, context)
