"""What can be asked of special uses (RFC 6154): the same by CREATE and by METADATA."""

from __future__ import annotations

from collections.abc import Sequence

VIRTUAL = frozenset({"\\all", "\\flagged"})
"""Uses of mailboxes that would show messages of others; there are none such."""


def unfit(uses: Sequence[str], *, own: bool) -> str:
    """Why a mailbox cannot have these special uses; '' when it can, as far as that can be told
    without the other mailboxes. ``own``: it is the user's own."""
    if not uses and own:
        return ""
    if not own:
        return "Special uses are for one's own mailboxes"
    if len(uses) > 1:
        return "A mailbox has one special use"
    return "No mailbox shows messages of others" if uses[0].lower() in VIRTUAL else ""
