"""The tree walk against the public suffix list: where owners publish, both name the same owner.

RFC 9989 asks the DNS for what RFC 7489 §3.2 took from the list. The list stays a good judge: for
every name below, a record at the organization's domain must lead the walk there, whatever lies
between, and two names belong together by the walk exactly when they do by the list.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from publicsuffixlist import PublicSuffixList

from pillarbox.policy.dmarc.record import Record, Suffix, read_record
from pillarbox.policy.dmarc.tree import Found, applicable, ends, organizational, steps

LIST = PublicSuffixList()
NAMES = (
    "example.com",
    "mail.example.com",
    "a.b.c.d.e.f.g.h.i.example.com",
    "other.com",
    "news.example.co.uk",
    "deep.news.example.co.uk",
    "example.org.au",
    "mx1.example.org.au",
    "shop.example.kobe.jp",
    "city.kobe.jp",
    "www.city.kobe.jp",
    "user.github.io",
    "mail.user.github.io",
    "tenant.blogspot.com",
    "www.ck",
    "mail.www.ck",
    "xn--bcher-kva.de",
    "post.xn--bcher-kva.de",
    "example.museum",
    "a.example.xn--p1ai",
)


def record(text: str) -> Record:
    found = read_record([text.encode()])
    assert found is not None
    return found


OWNER, PUBLIC = record("v=DMARC1; p=reject"), record("v=DMARC1; p=none; psd=y")


def owner(name: str) -> str:
    found = LIST.privatesuffix(name)
    assert found is not None
    return str(found)


def walk(start: str, zone: dict[str, Record]) -> list[Found]:
    """As ``evaluate`` does it, with answers from a table."""
    walked: list[Found] = []
    for name in steps(start):
        if (found := zone.get(name)) is not None:
            walked.append(Found(name, found))
            if ends(found):
                break
    return walked


@pytest.mark.parametrize("name", NAMES)
def test_an_owner_who_publishes_is_found(name: str) -> None:
    walked = walk(name, {owner(name): OWNER})
    assert organizational(name, walked) == owner(name)
    found = applicable(name, walked)
    assert found is not None
    assert (found.domain, found.record) == (owner(name), OWNER)


@pytest.mark.parametrize("name", NAMES)
def test_a_suffix_that_publishes_shows_where_owners_begin(name: str) -> None:
    suffix = LIST.publicsuffix(name)
    assert suffix is not None
    assert PUBLIC.suffix is Suffix.PUBLIC
    assert organizational(name, walk(name, {str(suffix): PUBLIC})) == owner(name)


def test_names_belong_together_as_the_list_says() -> None:
    zone = {owner(name): OWNER for name in NAMES}
    for one, other in combinations(NAMES, 2):
        same = organizational(one, walk(one, zone)) == organizational(other, walk(other, zone))
        assert same is (owner(one) == owner(other)), (one, other)
