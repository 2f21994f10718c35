"""The section [imap] of the configuration file."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.config import checks
from pillarbox.config.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Imap:
    """What the IMAP doors offer, and to whom not."""

    mask: tuple[str, ...] = setting(
        [],
        checks.mask,
        "Capabilities offered to nobody, as docs/imap-capabilities.md spells them; with `imap:` or "
        "`imaps:` before the name only not at that door.",
    )
    mask_clients: tuple[tuple[str, frozenset[str]], ...] = setting(
        [],
        checks.client_masks,
        "Capabilities not offered to some programs, each as `name: CAPABILITY …`; the name is "
        "looked for in what the program calls itself by ID, in any case. Outlook is known already.",
    )
    contexts: int = setting(
        10, checks.count(0, 1000), "Searches that a session keeps up to date (CONTEXT); 0: none."
    )
    message_limit: int = setting(
        0,
        checks.at_least(1000),
        "Messages that one command may be about (MESSAGELIMIT), at least 1000; 0: any number.",
    )
    save_limit: int = setting(
        0, checks.at_least(1000), "The same for COPY and APPEND only (SAVELIMIT)."
    )
    literal_minus: bool = setting(
        False,
        checks.flag,
        "Offer LITERAL- instead of LITERAL+: clients may send up to 4096 octets unasked.",
    )
    jmap_url: str = setting(
        "", checks.url("https"), "Where the same mail is by JMAP (JMAPACCESS); empty: nowhere."
    )
    contact: str = setting(
        "",
        checks.url("mailto", "https"),
        "URI of whoever runs the server, such as `mailto:ann@example.org`, for /shared/admin.",
    )
    progress: float = setting(
        "1s", checks.duration, "How long a command may take until the client is told (INPROGRESS)."
    )
    fetch_cache: int = setting(
        "32M",
        checks.size,
        "Memory, in octets a process, for what FETCH answered of messages (ENVELOPE, "
        "BODYSTRUCTURE, header fields) to be said again; bodies are not kept.",
    )
