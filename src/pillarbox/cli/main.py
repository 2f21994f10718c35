"""The front of the command line: finds the command, loads only that one, words its errors.

Exit status: 0 done, 1 it did not work (said as ``error:`` and ``hint:`` on standard error),
2 the command line was wrong, 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from pillarbox.base.errors import PillarboxError
from pillarbox.cli.output import complain

COMMANDS = {
    "init": "pillarbox.cli.init",
    "check": "pillarbox.cli.check",
    "serve": "pillarbox.cli.serve",
    "demo": "pillarbox.cli.demo",
    "status": "pillarbox.cli.status",
    "domain": "pillarbox.cli.domain",
    "account": "pillarbox.cli.account",
    "alias": "pillarbox.cli.alias",
    "list": "pillarbox.cli.list_",
    "suppression": "pillarbox.cli.suppression",
    "sieve": "pillarbox.cli.sieve",
    "junk": "pillarbox.cli.junk",
    "replay": "pillarbox.cli.replay",
    "dns": "pillarbox.cli.dns",
    "tls": "pillarbox.cli.tls",
    "dmarc": "pillarbox.cli.dmarc",
    "import": "pillarbox.cli.import_",
    "export": "pillarbox.cli.export",
    "undelete": "pillarbox.cli.undelete",
    "queue": "pillarbox.cli.queue",
    "why": "pillarbox.cli.why",
    "audit": "pillarbox.cli.audit",
    "reindex": "pillarbox.cli.reindex",
    "version": "pillarbox.cli.version",
}
"""Command to its module, each with the click command ``command``."""

INTERRUPTED = 130


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are needed."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown command is answered with one that looks like it."""
        import difflib

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            text = f"there is no command {args[0]!r}; did you mean {near[0]}?"
            raise click.UsageError(text, ctx) from error


@click.command(
    cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def cli() -> None:
    """A complete mail server: SMTP, submission, LMTP, IMAP and POP3 over one mailbox."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        status = cli.main(arguments, prog_name="pillarbox", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "pillarbox"
        complain(error.format_message(), f"see: {path} --help")
        return 2
    except click.ClickException as error:
        complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except PillarboxError as error:
        complain(str(error), error.hint)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output went away, and that is all
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
    return 1
