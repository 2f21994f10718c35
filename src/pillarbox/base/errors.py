"""The four kinds of failure.

Protocol faults are events and refusals are values (``model.reply``); exceptions are left for
bugs and for hands that broke: a disk, a database, a peer. Such an exception says whether trying
again can help, because the answer to a client depends on nothing else: Temporary becomes a 4xx,
``NO [UNAVAILABLE]`` or ``-ERR [SYS/TEMP]``, Permanent a 5xx and its likes. An error that says
neither counts as temporary, so that a bug never turns into a bounce.
"""

from __future__ import annotations


class PillarboxError(Exception):
    """Root of all errors raised on purpose.

    ``args[0]`` is for the operator's log; ``hint`` says what to do next and may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Temporary(PillarboxError):
    """It may work later: a full disk, a locked database, a silent resolver."""


class Permanent(PillarboxError):
    """It will not work as it stands: no such account, corrupt blob, unknown schema."""


class Misuse(PillarboxError):
    """The person at the keyboard or the configuration asked for something that cannot be."""


def is_permanent(error: BaseException) -> bool:
    """True only where the error itself says so; everything unknown is temporary."""
    return isinstance(error, (Permanent, Misuse))
