"""What real clients do against the grammar and is let pass, each by a name.

A tolerance is here, in one place, with who needs it; the tests name each. Nothing here touches
where a line or a message ends: there is no tolerance for that.
"""

from __future__ import annotations

import re

_HELLO_NAME = re.compile(r"[!-~]{1,255}\Z")


def space_after_colon(argument: str) -> str:
    """``MAIL FROM: <a@b>``: the space that RFC 5321 §3.3 warns of by name.

    Old Outlook, PHP and Perl scripts, many appliances and everyone who types by hand; all large
    servers take it.
    """
    return argument.lstrip(" ")


def trailing_space(line: str) -> str:
    """``DATA ``: RFC 5321 §4.1.1 says to tolerate it."""
    return line.rstrip(" ")


def hello_name(argument: str) -> str | None:
    """Any printable word passes as a client's name; what follows it is dropped.

    Windows machines and phones greet with underscores, bare words and odd literals, and mail may
    not be refused for a name (RFC 5321 §4.1.4, §4.1.1.1). None when there is no word at all.
    """
    name = argument.partition(" ")[0]
    return name if _HELLO_NAME.match(name) else None


DOMAIN_EXTRA = "_"
"""Also allowed in domain labels: hosts named so by their owners send bounces and cron mail, and
DNS itself takes any octet (RFC 2181 §11)."""
