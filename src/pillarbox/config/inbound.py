"""The section about mail that comes in from other servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config import checks
from pillarbox.config.checks import Network, Zone
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
    dnsbl: tuple[Zone, ...] = setting(
        [],
        checks.zones,
        'Lists of addresses in the DNS, such as `"zen.example=4"`, with the points that a listed '
        "client gets; less than 0 for lists of good ones.",
    )
    dnsbl_junk: int = setting(
        3, checks.count(1, 1000), "Points from which on mail is filed as junk."
    )
    dnsbl_refuse: int = setting(6, checks.count(1, 1000), "Points from which on mail is refused.")
    greylist: bool = setting(
        False,
        checks.flag,
        "Ask networks that never sent mail here to try again; whoever does is known from then on.",
    )
    greylist_wait: float = setting(
        "5m", checks.duration, "Before which trying again does not count."
    )
    tarpit: float = setting(
        "3s",
        checks.duration,
        "Before each answer to a client that tried `tarpit_after` recipients in vain within the "
        "hour, or that is listed (`dnsbl`); at most 30s, 0 for none.",
    )
    tarpit_after: int = setting(
        5, checks.count(1, 10_000), "Recipients refused for good from which on a client waits."
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What looks into mail from other servers: programs beside the server, and own filters."""

    rspamd: str = setting(
        "", checks.text, "rspamd's worker as `host:port` (its `normal` worker: 11333) or socket."
    )
    rspamd_fault: str = setting(
        "open",
        checks.choice("open", "closed"),
        "Without rspamd's answer mail is taken (`open`), or put off until it is there (`closed`).",
    )
    clamd: str = setting("", checks.text, "ClamAV's daemon: the path of its socket or `host:port`.")
    clamd_fault: str = setting("open", checks.choice("open", "closed"), "The same for ClamAV.")
    milters: tuple[str, ...] = setting(
        [],
        checks.words,
        "Milters: paths of sockets, `host:port`, or as they write it (`inet:8891@localhost`). They "
        "may refuse, put off, quarantine and add fields, nothing else.",
    )
    milters_fault: str = setting("open", checks.choice("open", "closed"), "The same for milters.")
    timeout: float = setting(
        "30s", checks.duration, "What a filter may take for one message, to connect included."
    )
    learn: bool = setting(
        True,
        checks.flag,
        "Learn from what the owner of an account moves to Junk and out of it, and file as junk "
        "what is like it.",
    )
    learn_least: int = setting(
        20,
        checks.count(1, 100_000),
        "Messages of junk and as many good ones that an account's filter must have learned before "
        "it speaks.",
    )
    learn_certain: int = setting(
        95, checks.count(51, 100), "Points of 100 from which on it files a message as junk."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The operator's own rules in Python (docs/hooks.md)."""

    files: tuple[Path, ...] = setting(
        [],
        checks.paths,
        "Files with hooks. They run with all rights of the server: they and the directories above "
        "them must belong to root or the server's user, and nobody else may write there. Read at "
        "start and on SIGHUP.",
    )
    entry_points: tuple[str, ...] = setting(
        [],
        checks.words,
        "Names of entry points of the group `pillarbox.hooks` that installed packages offer.",
    )
    timeout: float = setting(
        "5s", checks.duration, "What a hook may take that says nothing else itself."
    )
    fault: str = setting(
        "open",
        checks.choice("open", "closed"),
        "When a hook fails that says nothing else itself: go on as if it had said nothing (`open`) "
        "or ask the sender to try again (`closed`).",
    )
