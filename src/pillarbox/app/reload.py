"""What of the configuration can change while the house runs, and what has to wait."""

from __future__ import annotations

import dataclasses

from pillarbox.config.imap import Imap
from pillarbox.config.schema import SECTIONS, Config

LIVE = frozenset(
    {
        "server.drain",
        "tls.certificate",
        "tls.key",
        "mail.max_message_size",
        "mail.max_recipients",
        "mail.bare_newline",
        "mail.retention",
        "checks.enabled",
        "checks.trusted",
        "checks.dmarc",
        "checks.spf_fail",
        "checks.sealers",
        "checks.lists",
        "checks.deadline",
        "checks.questions",
        *(f"imap.{field.name}" for field in dataclasses.fields(Imap)),
        "checks.greylist",
        "checks.greylist_wait",
        "checks.tarpit",
        "checks.tarpit_after",
        "checks.dnsbl",
        "checks.dnsbl_junk",
        "checks.dnsbl_refuse",
        "filters.rspamd",
        "filters.rspamd_fault",
        "filters.clamd",
        "filters.clamd_fault",
        "filters.milters",
        "filters.milters_fault",
        "filters.timeout",
        "filters.learn",
        "filters.learn_least",
        "filters.learn_certain",
        "hooks.files",
        "hooks.entry_points",
        "hooks.timeout",
        "hooks.fault",
        "limits.connections",
        "limits.connections_per_address",
        "limits.smtp_timeout",
        "limits.imap_timeout",
        "limits.pop3_timeout",
        "limits.login_timeout",
        "limits.pop3_login_delay",
        "log.level",
    }
)
"""Keys that SIGHUP puts into force, for connections that come. Adding a certificate where there
was none is not among them: then doors would have to be made anew."""


def changed(old: Config, new: Config) -> list[str]:
    """Keys that differ, as ``section.key``."""
    return [
        f"{name}.{field.name}"
        for name, section in SECTIONS.items()
        for field in dataclasses.fields(section)
        if getattr(getattr(old, name), field.name) != getattr(getattr(new, name), field.name)
    ]


def merged(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The old configuration with what may change taken from the new one, and the keys that
    changed and have to wait for a restart."""
    live = LIVE
    if (old.tls.certificate is None) != (new.tls.certificate is None):
        live -= {"tls.certificate", "tls.key"}
    sections = {
        name: dataclasses.replace(
            getattr(old, name),
            **{
                field.name: getattr(getattr(new, name), field.name)
                for field in dataclasses.fields(section)
                if f"{name}.{field.name}" in live
            },
        )
        for name, section in SECTIONS.items()
    }
    return Config(**sections), [key for key in changed(old, new) if key not in live]
