"""Named searches (RFC 5466): kept as annotations of the server, put in where FILTER names them.

The commands that search are answered by their own families; this one comes before them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pillarbox.model import query as q
from pillarbox.model.numset import EMPTY
from pillarbox.serve.imap import multisearch, search, sieving, sorting
from pillarbox.serve.imap.session import Session
from pillarbox.store.sharing import SERVER
from pillarbox.wire.imap import commands, extensions
from pillarbox.wire.imap.capability import OFFERED
from pillarbox.wire.imap.lex import Bad
from pillarbox.wire.imap.parse.criteria import Criteria, criteria, is_filter_name
from pillarbox.wire.imap.render import codes

PRIVATE, SHARED = "/private/filters/values/", "/shared/filters/values/"
DEEPEST = 10
"""Filters within filters; RFC 5466 §3.1 asks for 3 at least."""
TOO_MANY_KEYS = "The filters make too large a search"

Query = (
    commands.Search
    | extensions.Sort
    | extensions.Thread
    | extensions.MultiSearch
    | extensions.Filter
)
C = TypeVar(
    "C",
    commands.Search,
    extensions.Sort,
    extensions.Thread,
    extensions.MultiSearch,
    extensions.Filter,
)


@dataclass(slots=True)
class _Undefined(Exception):
    name: str


def unfit(session: Session, values: Mapping[str, bytes | None]) -> str:
    """Why one of these entries cannot be a filter; '' when they all can (RFC 5466 §3.2)."""
    for entry, value in values.items():
        for top in (PRIVATE, SHARED):
            if entry.startswith(top) and value is not None:
                if not is_filter_name(entry.removeprefix(top)):
                    return "That is not the name of a filter"
                try:
                    criteria(value, OFFERED, session.needs.options.engine)
                except Bad as why:
                    return f"That is not a search: {why.text}"
    return ""


def _before(
    answer: Callable[[Session, C], Awaitable[None]],
) -> Callable[[Session, C], Awaitable[None]]:
    """The handler of a command that searches, with filters put in before it."""

    async def on_command(session: Session, command: C) -> None:
        if next(_names(command.query), None) is not None and not await _put_in(session, command):
            return
        await answer(session, command)

    return on_command


async def _put_in(session: Session, command: Query) -> bool:
    """False when the command has been refused."""
    found = _Filters(session)
    try:
        command.query = await found.within(command.query, ())
    except _Undefined as undefined:
        session.refuse(
            command.tag,
            "There is no such filter",
            codes.undefined_filter(undefined.name),
            allow_expunge=getattr(command, "uid", True),
        )
    except Bad as why:
        session.refuse(command.tag, why.text, codes.LIMIT)
    else:
        if not isinstance(command, extensions.Thread):
            command.modseq = command.modseq or found.modseq
        return True
    returns = getattr(command, "returns", None)
    if returns is not None and returns.save:
        session.saved = EMPTY  # RFC 5182 §2.1
    return False


@dataclass(slots=True)
class _Filters:
    """Those of one user, each read once a command."""

    session: Session
    modseq: bool = False
    keys: int = 0
    """How many search keys were put in, each time they were."""
    _read: dict[str, Criteria] = field(default_factory=dict)
    _values: dict[str, bytes] | None = None

    async def within(self, query: q.Query, path: tuple[str, ...]) -> q.Query:
        """The query with the filters in the places of their names; ``path``: those it is in."""
        match query:
            case q.Filter(name=name):
                return await self._filter(name, path)
            case q.And(parts=parts):
                return q.And(tuple([await self.within(part, path) for part in parts]))
            case q.Or(parts=parts):
                return q.Or(tuple([await self.within(part, path) for part in parts]))
            case q.Not(part=part):
                return q.Not(await self.within(part, path))
            case _:
                return query

    async def _filter(self, name: str, path: tuple[str, ...]) -> q.Query:
        key = name.lower()
        if key in path or len(path) >= DEEPEST:
            raise _Undefined(name)  # RFC 5466 §3.1: as if it were not there
        limits = self.session.needs.options.engine
        if key not in self._read:
            value = await self._value(key)
            if value is None:
                raise _Undefined(name)
            try:
                self._read[key] = criteria(value, OFFERED, limits)
            except Bad:  # it was a search when it was kept
                raise _Undefined(name) from None
        found = self._read[key]
        self.keys += found.keys
        if self.keys > limits.keys:
            raise Bad(TOO_MANY_KEYS)
        self.modseq = self.modseq or found.modseq
        return await self.within(found.query, (*path, key))

    async def _value(self, key: str) -> bytes | None:
        if self._values is None:
            store, user = self.session.needs.store, self.session.user.id
            self._values = await store.annotations(SERVER, 0, 0)
            self._values |= await store.annotations(user, 0, user)
        return self._values.get(PRIVATE + key, self._values.get(SHARED + key))


def _names(query: q.Query) -> Iterator[str]:
    """The filters that a query names."""
    waiting: list[q.Query] = [query]
    while waiting:
        match waiting.pop():
            case q.Filter(name=name):
                yield name
            case q.And(parts=parts) | q.Or(parts=parts):
                waiting += parts
            case q.Not(part=part):
                waiting.append(part)


HANDLERS = {
    commands.Search: _before(search.on_search),
    extensions.Sort: _before(sorting.on_sort),
    extensions.Thread: _before(sorting.on_thread),
    extensions.MultiSearch: _before(multisearch.on_multi_search),
    extensions.Filter: _before(sieving.on_filter),
}
