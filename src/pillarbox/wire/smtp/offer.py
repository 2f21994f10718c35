"""What a listener offers at this moment: the EHLO lines and all that follows from them.

An extension is advertised, its parameters are known and its commands exist, or none of the
three; deriving all from one place keeps that true. Computed once for each (options, TLS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.model.transaction import Role
from pillarbox.wire.smtp import params
from pillarbox.wire.smtp.options import Extension, Options
from pillarbox.wire.smtp.states import VERBS

_LMTP_MUST = frozenset({Extension.PIPELINING, Extension.ENHANCEDSTATUSCODES})  # RFC 2033 §5
_OPTIONAL_VERBS = {  # RFC 5321 §4.1.1.1: not listed, not implemented
    "BDAT": Extension.CHUNKING,
    "STARTTLS": Extension.STARTTLS,
    "HELP": Extension.HELP,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """All that depends on the options and on whether TLS is active."""

    lines: tuple[str, ...]
    """EHLO keywords with their values, in the order they are shown."""
    extensions: frozenset[Extension]
    utf8: bool
    """SMTPUTF8 is among them."""
    chunking: bool
    """CHUNKING is among them."""
    mechanisms: tuple[str, ...]
    mail: Mapping[str, params.Parser]
    rcpt: Mapping[str, params.Parser]
    verbs: frozenset[str]
    """Commands that exist here; BDAT stays out of it, since its octets must be read anyway."""


@lru_cache(maxsize=64)
def offer(options: Options, tls: bool) -> Offer:
    """What these options offer with or without TLS."""
    extensions = _extensions(options, tls)
    mechanisms = options.auth if tls else options.auth_in_clear
    mail = dict(params.SIZE)
    rcpt: dict[str, params.Parser] = {}
    for extension in params.OF_MAIL:
        if extension in extensions:
            mail |= params.OF_MAIL[extension]
    for extension in params.OF_RCPT:
        if extension in extensions:
            rcpt |= params.OF_RCPT[extension]
    if mechanisms:
        mail |= params.AUTH  # RFC 4954 §5
    if options.deliverby is not None:
        mail |= params.DELIVERBY
    if options.futurerelease is not None:
        mail |= params.FUTURERELEASE
    if options.mt_priority is not None:
        mail |= params.MT_PRIORITY
    return Offer(
        lines=_lines(options, extensions, mechanisms),
        extensions=extensions,
        utf8=Extension.SMTPUTF8 in extensions,
        chunking=Extension.CHUNKING in extensions,
        mechanisms=mechanisms,
        mail=mail,
        rcpt=rcpt,
        verbs=_verbs(options, extensions),
    )


def _extensions(options: Options, tls: bool) -> frozenset[Extension]:
    extensions = set(options.extensions)
    if options.role is Role.LMTP:
        extensions |= _LMTP_MUST
    if Extension.CHUNKING not in extensions:
        extensions.discard(Extension.BINARYMIME)  # RFC 3030 §3 3)
    if Extension.SMTPUTF8 in extensions:
        extensions.add(Extension.EIGHTBITMIME)  # RFC 6531 §3.1 8.
    # RFC 3207 §4.2 forbids STARTTLS within TLS, RFC 8689 §2 REQUIRETLS outside.
    extensions.discard(Extension.STARTTLS if tls else Extension.REQUIRETLS)
    return frozenset(extensions)


def _lines(
    options: Options, extensions: frozenset[Extension], mechanisms: tuple[str, ...]
) -> tuple[str, ...]:
    lines = []
    for extension in Extension:
        if extension not in extensions:
            continue
        value = f" RCPTMAX={options.max_recipients}" if extension is Extension.LIMITS else ""
        lines.append(extension.value + value)
    lines.append(f"SIZE {options.max_size}")  # RFC 1870 §4: 0 says no limit
    if mechanisms:
        lines.append(f"AUTH {' '.join(mechanisms)}")
    if options.deliverby is not None:
        lines.append(f"DELIVERBY {options.deliverby}" if options.deliverby else "DELIVERBY")
    if options.futurerelease is not None:
        lines.append("FUTURERELEASE {} {}".format(*options.futurerelease))
    if options.mt_priority is not None:
        lines.append(f"MT-PRIORITY {options.mt_priority}".rstrip())
    return tuple(lines)


def _verbs(options: Options, extensions: frozenset[Extension]) -> frozenset[str]:
    verbs = set(VERBS)
    # RFC 2033 §4.1: an LMTP client that is no LMTP client must notice, and the other way round.
    verbs -= {"HELO", "EHLO"} if options.role is Role.LMTP else {"LHLO"}
    if not options.auth and not options.auth_in_clear:
        verbs.discard("AUTH")
    for verb, extension in _OPTIONAL_VERBS.items():
        if extension not in options.extensions | extensions:
            verbs.discard(verb)
    return frozenset(verbs)
