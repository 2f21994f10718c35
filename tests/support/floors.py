"""The floors as a table, lowest first: the rooms of one floor are strangers to each other."""

from __future__ import annotations

from collections.abc import Mapping

FLOORS: tuple[tuple[str, ...], ...] = (
    ("base",),
    ("model",),
    ("message",),
    ("wire", "sieve", "dns"),
    ("store", "bus", "net", "policy", "hooks"),
    ("auth", "mailbox", "queue", "filters"),
    ("delivery", "outbound"),
    ("serve",),
    ("config",),
    ("app",),
    ("cli",),
    ("testing", "__main__"),
)

LEVEL: Mapping[str, int] = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}

# Rooms whose parts are rooms themselves. A part knows the house below it, and of its own
# floor only the parts on a lower step of this table.
STEPS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "wire": (
        ("engine",),
        ("sasl", "proxy"),
        ("smtp", "imap", "pop3", "managesieve", "milter", "jmap"),
    ),
    "serve": (("smtp", "imap", "pop3", "managesieve", "http"),),
}


def step(room: str, part: str) -> int | None:
    """The step of a part inside its room, None where the room or the part is not in the table."""
    for level, parts in enumerate(STEPS.get(room, ())):
        if part in parts:
            return level
    return None


def allowed(importer: str, imported: str) -> bool:
    """Whether the module `importer` may import `imported`, both dotted from `pillarbox`."""
    here, there = importer.split(".")[1:3], imported.split(".")[1:3]
    if not there:  # pillarbox itself: the version, which knows nobody
        return True
    if not here:
        return False
    if here[0] != there[0]:
        return LEVEL[there[0]] < LEVEL[here[0]]
    if len(here) < 2 or len(there) < 2 or here[1] == there[1]:
        return True
    steps = step(here[0], here[1]), step(there[0], there[1])
    if steps[1] is None or steps[0] is None:
        return True
    return steps[1] < steps[0]
