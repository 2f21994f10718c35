"""Headers in US-ASCII: what can be said without loss, and what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import address, header, words
from pillarbox.message.downgrade import to_ascii


def changed(text: str) -> bytes:
    made = to_ascii(text.encode())
    assert made is not None
    assert made.isascii()
    return made


def test_what_is_ascii_stays() -> None:
    section = b"Subject: x\n\ty\r\nbroken line\r\n\r\n"
    assert to_ascii(section) is section


def test_text_becomes_encoded_words_and_other_fields_keep_their_folds() -> None:
    made = changed("X-One: a\r\n\tb\r\nSuBject: grüne Wiese\r\n =?utf-8?q?=C3=A4?= x\r\n\r\n")
    assert made.startswith(b"X-One: a\r\n\tb\r\nSuBject: ")
    assert made.endswith(b"\r\n\r\n")
    value = header.first(made, b"subject")
    assert value is not None
    assert words.decode(value) == "grüne Wiese ä x"


@pytest.mark.parametrize(
    ("value", "names", "specs"),
    [
        ("Jörg <a@b.example>", ["Jörg"], ["a@b.example"]),
        ('"Jörg, der Große" <a@b.example>, c@d', ["Jörg, der Große", ""], ["a@b.example", "c@d"]),
        ("ö <a@bücher.example>", ["ö"], ["a@xn--bcher-kva.example"]),
        ('ö <"a b"@c>', ["ö"], ['"a b"@c']),
        ("ö <a@.ü.>", ["ö"], ["a@invalid"]),
        ("=?utf-8?q?=C3=A4?= ö <a@b>", ["ä ö"], ["a@b"]),
    ],
)
def test_addresses(value: str, names: list[str], specs: list[str]) -> None:
    made = header.first(changed(f"To: {value}\r\n"), b"to")
    assert made is not None
    found = address.parse(made)
    assert [words.decode(one.name or b"") for one in found] == names
    read = [f"{(one.mailbox or b'').decode()}@{(one.host or b'').decode()}" for one in found]
    assert read == [spec.replace('"', "") for spec in specs]
    assert all(spec.encode() in made for spec in specs)


def test_groups() -> None:
    made = changed("To: Große Runde: Jörg <a@b>, c@d;, e@f\r\nCc: undisclosed: ;, ö <g@h>\r\n")
    assert b"?=: =?utf-8?q?J=C3=B6rg?= <a@b>, c@d;, e@f\r\n" in made
    assert b'Cc: "undisclosed":;, =?utf-8?b?w7Y=?= <g@h>\r\n' in made


@pytest.mark.parametrize("name", ["From", "to", "Return-Path"])
def test_a_mailbox_name_outside_ascii_cannot_be_said(name: str) -> None:
    assert to_ascii(f"{name}: Jörg <jörg@example.test>\r\n".encode()) is None


def test_parameters() -> None:
    made = changed('Content-Type: text/plain; name="grün.txt"; x="a \\" b"\r\n\r\n')
    assert b'text/plain; name*=utf-8\'\'gr%C3%BCn.txt; x="a \\" b"\r\n' in made


def test_what_is_not_utf8_is_left_alone() -> None:
    section = b"Subject: gr\xfcn\r\nFrom: \xe4 <a@b>\r\n\r\n"
    assert to_ascii(section) == section


PIECES = st.sampled_from(
    ["From: ", "To: ", "Subject: ", "Content-Type: ", "ü", "<", ">", "@", ", ", "a", ":", ";", '"',
     "(", ")", "\\", "\r\n", "\n ", "=", "/", "=?utf-8?q?=C3=A4?=", "\0", "\u2028", "\t"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_the_header_becomes_ascii_or_nothing(text: str) -> None:
    section = text.encode()
    end = header.section(section, 0, len(section)).body_start
    made = to_ascii(section[:end])
    assert made is None or made.isascii()
    whole = to_ascii(section)
    assert (whole is None) == (made is None)
    assert whole is None or whole.endswith(section[end:])
