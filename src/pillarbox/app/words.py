"""A story in plain words: one pure function from events to lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pillarbox.model.story import (
    DISCARDED,
    MAILBOX,
    QUEUE,
    Accepted,
    Appended,
    Attempted,
    Delivered,
    Entry,
    Event,
    Expunged,
    Handled,
    Judged,
    Moved,
    Noted,
    Refused,
    Reported,
    Way,
)

Owner = Callable[[int], str]
"""The address of an account by its number."""

_SHOWN = 10
"""Recipients of one answer that are named."""

_DOORS = {
    "mx": "from another server",
    "submission": "from a user",
    "lmtp": "by LMTP",
    "local": "from this server itself",
}
_QUEUED = {"remote": "another server", "list": "a mailing list", "local": "a mailbox here"}
_TOLD = {
    "failed": "it could not be delivered",
    "delayed": "delivery takes longer than usual",
    "relayed": "it was handed to a server that sends no reports",
    "delivered": "it was delivered",
}
_HANDLED = {
    "held": "put on hold",
    "released": "released",
    "retried": "made due",
    "expired": "given up",
    "dropped": "dropped and nobody told",
}


def lines(entries: Sequence[Entry], owner: Owner) -> Iterator[tuple[float, str]]:
    """When, and what happened, in order; the connection that brought a message comes first, what
    was found out about it next, and then what became of it."""
    for entry in entries:
        if isinstance(entry.event, Accepted):
            yield entry.at, _came(entry.event)
            break
    for entry in entries:
        for text in _WORDS[type(entry.event)](entry.event, owner):
            yield entry.at, text


def _came(event: Accepted) -> str:
    if event.door == "local":
        return f"Written {_DOORS['local']}"
    who = event.ip + (f" ({event.helo})" if event.helo else "")
    user = f", logged in as {event.user}" if event.user else ""
    way = f", {event.protocol}" if event.protocol else ""
    secure = f", {event.tls}" if event.tls else ", not encrypted"
    return f"Connection {_DOORS.get(event.door, event.door)}: {who}{user}{way}{secure}"


def _accepted(event: Accepted, owner: Owner) -> Iterator[str]:
    queued = f", queue item {event.item}" if event.item else ""
    yield (
        f"Accepted as {event.trace}{queued}: from <{event.sender}>, {event.size} octets, "
        f"{f'Message-ID <{event.message_id}>' if event.message_id else 'no Message-ID'}"
    )
    for way in event.ways:
        yield _way(way, owner)


def _way(way: Way, owner: Owner) -> str:
    kind, _, address = way.route.partition(" ")
    leads = "" if address.lower() == way.to.lower() else f", which leads to {address}"
    if way.end == MAILBOX:
        return (
            f"For <{way.to}>{leads}: delivered to {_place(owner, way.account, way.name, way.uid)}"
        )
    if way.end == QUEUE:
        return f"For <{way.to}>{leads}: queued for {_QUEUED.get(kind, kind)}"
    if way.end == DISCARDED:
        return f"For <{way.to}>{leads}: no copy is kept: {way.name}"
    return f"For <{way.to}>{leads}: refused: {way.reply}"


def _place(owner: Owner, account: int, name: str, uid: int) -> str:
    return f"mailbox {name or '(gone)'} of {owner(account)}, UID {uid}"


def _appended(event: Appended, owner: Owner) -> Iterator[str]:
    where = _place(owner, event.account, event.name, event.uid)
    yield f"Put into {where} by {event.by or 'nobody known'}: {event.size} octets"


def _refused(event: Refused, owner: Owner) -> Iterator[str]:
    who = event.ip + (f" ({event.helo})" if event.helo else "")
    user = f", logged in as {event.user}" if event.user else ""
    door, secure = _DOORS.get(event.door, event.door), event.tls or "not encrypted"
    yield f"Connection {door}: {who}{user}, {secure}"
    for one in event.found:
        yield from _judged(one, owner)
    what = f"for {_names(event.to)}" if event.to else "the message"
    times = f" ({event.count} times)" if event.count > 1 else ""
    trace = f" as {event.trace}" if event.trace else ""
    yield f"Refused{trace}, from <{event.sender}>, {what}{times}: {event.reply}"


_CHECKS = {
    "spf": "the sending machine (SPF)",
    "dkim": "the signature (DKIM)",
    "arc": "the way it came (ARC)",
    "dmarc": "the author (DMARC)",
    "iprev": "the machine's name",
    "dnsbl": "lists of machines (DNSBL)",
    "spam": "for spam",
    "virus": "for viruses",
    "milter": "by a filter",
    "learned": "what its recipient taught the filter",
    "hook": "by a hook",
}


def _judged(event: Judged, owner: Owner) -> Iterator[str]:  # noqa: ARG001
    what = "All in all" if event.what == "all" else f"Checked {_CHECKS.get(event.what, event.what)}"
    yield f"{what}: {event.result}" + (f": {event.detail}" if event.detail else "")


def _noted(event: Noted, owner: Owner) -> Iterator[str]:  # noqa: ARG001
    yield f"{event.what}: {event.text}{_by(event.by)}"


def _attempted(event: Attempted, owner: Owner) -> Iterator[str]:  # noqa: ARG001
    for one in event.tries:
        where = f"{one.host} [{one.address}]" if one.address else one.host
        secure = f", {one.tls}" if one.tls else ", not encrypted" if one.said else ""
        yield f"Tried {where}{secure}: {one.reply}"
    ends = {
        "done": f"taken by {event.by}" if event.by else "delivered",
        "failed": "failed for good",
        "due": f"will be tried again at {moment(event.due)}",
        "held": "is on hold",
    }
    known = bool(event.tries) and event.tries[-1].reply == event.reply
    said = "" if known else f"; {event.by or 'reason'}: {event.reply}"
    lost = "; the answer was lost: another attempt may make a second copy" if event.maybe else ""
    yield f"For {_names(event.to)}: {ends.get(event.state, event.state)}{said}{lost}"


def _delivered(event: Delivered, owner: Owner) -> Iterator[str]:
    for way in event.ways:
        yield "Out of the queue. " + _way(way, owner)


def _reported(event: Reported, owner: Owner) -> Iterator[str]:  # noqa: ARG001
    told = ", and that ".join(dict.fromkeys(_TOLD.get(word, word) for word in event.actions))
    if event.trace:
        yield f"Told <{event.to}> that {told}: report {event.trace}"
    else:
        yield f"Nobody could be told that {told}"


def _handled(event: Handled, owner: Owner) -> Iterator[str]:  # noqa: ARG001
    yield f"Queue item {event.item} was {_HANDLED.get(event.what, event.what)}{_by(event.by)}"


def _moved(event: Moved, owner: Owner) -> Iterator[str]:
    to = _place(owner, event.to_account, event.to_name, event.to_uid)
    if event.restored:
        yield f"Brought back to {to}{_by(event.by)}"
        return
    word = "Copied" if event.copied else "Moved"
    where = _place(owner, event.account, event.name, event.uid)
    yield f"{word} from {where} to {to}{_by(event.by)}"


def _expunged(event: Expunged, owner: Owner) -> Iterator[str]:
    if event.whole and not event.mailbox:
        yield f"Deleted with the account {event.name}{_by(event.by)}"
        return
    whole = ", with the whole mailbox" if event.whole else ""
    where = _place(owner, event.account, event.name, event.uid)
    yield f"Deleted from {where}{whole}{_by(event.by)}"


def _by(who: str) -> str:
    return f", by {who}" if who else ""


_WORDS: Mapping[type[Event], Callable[[Any, Owner], Iterable[str]]] = {
    Accepted: _accepted,
    Appended: _appended,
    Refused: _refused,
    Judged: _judged,
    Noted: _noted,
    Attempted: _attempted,
    Delivered: _delivered,
    Reported: _reported,
    Handled: _handled,
    Moved: _moved,
    Expunged: _expunged,
}


def _names(addresses: Sequence[str]) -> str:
    shown = ", ".join(f"<{address}>" for address in addresses[:_SHOWN])
    more = len(addresses) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def moment(seconds: float) -> str:
    """In UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
