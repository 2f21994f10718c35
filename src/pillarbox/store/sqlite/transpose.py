"""Many rows of numbers as columns.

Read a few hundred rows at a time: beyond some 700 new tuples Python looks for garbage among
everything there is, which took as long as the reading of 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

PIECE = 512


def transpose(rows: Iterator[Any], count: int) -> list[list[int]]:
    """``count`` lists as long as there are rows."""
    out: list[list[int]] = [[] for _ in range(count)]
    while piece := list(islice(rows, PIECE)):
        for column, values in zip(out, zip(*piece, strict=True), strict=True):
            column += values
    return out
