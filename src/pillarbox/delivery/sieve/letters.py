"""The messages that scripts make the house write: answers, notices, refusals. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.message import compose, header, words
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Recipient
from pillarbox.queue import dsn
from pillarbox.sieve.actions import Notify, Vacation
from pillarbox.sieve.mailto import Mailto

_MOST_RETURNED = 64 * 1024
_EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """What a letter needs from outside. ``now``: seconds since 1970; ``token``: fresh."""

    hostname: str
    now: float
    token: str


def _common(frame: Frame, kind: bytes) -> list[bytes]:
    return [
        compose.date_field(datetime.fromtimestamp(frame.now, UTC)),
        compose.raw_field("Message-ID", f"<{frame.token}@{frame.hostname}>".encode("ascii")),
        compose.raw_field("Auto-Submitted", kind),  # RFC 3834 §5
    ]


def _reply_to(head: bytes) -> list[bytes]:
    """In-Reply-To and References (RFC 5230 §5.8, RFC 5322 §3.6.4)."""
    found = header.first(head, b"message-id")
    if not found:
        return []
    before = header.first(head, b"references") or header.first(head, b"in-reply-to") or b""
    ids = [word for word in before.split() if word.startswith(b"<")][-20:]
    return [
        compose.raw_field("In-Reply-To", found),
        compose.raw_field("References", b" ".join([*ids, found])),
    ]


def vacation(action: Vacation, head: bytes, sender: Address, owner: Address, frame: Frame) -> bytes:
    """The answer (RFC 5230 §5)."""
    subject = action.subject
    if not subject:
        old = words.decode(header.first(head, b"subject") or b"")
        subject = f"Auto: {old}" if old else "Automated reply"
    fields = [
        _from(action.from_, owner),
        compose.address_field("To", [("", str(sender))]),
        compose.field("Subject", subject),
        *_reply_to(head),
        *_common(frame, b"auto-replied"),
        compose.raw_field("X-Auto-Response-Suppress", b"All"),
    ]
    if not action.mime:
        return compose.message(fields, compose.text(action.reason))
    octets = action.reason.encode("utf-8", "surrogateescape")
    end = header.section(octets, 0, len(octets)).body_start
    kept = [
        octets[one.start : one.end]
        for one in header.fields(octets[:end])
        if one.name.startswith(b"content-")
    ]
    return compose.message(fields, compose.Piece(b"".join(kept), octets[end:]))


def _from(given: str, owner: Address) -> bytes:
    if given:
        return compose.raw_field("From", words.downgrade(given.encode("utf-8", "replace")))
    return compose.address_field("From", [("", str(owner))])


def notice(action: Notify, goal: Mailto, head: bytes, owner: Address, frame: Frame) -> bytes:
    """A notification by mail (RFC 5436 §2.7)."""
    original = words.decode(header.first(head, b"subject") or b"")
    writer = words.decode(header.first(head, b"from") or b"")
    subject = action.message or goal.subject or original or "New mail"
    fields = [
        _from(action.from_, owner),
        compose.address_field("To", [("", one) for one in goal.to or goal.cc]),
        *(
            [compose.address_field("Cc", [("", one) for one in goal.cc])]
            if goal.cc and goal.to
            else []
        ),
        compose.field("Subject", " ".join(subject.split())[:_EXCERPT]),
        *[compose.field(name, value) for name, value in goal.fields],
        *_importance(action.importance),
        *_common(
            frame, b'auto-notified; owner-email="' + str(owner).encode("ascii", "replace") + b'"'
        ),
    ]
    body = goal.body or f"From: {writer}\r\nSubject: {original}\r\n"
    return compose.message(fields, compose.text(body))


def _importance(importance: int) -> list[bytes]:
    word = {1: b"high", 3: b"low"}.get(importance)
    return [compose.raw_field("Importance", word)] if word else []


def bounce(
    reason: str,
    envelope: Envelope,
    recipient: Recipient,
    owner: Address,
    original: bytes,
    frame: Frame,
) -> bytes:
    """The report of an ``ereject`` that came too late for the dialogue (RFC 5429 §2.1.2)."""
    said = Reply(
        550, "5.7.1", f"refused by the recipient's mail filter: {' '.join(reason.split())}"
    )
    fate = dsn.Fate(recipient, "failed", said, str(owner))
    return dsn.report(
        envelope,
        [fate],
        original[:_MOST_RETURNED],
        whole=len(original) <= _MOST_RETURNED,
        frame=dsn.Frame(
            frame.hostname, frame.now, f"{frame.token}@{frame.hostname}", f"report-{frame.token}"
        ),
    )


def refusal(
    reason: str,
    sender: Address,
    owner: Address,
    recipient: Recipient,
    original: bytes,
    frame: Frame,
) -> bytes:
    """The MDN of a ``reject`` (RFC 5429 §2.2.1, RFC 8098 §3)."""
    people = (
        "Your message was refused by the recipient's mail filtering program.\r\n"
        f"The reason given is as follows:\r\n\r\n{reason}\r\n"
    )
    asked = str(recipient.address)
    machine = [
        ("Reporting-UA", f"{frame.hostname}; Pillarbox"),
        ("Original-Recipient", f"rfc822; {asked}"),
        ("Final-Recipient", f"rfc822; {owner}"),
    ]
    message_id = header.first(original, b"message-id")
    if message_id:
        machine.append(("Original-Message-ID", message_id.decode("ascii", "replace")))
    machine.append(("Disposition", "automatic-action/MDN-sent-automatically; deleted"))
    top = original[: header.section(original, 0, len(original)).body_start]
    pieces = [
        compose.text(people),
        compose.piece("message/disposition-notification", compose.report_fields([machine])),
        compose.piece("text/rfc822-headers" if top.isascii() else "message/global-headers", top),
    ]
    fields = [
        compose.address_field("From", [("", str(owner))]),
        compose.address_field("To", [("", str(sender))]),
        compose.field("Subject", "Automatically rejected mail"),
        *_reply_to(original),
        *_common(frame, b"auto-replied (rejected)"),
    ]
    kind = "report-type=disposition-notification"
    return compose.message(
        fields, compose.multipart("report", f"refusal-{frame.token}", pieces, kind)
    )
