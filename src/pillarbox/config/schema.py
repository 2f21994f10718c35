"""Every key of the configuration file: its place, default, check and meaning.

This is the single list. The loader, ``docs/config.md`` and the file that ``pillarbox init``
writes come from it.
"""

# ruff: noqa: RUF009  (setting() builds a field, it is not shared state)

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.config import checks
from pillarbox.config.checks import Bind, Grant, SendRoute
from pillarbox.config.imap import Imap
from pillarbox.config.inbound import Checks, Filters, Hooks
from pillarbox.config.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who this server is and where it keeps its things."""

    hostname: str = setting(
        "localhost",
        checks.hostname,
        "Name that the server gives itself in greetings and trace fields. Use the name that MX "
        "records and certificates carry.",
    )
    data: Path = setting(
        "/var/lib/pillarbox",
        checks.path,
        "Directory of everything durable. One running server owns it.",
    )
    user: str = setting(
        "",
        checks.text,
        "System user to become once the ports are bound; empty stays as started. Refused when "
        "started as root and empty, unless `allow_root` is true.",
    )
    group: str = setting("", checks.text, "System group to become; empty takes the user's own.")
    allow_root: bool = setting(False, checks.flag, "Keep running as root. For containers only.")
    postmaster: str = setting(
        "",
        checks.address,
        "Who gets mail for postmaster where no account or alias has that name; empty means the "
        "oldest account of the domain.",
    )
    event_loop: str = setting(
        "auto",
        checks.choice("auto", "uvloop", "asyncio"),
        "`auto` takes uvloop where it is installed.",
    )
    workers: int = setting(
        1,
        checks.count(1, 64),
        "Processes that talk to clients. The first has the store and is the only one that writes; "
        "each further one takes a core for SMTP, LMTP and IMAP.",
    )
    drain: float = setting(
        "20s", checks.duration, "How long open connections may finish after SIGTERM."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Addresses and ports, each a text or a list of texts; an empty list closes a door."""

    smtp: tuple[Bind, ...] = setting(
        ["0.0.0.0:25", "[::]:25"], checks.binds, "Mail from other servers (STARTTLS offered)."
    )
    submission: tuple[Bind, ...] = setting(
        ["0.0.0.0:587", "[::]:587"], checks.binds, "Mail from users, STARTTLS required."
    )
    smtps: tuple[Bind, ...] = setting(
        ["0.0.0.0:465", "[::]:465"], checks.binds, "Mail from users, TLS from the first byte."
    )
    lmtp: tuple[Bind, ...] = setting(
        [], checks.binds, "Mail from a relay on this machine. Never open it to a network."
    )
    imap: tuple[Bind, ...] = setting(
        ["0.0.0.0:143", "[::]:143"], checks.binds, "IMAP, login only after STARTTLS."
    )
    imaps: tuple[Bind, ...] = setting(["0.0.0.0:993", "[::]:993"], checks.binds, "IMAP over TLS.")
    pop3: tuple[Bind, ...] = setting(
        ["0.0.0.0:110", "[::]:110"], checks.binds, "POP3, login only after STLS."
    )
    pop3s: tuple[Bind, ...] = setting(["0.0.0.0:995", "[::]:995"], checks.binds, "POP3 over TLS.")
    sieve: tuple[Bind, ...] = setting(
        ["0.0.0.0:4190", "[::]:4190"], checks.binds, "ManageSieve, login only after STARTTLS."
    )

    http: tuple[Bind, ...] = setting(
        [], checks.binds, "Web pages without TLS: they only lead on to https."
    )
    https: tuple[Bind, ...] = setting(
        [],
        checks.binds,
        "Web pages: one-click unsubscribing from lists, MTA-STS policies, account set-up for mail "
        "programs. Usually port 443.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The certificate. It is read again on SIGHUP; connections stay."""

    certificate: Path | None = setting(
        "", checks.path, "PEM file with the certificate and its chain. Empty means no TLS at all."
    )
    key: Path | None = setting("", checks.path, "PEM file with the private key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is accepted and how long it is kept."""

    max_message_size: int = setting(
        "50M", checks.size, "Largest message, in octets, on every way in."
    )
    max_recipients: int = setting(
        1000, checks.count(100, 100_000), "Recipients of one transaction (RFC 5321 asks for 100)."
    )
    max_hops: int = setting(
        100, checks.count(10, 1000), "Received fields from which on a message counts as looping."
    )
    detail_separator: str = setting(
        "+", checks.choice("+", "-", "="), "What sets off the detail in local+detail."
    )
    detail_to_mailbox: bool = setting(
        True, checks.flag, "File local+name into the mailbox `name` where it exists."
    )
    retention: float = setting(
        "30d", checks.duration, "How long expunged messages can be brought back by `undelete`."
    )
    story: float = setting(
        "30d", checks.duration, "How long `why` can tell what happened to a message."
    )
    bare_newline: str = setting(
        "refuse",
        checks.choice("refuse", "normalise"),
        "A lone CR or LF in a message from another server. Submission always normalises.",
    )
    authors: str = setting(
        "own",
        checks.choice("own", "any"),
        "What From may say in mail of users: of addresses in domains of this server only their "
        "`own` (the account's, its aliases', those of `send_as`), or `any`.",
    )
    send_as: tuple[Grant, ...] = setting(
        [],
        checks.grants,
        "Further addresses that accounts may send as, such as "
        '`"ann@example.org=info@example.org"`, or `"ann@example.org=@example.net"` for a domain.',
    )
    queue_expire: float = setting("5d", checks.duration, "Age at which waiting mail is given up.")
    queue_retry: float = setting(
        "5m",
        checks.duration,
        "Wait after the first failed attempt; doubled after each one.",
    )
    queue_retry_longest: float = setting(
        "4h", checks.duration, "Longest wait between two attempts."
    )
    queue_warn: float = setting(
        "4h", checks.duration, "Age at which a sender is told, once, that delivery takes longer."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Mail to other servers."""

    enabled: bool = setting(
        True, checks.flag, "Send mail of users to other servers; if not, it is refused."
    )
    resolvers: tuple[str, ...] = setting(
        [],
        checks.words,
        "DNS resolvers as `ip` or `ip:port`, for the checks too; empty takes those of "
        "/etc/resolv.conf. Only one on this machine is believed to have validated DNSSEC, which "
        "DANE needs.",
    )
    smarthost: str = setting(
        "",
        checks.text,
        "Server that takes all mail for others, as `host:port` or the path of a unix socket; empty "
        "sends to the mail hosts of each domain.",
    )
    smarthost_tls: str = setting(
        "verified",
        checks.choice("verified", "implicit", "encrypted", "opportunistic", "none"),
        "TLS to the smarthost: `verified` is STARTTLS with a good certificate, `implicit` the same "
        "from the first byte.",
    )
    smarthost_user: str = setting("", checks.text, "Login name at the smarthost; empty for none.")
    smarthost_password: Path | None = setting(
        "", checks.path, "File with the password for it, on its first line."
    )
    routes: tuple[SendRoute, ...] = setting(
        [],
        checks.routes,
        "Exceptions, each a table `[[send.routes]]`: `to`, a list of recipient domains (`*` for "
        "every other one), or `from`, a list of sender domains and addresses; then `relay` "
        "(`host:port`, `smtps://host`, `lmtp://host:24`, `lmtp:/path`, or `direct`), with a login "
        "`user` and the file of its `password`; or, with `from`, local addresses as `sources`.",
    )
    sources: tuple[str, ...] = setting(
        [], checks.words, "Local addresses to send from, IPv4 and IPv6; empty leaves it open."
    )
    ipv6: bool = setting(True, checks.flag, "Use IPv6 addresses of mail hosts.")
    dane: bool = setting(True, checks.flag, "Obey TLSA records (RFC 7672).")
    mta_sts: bool = setting(True, checks.flag, "Obey MTA-STS policies (RFC 8461).")
    tls_reports: bool = setting(
        True,
        checks.flag,
        "Tell domains that ask for it, once a day, how TLS with their mail hosts went (RFC 8460).",
    )
    concurrency: int = setting(
        50, checks.count(1, 10_000), "Messages on their way at a time, in all."
    )
    per_destination: int = setting(
        5, checks.count(1, 10_000), "Messages on their way to one domain or relay at a time."
    )
    suppress_for: float = setting(
        "30d",
        checks.duration,
        "How long an account or list sends nothing more to an address that finally refused its "
        "mail as unknown or closed (`pillarbox suppression`); 0 never minds.",
    )
    pace: float = setting(
        "0s", checks.duration, "Least time between two messages to one domain or relay."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Web pages, where the doors `http` and `https` are open."""

    url: str = setting(
        "",
        checks.text,
        "Where others reach the pages, without a path; empty means `https://` and "
        "`server.hostname` while the door `https` is open.",
    )
    proxied: bool = setting(
        False,
        checks.flag,
        "A proxy in front of the door `http` speaks TLS with the world: pages are served there "
        "too.",
    )
    mta_sts: str = setting(
        "testing",
        checks.choice("enforce", "testing", "none"),
        "Mode of the MTA-STS policy that is served at `mta-sts.DOMAIN` for each domain (RFC 8461).",
    )
    mta_sts_max_age: float = setting("7d", checks.duration, "How long others keep that policy.")
    mta_sts_mx: tuple[str, ...] = setting(
        [], checks.words, "Mail hosts in that policy; empty means `server.hostname`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Scripts that file, forward and answer mail."""

    enabled: bool = setting(True, checks.flag, "Run the scripts of accounts.")
    directory: Path | None = setting(
        "",
        checks.path,
        "Directory of the operator's scripts: `before/*.sieve` and `after/*.sieve` run around "
        "everybody's own, in the order of their names; `global/*.sieve` can be included; `lists/*` "
        "are lists for `:list`, one address a line. Read at start and on SIGHUP.",
    )
    timezone: str = setting(
        "", checks.zone, "Time zone of scripts, such as `Europe/Oslo`; empty takes the machine's."
    )
    imap_events: bool = setting(
        False, checks.flag, "Run scripts on APPEND, COPY and flag changes too (RFC 6785)."
    )
    max_redirects: int = setting(
        8, checks.count(0, 100), "Addresses that one script may forward a message to."
    )
    vacation_least: int = setting(
        1, checks.count(1, 60), "Days until the same sender may get another answer, at least."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Protection against clients that want too much."""

    connections: int = setting(10_000, checks.count(1, 10_000_000), "Open connections in all.")
    connections_per_address: int = setting(
        200, checks.count(1, 10_000_000), "Open connections from one address (IPv6: one /64)."
    )
    smtp_timeout: float = setting(
        "5m", checks.duration, "Silence after which SMTP hangs up (RFC 5321 asks for 5 minutes)."
    )
    imap_timeout: float = setting(
        "30m", checks.duration, "The same for IMAP; 30 minutes is the least it allows."
    )
    pop3_timeout: float = setting(
        "10m", checks.duration, "The same for POP3; 10 minutes is the least it allows."
    )
    login_timeout: float = setting("1m", checks.duration, "Time a client has to log in.")
    write_timeout: float = setting(
        "5m", checks.duration, "How long a client may leave an answer unread."
    )
    hour_recipients: int = setting(
        1000,
        checks.count(),
        "Recipients elsewhere that an account may write to within an hour; 0 is no limit. "
        "`pillarbox account set --hour-limit` goes before it.",
    )
    day_recipients: int = setting(5000, checks.count(), "The same within a day.")
    burst_recipients: int = setting(
        200,
        checks.count(),
        "Recipients within an hour from which on an account's mail is held if it is far above "
        "what the account did before, as with a stolen password; 0 never holds.",
    )
    pop3_login_delay: float = setting(
        "0s", checks.duration, "Least time between two POP3 logins of an account."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Logins."""

    failures: int = setting(
        10,
        checks.count(1, 10_000),
        "Failed logins for an account from one network until that network has to wait.",
    )
    lockout: float = setting("15m", checks.duration, "How long such a network waits at least.")
    argon2_memory: int = setting(
        19_456, checks.count(8, 4_194_304), "Argon2id memory in KiB for a password check."
    )
    argon2_time: int = setting(2, checks.count(1, 100), "Argon2id passes.")
    scram_iterations: int = setting(
        4096, checks.count(1, 1_000_000), "SCRAM iterations for passwords set from now on."
    )
    cleartext_on_loopback: bool = setting(
        True, checks.flag, "Allow logins without TLS from this machine itself."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One line an event on standard error."""

    level: str = setting(
        "info", checks.choice("debug", "info", "warning", "error"), "Least severe level shown."
    )
    format: str = setting("logfmt", checks.choice("logfmt", "json"), "Form of the lines.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    server: Server = dataclasses.field(default_factory=Server)
    listen: Listen = dataclasses.field(default_factory=Listen)
    tls: Tls = dataclasses.field(default_factory=Tls)
    mail: Mail = dataclasses.field(default_factory=Mail)
    send: Send = dataclasses.field(default_factory=Send)
    http: Http = dataclasses.field(default_factory=Http)
    checks: Checks = dataclasses.field(default_factory=Checks)
    imap: Imap = dataclasses.field(default_factory=Imap)
    filters: Filters = dataclasses.field(default_factory=Filters)
    hooks: Hooks = dataclasses.field(default_factory=Hooks)
    sieve: Sieve = dataclasses.field(default_factory=Sieve)
    limits: Limits = dataclasses.field(default_factory=Limits)
    auth: Auth = dataclasses.field(default_factory=Auth)
    log: Log = dataclasses.field(default_factory=Log)


SECTIONS: dict[str, type[Any]] = {
    "server": Server,
    "listen": Listen,
    "tls": Tls,
    "mail": Mail,
    "send": Send,
    "http": Http,
    "checks": Checks,
    "imap": Imap,
    "filters": Filters,
    "hooks": Hooks,
    "sieve": Sieve,
    "limits": Limits,
    "auth": Auth,
    "log": Log,
}
