"""The operator's Sieve scripts and lists, read from their directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config
from pillarbox.delivery.sieve.site import Named, Site
from pillarbox.sieve.limits import DEFAULT
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script

_MOST_DAYS = 60
_USUAL_DAYS = 7


def site(config: Config, version: str) -> Site:
    """What scripts of this house find. Raises Misuse for a script or file that is not good: a
    typing error must not switch a rule off in silence."""
    sieve = config.sieve
    least = sieve.vacation_least
    made = Site(
        enabled=sieve.enabled,
        hostname=config.server.hostname,
        version=version,
        separator=config.mail.detail_separator,
        zone=ZoneInfo(sieve.timezone) if sieve.timezone else None,
        limits=replace(DEFAULT, redirects=sieve.max_redirects),
        vacation_days=(least, max(least, _USUAL_DAYS), _MOST_DAYS),
    )
    if sieve.directory is None:
        return made
    if not sieve.directory.is_dir():
        raise Misuse(f"sieve.directory: {sieve.directory} is no directory")
    return replace(
        made,
        before=_scripts(sieve.directory / "before"),
        after=_scripts(sieve.directory / "after"),
        shared={one.name: one.source for one in _scripts(sieve.directory / "global")},
        lists={path.name.lower(): _list(path) for path in _files(sieve.directory / "lists", "*")},
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _scripts(folder: Path) -> tuple[Named, ...]:
    """The scripts of a folder by name, without their ending."""
    found = []
    for path in _files(folder, "*.sieve"):
        source = _read(path)
        try:
            compile_script(source)
        except Invalid as invalid:
            raise Misuse(
                f"{path}: {invalid.problems[0]}", hint="try: pillarbox sieve check"
            ) from None
        found.append(Named(path.stem, source))
    return tuple(found)


def _list(path: Path) -> tuple[str, ...]:
    lines = _read(path).decode("utf-8", "replace").splitlines()
    words = (line.partition("#")[0].strip().lower() for line in lines)
    return tuple(word for word in words if word)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misuse(f"{path}: {error.strerror}") from error
