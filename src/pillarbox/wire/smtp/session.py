"""What the engine knows of one connection beyond its state."""

from __future__ import annotations

from pillarbox.model.transaction import Recipient, Role, Sender
from pillarbox.wire.smtp.offer import Offer, offer
from pillarbox.wire.smtp.options import Options


class Session:
    """Facts that the judging of commands needs, and the transaction so far."""

    __slots__ = (
        "authenticated",
        "extended",
        "helo",
        "offer",
        "options",
        "recipients",
        "sender",
        "tls",
    )

    def __init__(self, options: Options, tls: bool) -> None:
        self.options = options
        self.tls = tls
        self.offer: Offer = offer(options, tls)
        self.authenticated = False
        self.helo = ""
        self.extended = False
        self.sender: Sender | None = None
        self.recipients: list[Recipient] = []

    def end_transaction(self) -> None:
        self.sender = None
        self.recipients = []  # a new list: the old one may be in somebody's envelope

    def start_tls(self, options: Options) -> None:
        """Forget what was said in the clear (RFC 3207 §4.2)."""
        self.end_transaction()
        self.options = options
        self.tls = True
        self.authenticated = False
        self.offer = offer(self.options, True)
        self.helo = ""
        self.extended = False

    def protocol(self) -> str:
        """Keyword for the Received field (RFC 3848 §2, RFC 6531 §4.3)."""
        utf8 = self.sender is not None and self.sender.smtputf8
        if self.options.role is Role.LMTP:
            base = "UTF8LMTP" if utf8 else "LMTP"
        elif not self.extended:
            return "SMTP"
        else:
            base = "UTF8SMTP" if utf8 else "ESMTP"
        return base + ("S" if self.tls else "") + ("A" if self.authenticated else "")
