"""Every capability of IMAP that this server has or will have: one table.

The CAPABILITY line, the ENABLE command, what the parser accepts and the page of supported
extensions all come from it. A row that is not ``done`` is neither announced nor accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pillarbox.wire.imap.state import State

BEFORE = frozenset({State.NOT_AUTHENTICATED})
AFTER = frozenset({State.AUTHENTICATED, State.SELECTED})
ALWAYS = BEFORE | AFTER


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides about a connection's capabilities besides its state.

    ``starttls``: TLS can still be started here; ``login``: LOGIN is not refused;
    ``mechanisms``: SASL names offered now; ``append_limit``: octets, None when it differs
    between mailboxes or there is none; ``conditions``: names of rows' conditions that hold, for
    instance ``jmap``.
    """

    starttls: bool = False
    login: bool = True
    mechanisms: tuple[str, ...] = ()
    append_limit: int | None = None
    literal_minus: bool = False
    message_limit: int = 1000
    conditions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """One capability.

    ``states``: where it is announced; empty: never by itself. ``enable``: may stand in ENABLE.
    ``condition``: a fact it depends on. ``implies``: names the parser accepts along with it.
    """

    name: str
    rfc: str
    states: frozenset[State] = AFTER
    done: bool = False
    enable: bool = False
    condition: str = ""
    implies: tuple[str, ...] = ()


TABLE: tuple[Row, ...] = (
    Row("IMAP4rev1", "3501", ALWAYS, True),
    Row("LITERAL+", "7888", ALWAYS, True, condition="literal+"),
    Row("LITERAL-", "7888", ALWAYS, True, condition="literal-"),
    Row("SASL-IR", "4959", BEFORE, True),
    Row("ENABLE", "5161", ALWAYS, True),
    Row("ID", "2971", ALWAYS, True),
    Row("IDLE", "2177", ALWAYS, True),
    Row("STARTTLS", "9051 §6.2.1", BEFORE, True, condition="starttls"),
    Row("LOGINDISABLED", "9051 §6.2.3", BEFORE, True, condition="nologin"),
    Row("AUTH=", "9051 §6.2.2", BEFORE, True),
    Row("NAMESPACE", "2342", AFTER, True),
    Row("CHILDREN", "3348", AFTER, True),
    Row("UNSELECT", "3691", AFTER, True),
    Row("UIDPLUS", "4315", AFTER, True),
    Row("MOVE", "6851", AFTER, True),
    Row("SPECIAL-USE", "6154", AFTER, True),
    Row("ESEARCH", "4731", AFTER, True),
    Row("WITHIN", "5032", AFTER, True),
    Row("CONDSTORE", "7162", AFTER, True, enable=True),
    Row("STATUS=SIZE", "8438", AFTER, True),
    Row("APPENDLIMIT", "7889", AFTER, True),
)

ROWS = {row.name: row for row in TABLE}


def offered(rows: Iterable[Row] = TABLE) -> frozenset[str]:
    """Names whose syntax the parser accepts."""
    names: set[str] = set()
    for row in rows:
        if row.done:
            names.update((row.name, *row.implies))
    return frozenset(names)


OFFERED = offered()


def _conditions(facts: Facts) -> frozenset[str]:
    return facts.conditions | {
        "literal-" if facts.literal_minus else "literal+",
        "starttls" if facts.starttls else "",
        "" if facts.login else "nologin",
    }


def names(state: State, facts: Facts, masked: frozenset[str] = frozenset()) -> list[str]:
    """What CAPABILITY lists, in the table's order; ``masked`` names are left out.

    A mask is for clients that mishandle a capability; IMAP4rev1 itself cannot be masked.
    """
    found: list[str] = []
    held = _conditions(facts)
    for row in TABLE:
        if not row.done or state not in row.states or row.condition not in (*held, ""):
            continue
        if row.name in masked and row.name != "IMAP4rev1":
            continue
        found.extend(_spelt(row, facts))
    return found


def _spelt(row: Row, facts: Facts) -> list[str]:
    """The row as words: most are their name, some carry a value."""
    if row.name == "AUTH=":
        return ["AUTH=" + mechanism for mechanism in facts.mechanisms]
    if row.name == "APPENDLIMIT" and facts.append_limit is not None:
        return [f"APPENDLIMIT={facts.append_limit}"]  # RFC 7889 §2
    return [row.name]


def enabled(asked: Iterable[str], masked: frozenset[str] = frozenset()) -> list[str]:
    """Of the (upper-case) names in ENABLE those that take effect, as ENABLED lists them."""
    wanted = frozenset(asked)
    return [
        row.name
        for row in TABLE
        if row.enable and row.done and row.name not in masked and row.name.upper() in wanted
    ]
