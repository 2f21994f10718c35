"""What the IMAP door needs to be told and given."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.auth.login import Authenticator
from pillarbox.base.clock import Clock
from pillarbox.delivery.sieve.filtering import Filtering
from pillarbox.hooks.crew import Crew
from pillarbox.mailbox.intake import Intake
from pillarbox.mailbox.ops import Ops
from pillarbox.mailbox.views import Views
from pillarbox.model.account import Account
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Blobs, Directory, Mail, Mailboxes
from pillarbox.store.search import TextIndex
from pillarbox.store.sharing import AccessLists, Annotations
from pillarbox.wire.imap.limits import DEFAULT, Limits


@dataclass(frozen=True, slots=True)
class Options:
    """How the door behaves; shared by its connections. Times in seconds."""

    engine: Limits = DEFAULT
    timeout: float = 1800.0
    """Silence after login until the connection is closed: 30 minutes at least (RFC 9051 §5.4)."""
    login_timeout: float = 60.0
    login_failures: int = 3
    """Failed logins on one connection before it is closed."""
    masked: frozenset[str] = frozenset()
    """Capabilities not offered at this door."""
    client_masks: tuple[tuple[str, frozenset[str]], ...] = ()
    """The same for programs whose name has such a text in it, besides those known to break."""
    contact: str = ""
    """URI of whoever runs the server, for /shared/admin (RFC 5464 §3.2.1.1); '' says nothing."""
    contexts: int = 10
    """Search results that one session has kept up to date (RFC 5267)."""
    progress: float = 1.0
    """How long a command may take until the client is told that it goes on (RFC 9585)."""
    message_limit: int = 0
    """Messages that one command may be about (RFC 9738), at least 1000; 0: any number."""
    save_limit: int = 0
    """The same for COPY and APPEND only."""
    jmap_url: str = ""
    """The JMAP session resource of the same mail (RFC 9698); '': there is none."""
    managesieve_url: str = ""
    """Where scripts for IMAP events are kept (RFC 6785 §2.1); '' without them."""
    own_scripts: bool = True
    """Users have a way to keep scripts, so FILTER may run any that they name or send; else only
    what runs at delivery (draft-bosch-imap-filter-sieve §8)."""
    name: str = "Pillarbox"
    version: str = ""


class Store(Mail, Mailboxes, Blobs, Directory, TextIndex, Annotations, AccessLists, Protocol):
    """What of the store is needed."""


class Events(Protocol):
    """Hears of what clients did to mail, once it is done: scripts (RFC 6785), and filters that
    learn."""

    async def happened(
        self,
        cause: str,
        account: int,
        mailbox: int,
        uids: NumSet,
        by: Account,
        changed: Collection[str] = (),
    ) -> None:
        """``cause`` is APPEND, COPY or FLAG; ``changed``: names of flags."""
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """The rooms behind the door."""

    store: Store
    ops: Ops
    views: Views
    authenticator: Authenticator
    intake: Callable[[int, bool], Intake]
    """Begins a message of so many octets; True for literal8."""
    clock: Clock
    options: Options = field(default_factory=Options)
    events: Events | None = None
    """Without it nobody hears of IMAP commands."""
    filtering: Filtering | None = None
    """Runs the scripts of FILTER; without it FILTER=SIEVE is not offered."""
    hooks: Crew | None = None
    """The operator's own rules about messages that come by APPEND."""
    announced: dict[tuple[object, ...], str] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What CAPABILITY lists at this door, by what it depends on (``announce``)."""
