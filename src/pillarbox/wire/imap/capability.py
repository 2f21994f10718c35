"""Every capability of IMAP that this server has or will have: one table.

The CAPABILITY line, the ENABLE command, what the parser accepts and the page of supported
extensions all come from it. A row that is not ``done`` is neither announced nor accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

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
    sieve_url: str = ""
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


_REV2 = (  # RFC 9051 Appendix E: what became part of the protocol
    "BINARY", "ENABLE", "ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "MOVE", "NAMESPACE",
    "SASL-IR", "SEARCHRES", "SPECIAL-USE", "STATUS=SIZE", "UIDPLUS", "UNSELECT",
)  # fmt: skip

TABLE: tuple[Row, ...] = (
    Row("IMAP4rev1", "3501", ALWAYS, True),
    Row("IMAP4rev2", "9051", ALWAYS, True, enable=True, implies=_REV2),
    Row("LITERAL+", "7888", ALWAYS, True, condition="literal+"),
    Row("LITERAL-", "7888", ALWAYS, True, condition="literal-"),
    Row("SASL-IR", "4959", BEFORE, True),
    Row("ENABLE", "5161", ALWAYS, True),
    Row("ID", "2971", ALWAYS, True),
    Row("IDLE", "2177", ALWAYS, True),
    Row("LANGUAGE", "5255", ALWAYS, done=True),
    Row("STARTTLS", "9051 §6.2.1", BEFORE, True, condition="starttls"),
    Row("LOGINDISABLED", "9051 §6.2.3", BEFORE, True, condition="nologin"),
    Row("AUTH=", "9051 §6.2.2", BEFORE, True),
    Row("UNAUTHENTICATE", "8437", done=True),
    Row("NAMESPACE", "2342", done=True),
    Row("CHILDREN", "3348", done=True),
    Row("LIST-EXTENDED", "5258", done=True),
    Row("LIST-STATUS", "5819", done=True),
    Row("LIST-MYRIGHTS", "8440", done=True),
    Row("LIST-METADATA", "9590", done=True),
    Row("SPECIAL-USE", "6154", done=True),
    Row("CREATE-SPECIAL-USE", "6154", done=True),
    Row("UNSELECT", "3691", done=True),
    Row("UIDPLUS", "4315", done=True),
    Row("MOVE", "6851", done=True),
    Row("BINARY", "3516", done=True),
    Row("MULTIAPPEND", "3502", done=True),
    Row("CATENATE", "4469", done=True),
    Row("URL-PARTIAL", "5550", done=True),
    Row("REPLACE", "8508", done=True),
    Row("APPENDLIMIT", "7889", done=True),
    Row("ESEARCH", "4731", done=True),
    Row("SEARCHRES", "5182", done=True),
    Row("WITHIN", "5032", done=True),
    Row("PARTIAL", "9394", done=True),
    Row("SEARCH=FUZZY", "6203", done=True),
    Row("MULTISEARCH", "7377", done=True),
    Row("FILTERS", "5466", done=True),
    Row("SORT", "5256", done=True),
    Row("SORT=DISPLAY", "5957", done=True),
    Row("ESORT", "5267", done=True),
    Row("THREAD=ORDEREDSUBJECT", "5256", done=True),
    Row("THREAD=REFERENCES", "5256", done=True),
    Row("THREAD=REFS", "draft-ietf-morg-inthread", done=True),
    Row("CONTEXT=SEARCH", "5267", done=True),
    Row("CONTEXT=SORT", "5267", done=True),
    Row("I18NLEVEL=1", "5255", done=True),
    Row("CONDSTORE", "7162", done=True, enable=True),
    Row("QRESYNC", "7162", done=True, enable=True),
    Row("STATUS=SIZE", "8438", done=True),
    Row("OBJECTID", "8474", done=True),
    Row("OBJECTID+", "draft-ietf-mailmaint-imap-objectid-bis-06", done=True, enable=True),
    Row("SAVEDATE", "8514", done=True),
    Row("PREVIEW", "8970", done=True),
    Row("METADATA", "5464", done=True, enable=True),
    Row("ACL", "4314", done=True),
    Row("RIGHTS=", "4314", done=True),
    Row("QUOTA", "9208", done=True),
    Row("QUOTA=RES-STORAGE", "9208", done=True),
    Row("QUOTA=RES-MESSAGE", "9208", done=True),
    Row("QUOTA=RES-MAILBOX", "9208", done=True),
    Row("QUOTASET", "9208", done=True),
    Row("NOTIFY", "5465", done=True),
    Row("COMPRESS=DEFLATE", "4978", done=True, condition="compress"),
    Row("UTF8=ACCEPT", "6855", done=True, enable=True),
    Row("INPROGRESS", "9585", done=True),
    Row("UIDONLY", "9586", done=True, enable=True),
    Row("UIDBATCHES", "10022", done=True),
    Row("MESSAGELIMIT", "9738", done=True, condition="messagelimit"),
    Row("SAVELIMIT", "9738", done=True, condition="savelimit"),
    Row("JMAPACCESS", "9698", done=True, condition="jmap"),
    Row("IMAPSIEVE=", "6785", done=True, condition="imapsieve"),
    Row("FILTER=SIEVE", "draft-bosch-imap-filter-sieve-00", done=True, condition="filter"),
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
    return list(_names(state, facts, masked))


@lru_cache(maxsize=256)
def _names(state: State, facts: Facts, masked: frozenset[str]) -> tuple[str, ...]:
    """Remembered: a house has few kinds of connections, and each asks twice."""
    found: list[str] = []
    held = _conditions(facts) | {""}
    for row in TABLE:
        if not row.done or state not in row.states or row.condition not in held:
            continue
        if row.name in masked and row.name != "IMAP4rev1":
            continue
        found.extend(_spelt(row, facts))
    return tuple(found)


def _spelt(row: Row, facts: Facts) -> list[str]:
    """The row as words: most are their name, some carry a value."""
    if row.name == "AUTH=":
        return ["AUTH=" + mechanism for mechanism in facts.mechanisms]
    if row.name == "APPENDLIMIT" and facts.append_limit is not None:
        return [f"APPENDLIMIT={facts.append_limit}"]  # RFC 7889 §2
    if row.name in ("MESSAGELIMIT", "SAVELIMIT"):
        return [f"{row.name}={facts.message_limit}"]  # RFC 9738 §3
    if row.name == "IMAPSIEVE=":
        return [f"IMAPSIEVE={facts.sieve_url}"]  # RFC 6785 §2.1
    if row.name == "RIGHTS=":
        return ["RIGHTS=texk"]  # RFC 4314 §2.2: all that RFC 2086 did not have
    return [row.name]


def enabled(asked: Iterable[str], masked: frozenset[str] = frozenset()) -> list[str]:
    """Of the (upper-case) names in ENABLE those that take effect, as ENABLED lists them."""
    wanted = frozenset(asked)
    return [
        row.name
        for row in TABLE
        if row.enable and row.done and row.name not in masked and row.name.upper() in wanted
    ]
