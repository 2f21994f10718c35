"""pillarbox sieve."""

from __future__ import annotations

from pathlib import Path

import click

from pillarbox.base.errors import Misuse
from pillarbox.cli.options import ask, config_option, json_option
from pillarbox.cli.output import show, table

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("sieve")
def command() -> None:
    """Scripts that file, forward and answer mail."""


@command.command("check")
@click.argument("file", type=_FILE)
@json_option
def check(file: Path, as_json: bool) -> int:
    """Say what is wrong with the script in FILE, with lines and columns."""
    from pillarbox.sieve.problem import Invalid
    from pillarbox.sieve.run import compile_script

    problems = []
    try:
        compile_script(file.read_bytes())
    except Invalid as invalid:
        problems = [
            {"line": one.place.line, "column": one.place.column, "text": one.text}
            for one in invalid.problems
        ]
    lines = [f"{file}:{one['line']}:{one['column']}: {one['text']}" for one in problems]
    show({"problems": problems}, as_json, lambda: lines or [f"{file}: good"])
    return 1 if problems else 0


@command.command("test")
@click.argument("file", type=_FILE)
@click.option("--message", type=_FILE, required=True, help="The message, as a file.")
@click.option("--from", "sender", default="", help="Envelope sender; else taken from the header.")
@click.option("--to", "recipient", default="", help="Envelope recipient; else from the header.")
@json_option
def test(file: Path, message: Path, sender: str, recipient: str, as_json: bool) -> int:
    """Print what the script in FILE would do with a message. Nothing is done."""
    from pillarbox.app.scripttest import try_script
    from pillarbox.base.clock import SystemClock

    tried = try_script(
        file.read_bytes(),
        message.read_bytes(),
        sender=sender,
        recipient=recipient,
        now=SystemClock().now(),
        folder=file.parent,
    )
    lines = tried.lines()
    value = {
        "actions": [line for line in lines if not line.startswith(("assumed: ", "error: "))],
        "assumed": list(tried.asked),
        "error": tried.outcome.error,
    }
    show(value, as_json, lambda: lines)
    return 1 if tried.outcome.error else 0


@command.command("put")
@click.argument("address")
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--activate", is_flag=True, help="Let it run from now on.")
@config_option
@json_option
def put(address: str, name: str, file: Path, activate: bool, config: Path, as_json: bool) -> None:
    """Keep the script in FILE as NAME of the account ADDRESS."""
    try:
        source = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Misuse(f"{file} is not UTF-8") from None
    value = ask(config, "sieve.put", address=address, name=name, source=source, activate=activate)
    state = "is active" if activate else "is kept"
    show(value, as_json, lambda: [f"{value['name']} of {value['address']} {state}"])


@command.command("get")
@click.argument("address")
@click.argument("name")
@config_option
@json_option
def get(address: str, name: str, config: Path, as_json: bool) -> None:
    """Print the script NAME of the account ADDRESS."""
    value = ask(config, "sieve.get", address=address, name=name)
    show(value, as_json, lambda: str(value["source"]).splitlines())


@command.command("list")
@click.argument("address")
@config_option
@json_option
def list_(address: str, config: Path, as_json: bool) -> None:
    """List the scripts of the account ADDRESS."""
    value = ask(config, "sieve.list", address=address)
    rows = [
        (one["name"], one["size"], "active" if one["active"] else "") for one in value["scripts"]
    ]
    show(value, as_json, lambda: table(("script", "size", ""), rows))


@command.command("activate")
@click.argument("address")
@click.argument("name", default="")
@config_option
@json_option
def activate(address: str, name: str, config: Path, as_json: bool) -> None:
    """Let the script NAME of ADDRESS run and no other; without NAME none runs."""
    value = ask(config, "sieve.activate", address=address, name=name)
    text = f"{value['name']} is active" if value["name"] else "no script is active"
    show(value, as_json, lambda: [f"{value['address']}: {text}"])


@command.command("remove")
@click.argument("address")
@click.argument("name")
@config_option
@json_option
def remove(address: str, name: str, config: Path, as_json: bool) -> None:
    """Forget the script NAME of ADDRESS; it must not be active."""
    value = ask(config, "sieve.remove", address=address, name=name)
    show(value, as_json, lambda: [f"{value['name']} of {value['address']} is gone"])
