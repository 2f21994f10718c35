"""pillarbox version."""

from __future__ import annotations

import sys

import click

import pillarbox
from pillarbox.cli.output import show

LIBRARIES = ("apsw", "argon2-cffi", "cryptography", "dnspython", "zstandard", "uvloop")


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the libraries' versions.")
def command(as_json: bool) -> None:
    """Say which version this is."""
    python = ".".join(map(str, sys.version_info[:3]))
    value: dict[str, object] = {"pillarbox": pillarbox.__version__, "python": python}
    if as_json:
        value["libraries"] = _libraries()
    show(value, as_json, lambda: [f"pillarbox {value['pillarbox']}, Python {python}"])


def _libraries() -> dict[str, str]:
    """Name to version, empty where one is not installed. Asking takes a while."""
    from importlib import metadata

    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found
