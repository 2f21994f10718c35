"""Decisions that every store makes alike, as pure functions.

A store differs from another in how it keeps rows, never in what it answers: names, numbers and
refusals come from here, so that the contract is about effects only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest

from pillarbox.model.address import normal_domain
from pillarbox.model.flags import FLAGGED, SYSTEM_MASK, FlagSet, intern_keywords, keyword_bit
from pillarbox.model.lists import Cause, Suppressed
from pillarbox.model.mailbox import (
    INBOX,
    SEPARATOR,
    SPECIAL_USES,
    canonical_name,
    name_defect,
    parents,
)
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.rights import Rights
from pillarbox.model.sending import HISTORY, HOUR, Hour, Sent
from pillarbox.model.transaction import Envelope, Remote
from pillarbox.store.api import (
    Appended,
    FlagOp,
    NewItem,
    Parcel,
    QueueFilter,
    QueueItem,
    QueueRecipient,
    Settled,
)
from pillarbox.store.lists import MAX_MEMBERS
from pillarbox.store.scripts import MAX_SCRIPT, MAX_SCRIPT_OCTETS, MAX_SCRIPTS, Mark
from pillarbox.store.sharing import AccessOp

MAX_MAILBOXES = 10_000
"""Of one account: LIST is answered from memory, so their number has a bound."""
STREAM_PIECE = 64 * 1024
ROWS_BATCH = 500
BYTES_BATCH = 1024 * 1024

NO_ACCOUNT = Refusal(Kind.NONEXISTENT, "there is no such account")
NO_DOMAIN = Refusal(Kind.NONEXISTENT, "there is no such domain")
NO_ALIAS = Refusal(Kind.NONEXISTENT, "there is no such alias")
NO_MAILBOX = Refusal(Kind.NONEXISTENT, "there is no such mailbox")
NO_TARGET = Refusal(Kind.NONEXISTENT, "there is no such mailbox to put it in")
NO_LIST = Refusal(Kind.NONEXISTENT, "there is no such list")
NO_MEMBER = Refusal(Kind.NONEXISTENT, "that address is not on the list")
NO_SCRIPT = Refusal(Kind.NONEXISTENT, "there is no script of that name")
SCRIPT_EXISTS = Refusal(Kind.ALREADY_EXISTS, "there is a script of that name")
SCRIPT_ACTIVE = Refusal(Kind.IN_USE, "the script is active")
SCRIPT_TOO_BIG = Refusal(Kind.TOO_BIG, f"a script has at most {MAX_SCRIPT} octets")
TOO_MANY_SCRIPTS = Refusal(Kind.LIMIT, f"more than {MAX_SCRIPTS} scripts")
SCRIPT_QUOTA = Refusal(Kind.OVER_QUOTA, f"more than {MAX_SCRIPT_OCTETS} octets of scripts")
NOT_SUPPRESSED = Refusal(Kind.NONEXISTENT, "that address is not suppressed")
TOO_MANY_MEMBERS = Refusal(Kind.LIMIT, f"more than {MAX_MEMBERS} members")
LEASED = Refusal(Kind.IN_USE, "it is being delivered at this moment; try again soon")
NO_ITEM = Refusal(Kind.NONEXISTENT, "there is no such message in the queue")
NO_MESSAGE = Refusal(Kind.STALE, "the message is not there any more")
STALE_LEASE = Refusal(Kind.STALE, "the lease was lost")
OVER_QUOTA = Refusal(Kind.OVER_QUOTA, "the account is over its quota")
NO_UIDS = Refusal(Kind.LIMIT, "the mailbox has used up its message numbers")
TOO_MANY_KEYWORDS = Refusal(Kind.LIMIT, "the mailbox has no room for another keyword")
TOO_MANY_MAILBOXES = Refusal(Kind.LIMIT, f"more than {MAX_MAILBOXES} mailboxes")
TOO_MANY_MESSAGES = Refusal(Kind.OVER_QUOTA, "the account has as many messages as it may have")
MAILBOX_QUOTA = Refusal(Kind.OVER_QUOTA, "the account has as many mailboxes as it may have")
TOO_MANY_ANNOTATIONS = Refusal(Kind.LIMIT, "there are too many annotations")
TOO_MANY_IDENTIFIERS = Refusal(Kind.LIMIT, "there are too many identifiers in the list")
ONE_MAILBOX = Refusal(Kind.CANNOT, "all messages must go to the same mailbox")
DOMAIN_IN_USE = Refusal(Kind.IN_USE, "accounts, aliases or lists live in the domain")
ADDRESS_TAKEN = Refusal(Kind.ALREADY_EXISTS, "the address is taken")
NOT_AN_ADDRESS = Refusal(Kind.CANNOT, "that is not an address")
NO_ALIAS_TARGET = Refusal(Kind.CANNOT, "an alias needs at least one target")
MAILBOX_EXISTS = Refusal(Kind.ALREADY_EXISTS, "there is a mailbox of that name")
NOT_INBOX = Refusal(Kind.CANNOT, "INBOX cannot be deleted")
INTO_ITSELF = Refusal(Kind.CANNOT, "a mailbox cannot move into its own child")
UNKNOWN_USE = Refusal(Kind.CANNOT, "there is no such special use")
USE_TAKEN = Refusal(Kind.IN_USE, "another mailbox has that special use")


def next_uidvalidity(last: int, now: float) -> int:
    """Larger than any given out before, and about the time, so that a restored or re-created
    account does not repeat itself (RFC 9051 §2.3.1.1)."""
    return max(last + 1, int(now), 1)


def object_id(mailbox: int) -> str:
    """MAILBOXID: begins with a letter, ids are never reused (RFC 8474 §4, §8)."""
    return f"M{mailbox}"


def domain_of(address: str) -> str:
    """The part behind the last @; '' when there is none."""
    local, at, domain = address.rpartition("@")
    return domain if local and at else ""


def name_order(name: str) -> tuple[bool, str]:
    """Sort key: INBOX first, the others by code point."""
    return name != INBOX, name


def special_use(use: str) -> str | None:
    """The registered spelling, '' for none, None when it is no special use (RFC 6154 §2)."""
    if not use:
        return ""
    return next((known for known in SPECIAL_USES if known.lower() == use.lower()), None)


def no_room(quota: int, used: int, limit: int, messages: int) -> Refusal | None:
    """Whether that much is too much: octets and messages as they would be, under the account's
    limits, of which 0 is none and a negative one lets nothing in."""
    if quota and used > quota:
        return OVER_QUOTA
    return TOO_MANY_MESSAGES if limit and messages > limit else None


def thread_of(kin: Sequence[int], known: Mapping[int, int], blob: int) -> int:
    """The thread of a new message, which it keeps (RFC 8474 §5.2).

    ``known``: hashes of Message-IDs that the accounts it goes to have met, and their threads. It
    joins the thread of itself (a second copy, or an answer came first), else of its nearest known
    ancestor; threads that it proves to be one stay two for what is in them already. With no known
    kin it begins the thread that its root names, so that other accounts come to the same, and
    without any Message-ID one of its own.
    """
    for one in kin:
        if one in known:
            return known[one]
    root = kin[-1] if kin else 0
    return root or -blob


def plan_create(existing: Collection[str], name: str, limit: int = 0) -> list[str] | Refusal:
    """Names to create for ``name``, missing parents first (RFC 9051 §6.3.4). ``limit``: the
    account's own on mailboxes, 0 for none."""
    name = canonical_name(name)
    defect = name_defect(name)
    if defect is not None:
        return Refusal(Kind.CANNOT, defect)
    if name in existing:
        return MAILBOX_EXISTS
    new = [parent for parent in parents(name) if parent not in existing] + [name]
    count = len(existing) + len(new)
    if limit and count > limit:
        return MAILBOX_QUOTA
    return TOO_MANY_MAILBOXES if count > MAX_MAILBOXES else new


