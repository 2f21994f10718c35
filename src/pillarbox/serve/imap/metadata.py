"""Annotations of mailboxes and of the server (RFC 5464), and what LIST shows of them (RFC 9590).

Private entries belong to one user. Shared ones of a mailbox are read by who may look it up and do
anything with its mail, and changed by who may change its flags ("w"), which is the appropriate
access of RFC 5464 §3.2; those of the server by administrators. ``/private/specialuse`` is the
mailbox's special use itself (RFC 6154 §4), which is its owner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pillarbox.mailbox.access import Place
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.serve.imap import filters
from pillarbox.serve.imap.annotated import ANY_OF, NEEDS
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.uses import unfit
from pillarbox.store.sharing import SERVER
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.render import codes

PRIVATE, SHARED = "/private", "/shared"
CONTACT = "/shared/admin"
SPECIAL_USE = "/private/specialuse"
MAX_VALUE = 65_536
"""Octets of one value; RFC 5464 §4.1 asks for 1024 at least."""

Entries = Mapping[str, bytes]


async def on_get(session: Session, command: extensions.GetMetadata) -> None:
    """RFC 5464 §4.2. An entry that is asked for by its name and has no value is NIL."""
    defect = _misnamed(command.entries, 1 if command.depth != 0 else 2)
    if defect:
        session.write(render.bad(command.tag, defect))
        return
    place: Place | None = None
    if command.mailbox:
        found = await session.needs.ops.access.find(session.user, command.mailbox, NEEDS, ANY_OF)
        if isinstance(found, Refusal):
            session.refuse(command.tag, found.text, CODES[found.kind])
            return
        place = found
    entries = await _entries(session, place)
    values: dict[str, bytes | None] = {}
    for name in command.entries:
        if command.depth == 0:
            values[name] = entries.get(name)
        else:
            values |= {n: v for n, v in entries.items() if _is_below(n, name, command.depth)}
    most = command.max_size
    sizes = [len(value) for value in values.values() if value is not None]
    longest = max(sizes, default=0) if most is not None else 0
    if most is not None:
        values = {n: v for n, v in values.items() if v is None or len(v) <= most}
    if values:
        session.write(said(session, place.name if place else "", values))
    too_long = most is not None and longest > most
    session.finish(command.tag, code=codes.metadata_longentries(longest) if too_long else "")


def said(session: Session, name: str, values: Mapping[str, bytes | None]) -> bytes:
    """The METADATA response."""
    return render.metadata(name, list(values.items()), utf8=session.engine.utf8)


async def listed(session: Session, place: Place, names: Iterable[str]) -> bytes:
    """What LIST RETURN (METADATA …) says of a mailbox; nothing without the rights (RFC 9590)."""
    if not (place.rights >= set(NEEDS) and place.rights & set(ANY_OF)):
        return b""
    entries = await _entries(session, place)
    return said(session, place.name, {name: entries.get(name) for name in names})


async def on_set(session: Session, command: extensions.SetMetadata) -> None:
    """RFC 5464 §4.3: all of the values or none."""
    values = dict(command.values)
    defect = _misnamed(values, 2)
    if defect:
        session.write(render.bad(command.tag, defect))
        return
    if any(value is not None and len(value) > MAX_VALUE for value in values.values()):
        session.refuse(command.tag, "The value is too long", codes.metadata_maxsize(MAX_VALUE))
        return
    if command.mailbox:
        await _set_on_mailbox(session, command, values)
    else:
        await _set_on_server(session, command, values)


async def _set_on_mailbox(
    session: Session, command: extensions.SetMetadata, values: dict[str, bytes | None]
) -> None:
    user = session.user
    place = await session.needs.ops.access.find(user, command.mailbox, NEEDS, ANY_OF)
    if isinstance(place, Refusal):
        session.refuse(command.tag, place.text, CODES[place.kind])
        return
    if any(_is_shared(name) for name in values) and "w" not in place.rights:
        session.refuse(command.tag, "You may not change what others see", codes.NOPERM)
        return
    use: str | None = None
    if SPECIAL_USE in values:
        uses = (values.pop(SPECIAL_USE) or b"").decode("ascii", "replace").split()
        problem = unfit(uses, own=place.own)
        if problem:
            session.refuse(command.tag, problem, codes.USEATTR)
            return
        use = uses[0] if uses else ""
    refused = await session.needs.store.annotate(
        place.box.account,
        place.box.id,
        {(0 if _is_shared(name) else user.id, name): value for name, value in values.items()},
        special_use=use,
        origin=session.conn.id,
    )
    _done(session, command.tag, refused)


async def _set_on_server(
    session: Session, command: extensions.SetMetadata, values: dict[str, bytes | None]
) -> None:
    """Shared entries are the server's, private ones hang on the account."""
    store, user = session.needs.store, session.user
    shared = {(0, name): value for name, value in values.items() if _is_shared(name)}
    own = {(user.id, name): value for name, value in values.items() if not _is_shared(name)}
    problem = filters.unfit(session, values)
    if problem:
        session.refuse(command.tag, problem, codes.CANNOT)
        return
    if shared:
        me = await store.account(user.id)
        if CONTACT in values or me is None or not me.admin:
            text = "Only an administrator changes what is said about the server"
            session.refuse(command.tag, text, codes.NOPERM)
            return
        if own:  # they are kept apart, and it is all or none
            session.refuse(command.tag, "Set shared and private entries apart", codes.CANNOT)
            return
    account, mine = (SERVER, shared) if shared else (user.id, own)
    _done(session, command.tag, await store.annotate(account, 0, mine, origin=session.conn.id))


def _done(session: Session, tag: str, refused: Refusal | None) -> None:
    if refused is None:
        session.finish(tag)
    elif refused.kind is Kind.LIMIT:
        session.refuse(tag, refused.text, codes.METADATA_TOOMANY)
    elif refused.kind in (Kind.IN_USE, Kind.CANNOT):  # only the special use can be that
        session.refuse(tag, refused.text, codes.USEATTR)
    else:
        session.refuse(tag, refused.text, CODES[refused.kind])


async def _entries(session: Session, place: Place | None) -> Entries:
    """All there is to see on a mailbox, or on the server (None)."""
    store, user = session.needs.store, session.user.id
    if place is None:
        entries = await store.annotations(SERVER, 0, 0) | await store.annotations(user, 0, user)
        contact = session.needs.options.contact
        return entries | {CONTACT: contact.encode()} if contact else entries
    box = place.box
    entries = await store.annotations(box.account, box.id, 0)
    entries |= await store.annotations(box.account, box.id, user)
    if place.own and box.special_use:
        entries[SPECIAL_USE] = box.special_use.encode("ascii")
    return entries


def _is_shared(name: str) -> bool:
    return name.startswith(SHARED + "/")


def _is_below(name: str, top: str, depth: int | None) -> bool:
    """Whether DEPTH shows ``name`` with ``top`` (RFC 5464 §4.2.2)."""
    if name == top:
        return True
    if not name.startswith(top + "/"):
        return False
    return depth is None or name.count("/") - top.count("/") <= depth


def _misnamed(names: Iterable[str], least: int) -> str:
    """Why these cannot be entries (RFC 5464 §3.2); '' when they can. ``least``: components."""
    for name in names:
        parts = name.split("/")[1:]
        if parts[0] not in ("private", "shared"):
            return "Entries are below /private or /shared"
        if len(parts) < (least if least == 1 or parts[1:2] != ["vendor"] else 4):
            return "That is not the name of an entry"
    return ""


HANDLERS = {extensions.GetMetadata: on_get, extensions.SetMetadata: on_set}
