"""Address lists: the examples of RFC 5322, real mail, and hostile mail."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message.address import GROUP_END, Address, parse


def one(name: bytes | None, mailbox: bytes, host: bytes, adl: bytes | None = None) -> Address:
    return Address(name, adl, mailbox, host)


def group(name: bytes) -> Address:
    return Address(None, None, name, None)


# RFC 5322 appendix A
EXAMPLES = [
    (b"John Doe <jdoe@machine.example>", [one(b"John Doe", b"jdoe", b"machine.example")]),
    (
        b'"Joe Q. Public" <john.q.public@example.com>',
        [one(b"Joe Q. Public", b"john.q.public", b"example.com")],
    ),
    (
        b"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
        [
            one(b"Mary Smith", b"mary", b"x.test"),
            one(None, b"jdoe", b"example.org"),
            one(b"Who?", b"one", b"y.test"),
        ],
    ),
    (
        b'<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
        [
            one(None, b"boss", b"nil.test"),
            one(b'Giant; "Big" Box', b"sysservices", b"example.net"),
        ],
    ),
    (
        b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
        [
            group(b"A Group"),
            one(b"Ed Jones", b"c", b"a.test"),
            one(None, b"joe", b"where.test"),
            one(b"John", b"jdoe", b"one.test"),
            GROUP_END,
        ],
    ),
    (b"Undisclosed recipients:;", [group(b"Undisclosed recipients"), GROUP_END]),
    (
        b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
        [one(b"Pete", b"pete", b"silly.test")],
    ),
    (
        b"A Group(Some people)     :Chris Jones <c@(Chris's host.)public.example>,"
        b" joe@example.org,  John <jdoe@one.test> (my dear friend); (the end of the group)",
        [
            group(b"A Group"),
            one(b"Chris Jones", b"c", b"public.example"),
            one(None, b"joe", b"example.org"),
            one(b"John", b"jdoe", b"one.test"),
            GROUP_END,
        ],
    ),
    (
        b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
        [
            one(b"Mary Smith", b"mary", b"example.net", b"@node.test"),
            one(None, b"jdoe", b"test.example"),
        ],
    ),
    (b"<@a.test,@b.test:c@d.test>", [one(None, b"c", b"d.test", b"@a.test,@b.test")]),
]

REAL = [
    (b"joe@x.test (Joe Blow)", [one(b"Joe Blow", b"joe", b"x.test")]),
    (b"joe@x.test (Joe (J.) Blow)", [one(b"Joe (J.) Blow", b"joe", b"x.test")]),
    (b"joe@x.test <joe@x.test>", [one(b"joe@x.test", b"joe", b"x.test")]),
    (b"J. Random Hacker <j@x.test>", [one(b"J. Random Hacker", b"j", b"x.test")]),
    (b"two  spaces\tand tab <j@x.test>", [one(b"two spaces and tab", b"j", b"x.test")]),
    (b'"two  spaces" <j@x.test>', [one(b"two spaces", b"j", b"x.test")]),
    (b'"" <j@x.test>', [one(None, b"j", b"x.test")]),
    (b'"john smith"@x.test', [one(None, b"john smith", b"x.test")]),
    (b'"a@b"@x.test', [one(None, b"a@b", b"x.test")]),
    (b"joe@[192.0.2.1]", [one(None, b"joe", b"[192.0.2.1]")]),
    (b"joe@[IPv6:2001:db8::1]", [one(None, b"joe", b"[IPv6:2001:db8::1]")]),
    (b"root", [one(None, b"root", b"")]),
    (b"root (Charlie)", [one(b"Charlie", b"root", b"")]),
    (b"No address at all", [one(b"No address at all", b"", b"")]),
    (b"<>", [one(None, b"", b"")]),
    (b"MAILER-DAEMON <>", [one(b"MAILER-DAEMON", b"", b"")]),
    (b"<root>", [one(None, b"root", b"")]),
    (b"", []),
    (b" , ,, ", []),
    (b"(just a comment)", []),
    (b"a@b.test c@d.test", [one(None, b"a", b"b.test"), one(None, b"c", b"d.test")]),
    (b"A <a@b.test> B <c@d.test>", [one(b"A", b"a", b"b.test"), one(b"B", b"c", b"d.test")]),
    (b"A <a@b.test, B <c@d.test>", [one(b"A", b"a", b"b.test"), one(b"B", b"c", b"d.test")]),
    (b'"A <a@b.test>', [one(b"A", b"a", b"b.test")]),
    (b"(A <a@b.test>", [one(b"A", b"a", b"b.test")]),
    (b"A <a@b.test> Jr.", [one(b"A", b"a", b"b.test")]),
    (b"a@b.test>", [one(None, b"a", b"b.test")]),
    (b"A <a@b@c.test>", [one(b"A", b"a@b", b"c.test")]),
    (b"@b.test", [one(None, b"", b"b.test")]),
    (b"a@", [one(None, b"a", b"")]),
    (b"A: a@b.test", [group(b"A"), one(None, b"a", b"b.test"), GROUP_END]),
    (
        b"A: a@b.test; B:; c@d.test",
        [
            group(b"A"),
            one(None, b"a", b"b.test"),
            GROUP_END,
            group(b"B"),
            GROUP_END,
            one(None, b"c", b"d.test"),
        ],
    ),
    (b"A <a@b.test>; C <c@d.test>", [one(b"A", b"a", b"b.test"), one(b"C", b"c", b"d.test")]),
    (
        b"=?utf-8?q?J=C3=BC?= =?utf-8?q?rg?= <j@x.test>",
        [one(b"=?utf-8?q?J=C3=BC?= =?utf-8?q?rg?=", b"j", b"x.test")],
    ),
    (
        "Jürg <jürg@bücher.test>".encode(),
        [one("Jürg".encode(), "jürg".encode(), "bücher.test".encode())],
    ),
    (b"J\xfcrg <j@x.test>", [one(b"J\xfcrg", b"j", b"x.test")]),
]


@pytest.mark.parametrize(("value", "expected"), EXAMPLES + REAL)
def test_parse(value: bytes, expected: list[Address]) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize(("value", "expected"), EXAMPLES + REAL)
def test_both_ways_of_reading_agree(value: bytes, expected: list[Address]) -> None:
    """A comment at the end sends the value past the quick way."""
    if not value.startswith(b"("):  # it never closes, so the one at the end is not read
        assert parse(value + b", (x)") == expected


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse(b"a@b," * 20_000)) == 10_000
    assert len(parse(b"(c) a@b," * 20_000)) <= 10_000
    assert len(parse(b"<" * 100, limit=7)) == 7


ATOM = st.text("abcXYZ019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8)
DOT_ATOM = st.lists(ATOM, min_size=1, max_size=3).map(".".join)
DISPLAY = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(DISPLAY, DOT_ATOM, DOT_ATOM), min_size=1, max_size=5))
def test_what_the_standard_library_writes(people: list[tuple[str, str, str]]) -> None:
    written = ", ".join(email.utils.formataddr((name, f"{a}@{b}")) for name, a, b in people)
    assert parse(written.encode()) == [
        one(b" ".join(name.encode().split()) or None, a.encode(), b.encode())
        for name, a, b in people
    ]


@given(st.lists(st.sampled_from(list(b'ab@.,;:<>()"\\[] \t\r\n\0\xff')), max_size=40))
def test_anything_gives_addresses(octets: list[int]) -> None:
    depth = 0
    for found in parse(bytes(octets)):
        if found.host is None:
            depth += 1 if found.mailbox is not None else -1
            assert depth in (0, 1)
        else:
            assert found.mailbox is not None
    assert depth == 0
