"""Which capabilities a client makes use of: one line in the log for each, once a session.

What a command of an extension brings is found by its type; what an option of a command brings, by
looking at it. Commands of IMAP4rev1 without options are nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pillarbox.wire.imap import commands, extensions
from pillarbox.wire.imap.commands import FetchAtt, ListReturn, SearchReturn, StatusAtt

Look = Callable[[Any], Iterable[str]]

_ITEMS: dict[object, str] = {
    FetchAtt.MODSEQ: "CONDSTORE",
    FetchAtt.EMAILID: "OBJECTID",
    FetchAtt.THREADID: "OBJECTID",
    FetchAtt.OBJECTID: "OBJECTID+",
    FetchAtt.SAVEDATE: "SAVEDATE",
    commands.Binary: "BINARY",
    commands.BinarySize: "BINARY",
    commands.Preview: "PREVIEW",
}
_STATUS = {
    StatusAtt.HIGHESTMODSEQ: "CONDSTORE",
    StatusAtt.APPENDLIMIT: "APPENDLIMIT",
    StatusAtt.MAILBOXID: "OBJECTID",
    StatusAtt.OBJECTID: "OBJECTID+",
    StatusAtt.SIZE: "STATUS=SIZE",
    StatusAtt.DELETED: "QUOTA=RES-MESSAGE",
    StatusAtt.DELETED_STORAGE: "QUOTA=RES-STORAGE",
}


def _select(command: commands.Select) -> Iterable[str]:
    names = ["QRESYNC"] * (command.resync is not None) + ["CONDSTORE"] * command.condstore
    return names + ["OBJECTID+"] * (command.ids is not None)


def _fetch(command: commands.Fetch) -> Iterable[str]:
    found = [
        _ITEMS[key]
        for item in command.items
        if (key := item if isinstance(item, FetchAtt) else type(item)) in _ITEMS
    ]
    if command.changed_since is not None:
        found.append("CONDSTORE")
    return found + ["PARTIAL"] * (command.partial is not None) + ["QRESYNC"] * command.vanished


def _returns(returns: SearchReturn | None, basic: str) -> list[str]:
    if returns is None:
        return []
    found = [basic] + ["SEARCHRES"] * returns.save + ["SEARCH=FUZZY"] * returns.relevancy
    kept = returns.update or returns.context
    return found + ["PARTIAL"] * (returns.partial is not None) + ["CONTEXT=SEARCH"] * kept


def _search(command: commands.Search) -> Iterable[str]:
    return _returns(command.returns, "ESEARCH") + ["CONDSTORE"] * command.modseq


def _sort(command: extensions.Sort) -> Iterable[str]:
    return ["SORT", *_returns(command.returns, "ESORT")]


def _thread(command: extensions.Thread) -> Iterable[str]:
    return [f"THREAD={command.algorithm}"]


def _status(command: commands.Status) -> Iterable[str]:
    return [_STATUS[item] for item in command.items if item in _STATUS]


def _list(command: commands.List) -> Iterable[str]:
    returns: ListReturn = command.returns
    found = ["LIST-EXTENDED"] * command.extended
    found += ["SPECIAL-USE"] * (returns.special_use or "SPECIAL-USE" in command.select)
    found += ["LIST-STATUS"] * bool(returns.status) + ["LIST-MYRIGHTS"] * returns.myrights
    return found + ["LIST-METADATA"] * bool(returns.metadata)


def _append(command: commands.AppendStart) -> Iterable[str]:
    found = ["MULTIAPPEND"] * (command.index > 0) + ["CATENATE"] * command.catenate
    found += ["REPLACE"] * (command.replaces is not None) + ["BINARY"] * command.binary
    return found + ["LITERAL+"] * (not command.sync and not command.catenate)


def _enable(command: commands.Enable) -> Iterable[str]:
    return ["ENABLE", *sorted(command.names)]


def _always(name: str) -> Look:
    return lambda _: (name,)


LOOKS: dict[type, Look] = {
    commands.AppendStart: _append,
    commands.Authenticate: lambda command: ["SASL-IR"] * (command.initial is not None),
    commands.Create: lambda command: ["CREATE-SPECIAL-USE"] * bool(command.special_use),
    commands.Enable: _enable,
    commands.Expunge: lambda command: ["UIDPLUS"] * (command.ranges is not None),
    commands.Fetch: _fetch,
    commands.Id: _always("ID"),
    commands.Idle: _always("IDLE"),
    commands.List: _list,
    commands.Move: _always("MOVE"),
    commands.Namespace: _always("NAMESPACE"),
    commands.Search: _search,
    commands.Select: _select,
    commands.StartTls: _always("STARTTLS"),
    commands.Status: _status,
    commands.Store: lambda command: ["CONDSTORE"] * (command.unchanged_since is not None),
    commands.Unselect: _always("UNSELECT"),
    extensions.CancelUpdate: _always("CONTEXT=SEARCH"),
    extensions.Compress: _always("COMPRESS=DEFLATE"),
    extensions.Filter: _always("FILTER=SIEVE"),
    extensions.GetAcl: _always("ACL"),
    extensions.GetJmapAccess: _always("JMAPACCESS"),
    extensions.GetMetadata: _always("METADATA"),
    extensions.GetQuota: _always("QUOTA"),
    extensions.GetQuotaRoot: _always("QUOTA"),
    extensions.Language: _always("LANGUAGE"),
    extensions.ListRights: _always("ACL"),
    extensions.MultiSearch: _always("MULTISEARCH"),
    extensions.MyRights: _always("ACL"),
    extensions.Notify: _always("NOTIFY"),
    extensions.SetAcl: _always("ACL"),
    extensions.SetMetadata: _always("METADATA"),
    extensions.SetQuota: _always("QUOTASET"),
    extensions.Sort: _sort,
    extensions.Thread: _thread,
    extensions.UidBatches: _always("UIDBATCHES"),
    extensions.Unauthenticate: _always("UNAUTHENTICATE"),
}
"""By type of command."""


def used(command: object) -> Iterable[str]:
    """The capabilities that a command makes use of."""
    look = LOOKS.get(type(command))
    return look(command) if look is not None else ()
