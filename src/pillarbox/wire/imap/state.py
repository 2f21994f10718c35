"""Which command is allowed when, as one table.

The engine judges by it, the tests walk through all of it, and docs/imap-states.md is drawn from
it. RFC 9051 §3 names the states, §6 the commands of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """RFC 9051 §3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Gate(Enum):
    """Why the engine stands still after a command until it is told the outcome."""

    NONE = "-"
    OUTCOME = "outcome"
    """What may follow, or how it is spelt, depends on whether the command succeeds."""
    LITERAL = "literal"
    EXCHANGE = "exchange"
    """SASL challenges and responses follow."""
    TLS = "tls"
    DEFLATE = "deflate"
    IDLE = "idle"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Rule:
    """``needs``: the capability that brings the command, '' for IMAP4rev1 itself; a name that
    ends in ``=`` is a family of which any member does."""

    states: frozenset[State]
    gate: Gate = Gate.NONE
    needs: str = ""


def allows(rule: Rule, state: State, offers: frozenset[str]) -> bool:
    """True where the command is known under ``offers`` and may be said in ``state``."""
    if state not in rule.states:
        return False
    if rule.needs.endswith("="):
        return any(name.startswith(rule.needs) for name in offers)
    return not rule.needs or rule.needs in offers


_ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_BEFORE = frozenset({State.NOT_AUTHENTICATED})
_AFTER = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})

TABLE: dict[str, Rule] = {
    "CAPABILITY": Rule(_ANY),
    "NOOP": Rule(_ANY),
    "LOGOUT": Rule(_ANY, Gate.OUTCOME),
    "ID": Rule(_ANY, needs="ID"),
    "STARTTLS": Rule(_BEFORE, Gate.TLS),
    "AUTHENTICATE": Rule(_BEFORE, Gate.EXCHANGE),
    "LOGIN": Rule(_BEFORE, Gate.OUTCOME),
    # RFC 9051 §6.3.1: servers need not check that no mailbox is selected
    "ENABLE": Rule(_AFTER, Gate.OUTCOME, "ENABLE"),
    "SELECT": Rule(_AFTER, Gate.OUTCOME),
    "EXAMINE": Rule(_AFTER, Gate.OUTCOME),
    "CREATE": Rule(_AFTER),
    "DELETE": Rule(_AFTER),
    "RENAME": Rule(_AFTER),
    "SUBSCRIBE": Rule(_AFTER),
    "UNSUBSCRIBE": Rule(_AFTER),
    "LIST": Rule(_AFTER),
    "LSUB": Rule(_AFTER),
    "NAMESPACE": Rule(_AFTER, needs="NAMESPACE"),
    "STATUS": Rule(_AFTER),
    "APPEND": Rule(_AFTER, Gate.LITERAL),
    "IDLE": Rule(_AFTER, Gate.IDLE, "IDLE"),
    "LANGUAGE": Rule(_ANY, needs="LANGUAGE"),
    "UNAUTHENTICATE": Rule(_AFTER, Gate.OUTCOME, "UNAUTHENTICATE"),
    "COMPRESS": Rule(_AFTER, Gate.DEFLATE, "COMPRESS=DEFLATE"),
    "NOTIFY": Rule(_AFTER, needs="NOTIFY"),
    "ESEARCH": Rule(_AFTER, needs="MULTISEARCH"),
    "GETMETADATA": Rule(_AFTER, needs="METADATA"),
    "SETMETADATA": Rule(_AFTER, needs="METADATA"),
    "SETACL": Rule(_AFTER, needs="ACL"),
    "DELETEACL": Rule(_AFTER, needs="ACL"),
    "GETACL": Rule(_AFTER, needs="ACL"),
    "LISTRIGHTS": Rule(_AFTER, needs="ACL"),
    "MYRIGHTS": Rule(_AFTER, needs="ACL"),
    "GETQUOTA": Rule(_AFTER, needs="QUOTA"),
    "GETQUOTAROOT": Rule(_AFTER, needs="QUOTA"),
    "SETQUOTA": Rule(_AFTER, needs="QUOTASET"),
    "GETJMAPACCESS": Rule(_AFTER, needs="JMAPACCESS"),
    "CHECK": Rule(_SELECTED),
    "CLOSE": Rule(_SELECTED, Gate.OUTCOME),
    "UNSELECT": Rule(_SELECTED, Gate.OUTCOME, "UNSELECT"),
    "EXPUNGE": Rule(_SELECTED),
    "UID EXPUNGE": Rule(_SELECTED, needs="UIDPLUS"),
    "SEARCH": Rule(_SELECTED),
    "UID SEARCH": Rule(_SELECTED),
    "FETCH": Rule(_SELECTED),
    "UID FETCH": Rule(_SELECTED),
    "STORE": Rule(_SELECTED),
    "UID STORE": Rule(_SELECTED),
    "COPY": Rule(_SELECTED),
    "UID COPY": Rule(_SELECTED),
    "MOVE": Rule(_SELECTED, needs="MOVE"),
    "UID MOVE": Rule(_SELECTED, needs="MOVE"),
    "REPLACE": Rule(_SELECTED, Gate.LITERAL, "REPLACE"),
    "UID REPLACE": Rule(_SELECTED, Gate.LITERAL, "REPLACE"),
    "SORT": Rule(_SELECTED, needs="SORT"),
    "UID SORT": Rule(_SELECTED, needs="SORT"),
    "THREAD": Rule(_SELECTED, needs="THREAD="),
    "UID THREAD": Rule(_SELECTED, needs="THREAD="),
    "CANCELUPDATE": Rule(_SELECTED, needs="CONTEXT=SEARCH"),
    "UIDBATCHES": Rule(_SELECTED, needs="UIDBATCHES"),
    "FILTER": Rule(_SELECTED, needs="FILTER=SIEVE"),
    "UID FILTER": Rule(_SELECTED, needs="FILTER=SIEVE"),
}

NUMBERED = frozenset(
    {
        *("SEARCH", "FETCH", "STORE", "COPY", "MOVE", "REPLACE", "SORT", "THREAD"),
        *("FILTER", "UID FILTER"),  # FILTERED has a number even so
    }
)
"""Commands that take or return message numbers, which ENABLE UIDONLY rules out (RFC 9586 §3)."""