@dataclass(frozen=True, slots=True)
class RenamePlan:
    """``create`` before ``rename``: (mailbox id, old name, new name).

    In an order in which each new name is free when its turn comes: ``a/b`` to ``a`` makes room
    for ``a/b/b``, so the shorter old name goes first.
    """

    create: list[str]
    rename: list[tuple[int, str, str]]


def plan_rename(
    existing: Mapping[str, int], old: str, new: str, limit: int = 0
) -> RenamePlan | Refusal:
    """What renaming ``old`` takes; INBOX itself is for the caller (RFC 9051 §6.3.6)."""
    new = canonical_name(new)
    # The renamed mailbox itself is no new one.
    create = plan_create(existing, new, limit + 1 if limit > 0 else 0)
    if isinstance(create, Refusal):
        return create
    if new.startswith(old + SEPARATOR):
        return INTO_ITSELF
    moving = [name for name in existing if name == old or name.startswith(old + SEPARATOR)]
    pairs = []
    for name in sorted(moving, key=lambda name: (len(name), name)):
        renamed = new + name[len(old) :]
        defect = name_defect(renamed)
        if defect is not None:
            return Refusal(Kind.CANNOT, defect)
        if renamed in existing and renamed not in moving:
            return MAILBOX_EXISTS
        pairs.append((existing[name], name, renamed))
    if not pairs:
        return NO_MAILBOX
    return RenamePlan(create[:-1], pairs)


