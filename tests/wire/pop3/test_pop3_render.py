"""Answers: bounded, one line where one line is meant, in the right language."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.pop3 import capa, render
from pillarbox.wire.pop3.events import AuthEnd, AuthFailed, Fault, FaultKind, Lang
from pillarbox.wire.pop3.phrases import LANGUAGES, Phrase, match
from pillarbox.wire.pop3.render import Voice

STATUS = re.compile(rb"(\+OK|-ERR)( \[[A-Z/-]+\])?( [^\r\n]*)?\r\n")


@given(st.booleans(), st.text(max_size=700), st.sampled_from(["", "AUTH", "SYS/TEMP"]))
def test_a_status_line_is_one_line_of_at_most_512(positive: bool, text: str, code: str) -> None:
    line = render.status(positive, text, code)
    assert STATUS.fullmatch(line)
    assert len(line) <= 512
    line.decode()
    assert line.startswith(b"+OK" if positive else b"-ERR")
    assert bool(re.match(rb"(\+OK|-ERR) \[", line)) is bool(code)


def test_plain_status_lines() -> None:
    assert render.status(True) == b"+OK\r\n"
    assert render.status(True, "x\r\n+OK y") == b"+OK x  +OK y\r\n"
    assert render.status(False, "[AUTH] forged") == b"-ERR  [AUTH] forged\r\n"
    assert render.status(False, "no", render.SYS_PERM) == b"-ERR [SYS/PERM] no\r\n"
    assert render.stat(2, 320) == b"+OK 2 320\r\n"  # RFC 1939 §5
    assert render.scan_listing(2, 200) == b"+OK 2 200\r\n"
    assert render.unique_id_listing(2, "QhdPYR:00WBw1Ph7x7") == b"+OK 2 QhdPYR:00WBw1Ph7x7\r\n"


@pytest.mark.parametrize("phrase", Phrase)
def test_every_phrase_says_the_same_in_every_language(phrase: Phrase) -> None:
    assert len(phrase.value) == len(LANGUAGES)
    fields = [{name for _, name, _, _ in string.Formatter().parse(t) if name} for t in phrase.value]
    assert all(names == fields[0] for names in fields)
    assert phrase.value[0].isascii()  # RFC 1939 allows no more until LANG is used
    given_fields = dict.fromkeys(fields[0], "x")
    for tag in LANGUAGES:
        assert "{" not in phrase.in_language(tag, **given_fields)


@pytest.mark.parametrize(
    ("wanted", "tag"),
    [
        ("de", "de"), ("DE", "de"), ("de-AT", "de"), ("en-GB-oed", "en"), ("*", "es"),
        ("d", ""), ("deu", ""), ("mul", ""), ("x-de", ""),
    ],
)  # fmt: skip
def test_language_ranges(wanted: str, tag: str) -> None:
    assert match(wanted, "es") == tag


def test_choosing_a_language() -> None:
    voice, answer = Voice().choose(Lang("es"))
    assert answer == b"+OK es Idioma cambiado\r\n"  # RFC 6856 §3.3
    assert voice.ok(Phrase.GOODBYE) == "+OK Adiós\r\n".encode()
    same, answer = voice.choose(Lang("uga"))
    assert same is voice
    assert answer.startswith(b"-ERR ")
    _, answer = voice.choose(Lang(""))
    assert answer.endswith("es Español\r\n.\r\n".encode())


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_has_an_answer(kind: FaultKind) -> None:
    line = Voice().fault(Fault(kind, "TOP", "message lines"))
    assert STATUS.fullmatch(line)
    assert line.startswith(b"-ERR ")
    assert b"{" not in line


@pytest.mark.parametrize("why", AuthEnd)
def test_an_exchange_that_broke_says_nothing_of_credentials(why: AuthEnd) -> None:
    assert b"[" not in Voice().auth_failed(AuthFailed(why))


def test_long_listings_come_in_bounded_pieces() -> None:
    pieces = list(render.list_all(b"+OK\r\n", ((n, 10**6 + n) for n in range(1, 50_001))))
    assert len(pieces) > 5
    assert all(len(piece) < render.PIECE + 100 for piece in pieces)
    whole = b"".join(pieces)
    assert whole.startswith(b"+OK\r\n1 1000001\r\n2 1000002\r\n")
    assert whole.endswith(b"\r\n50000 1050000\r\n.\r\n")
    assert whole.count(b"\r\n") == 50_002


def test_unique_ids() -> None:
    assert render.unique_id(1, 2) == "0000000100000002"
    assert render.unique_id(2**32 - 1, 2**32 - 1) == "f" * 16
    assert len({render.unique_id(v, u) for v in range(20) for u in range(20)}) == 400
    assert render.is_unique_id(render.unique_id(3, 4))
    for bad in ("", "a b", "x" * 71, "é", "a\n"):
        assert not render.is_unique_id(bad)


BASE = [
    "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "LOGIN-DELAY 0",
    "UTF8 USER", "LANG", "IMPLEMENTATION Pillarbox",
]  # fmt: skip


def situation(offer: capa.Offer | None = None, **has: bool) -> capa.Situation:
    now = {"authenticated": False, "secure": False, "cleartext": False, **has}
    mechanisms = ("PLAIN",) if now["cleartext"] else ()
    return capa.Situation(offer or capa.Offer(), **now, mechanisms=mechanisms)


@pytest.mark.parametrize(
    ("now", "more"),
    [
        (situation(), ["STLS"]),
        (situation(secure=True, cleartext=True), ["USER", "SASL PLAIN"]),
        (situation(cleartext=True), ["USER", "SASL PLAIN", "STLS"]),
        (situation(secure=True, cleartext=True, authenticated=True), ["USER", "SASL PLAIN"]),
        (situation(capa.Offer(stls=False)), []),
    ],
)
def test_capabilities(now: capa.Situation, more: list[str]) -> None:
    assert sorted(capa.capabilities(now)) == sorted(BASE + more)


def test_values_that_differ_by_account() -> None:
    offer = capa.Offer(expire=5, expire_differs=True, login_delay=60, login_delay_differs=True)
    before = capa.capabilities(situation(offer))
    after = capa.capabilities(situation(offer, authenticated=True))
    assert {"EXPIRE 5 USER", "LOGIN-DELAY 60 USER"} <= set(before)  # RFC 2449 §6.5, §6.7
    assert {"EXPIRE 5", "LOGIN-DELAY 60"} <= set(after)


def test_an_implementation_need_not_be_told() -> None:
    assert "IMPLEMENTATION" not in " ".join(capa.capabilities(situation(capa.Offer(""))))


def test_what_is_announced_before_login_is_announced_after() -> None:
    """RFC 2449 §5; STLS is the exception its own RFC makes."""
    tags = {line.split()[0] for line in capa.capabilities(situation(cleartext=True))}
    later = situation(cleartext=True, authenticated=True)
    assert tags - {line.split()[0] for line in capa.capabilities(later)} == {"STLS"}
    assert capa.render(Voice(), later).endswith(b"\r\nIMPLEMENTATION Pillarbox\r\n.\r\n")
