"""LIST and LSUB: patterns, holes in the tree, and the table of RFC 5258 §3.5."""

from __future__ import annotations

import pytest

from pillarbox.model.mailbox import Mailbox
from pillarbox.serve.imap.tree import Entry, listing, matcher, subscriptions
from pillarbox.wire.imap.commands import List, ListReturn


def box(name: str, use: str = "") -> Mailbox:
    return Mailbox(1, abs(hash(name)), name, 1, 1, 1, 1, 1, special_use=use)


BOXES = [box("INBOX"), box("Foo"), box("Foo/Bar"), box("Sent", "\\Sent"), box("x/y/z")]


def lines(entries: list[Entry]) -> list[str]:
    return [
        f"{e.name} {' '.join(e.attributes)}" + (f" {e.child_info}" if e.child_info else "")
        for e in entries
    ]


@pytest.mark.parametrize(
    ("reference", "pattern", "yes", "no"),
    [
        ("", "*", ["INBOX", "a/b/c"], []),
        ("", "%", ["INBOX", "a"], ["a/b"]),
        ("", "inbox", ["INBOX"], ["inboxes"]),
        ("", "iNb%", ["INBOX"], ["inbx"]),
        ("a/", "%", ["a/b"], ["a", "a/b/c", "b"]),
        ("a", "%", ["a", "ab"], ["a/b"]),
        ("", "a/%/c", ["a/b/c"], ["a/c", "a/b/d"]),
        ("", "a*c", ["a/b/c", "ac"], ["a/b"]),
        ("", "*%", ["a/b"], []),
        ("", "a.b", ["a.b"], ["axb"]),
        ("", "(a+)+$", ["(a+)+$"], ["aaa"]),
        ("inbox/", "%", ["INBOX/x"], ["INBOX"]),
        ("", "*a%b", ["a/ab", "xa/yab", "ab"], ["a/b", "ab/c"]),
        ("", "a%b*c%d", ["ab/cd", "axb/y/c1d"], ["a/b/cd", "abc/d"]),
        ("", "%a%a%", ["aa", "xayaz"], ["a", "a/a"]),
        ("", "*a*", ["a", "x/a/y"], ["b"]),
    ],
)
def test_patterns(reference: str, pattern: str, yes: list[str], no: list[str]) -> None:
    matches = matcher(reference, [pattern])
    assert [name for name in yes if not matches(name)] == []
    assert [name for name in no if matches(name)] == []


def test_a_pattern_cannot_take_forever() -> None:
    for pattern in ("%*" * 200 + "b", "*a" * 200 + "*b", "%a" * 200 + "%b", "*a%a" * 100 + "%b"):
        assert not matcher("", [pattern])("a" * 900)


def test_basic_list_shows_holes_as_noselect() -> None:
    assert lines(listing(BOXES, [], List("t", "", ("%",)))) == [
        "INBOX \\HasNoChildren",
        "Foo \\HasChildren",
        "Sent \\HasNoChildren \\Sent",
        "x \\Noselect \\HasChildren",
    ]


def test_special_use_selection() -> None:
    command = List("t", "", ("*",), frozenset({"SPECIAL-USE"}), extended=True)
    assert lines(listing(BOXES, [], command)) == ["Sent \\HasNoChildren \\Sent"]


def test_subscribed_selection_shows_names_without_mailbox() -> None:
    command = List("t", "", ("*",), frozenset({"SUBSCRIBED"}), extended=True)
    assert lines(listing(BOXES, ["Foo", "gone"], command)) == [
        "Foo \\HasChildren \\Subscribed",
        "gone \\NonExistent \\HasNoChildren \\Subscribed",
    ]


@pytest.mark.parametrize(  # the table of RFC 5258 §3.5, for the pattern "Foo"
    ("exists", "itself", "child", "expected"),
    [
        (False, False, False, []),
        (True, False, False, []),
        (False, True, False, ["Foo \\NonExistent \\HasNoChildren \\Subscribed"]),
        (True, True, False, ["Foo \\HasNoChildren \\Subscribed"]),
        (False, False, True, ["Foo \\NonExistent \\HasNoChildren ('SUBSCRIBED',)"]),
        (True, False, True, ["Foo \\HasNoChildren ('SUBSCRIBED',)"]),
        (False, True, True, ["Foo \\NonExistent \\HasNoChildren \\Subscribed ('SUBSCRIBED',)"]),
        (True, True, True, ["Foo \\HasNoChildren \\Subscribed ('SUBSCRIBED',)"]),
    ],
)
def test_recursive_match(exists: bool, itself: bool, child: bool, expected: list[str]) -> None:
    boxes = [box("INBOX")] + ([box("Foo")] if exists else [])
    subscribed = (["Foo"] if itself else []) + (["Foo/Baz"] if child else [])
    select = frozenset({"SUBSCRIBED", "RECURSIVEMATCH"})
    command = List("t", "", ("Foo",), select, ListReturn(), extended=True)
    assert lines(listing(boxes, subscribed, command)) == expected


def test_redundant_child_info_is_left_out() -> None:
    select = frozenset({"SUBSCRIBED", "RECURSIVEMATCH"})
    command = List("t", "", ("*",), select, extended=True)
    assert lines(listing(BOXES, ["Foo/Bar"], command)) == ["Foo/Bar \\HasNoChildren \\Subscribed"]


def test_lsub_shows_what_percent_cuts_off() -> None:
    subscribed = ["Foo/Bar", "news/comp", "INBOX"]
    assert lines(subscriptions(BOXES, subscribed, "", "%")) == [
        "INBOX \\HasNoChildren",
        "Foo \\Noselect",
        "news \\Noselect",
    ]
    assert [e.name for e in subscriptions(BOXES, subscribed, "", "*")] == [
        "INBOX",
        "Foo/Bar",
        "news/comp",
    ]
