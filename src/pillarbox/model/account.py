"""Who lives here: domains, accounts, aliases and what a login needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.base.swift import swift


class Pop3Mode(Enum):
    """What a POP3 deletion does to the mailbox that IMAP shows."""

    DELETE = "delete"
    """The message is expunged, and can be undeleted within the retention time."""
    KEEP = "keep"
    """The message is only hidden from POP3."""
    ARCHIVE = "archive"
    """The message moves to the archive mailbox."""


class DomainKind(Enum):
    """Where the mail of a domain ends."""

    LOCAL = "local"
    """Here."""
    RELAY = "relay"
    """At another server, which we stand in front of."""
    BACKUP = "backup"
    """At the domain's better mail hosts, for which we wait (RFC 5321 §5.1)."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain whose mail we take. ``catchall`` is an account address or ''.

    ``hop``: the server that gets a relay domain's mail, as ``policy.relays`` reads it.
    """

    name: str
    catchall: str = ""
    kind: DomainKind = DomainKind.LOCAL
    hop: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Account:
    """One person or role with mailboxes. ``address`` is the login name in normal form."""

    id: int
    address: str
    quota: int = 0
    """Octets of stored mail; 0 is no limit, a negative number means none at all."""
    used: int = 0
    """Octets now counted against the quota."""
    pop3: Pop3Mode = Pop3Mode.DELETE
    enabled: bool = True
    masked: frozenset[str] = frozenset()
    """Capabilities not offered to this account (clients that mishandle them)."""
    display_name: str = ""
    max_messages: int = 0
    """Messages in all mailboxes together; 0 is no limit, a negative number means none at all."""
    messages: int = 0
    """Messages now counted against it."""
    max_mailboxes: int = 0
    """Mailboxes; 0 is no limit but the store's own, a negative number means none more."""
    admin: bool = False
    """May change quotas and what is said about the server, of everyone."""
    forward: tuple[str, ...] = ()
    """Addresses in normal form that its mail goes on to."""
    keep_copy: bool = True
    """What is forwarded stays here too."""
    hour_limit: int = 0
    """Recipients it may write to within an hour; 0 as the house says, negative: to none."""
    day_limit: int = 0
    """The same within a day."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is kept to check a login; never the password.

    ``argon2`` is a PHC string. The SCRAM fields are RFC 5802 §3 with SHA-256 (RFC 7677).
    """

    argon2: str
    scram_salt: bytes = b""
    scram_iterations: int = 0
    scram_stored_key: bytes = b""
    scram_server_key: bytes = b""


@dataclass(frozen=True, slots=True)
class Alias:
    """``address`` leads to every one of ``targets`` (addresses in normal form)."""

    address: str
    targets: tuple[str, ...]
