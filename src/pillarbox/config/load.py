"""Reading the file: every mistake is reported at once, by key and line."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pillarbox.base.errors import Misuse
from pillarbox.config.schema import SECTIONS, Config


def load(path: Path) -> Config:
    """The configuration in ``path``.

    Raises Misuse listing every unknown key and wrong value with its line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise Misuse(
            f"there is no configuration file {path}",
            hint=f"make one with: pillarbox init --config {path}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot read {path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, name: str = "configuration") -> Config:
    """The configuration written in ``text``; ``name`` is for messages."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{name}: not valid TOML: {error}") from None
    mistakes: list[str] = []
    sections: dict[str, Any] = {}
    for section, values in tables.items():
        if section not in SECTIONS or not isinstance(values, dict):
            what = f"unknown section [{section}]" + _near(section, SECTIONS)
            mistakes.append(f"{name}:{_line(text, section)}: {what}")
            continue
        sections[section] = _section(section, values, text, name, mistakes)
    if mistakes:
        raise Misuse("\n".join(mistakes), hint="every key is described in docs/config.md")
    config = Config(**sections)
    _across(config, text, name)
    return config


def _section(
    section: str, values: Mapping[str, object], text: str, name: str, mistakes: list[str]
) -> Any:
    fields = {field.name: field for field in dataclasses.fields(SECTIONS[section])}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{name}:{_line(text, section, key)}: {section}.{key}"
        if key not in fields:
            mistakes.append(f"{where}: unknown key" + _near(key, fields))
            continue
        try:
            checked[key] = fields[key].metadata["check"](value)
        except ValueError as error:
            mistakes.append(f"{where} must be {error}, not {value!r}")
    return SECTIONS[section](**checked)


def _across(config: Config, text: str, name: str) -> None:
    """What only holds between keys."""
    if (config.tls.certificate is None) != (config.tls.key is None):
        line = _line(text, "tls", "certificate" if config.tls.certificate else "key")
        raise Misuse(f"{name}:{line}: tls.certificate and tls.key go together")
    if config.tls.certificate is None and (
        config.listen.smtps or config.listen.imaps or config.listen.pop3s or config.listen.https
    ):
        raise Misuse(
            f"{name}:{_line(text, 'listen')}: smtps, imaps, pop3s and https need a certificate",
            hint="set tls.certificate and tls.key, or give these doors an empty list",
        )


def _near(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _line(text: str, section: str, key: str | None = None) -> int:
    """Line of a section or of a key in it, counted from 1; 1 where it is written unusually."""
    current = ""
    found = 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*\"?([^\]\"\s]+)\"?\s*\]", line)
        if header:
            current = header[1]
            if current == section:
                found = number
                if key is None:
                    return number
            continue
        name = re.match(r"\s*\"?([A-Za-z0-9_.-]+)\"?\s*=", line)
        if (
            name
            and key is not None
            and name[1] in {key if current == section else "", f"{section}.{key}"}
        ):
            return number
        if name and key is None and name[1].split(".")[0] == section and not current:
            return number
    return found
