"""The configuration as each room wants to hear it.

The one place that knows both the names in the file and the Options of the rooms; a key that no
line here reads has no effect, and a test looks for such keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pillarbox
from pillarbox.app import web
from pillarbox.app.hooking import loaded
from pillarbox.app.scripts import site
from pillarbox.auth import lockout, login, passwords, sendas
from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config
from pillarbox.delivery import accept, route
from pillarbox.delivery.sieve.site import Site
from pillarbox.filters import greylist, personal
from pillarbox.filters.chain import Link, OnFault
from pillarbox.filters.clamd import Clamd
from pillarbox.filters.milter import Milter
from pillarbox.filters.place import place
from pillarbox.filters.rspamd import Rspamd
from pillarbox.hooks.load import Hook
from pillarbox.model.transaction import Role
from pillarbox.net.options import ConnectionOptions
from pillarbox.policy import limits as sending_limits
from pillarbox.policy import tarpit
from pillarbox.policy.dnsxl import Zone
from pillarbox.policy.inbound import options as inbound
from pillarbox.queue import runner
from pillarbox.queue.outcome import Policy
from pillarbox.serve.imap import options as imap
from pillarbox.serve.managesieve import options as managesieve
from pillarbox.serve.pop3 import options as pop3
from pillarbox.serve.smtp import options as smtp
from pillarbox.wire.imap.limits import DEFAULT, Limits
from pillarbox.wire.smtp import options as engine

ROLES: Mapping[str, Role] = {
    "smtp": Role.MX,
    "submission": Role.SUBMISSION,
    "smtps": Role.SUBMISSION,
    "lmtp": Role.LMTP,
}
"""The doors that mail comes in by."""

LONGEST_HOLD = (366 * 86_400, "9999-12-31T23:59:59Z")
"""Of a message to be sent later: seconds, and the latest moment (RFC 4865 §4)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of every room; ``smtp`` and ``imap`` by door."""

    route: route.Options
    accept: accept.Options
    site: Site
    runner: runner.Options
    login: login.Options
    lockout: lockout.Options
    send_as: sendas.Options
    own_authors: bool
    """Users write in nobody else's name."""
    smtp: Mapping[str, smtp.Options]
    filters: tuple[Link, ...]
    personal: personal.Options
    hooks: tuple[Hook, ...]
    greylist: greylist.Options | None
    """None where nobody is asked to come again."""
    tarpit: tarpit.Options
    inbound: inbound.Options | None
    """None where mail is not checked."""
    imap: Mapping[str, imap.Options]
    fetch_cache: int
    """Octets."""
    pop3: pop3.Options
    managesieve: managesieve.Options
    web: web.Facts
    senders: sending_limits.Options
    suppress_for: float
    """Seconds for which nothing more goes to an address that bounced."""


def settings(config: Config) -> Settings:
    """Options made from a configuration."""
    mail, limits, auth = config.mail, config.limits, config.auth
    return Settings(
        route=route.Options(
            postmaster=config.server.postmaster,
            hostname=config.server.hostname,
            detail_separator=mail.detail_separator,
            remote=config.send.enabled,
        ),
        accept=accept.Options(detail_to_mailbox=mail.detail_to_mailbox, max_hops=mail.max_hops),
        site=site(config, pillarbox.__version__),
        runner=runner.Options(
            policy=Policy(
                mail.queue_retry, mail.queue_retry_longest, mail.queue_expire, mail.queue_warn
            ),
            concurrency=config.send.concurrency,
            per_destination=config.send.per_destination,
            pace=config.send.pace,
        ),
        login=login.Options(cleartext_on_loopback=auth.cleartext_on_loopback),
        lockout=lockout.Options(pair_failures=auth.failures, pair_seconds=auth.lockout),
        send_as=sendas.Options(_granted(config), mail.detail_separator),
        own_authors=mail.authors == "own",
        smtp={door: smtp_options(config, role) for door, role in ROLES.items()},
        filters=filter_links(config),
        personal=personal.Options(
            config.filters.learn,
            config.filters.learn_least,
            config.filters.learn_certain / 100,
        ),
        hooks=loaded(config),
        greylist=greylist_options(config) if config.checks.greylist else None,
        tarpit=tarpit.Options(
            config.checks.tarpit,
            config.checks.tarpit_after,
            exempt=inbound_options(config).trusts,
        ),
        inbound=inbound_options(config) if config.checks.enabled else None,
        imap={door: imap_options(config, door) for door in ("imap", "imaps")},
        fetch_cache=config.imap.fetch_cache,
        web=web.facts(config),
        senders=sending_limits.Options(
            hour=limits.hour_recipients,
            day=limits.day_recipients,
            burst=limits.burst_recipients,
        ),
        suppress_for=config.send.suppress_for,
        managesieve=managesieve.Options(
            login_timeout=limits.login_timeout,
            redirects=config.sieve.max_redirects,
            version=pillarbox.__version__,
        ),
        pop3=pop3.Options(
            hostname=config.server.hostname,
            timeout=limits.pop3_timeout,
            login_timeout=limits.login_timeout,
            login_delay=limits.pop3_login_delay,
        ),
    )


