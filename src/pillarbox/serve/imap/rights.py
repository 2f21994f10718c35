"""Access control lists (RFC 4314)."""

from __future__ import annotations

from pillarbox.mailbox.access import Place
from pillarbox.model.address import parse_address
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import ALL, ANYONE, NEGATIVE, ORDER, VIRTUAL, parse, spelt
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.store.sharing import AccessOp
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.render import codes

_FOR_MYRIGHTS = "lrikxa"
"""Of these, one must be there (RFC 4314 §4)."""


async def on_my_rights(session: Session, command: extensions.MyRights) -> None:
    """RFC 4314 §3.5."""
    place = await _place(session, command.tag, command.mailbox, any_of=_FOR_MYRIGHTS)
    if place is not None:
        session.write(said(session, place))
        session.finish(command.tag)


def said(session: Session, place: Place) -> bytes:
    """The MYRIGHTS response for a mailbox."""
    return render.my_rights(place.name, spelt(place.rights), utf8=session.engine.utf8)


async def on_get_acl(session: Session, command: extensions.GetAcl) -> None:
    """RFC 4314 §3.3. The owner comes first, with all rights."""
    place = await _place(session, command.tag, command.mailbox, needs="a")
    if place is None:
        return
    listed = await session.needs.store.access_list(place.box.account, place.box.id)
    entries = [(await _owner(session, place), spelt(ALL))]
    entries += [(who, spelt(rights)) for who, rights in listed.items()]
    session.write(render.acl(place.name, entries, utf8=session.engine.utf8))
    session.finish(command.tag)


async def on_list_rights(session: Session, command: extensions.ListRights) -> None:
    """RFC 4314 §3.4. No right is tied to another; the owner's are always there."""
    place = await _place(session, command.tag, command.mailbox, needs="a")
    if place is None:
        return
    who = await _identifier(session, command.identifier)
    if who is None:
        session.refuse(command.tag, "There is no such identifier", codes.NONEXISTENT)
        return
    always, optional = "", (*ORDER, *VIRTUAL)
    if who == await _owner(session, place):
        always, optional = spelt(ALL), ()
    session.write(
        render.list_rights(
            place.name, command.identifier, always, optional, utf8=session.engine.utf8
        )
    )
    session.finish(command.tag)


async def on_set_acl(session: Session, command: extensions.SetAcl) -> None:
    """RFC 4314 §3.1."""
    rights = parse(command.rights)
    if rights is None:
        session.write(render.bad(command.tag, "There is no such right"))
        return
    place = await _place(session, command.tag, command.mailbox, needs="a")
    if place is None:
        return
    who = await _identifier(session, command.identifier)
    if who is None:
        session.refuse(command.tag, "There is no such identifier", codes.NONEXISTENT)
        return
    if who.removeprefix(NEGATIVE) == await _owner(session, place):
        session.refuse(command.tag, "The owner has all rights", codes.CANNOT)
        return
    refused = await session.needs.store.change_access(
        place.box.account, place.box.id, who, AccessOp(command.mode), rights
    )
    await _changed(session, command.tag, refused)


async def on_delete_acl(session: Session, command: extensions.DeleteAcl) -> None:
    """RFC 4314 §3.2: also of an identifier that is nobody's any more."""
    place = await _place(session, command.tag, command.mailbox, needs="a")
    if place is None:
        return
    who = _spelling(command.identifier) or command.identifier
    refused = await session.needs.store.change_access(
        place.box.account, place.box.id, who, AccessOp.REPLACE, frozenset()
    )
    await _changed(session, command.tag, refused)


async def _changed(session: Session, tag: str, refused: Refusal | None) -> None:
    if refused is not None:
        session.refuse(tag, refused.text, CODES[refused.kind])
        return
    await session.recheck()  # one's own, perhaps
    if not session.over:
        session.finish(tag)


async def _place(
    session: Session, tag: str, name: str, needs: str = "", any_of: str = ""
) -> Place | None:
    """The mailbox; None when the command has been refused."""
    place = await session.needs.ops.access.find(session.user, name, needs, any_of)
    if isinstance(place, Refusal):
        session.refuse(tag, place.text, CODES[place.kind])
        return None
    return place


async def _owner(session: Session, place: Place) -> str:
    if place.box.account == session.user.id:
        return session.user.address
    owner = await session.needs.store.account(place.box.account)
    return owner.address if owner else ""


def _spelling(identifier: str) -> str | None:
    """An identifier as lists have it; None when it cannot be one."""
    sign = NEGATIVE if identifier.startswith(NEGATIVE) else ""
    name = identifier.removeprefix(NEGATIVE)
    if name == ANYONE:
        return sign + ANYONE
    address = parse_address(name)
    return sign + address.normal() if address else None


async def _identifier(session: Session, identifier: str) -> str | None:
    """The same, of somebody who is here: an address that may be given to a stranger later on
    must not come with rights."""
    who = _spelling(identifier)
    name = (who or "").removeprefix(NEGATIVE)
    if name == ANYONE or (name and await session.needs.store.account_by_address(name)):
        return who
    return None


HANDLERS = {
    extensions.MyRights: on_my_rights,
    extensions.GetAcl: on_get_acl,
    extensions.ListRights: on_list_rights,
    extensions.SetAcl: on_set_acl,
    extensions.DeleteAcl: on_delete_acl,
}
