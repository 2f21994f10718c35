"""Delivery status notifications (RFC 3464 in the frame of RFC 6522), as bytes.

Three parts: a text for people, with the other side's words and one sentence that says what to
do; the machine-readable report; the returned message, whole or its header (RFC 3461 §4.3). One
report speaks of everybody whose fate was decided together. Where an address is not ASCII the parts
are those of RFC 6533.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.message import compose, date, header, words
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Recipient

_ADVICE = (  # by enhanced status class and subject (RFC 3463 §3), most specific first
    ("1.1", "Check the address for typing errors, or ask the recipient for the right one."),
    ("2.2", "The recipient's mailbox is full; reach the recipient another way and try later."),
    ("2.1", "The mailbox is closed at the moment; reach the recipient another way."),
    ("3.4", "The message is too large there; send a smaller one or a link to the attachment."),
    ("4.6", "The recipient's mail is forwarded in a circle; tell the postmaster there."),
    ("4.7", "The time for it is over; send the message again, or reach the recipient another way."),
    ("6.7", "The address needs a mail system that can handle international addresses."),
    ("7.", "The other side refused the message by its own rules; ask its postmaster why."),
)
_ADVICE_ELSE = "If you do not see why, pass this message on to your postmaster."
_ADVICE_LATER = "Send the message again later, or reach the recipient another way."
_GIVEN_UP = "It was tried again and again until now, and is given up."


_SUBJECTS = {  # by action, the first that occurs gives the report its name
    "failed": "Your message could not be delivered",
    "delayed": "Your message is delayed",
    "relayed": "Your message was passed on",
    "expanded": "Your message was passed on",
    "delivered": "Your message was delivered",
}
_DONE = frozenset({"relayed", "expanded", "delivered"})
_SAYING = {
    "failed": "It could not be delivered to:",
    "delayed": "It has not been delivered yet to the following; there is no need to send it again:",
    "relayed": "It was passed on to the servers of the following, which send no receipts:",
    "expanded": "It was passed on to all behind the following, of whom you hear only troubles:",
    "delivered": "It was delivered to:",
}


@dataclass(frozen=True, slots=True)
class Fate:
    """One recipient, what became of it (RFC 3464 §2.3.3) and the last thing that was said.

    ``by``: the server that said it, '' when it was found out here. ``until``: for ``delayed``,
    when trying ends, in seconds since 1970.
    """

    recipient: Recipient
    action: str
    reply: Reply
    final_address: str
    by: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What a report needs from outside. ``message_id`` is without angle brackets."""

    hostname: str
    now: float
    message_id: str
    boundary: str


def advice(reply: Reply) -> str:
    """One plain sentence for the person who gets the report."""
    _, _, status = reply.enhanced.partition(".")
    for prefix, sentence in _ADVICE:
        if status == prefix or (prefix.endswith(".") and status.startswith(prefix)):
            return sentence
    return _ADVICE_LATER if reply.temporary else _ADVICE_ELSE


def is_international(envelope: Envelope, fates: Sequence[Fate]) -> bool:
    """Whether the report has to be an RFC 6533 one."""
    sender = envelope.sender.address
    addresses = [fate.final_address for fate in fates]
    addresses += [fate.recipient.orcpt for fate in fates]
    return not all(map(str.isascii, [str(sender or ""), *addresses]))


def report(
    envelope: Envelope, fates: Sequence[Fate], original: bytes, *, whole: bool, frame: Frame
) -> bytes:
    """The whole DSN, with CRLF line ends.

    ``original`` is the message, or its beginning where not ``whole``; it is returned in full only
    for a failure, when RET=FULL asked for it and all of it is here, else only its header.
    """
    wide = is_international(envelope, fates)
    groups = {action: [f for f in fates if f.action == action] for action in _SUBJECTS}
    worst = next(action for action, found in groups.items() if found)
    secret = "REQUIRETLS" in envelope.sender.params  # RFC 8689 §5: as if RET=HDRS
    full = envelope.sender.ret == "FULL" and whole and bool(groups["failed"]) and not secret
    machine = _for_machines(envelope, fates, frame, wide=wide)
    pieces = [
        compose.text(_for_people(groups, frame.hostname, _about(original))),
        compose.piece(
            f"message/{'global-' if wide else ''}delivery-status",
            machine,
            description="Delivery report",
        ),
        _returned(original, full=full),
    ]
    fields = [
        compose.address_field("From", [("Mail delivery", f"postmaster@{frame.hostname}")]),
        compose.address_field("To", [("", str(envelope.sender.address))]),
        compose.field("Subject", _SUBJECTS[worst]),
        compose.date_field(datetime.fromtimestamp(frame.now, UTC)),
        compose.raw_field("Message-ID", f"<{frame.message_id}>".encode("ascii", "replace")),
        compose.raw_field("Auto-Submitted", b"auto-replied"),  # RFC 3834 §5
    ]
    content = compose.multipart("report", frame.boundary, pieces, "report-type=delivery-status")
    return compose.message(fields, content)


