"""Delivery status notifications (RFC 3464 in the frame of RFC 6522), as bytes.

Three parts: a text for people, with the other side's words and one sentence that says what to
do; the machine-readable report; the returned message, whole or its header (RFC 3461 §4.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.message import date
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Recipient

_ADVICE = (  # by enhanced status class and subject (RFC 3463 §3), most specific first
    ("1.1", "Check the address for typing errors, or ask the recipient for the right one."),
    ("2.2", "The recipient's mailbox is full; reach the recipient another way and try later."),
    ("2.1", "The mailbox is closed at the moment; reach the recipient another way."),
    ("3.4", "The message is too large there; send a smaller one or a link to the attachment."),
    ("4.6", "The recipient's mail is forwarded in a circle; tell the postmaster there."),
    ("4.7", "The other side could not be reached for days; send the message again later."),
    ("6.7", "The address needs a mail system that can handle international addresses."),
    ("7.", "The other side refused the message by its own rules; ask its postmaster why."),
)
_ADVICE_ELSE = "If you do not see why, pass this message on to your postmaster."


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient and the last thing that was said about it."""

    recipient: Recipient
    reply: Reply
    final_address: str


def advice(reply: Reply) -> str:
    """One plain sentence for the person who gets the report."""
    _, _, status = reply.enhanced.partition(".")
    for prefix, sentence in _ADVICE:
        if status == prefix or (prefix.endswith(".") and status.startswith(prefix)):
            return sentence
    return _ADVICE_ELSE


def failure_report(
    envelope: Envelope,
    failures: Sequence[Failure],
    original: bytes,
    *,
    whole: bool,
    hostname: str,
    now: float,
    message_id: str,
    boundary: str,
) -> bytes:
    """The whole DSN for recipients that failed for good, with CRLF line ends.

    ``original`` is the message, or its beginning where not ``whole``; it is returned in full only
    when RET=FULL asked for it and all of it is here, else only its header.
    ``message_id`` is without angle brackets.
    """
    sender = envelope.sender.address
    full = envelope.sender.ret == "FULL" and whole
    header = [
        f"From: Mail delivery <postmaster@{hostname}>",
        f"To: <{sender}>",
        "Subject: Your message could not be delivered",
        f"Date: {_date(now)}",
        f"Message-ID: <{message_id}>",
        "Auto-Submitted: auto-replied",  # RFC 3834 §5
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type="delivery-status";',
        f'\tboundary="{boundary}"',
    ]
    parts = [
        _part("text/plain; charset=utf-8", _for_people(failures, hostname).encode()),
        _part("message/delivery-status", _for_machines(envelope, failures, hostname, now)),
        _part("message/rfc822", original)
        if full
        else _part("text/rfc822-headers", original.partition(b"\r\n\r\n")[0] + b"\r\n"),
    ]
    dashes = b"--" + boundary.encode()
    body = b"".join(dashes + b"\r\n" + part + b"\r\n" for part in parts) + dashes + b"--\r\n"
    return "\r\n".join(header).encode() + b"\r\n\r\n" + body


def _date(seconds: float) -> str:
    return date.write(datetime.fromtimestamp(seconds, UTC))


def _part(content_type: str, content: bytes) -> bytes:
    encoding = b"7bit" if content.isascii() else b"8bit"
    return (
        b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
        % (content_type.encode(), encoding)
    ) + content


def _for_people(failures: Sequence[Failure], hostname: str) -> str:
    lines = [
        f"This is the mail system at {hostname}.",
        "",
        "Your message could not be delivered to:",
    ]
    for failure in failures:
        lines += [
            "",
            f"  {failure.recipient.address}",
            f"    The answer was: {failure.reply}",
            f"    {advice(failure.reply)}",
        ]
    lines += ["", "Nobody else named in your message is concerned.", ""]
    return "\r\n".join(lines)


def _for_machines(
    envelope: Envelope, failures: Sequence[Failure], hostname: str, now: float
) -> bytes:
    """RFC 3464 §2: fields of the message, then a group a recipient."""
    groups = [f"Reporting-MTA: dns; {hostname}"]
    if envelope.sender.envid:
        groups[0] = f"Original-Envelope-Id: {envelope.sender.envid}\r\n" + groups[0]
    if envelope.peer.helo:
        groups[0] += f"\r\nReceived-From-MTA: dns; {envelope.peer.helo}"
    groups[0] += f"\r\nArrival-Date: {_date(envelope.received_at)}"
    for failure in failures:
        lines = []
        if failure.recipient.orcpt:
            lines.append(f"Original-Recipient: {failure.recipient.orcpt}")
        kind = "rfc822" if failure.final_address.isascii() else "utf-8"  # RFC 6533 §3
        lines += [
            f"Final-Recipient: {kind}; {failure.final_address}",
            "Action: failed",
            f"Status: {failure.reply.enhanced or '5.0.0'}",
            f"Diagnostic-Code: smtp; {failure.reply}",
            f"Last-Attempt-Date: {_date(now)}",
        ]
        groups.append("\r\n".join(lines))
    return ("\r\n\r\n".join(groups) + "\r\n").encode()
