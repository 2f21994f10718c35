"""What a check found, as values that header fields and other policies are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pillarbox.model.verdict import Finding


class Verdict(Enum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105  the word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(Enum):
    """Which name was checked (RFC 7208 §9.1)."""

    HELO = "helo"
    MAIL_FROM = "mailfrom"


_UNFIT = re.compile(r"[^\x20-\x7e]")
LONGEST_VALUE = 320
"""Characters of one value in a header field: an address at its longest (RFC 5321 §4.5.3.1)."""

_COMMENTS = {
    Verdict.PASS: "domain of {sender} designates {ip} as permitted sender",
    Verdict.FAIL: "domain of {sender} does not designate {ip} as permitted sender",
    Verdict.SOFTFAIL: "domain of {sender} holds that {ip} is hardly a permitted sender",
    Verdict.NEUTRAL: "domain of {sender} says nothing about {ip}",
    Verdict.NONE: "domain of {sender} has no policy",
    Verdict.TEMPERROR: "the policy of {sender} could not be learned now",
    Verdict.PERMERROR: "the policy of {sender} cannot be understood",
}


@dataclass(frozen=True, slots=True)
class ReceivedSpf:
    """What a Received-SPF field says (RFC 7208 §9.1); whoever writes it folds and quotes.

    All text is printable US-ASCII and short; ``comment`` has no parentheses or backslashes.
    """

    result: str
    comment: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """The outcome of one check.

    ``domain`` (A-labels) is the one whose word was asked, ``sender`` the identity as an address.
    ``mechanism`` is the directive that matched, "default" when none did. ``explanation`` is what
    the domain has to say about a fail: US-ASCII, a stranger's words, '' when it says nothing.
    """

    verdict: Verdict
    identity: Identity
    ip: str
    domain: str
    sender: str
    helo: str
    mechanism: str = "default"
    problem: str = ""
    explanation: str = ""
    lookups: int = 0
    """Terms that asked the DNS, of the ten that RFC 7208 §4.6.4 allows."""

    def received_spf(self, receiver: str) -> ReceivedSpf:
        """The data of a Received-SPF field; ``receiver`` is this host's name."""
        sender = _fit(self.sender)
        comment = _COMMENTS[self.verdict].format(sender=sender, ip=_fit(self.ip))
        pairs = (
            ("receiver", receiver),
            ("identity", self.identity.value),
            ("client-ip", self.ip),
            ("envelope-from", self.sender if self.identity is Identity.MAIL_FROM else ""),
            ("helo", self.helo),
            ("mechanism", self.mechanism),
            ("problem", self.problem),
        )
        said = tuple((key, _fit(value)) for key, value in pairs if value)
        return ReceivedSpf(self.verdict.value, _plain(f"{_fit(receiver)}: {comment}"), said)

    def finding(self) -> Finding:
        """What Authentication-Results says of it: the domain only, never a local part."""
        prop = {Identity.HELO: "smtp.helo", Identity.MAIL_FROM: "smtp.mailfrom"}[self.identity]
        properties = ((prop, _fit(self.domain)),) if self.domain else ()
        return Finding("spf", self.verdict.value, _fit(self.problem), properties)


def _fit(value: str) -> str:
    """RFC 7208 §9.1: nothing unprintable, nothing long, whatever the sender wrote."""
    return _UNFIT.sub("?", value[:LONGEST_VALUE])


def _plain(comment: str) -> str:
    return re.sub(r"[()\\]", "?", comment)