_VISIBLE = FLAGGED * 8 - 1
"""The five system flags; the other bits of the low byte are the house's own."""
HOUSE_FLAGS = SYSTEM_MASK & ~_VISIBLE


def flag_bits(op: FlagOp, flags: FlagSet, keywords: list[str]) -> int | None:
    """Bits of ``flags`` in a mailbox, appending new keywords; None when there is no room.

    A keyword to be removed that the mailbox does not know needs no bit.
    """
    if op is FlagOp.REMOVE:
        known = 0
        for name in flags.keywords:
            known |= keyword_bit(name, keywords)
        return flags.system | known
    bits = intern_keywords(flags.keywords, keywords)
    if any(not keyword_bit(name, keywords) for name in flags.keywords):
        return None
    return flags.system | bits


def apply_flags(op: FlagOp, old: int, bits: int, spared: int = HOUSE_FLAGS) -> int:
    """The new whole set; ``bits`` are within the scope. REPLACE spares what is outside of it, and
    the house's own bits, which the client cannot see."""
    if op is FlagOp.ADD:
        return old | bits
    if op is FlagOp.REMOVE:
        return old & ~bits
    return bits | (old & spared)


def annotated(
    before: Mapping[int, Mapping[str, bytes]], values: Mapping[tuple[int, str], bytes | None]
) -> dict[int, dict[str, bytes]]:
    """Each user's entries once ``values`` are set; None takes one away (RFC 5464 §4.3)."""
    after = {user: dict(entries) for user, entries in before.items()}
    for (user, name), value in values.items():
        if value is None:
            after[user].pop(name, None)
        else:
            after[user][name] = value
    return after


def access(op: AccessOp, before: Rights, rights: Rights) -> Rights:
    """The rights of an entry after a change (RFC 4314 §3.1)."""
    if op is AccessOp.ADD:
        return before | rights
    return before - rights if op is AccessOp.REMOVE else rights


def settled(recipient: QueueRecipient, result: Settled) -> QueueRecipient:
    """A recipient after an attempt. One that was put on hold meanwhile stays so if not over."""
    state = "held" if recipient.state == "held" and result.state == "due" else result.state
    return replace(
        recipient,
        attempts=recipient.attempts + 1,
        due=result.due,
        state=state,
        last=result.reply if result.reply is not None else recipient.last,
        owed=result.owed or recipient.owed,
        warned=result.warned or recipient.warned,
    )


def runs(places: Sequence[tuple[int, int]]) -> list[range]:
    """Where (mailbox, UID) ascend within one mailbox: places of the first to the last."""
    starts = [0] if places else []
    for n, (one, next_) in enumerate(pairwise(places), 1):
        if next_[0] != one[0] or next_[1] <= one[1]:
            starts.append(n)
    return [range(*pair) for pair in pairwise([*starts, len(places)])]


def lacking(parcel: Parcel, results: Sequence[Appended | Refusal] | None) -> set[int]:
    """Accounts that did not get what was theirs of a parcel, and to which it will be tried again.
    A copy of what was sent is not tried again."""
    if parcel.more:
        return set()
    pairs = zip(parcel.targets, results or (), strict=False)
    return {target.account for target, result in pairs if isinstance(result, Refusal)}


def remembered(
    parcels: Sequence[Parcel],
    done: Sequence[Sequence[Appended | Refusal] | None],
    marks: Iterable[Mark],
) -> list[Mark]:
    """The marks of accounts whose delivery is over: who tries it again shall not find that it
    was there before."""
    late = set[int]().union(*map(lacking, parcels, done))
    return [mark for mark in marks if mark.account not in late]


