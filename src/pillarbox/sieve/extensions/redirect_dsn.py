"""redirect-dsn (RFC 6009 §5): what reports a redirected message asks for."""

from __future__ import annotations

from pillarbox.sieve.words import Arg, Extension, Kind, Tag

_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})


def _notify(text: str) -> str:
    """RFC 3461 §4.1."""
    asked = text.upper().split(",")
    if asked == ["NEVER"] or (set(asked) <= _NOTIFY and len(asked) == len(set(asked))):
        return ""
    return '":notify" is NEVER, or some of SUCCESS, FAILURE and DELAY'


def _ret(text: str) -> str:
    return "" if text.upper() in {"FULL", "HDRS"} else '":ret" is FULL or HDRS'


EXTENSIONS = (
    Extension(
        "redirect-dsn",
        "RFC 6009",
        tags=(
            Tag("notify", ("redirect",), Arg("notify", Kind.STRING, constant=True, check=_notify)),
            Tag("ret", ("redirect",), Arg("ret", Kind.STRING, constant=True, check=_ret)),
        ),
    ),
)
