"""Values against keys: the one place where match types and comparators meet (RFC 5228 §2.7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from pillarbox.base.clock import SystemClock
from pillarbox.sieve import glob
from pillarbox.sieve.ask import ListHas
from pillarbox.sieve.compare import COMPARATORS, DEFAULT, RELATIONS, Comparator
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Node

TYPES = ("is", "contains", "matches", "value", "count", "regex", "list")
LONGEST_REGEX = 1024
"""Characters: making one costs some ten microseconds for each."""
_CLOCK = SystemClock()
"""Expressions are the one thing here whose cost only the clock knows."""
_SUBSTRINGS = frozenset({"contains", "matches", "regex"})
_BACKREFERENCE = re.compile(r"(?:[^\\]|^)(?:\\\\)*\\[1-9]")


@dataclass(frozen=True, slots=True)
class _Test:
    """What a node asks of each pair of value and key."""

    state: State
    comparator: Comparator
    relation: str
    """Of ``:value`` and ``:count``."""


def _is(test: _Test, value: str, key: str) -> bool:
    return test.comparator.key(value) == test.comparator.key(key)


def _contains(test: _Test, value: str, key: str) -> bool:
    return test.comparator.write(key) in test.comparator.write(value)


def _matches(test: _Test, value: str, key: str) -> bool:
    found = glob.match(key, value, test.comparator.write, test.comparator.piecewise)
    if found is None:
        return False
    test.state.spend(len(found))
    test.state.frame.matched = found
    return True


def _value(test: _Test, value: str, key: str) -> bool:
    """RFC 5231 §4.1."""
    return RELATIONS[test.relation](test.comparator.key(value), test.comparator.key(key))


def _regex(test: _Test, value: str, key: str) -> bool:
    """draft-murchison-sieve-regex-07 §3, within a time of its own; the match variables are set
    as ``:matches`` sets them."""
    state = test.state
    limits = state.limits
    fold = test.comparator.name != "i;octet"
    left = min(limits.regex_seconds, limits.regex_total - state.regex_spent)
    if left <= 0:
        raise Failed("the regular expressions of this script take too long")
    state.spend(10)
    began = _CLOCK.monotonic()
    try:
        pattern = expression(key, fold)
        found = pattern.search(value[: limits.regex_text], timeout=left)
    except TimeoutError:
        raise Failed("a regular expression took too long") from None
    except ValueError as error:
        raise Failed(str(error)) from None
    finally:
        state.regex_spent += _CLOCK.monotonic() - began
    if found is None:
        return False
    state.frame.matched = (found[0], *(group or "" for group in found.groups()))
    return True


def _list(test: _Test, value: str, key: str) -> bool:
    """RFC 6134 §2.2: the key names a list."""
    return bool(test.state.ask(ListHas(key, value))[0])


_DO: Mapping[str, Callable[[_Test, str, str], bool]] = {
    "is": _is,
    "contains": _contains,
    "matches": _matches,
    "value": _value,
    "count": _value,
    "regex": _regex,
    "list": _list,
}


@lru_cache(maxsize=256)
def expression(text: str, fold: bool) -> regex.Pattern[str]:
    """A regular expression compiled. ValueError for one that is none, or that uses what the draft
    leaves out (§3: back-references)."""
    if len(text) > LONGEST_REGEX:
        raise ValueError("this regular expression is too long")
    if _BACKREFERENCE.search(text):
        raise ValueError("a regular expression may not refer back to a group")
    if "(?" in text:
        raise ValueError('a regular expression has no "(?" construct')
    try:
        return regex.compile(
            text, regex.V0 | (regex.IGNORECASE if fold else 0), cache_pattern=False
        )
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise ValueError(f"this is no regular expression: {error}") from None


def matches(
    state: State,
    node: Node,
    values: Sequence[str],
    keys: Sequence[str],
    count: int | None = None,
) -> bool:
    """Whether any value matches any key, by the node's match type and comparator.

    ``count``: what ``:count`` compares, the number of values unless said.
    """
    kind = node.chosen(TYPES, "is")
    comparator = COMPARATORS[str(node.values.get("comparator", DEFAULT))]
    relation = str(node.values.get(kind, "")).lower()
    test = _Test(state, comparator, relation)
    if kind == "count":  # RFC 5231 §4.2
        values = [str(len(values) if count is None else count)]
    do = _DO[kind]
    for value in values:
        for key in keys:
            state.look_at(len(value))
            if do(test, value, key):
                return True
    return False


def regex_size(node: Node) -> int:
    """Characters of the regular expressions that a node has, as far as they are known."""
    if node.chosen(TYPES, "is") != "regex":
        return 0
    keys = (*node.texts("keys"), *node.texts("patterns"))
    return sum(len(key) for key in keys if isinstance(key, str))


def complaint(node: Node) -> str:
    """What is wrong with a node's match type and comparator together, '' for nothing."""
    kind = node.chosen(TYPES, "is")
    name = str(node.values.get("comparator", DEFAULT))
    comparator = COMPARATORS.get(name)
    if comparator is None:
        return f'there is no comparator "{name}"'
    if kind in _SUBSTRINGS and not comparator.substrings:  # RFC 4790 §9.1.1
        return f'":{kind}" does not work with the comparator "{name}"'
    if kind == "regex":
        for key in (*node.texts("keys"), *node.texts("patterns")):
            if isinstance(key, str):
                try:
                    expression(key, name != "i;octet")
                except ValueError as error:
                    return str(error)
    return ""