def queue_rows(queued: NewItem, pairs: Sequence[tuple[int, int]]) -> tuple[QueueRecipient, ...]:
    """The recipients of a new item."""
    rows = []
    for number, (recipient, route) in enumerate(pairs):
        to = queued.envelope.recipients[recipient].routes[route]
        domain = normal_domain(to.domain) if isinstance(to, Remote) else ""
        state = "held" if (recipient, route) in queued.held else "due"
        rows.append(QueueRecipient(number, recipient, route, 0, queued.due, state, domain=domain))
    return tuple(rows)


def queue_sender(envelope: Envelope) -> str:
    """Who takes turns with others: the account that submitted it, else the sender address."""
    address = envelope.sender.address
    return envelope.peer.user or (address.normal() if address else "")


def matches(item: QueueItem, where: QueueFilter) -> bool:
    """Whether a filter lets an item through. One recipient must have all that is asked of one."""
    sender = str(item.envelope.sender.address or "")
    if where.sender is not None and not _is_at(sender, where.sender):
        return False
    if where.before is not None and item.created >= where.before:
        return False
    return bool(matching(item, where))


def matching(item: QueueItem, where: QueueFilter) -> list[QueueRecipient]:
    """The recipients of an item that have all that is asked of one."""
    to = item.envelope.recipients
    return [
        row
        for row in item.recipients
        if (not where.domain or row.domain == where.domain)
        and (not where.state or row.state == where.state)
        and (not where.recipient or _is_at(str(to[row.envelope_index].address), where.recipient))
    ]


def _is_at(address: str, wanted: str) -> bool:
    address, wanted = address.lower(), wanted.lower()
    return address.endswith(wanted) if wanted.startswith("@") else address == wanted


def waiting(recipients: Iterable[QueueRecipient]) -> tuple[int, ...]:
    """Numbers of those who still wait."""
    return tuple(r.number for r in recipients if r.state in {"due", "held"})


def still(recipients: Iterable[QueueRecipient], results: Sequence[Settled]) -> Sequence[Settled]:
    """The results for those who still wait. Who gives up on an item saw it a moment before, and
    what was delivered since did not fail."""
    numbers = waiting(recipients)
    return [result for result in results if result.number in numbers]


def finished(recipients: Iterable[QueueRecipient]) -> bool:
    """Nothing is left to do for the item."""
    return not any(r.state in {"due", "held"} or r.owed for r in recipients)


def counted(hours: Sequence[Hour], sent: Sent) -> tuple[Hour, ...]:
    """An account's hours after ``sent``, without those that are too old."""
    start = hour_of(sent.at)
    by_start = {hour.start: hour for hour in hours if hour.start > forgotten(sent.at)}
    before = by_start.get(start, Hour(start))
    if sent.recipients or sent.failures:
        by_start[start] = Hour(
            start, before.recipients + sent.recipients, before.failures + sent.failures
        )
    return tuple(by_start[at] for at in sorted(by_start))


def forgotten(now: float) -> float:
    """Sending before this is remembered no more."""
    return now - HISTORY


def hour_of(at: float) -> int:
    """The beginning of the hour that a moment is in."""
    return int(at) // HOUR * HOUR


def suppression(before: Suppressed | None, new: Suppressed) -> Suppressed:
    """What stays of two entries for the same address."""
    return before if before is not None and before.cause is not Cause.BOUNCE else new


def in_turns(waiting: Mapping[str, Sequence[int]], limit: int) -> list[int]:
    """``limit`` items, one of each sender in turn; each sender's in their order."""
    lines = zip_longest(*waiting.values())
    return [item for line in lines for item in line if item is not None][:limit]


def lease_name(owner: str, count: int | str) -> str:
    """Differs at each lease, so that an owner too late for its own lease is noticed."""
    return f"{owner}/{count}"


def script_room(sizes: Mapping[str, int], name: str, size: int) -> Refusal | None:
    """Why a script of that size does not fit beside the others. ``sizes``: octets by name."""
    if size > MAX_SCRIPT:
        return SCRIPT_TOO_BIG
    others = [held for key, held in sizes.items() if key != name]
    if len(others) >= MAX_SCRIPTS:
        return TOO_MANY_SCRIPTS
    return SCRIPT_QUOTA if sum(others) + size > MAX_SCRIPT_OCTETS else None
