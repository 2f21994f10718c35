"""pillarbox init."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.cli.options import config_option, json_option
from pillarbox.cli.output import show


@click.command("init")
@config_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("/var/lib/pillarbox"),
    show_default=True,
    help="The directory of everything durable.",
)
@click.option("--hostname", default="", help="The server's name; this machine's unless given.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file with the certificate and its chain.",
)
@click.option(
    "--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its private key."
)
@click.option(
    "--self-signed/--no-self-signed",
    default=True,
    show_default=True,
    help="Without --certificate, make one that encrypts but that nobody trusts yet.",
)
@click.option("--user", default="", help="System user that the server becomes.")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
@json_option
def command(
    config: Path,
    data: Path,
    hostname: str,
    certificate: Path | None,
    key: Path | None,
    self_signed: bool,
    user: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write a configuration to start from, and make the data directory.

    Asks nothing; prints what to do next.
    """
    from pillarbox.app.setup import Plan, init
    from pillarbox.base.clock import SystemClock

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    plan = Plan(
        config=config.absolute(),
        data=data.absolute(),
        hostname=hostname,
        certificate=certificate.absolute() if certificate else None,
        key=key.absolute() if key else None,
        self_signed=self_signed and certificate is None,
        user=user,
        force=force,
    )
    made = init(plan, SystemClock())

    def people() -> list[str]:
        lines = [f"configuration  {made.config}", f"data           {made.data}"]
        if made.certificate is not None:
            lines.append(f"certificate    {made.certificate}")
        return [*lines, "", "Next:", *(f"  {step}" for step in made.next_steps)]

    show(made.value(), as_json, people)
