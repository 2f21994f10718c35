"""CAPA (RFC 2449 §5): one row a capability, its argument computed from what a session has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.render import Voice, capability_lines


@dataclass(frozen=True, slots=True)
class Offer:
    """What the house offers to every session of a listener.

    ``expire``: days that a message stays at least, None for ever. ``login_delay``: seconds.
    ``expire_differs``, ``login_delay_differs``: an account may have a better value, told after
    login (RFC 2449 §6.5, §6.7).
    """

    implementation: str = "Pillarbox"
    stls: bool = True
    expire: int | None = None
    expire_differs: bool = False
    login_delay: int = 0
    login_delay_differs: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What a session may do now. ``mechanisms`` are those of ``auth.login``."""

    offer: Offer
    authenticated: bool
    secure: bool
    cleartext: bool
    """USER and PASS are accepted: there is TLS, or the peer is this machine."""
    mechanisms: Sequence[str]

    def sasl(self) -> str | None:
        return " ".join(self.mechanisms) or None

    def stls(self) -> str | None:
        """Only where it is "present and permitted in the current state" (RFC 2595 §4)."""
        return "" if self.offer.stls and not (self.secure or self.authenticated) else None

    def expire(self) -> str:
        days = "NEVER" if self.offer.expire is None else str(self.offer.expire)
        return self._differing(days, self.offer.expire_differs)

    def login_delay(self) -> str:
        return self._differing(str(self.offer.login_delay), self.offer.login_delay_differs)

    def _differing(self, value: str, differs: bool) -> str:
        return f"{value} USER" if differs and not self.authenticated else value


Argument = str | Callable[[Situation], str | None]
"""The argument text, '' without one; None when the capability is not announced."""

CAPABILITIES: tuple[tuple[str, Argument], ...] = (
    ("TOP", ""),  # RFC 2449 §6.1
    ("UIDL", ""),  # §6.8
    ("USER", lambda now: "" if now.cleartext else None),  # §6.2, RFC 2595 §2.3
    ("SASL", Situation.sasl),  # RFC 5034 §3: announced after login too
    ("STLS", Situation.stls),
    ("PIPELINING", ""),  # §6.6
    ("RESP-CODES", ""),  # §6.4
    ("AUTH-RESP-CODE", ""),  # RFC 3206 §6
    ("EXPIRE", Situation.expire),  # §6.7
    ("LOGIN-DELAY", Situation.login_delay),  # §6.5
    ("UTF8", "USER"),  # RFC 6856 §2: names and passwords too
    ("LANG", ""),  # RFC 6856 §3
    ("IMPLEMENTATION", lambda now: now.offer.implementation or None),  # §6.9
)


def capabilities(now: Situation) -> list[str]:
    """The lines of the list, in the order of the table."""
    found = [(tag, arg if isinstance(arg, str) else arg(now)) for tag, arg in CAPABILITIES]
    return [f"{tag} {text}" if text else tag for tag, text in found if text is not None]


def render(voice: Voice, now: Situation) -> bytes:
    """The whole answer to CAPA."""
    return capability_lines(voice.ok(Phrase.CAPABILITIES), capabilities(now))
