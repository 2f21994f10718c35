"""UID sets as SQL conditions.

One range, the usual case, is a BETWEEN. Many travel as one JSON parameter, single numbers apart
from real ranges because they cost a third. Sets are ascending, so a join that walks them yields
rows in UID order without a sort.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pillarbox.model.numset import NumSet

LIGHT = 256
"""Sets of no more numbers than this make a short operation."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Parts of a statement about messages of :account and :mailbox.

    SELECT: ``source`` before ``msg m`` in FROM, ``where`` and ``order`` at the end. UPDATE and
    DELETE, which have no FROM to walk: ``chosen``. ``values`` are the parameters they use.
    """

    source: str
    where: str
    order: str
    chosen: str
    values: dict[str, object]


_ALL = Pick("", "", "ORDER BY m.uid", "", {})
_BETWEEN = "(r.value ->> 0) AND (r.value ->> 1)"


def pick(uids: NumSet | None) -> Pick:
    """``None`` is every message."""
    if uids is None:
        return _ALL
    ranges = uids.ranges
    if len(ranges) <= 1:
        low, high = ranges[0] if ranges else (1, 0)
        return Pick(
            "",
            "AND m.uid BETWEEN :low AND :high",
            "ORDER BY m.uid",
            "AND uid BETWEEN :low AND :high",
            {"low": low, "high": high},
        )
    if all(low == high for low, high in ranges):
        return Pick(
            "json_each(:pick) r CROSS JOIN",
            "AND m.uid = r.value",
            "",
            "AND uid IN (SELECT value FROM json_each(:pick))",
            {"pick": json.dumps([low for low, _ in ranges])},
        )
    return Pick(
        "json_each(:pick) r CROSS JOIN",
        f"AND m.uid BETWEEN {_BETWEEN}",
        "",
        "AND uid IN (SELECT m.uid FROM json_each(:pick) r CROSS JOIN msg m"
        f" WHERE m.account = :account AND m.mailbox = :mailbox AND m.uid BETWEEN {_BETWEEN})",
        {"pick": json.dumps(ranges)},
    )


def is_light(uids: NumSet | None) -> bool:
    """True when it can only be about few messages."""
    return uids is not None and len(uids.ranges) <= LIGHT and len(uids) <= LIGHT
