"""redirect-deliverby (RFC 6009 §6): until when a redirected message is to arrive."""

from __future__ import annotations

from pillarbox.sieve.extensions.core import timestamp
from pillarbox.sieve.words import Arg, Extension, Kind, Tag


def _mode(text: str) -> str:
    return "" if text.lower() in {"notify", "return"} else '":bymode" is "notify" or "return"'


def _absolute(text: str) -> str:
    return "" if timestamp(text) is not None else f'"{text}" is no date-time of RFC 3339'


_TIMES = ("bytimerelative", "bytimeabsolute")
_ON = ("redirect",)

EXTENSIONS = (
    Extension(
        "redirect-deliverby",
        "RFC 6009",
        tags=(
            Tag("bytimerelative", _ON, Arg("seconds", Kind.NUMBER), group="bytime"),
            Tag("bytimeabsolute", _ON, Arg("time", Kind.STRING, check=_absolute), group="bytime"),
            Tag("bymode", _ON, Arg("mode", Kind.STRING, check=_mode), needs=_TIMES),
            Tag("bytrace", _ON, needs=_TIMES),
        ),
    ),
)
