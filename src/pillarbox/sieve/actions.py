"""What a script decided, as values. Nothing here is done yet: that is the driver's part.

``message``: the message as the script had changed it by then (RFC 5293 §7), None for as it came.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.sieve.problem import Place


@dataclass(frozen=True, slots=True)
class Keep:
    """Into INBOX (RFC 5228 §4.3). ``implicit``: because nothing said otherwise (§2.10.2).
    ``flags`` None: the script said nothing of flags."""

    flags: tuple[str, ...] | None = None
    message: bytes | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class FileInto:
    """Into a mailbox (RFC 5228 §4.1), named as IMAP names it, in UTF-8.

    ``create``: make it if it is not there (RFC 5490 §3.2). ``special_use`` (RFC 8579 §4) and
    ``mailbox_id`` (RFC 9042 §3) are tried first, '' for neither. ``copy``: it left the implicit
    keep alone (RFC 3894).
    """

    mailbox: str
    flags: tuple[str, ...] | None = None
    copy: bool = False
    create: bool = False
    special_use: str = ""
    mailbox_id: str = ""
    message: bytes | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """To another address (RFC 5228 §4.2). ``notify``, ``ret`` and ``by`` are parameters of the
    new envelope (RFC 6009), '' where the script did not say."""

    address: str
    copy: bool = False
    message: bytes | None = None
    notify: str = ""
    ret: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Discard:
    """RFC 5228 §4.4."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse (RFC 5429). ``early``: it was ``ereject``, best refused within the dialogue."""

    reason: str
    early: bool = False


@dataclass(frozen=True, slots=True)
class Vacation:
    """Answer the sender, once in ``seconds`` (RFC 5230, RFC 6131).

    ``handle``: what counts as the same answer (RFC 5230 §4.2). ``mime``: the reason is a MIME
    entity. ``fcc``: file a copy of the answer there (RFC 8580).
    """

    reason: str
    seconds: int
    handle: str
    subject: str = ""
    from_: str = ""
    addresses: tuple[str, ...] = ()
    mime: bool = False
    fcc: FileInto | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell somebody (RFC 5435); ``method`` is a URI that was checked."""

    method: str
    message: str = ""
    from_: str = ""
    importance: int = 2
    options: tuple[str, ...] = ()
    fcc: FileInto | None = None


@dataclass(frozen=True, slots=True)
class Remember:
    """Put an ID on the list of ``duplicate`` for ``seconds`` (RFC 7352 §3.3). ``renew``: also if
    it is there already."""

    handle: str
    id: str
    seconds: int
    renew: bool = False


Action = Keep | FileInto | Redirect | Discard | Reject | Vacation | Notify | Remember


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    After an ``error`` the only action is the implicit keep of the unchanged message (RFC 5228
    §2.10.6). ``changed``: the message as it is now, None if it is as it came. ``warnings``: what
    was passed over in silence, for whoever tries a script out.
    """

    actions: tuple[Action, ...]
    error: str = ""
    where: Place | None = None
    steps: int = 0
    changed: bytes | None = None
    warnings: tuple[str, ...] = ()

    @property
    def keeps(self) -> bool:
        """Some keep, implicit or explicit, is among the actions."""
        return any(isinstance(action, Keep) for action in self.actions)
