"""Hooks as the configuration names them, and what the queue did in their words."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence

from pillarbox.config.schema import Config
from pillarbox.hooks.crew import Crew
from pillarbox.hooks.load import Defaults, Hook, load
from pillarbox.hooks.values import QueueResult
from pillarbox.store.api import QueueItem, Settled


def loaded(config: Config) -> tuple[Hook, ...]:
    """All hooks of a house. Raises Misuse for a file that is not good, or not safe to run."""
    wanted = config.hooks
    return load(wanted.files, wanted.entry_points, defaults(config), owners(config))


def defaults(config: Config) -> Defaults:
    """For hooks that do not say it themselves."""
    return Defaults(config.hooks.timeout, config.hooks.fault == "closed")


def owners(config: Config) -> list[int]:
    """Whose files are good beside root's: those of the user whom the server becomes. Root itself
    runs nothing that another user has written, and looks only."""
    try:
        return [pwd.getpwnam(config.server.user).pw_uid] if os.geteuid() else []
    except KeyError:
        return []


def settled(crew: Crew, item: QueueItem, results: Sequence[Settled]) -> None:
    """Tell hooks what became of recipients of queued mail."""
    if not crew.wants(QueueResult):
        return
    rows = {row.number: row for row in item.recipients}
    for one in results:
        row = rows.get(one.number)
        if row is None:
            continue
        envelope = item.envelope
        recipient = str(envelope.recipients[row.envelope_index].address)
        sender = str(envelope.sender.address or "")
        crew.tell(
            QueueResult(envelope.id, sender, recipient, one.state, one.reply, one.by, one.due)
        )
