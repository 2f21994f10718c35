"""pillarbox serve."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import config_option


@click.command("serve")
@config_option
def command(config: Path) -> None:
    """Run the mail server until SIGTERM.

    Events go to standard error, one line each. SIGHUP reads certificates, limits, sizes and the
    log level again.
    """
    from pillarbox.app.run import serve

    serve(config)
