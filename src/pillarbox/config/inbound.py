"""The section about mail that comes in from other servers."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.config import checks
from pillarbox.config.checks import Network
from pillarbox.config.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What is asked about mail from other servers (SPF, DKIM, ARC, DMARC), and what follows."""

    enabled: bool = setting(
        True, checks.flag, "Check mail that comes in by SMTP. Needs a DNS resolver."
    )
    trusted: tuple[Network, ...] = setting(
        ["127.0.0.0/8", "::1/128"],
        checks.networks,
        "Networks whose mail is not checked: machines of the house, relays in front of it.",
    )
    dmarc: str = setting(
        "obey",
        checks.choice("obey", "junk", "note"),
        "What a domain asks for mail in its name that fails: `obey` refuses or files as junk, "
        "`junk` never refuses, `note` only writes the results into the message.",
    )
    spf_fail: str = setting(
        "junk",
        checks.choice("accept", "junk", "refuse"),
        "Unsigned mail from a host that the sender's domain disowns, where DMARC has no say.",
    )
    sealers: tuple[str, ...] = setting(
        [],
        checks.domains,
        "Domains that forward mail to this server and whose ARC seals are believed.",
    )
    lists: tuple[str, ...] = setting(
        [], checks.domains, "Domains whose mailing lists are believed to pass on honest mail."
    )
    deadline: float = setting(
        "15s", checks.duration, "How long the end of a message waits for answers of the DNS."
    )
    reports: bool = setting(
        False,
        checks.flag,
        "Tell domains that ask for it, once a day, what came in in their names (DMARC aggregate "
        "reports, RFC 9990).",
    )
    reports_inbox: str = setting(
        "",
        checks.address,
        "Account whose inbox gets such reports on the domains of this server; they are read and "
        "summed up by `pillarbox dmarc`.",
    )
    questions: int = setting(
        150, checks.count(20, 10_000), "Questions to the DNS for one message, at most."
    )
