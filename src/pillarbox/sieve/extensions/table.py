"""Every extension there is: the one place that knows them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.sieve.extensions import (
    body,
    comparators,
    copy,
    core,
    date,
    duplicate,
    editheader,
    enclose,
    encoded,
    enotify,
    envelope,
    environment,
    extlists,
    extracttext,
    fcc,
    fileinto,
    foreverypart,
    ihave,
    imap4flags,
    imapsieve,
    include,
    index,
    mailbox,
    mailboxid,
    metadata,
    mime,
    redirect_deliverby,
    redirect_dsn,
    regex,
    reject,
    relational,
    replace,
    spamtest,
    special_use,
    subaddress,
    vacation,
    variables,
)
from pillarbox.sieve.words import Extension, Tag, Word

_ROOMS = (
    *(core, fileinto, envelope, encoded, comparators, copy, body, variables, relational),
    *(subaddress, imap4flags, date, index, vacation, reject, include, environment, mailbox),
    *(metadata, editheader, duplicate, regex, foreverypart, mime, extracttext, enclose, replace),
    *(enotify, ihave, special_use, fcc, mailboxid, redirect_dsn, redirect_deliverby, extlists),
    *(spamtest, imapsieve),
)
EXTENSIONS: tuple[Extension, ...] = tuple(one for room in _ROOMS for one in room.EXTENSIONS)

ALWAYS: frozenset[str] = frozenset({"", "comparator-i;octet", "comparator-i;ascii-casemap"})
"""Capabilities that need no require (RFC 5228 §2.7.3); '' is the base language."""
BY_NAME: Mapping[str, Extension] = {one.name: one for one in EXTENSIONS if one.name}
CAPABILITIES: tuple[str, ...] = tuple(BY_NAME)
"""For ManageSieve's SIEVE (RFC 5804 §1.7), in the order of the table."""
DELIVERY_ONLY: frozenset[str] = frozenset(one.name for one in EXTENSIONS if one.delivery)
CAN_ENABLE: frozenset[str] = ALWAYS | {one.name for one in EXTENSIONS if not one.static}
"""What ``ihave`` may enable (RFC 5463 §4)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A word and the capabilities that bring it, of which one is enough."""

    word: Word
    any_of: tuple[str, ...]


def _words(which: str) -> Mapping[str, Entry]:
    found: dict[str, Entry] = {}
    for extension in EXTENSIONS:
        words: tuple[Word, ...] = getattr(extension, which)
        for word in words:
            before = found[word.name].any_of if word.name in found else ()
            found[word.name] = Entry(word, (*before, extension.name))
    return found


COMMANDS: Mapping[str, Entry] = _words("commands")
TESTS: Mapping[str, Entry] = _words("tests")


def _tags() -> Mapping[str, list[tuple[Tag, tuple[str, ...]]]]:
    found: dict[str, dict[tuple[str, ...], tuple[Tag, tuple[str, ...]]]] = {}
    for extension in EXTENSIONS:
        for tag in extension.tags:
            same = found.setdefault(tag.name, {})
            before = same[tag.on][1] if tag.on in same else ()
            same[tag.on] = (tag, (*before, extension.name))
    return {name: list(same.values()) for name, same in found.items()}


TAGS: Mapping[str, list[tuple[Tag, tuple[str, ...]]]] = _tags()
"""By name: each meaning, with the capabilities that bring it."""
