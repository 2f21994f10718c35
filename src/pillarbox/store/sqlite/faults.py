"""What the database's errors mean to the rest of the house."""

from __future__ import annotations

import apsw

from pillarbox.base.errors import Permanent, PillarboxError, Temporary

_CORRUPT = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
_HINTS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "the disk is full"),
    (apsw.ReadOnlyError, "the store's directory must be writable"),
    (apsw.CantOpenError, "look at the permissions of the store's directory"),
    (apsw.IOError, "look at the disk and the kernel's log"),
)


def translate(error: BaseException) -> PillarboxError:
    """Corruption is Permanent; everything else, unknown errors too, may pass (Temporary)."""
    if isinstance(error, PillarboxError):
        return error
    if isinstance(error, _CORRUPT):
        fault: PillarboxError = Permanent(
            f"the database is damaged: {error}", hint="restore it from a backup"
        )
    else:
        hint = next((text for kind, text in _HINTS if isinstance(error, kind)), "")
        fault = Temporary(f"the store failed: {type(error).__name__}: {error}", hint=hint)
    fault.__cause__ = error
    return fault