def _returned(original: bytes, *, full: bool) -> compose.Piece:
    """RFC 6522 §3: the message or its header, in the form that its octets need."""
    end = header.section(original, 0, len(original)).body_start
    top = original[:end]
    if full:
        kind = "message/rfc822" if top.isascii() else "message/global"
        return compose.piece(kind, original, description="Your message")
    kind = "text/rfc822-headers" if top.isascii() else "message/global-headers"
    return compose.piece(kind, top, description="The header of your message")


_LONGEST_SUBJECT = 200


def _about(original: bytes) -> list[str]:
    """What its sender knows the message by, as lines."""
    head = header.top(original)
    found = [("Subject", words.decode(header.first(head, b"subject") or b""))]
    found.append(("Written", (header.first(head, b"date") or b"").decode("utf-8", "replace")))
    shown = ((name, " ".join(text.split())[:_LONGEST_SUBJECT]) for name, text in found)
    lines = [f"  {name}: {text}" for name, text in shown if text]
    return ["", *lines] if lines else []


def _for_people(groups: Mapping[str, Sequence[Fate]], hostname: str, about: Sequence[str]) -> str:
    lines = [f"This is the mail system at {hostname}, about a message that you sent.", *about]
    for action, fates in groups.items():
        if fates:
            lines += ["", _SAYING[action]]
        for fate in fates:
            lines += ["", f"  {_shown(fate)}"]
            if action in {"failed", "delayed"}:
                who = f"{fate.by} said" if fate.by else "The reason"
                lines.append(f"    {who}: {fate.reply}")
            if action == "failed":
                lines += [f"    {_GIVEN_UP}"] if fate.reply.temporary else []
                lines.append(f"    {advice(fate.reply)}")
            if action == "delayed":
                lines.append(f"    It will be tried until {_date(fate.until)}.")
    return "\r\n".join([*lines, "", "This is about nobody else whom you wrote to.", ""])


def _shown(fate: Fate) -> str:
    asked = str(fate.recipient.address)
    other = fate.final_address
    return asked if other in {"", asked} else f"{asked} (which leads to {other})"


def _for_machines(envelope: Envelope, fates: Sequence[Fate], frame: Frame, *, wide: bool) -> bytes:
    """RFC 3464 §2: fields of the message, then a group a recipient."""
    fields = []
    if envelope.sender.envid:
        fields.append(("Original-Envelope-Id", envelope.sender.envid))
    kind = "dns" if "." in frame.hostname else "x-local-hostname"  # RFC 3461 §6.3 b
    fields.append(("Reporting-MTA", f"{kind}; {frame.hostname}"))
    if envelope.peer.helo and not envelope.peer.helo.startswith("["):  # RFC 3464 §2.2.4: a name
        fields.append(("Received-From-MTA", f"dns; {envelope.peer.helo}"))
    fields.append(("Arrival-Date", _date(envelope.received_at)))
    groups = [fields, *(_group(fate, frame.now) for fate in fates)]
    codec = "utf-8" if wide else "ascii"  # RFC 6533 §3; else words of a server may be the worse
    written = [
        b"".join(compose.raw_field(name, value.encode(codec, "replace")) for name, value in group)
        for group in groups
    ]
    return b"\r\n".join(written)


def _group(fate: Fate, now: float) -> list[tuple[str, str]]:
    """RFC 3464 §2.3."""
    fields = []
    if fate.recipient.orcpt:
        fields.append(("Original-Recipient", fate.recipient.orcpt))
    kind = "rfc822" if fate.final_address.isascii() else "utf-8"
    done = fate.action in _DONE
    fields += [
        ("Final-Recipient", f"{kind}; {fate.final_address}"),
        ("Action", fate.action),
        ("Status", _status(fate)),
    ]
    if fate.by:
        fields.append(("Remote-MTA", f"dns; {fate.by}"))
        fields.append(("Diagnostic-Code", f"smtp; {fate.reply}"))
    elif not done:
        fields.append(("Diagnostic-Code", f"X-Pillarbox; {fate.reply}"))
    fields.append(("Last-Attempt-Date", _date(now)))
    if fate.action == "delayed":
        fields.append(("Will-Retry-Until", _date(fate.until)))
    return fields


def _status(fate: Fate) -> str:
    """RFC 3464 §2.3.4: of the class that the action and the reply have, whatever a server says."""
    kind = "2" if fate.action in _DONE else "4" if fate.reply.temporary else "5"
    return fate.reply.enhanced if fate.reply.enhanced.startswith(f"{kind}.") else f"{kind}.0.0"


def _date(seconds: float) -> str:
    return date.write(datetime.fromtimestamp(seconds, UTC))
