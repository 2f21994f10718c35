"""Those who hear of what IMAP clients did to mail, told one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pillarbox.model.account import Account
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.options import Events


class Heard:
    """``Events`` for several."""

    def __init__(self, listeners: Sequence[Events]) -> None:
        self._listeners = listeners

    async def happened(
        self,
        cause: str,
        account: int,
        mailbox: int,
        uids: NumSet,
        by: Account,
        changed: Collection[str] = (),
    ) -> None:
        """See ``Events``."""
        for one in self._listeners:
            await one.happened(cause, account, mailbox, uids, by, changed)
