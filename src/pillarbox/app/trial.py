"""A first message through a house, by programs that are not ours: the standard library's.

Submission over STARTTLS, then IMAP and POP3 over TLS, every certificate checked. It blocks, so it
runs in a thread of its own.
"""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

TIMEOUT = 20.0
"""Seconds for each step."""


class TrialFailed(Exception):
    """The house did not do what it should."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who lives in the house."""

    address: str
    password: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Where to try. ``name`` is what the certificate is for."""

    name: str
    ports: Mapping[str, int]
    ca: Path
    sender: Person
    reader: Person


def trial(plan: Trial) -> str:
    """Send, and read it back by IMAP and by POP3; the Message-ID. Raises TrialFailed."""
    message = EmailMessage()
    message["From"] = plan.sender.address
    message["To"] = plan.reader.address
    message["Subject"] = "Welcome to Pillarbox"
    message["Message-ID"] = identifier = make_msgid(domain="example.test")
    message.set_content(
        "This message went in by submission\nand came out by IMAP and by POP3, all over TLS.\n"
    )
    context = ssl.create_default_context(cafile=str(plan.ca))
    try:
        _send(plan, message, context)
        found = {"IMAP": _by_imap(plan, identifier, context), "POP3": _by_pop3(plan, context)}
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto) as error:
        raise TrialFailed(f"{type(error).__name__}: {error}") from error
    text = message.get_content().encode().splitlines()
    for how, raw in found.items():
        header, _, body = raw.partition(b"\r\n\r\n")
        if identifier.encode() not in header or body.splitlines() != text:
            raise TrialFailed(f"{how} gave back something else than what was sent")
    return identifier


def _send(plan: Trial, message: EmailMessage, context: ssl.SSLContext) -> None:
    with smtplib.SMTP(plan.name, plan.ports["submission"], timeout=TIMEOUT) as client:
        client.starttls(context=context)
        client.login(plan.sender.address, plan.sender.password)
        client.send_message(message)


def _by_imap(plan: Trial, identifier: str, context: ssl.SSLContext) -> bytes:
    with imaplib.IMAP4_SSL(
        plan.name, plan.ports["imaps"], ssl_context=context, timeout=TIMEOUT
    ) as client:
        client.login(plan.reader.address, plan.reader.password)
        client.select("INBOX", readonly=True)
        _, found = client.uid("SEARCH", "HEADER", "Message-ID", f'"{identifier}"')
        uids = found[0].split() if found and found[0] else []
        if len(uids) != 1:
            raise TrialFailed(f"IMAP finds the message {len(uids)} times")
        _, rows = client.uid("FETCH", uids[0].decode(), "(BODY.PEEK[])")
        for row in rows:
            if isinstance(row, tuple):
                return bytes(row[1])
    raise TrialFailed("IMAP finds the message and does not give it")


def _by_pop3(plan: Trial, context: ssl.SSLContext) -> bytes:
    client = poplib.POP3_SSL(plan.name, plan.ports["pop3s"], context=context, timeout=TIMEOUT)
    try:
        client.user(plan.reader.address)
        client.pass_(plan.reader.password)
        count, _ = client.stat()
        if not count:
            raise TrialFailed("POP3 shows no message")
        _, lines, _ = client.retr(count)
        return b"\r\n".join(lines) + b"\r\n"
    finally:
        client.quit()
