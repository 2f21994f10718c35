"""A key of the file: its default, what it must look like, and its documentation."""

from __future__ import annotations

import dataclasses
from typing import Any

from pillarbox.config.checks import Check


def setting(default: Any, check: Check, doc: str) -> Any:
    """A documented key. ``default`` is written as it would stand in the file."""
    return dataclasses.field(
        default_factory=lambda: check(default),
        metadata={"default": default, "check": check, "doc": doc},
    )