def imap_options(config: Config, door: str) -> imap.Options:
    """One of the doors for reading mail."""
    wanted, most = config.imap, config.mail.max_message_size
    masks = [name.rpartition(":") for name in wanted.mask]
    return imap.Options(
        engine=Limits(
            append=most,
            swallow=max(2 * most, DEFAULT.swallow),
            literal_minus=wanted.literal_minus,
        ),
        timeout=config.limits.imap_timeout,
        login_timeout=config.limits.login_timeout,
        masked=frozenset(name for where, _, name in masks if where in {"", door}),
        client_masks=wanted.mask_clients,
        contact=wanted.contact,
        contexts=wanted.contexts,
        progress=wanted.progress,
        message_limit=wanted.message_limit,
        save_limit=wanted.save_limit,
        jmap_url=wanted.jmap_url,
        managesieve_url=f"sieve://{config.server.hostname}" if config.sieve.imap_events else "",
        own_scripts=bool(config.listen.sieve),
        version=pillarbox.__version__,
    )


def smtp_options(config: Config, role: Role) -> smtp.Options:
    """One kind of door that mail comes in by."""
    bare = engine.BareNewline(config.mail.bare_newline) if role is Role.MX else None
    options = engine.Options(
        config.server.hostname,
        role,
        bare_newline=bare,
        max_size=config.mail.max_message_size,
        max_recipients=config.mail.max_recipients,
    )
    if role is Role.SUBMISSION:  # what the queue does for those who log in
        options = replace(
            options,
            deliverby=0,
            futurerelease=LONGEST_HOLD,
            mt_priority="",
        )
    if role in {Role.SUBMISSION, Role.MX}:  # the queue keeps that promise wherever mail goes on
        secrecy = {engine.Extension.REQUIRETLS}
        options = replace(options, extensions=options.extensions | secrecy)
    return smtp.Options(
        options,
        timeout=config.limits.smtp_timeout,
        login_timeout=config.limits.login_timeout,
    )


def inbound_options(config: Config) -> inbound.Options:
    """What is checked of mail from other servers."""
    checks = config.checks
    return inbound.Options(
        config.server.hostname,
        trusted=checks.trusted,
        sealers=frozenset(checks.sealers),
        lists=frozenset(checks.lists),
        dmarc=inbound.Obey(checks.dmarc),
        spf_fail=inbound.OnFail(checks.spf_fail),
        zones=tuple(Zone(one.name, one.weight) for one in checks.dnsbl),
        junk_score=checks.dnsbl_junk,
        refuse_score=checks.dnsbl_refuse,
        deadline=checks.deadline,
        questions=checks.questions,
    )


def _granted(config: Config) -> dict[str, frozenset[str]]:
    """Whom accounts may send as beside themselves."""
    found: dict[str, frozenset[str]] = {}
    for one in config.mail.send_as:
        found[one.account] = found.get(one.account, frozenset()) | {one.sender}
    return found


def greylist_options(config: Config) -> greylist.Options:
    """Who has to come again."""
    return greylist.Options(wait=config.checks.greylist_wait, exempt=inbound_options(config).trusts)


def filter_links(config: Config) -> tuple[Link, ...]:
    """The filters, in the order in which they are told. Raises Misuse for an address that cannot
    be."""
    wanted, seconds = config.filters, config.filters.timeout
    try:
        found = [
            Link(Milter(place(one), config.server.hostname), seconds, OnFault(wanted.milters_fault))
            for one in wanted.milters
        ]
        if wanted.rspamd:
            rspamd = Rspamd(place(wanted.rspamd))
            found.append(Link(rspamd, seconds, OnFault(wanted.rspamd_fault)))
        if wanted.clamd:
            clamd = Clamd(place(wanted.clamd))
            found.append(Link(clamd, seconds, OnFault(wanted.clamd_fault)))
    except ValueError as error:
        raise Misuse(f"[filters]: {error}") from error
    return tuple(found)


def password_options(config: Config) -> passwords.Options:
    """What a password check costs."""
    auth = config.auth
    return passwords.Options(
        memory=auth.argon2_memory,
        passes=auth.argon2_time,
        scram_iterations=auth.scram_iterations,
    )


def connection_options(config: Config, door: str) -> ConnectionOptions:
    """Bounds of a connection through a door, whatever it speaks."""
    limits = config.limits
    silence = {
        "imap": limits.imap_timeout,
        "pop3": limits.pop3_timeout,
        "sieve": limits.imap_timeout,
    }
    return ConnectionOptions(
        timeout=silence.get(door.removesuffix("s"), limits.smtp_timeout),
        write_timeout=limits.write_timeout,
    )
