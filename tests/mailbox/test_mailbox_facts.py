"""What is found out about a message on its way in."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox import common, keys
from pillarbox.mailbox import facts as facts_module
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.subject import base_subject
from pillarbox.message import header
from pillarbox.message.casemap import fold
from pillarbox.message.freeze import thaw
from pillarbox.message.scan import scan

MESSAGE = (
    b"Received: from a by b; Thu, 20 Jun 2024 12:00:01 +0000\r\n"
    b'From: "Ann, Q." <Ann.Q@Example.Org>, other@example.org\r\n'
    b"To: undisclosed-recipients:;\r\nCC: =?utf-8?q?J=C3=BCrgen?= <jw@example.org>\r\n"
    b"Subject: =?utf-8?q?Re=3A_=5Blist=5D_Gr=C3=BC=C3=9Fe?=\r\n\t(fwd)\r\n"
    b"Date: Fri, 21 Jun 2024 01:30:00 +0200\r\n"
    b'Message-ID: <"m 1"@x> <m1@example.org>\r\n'
    b"In-Reply-To: Your message of Monday <p0@example.org> <p1@example.org>\r\n"
    b"X-Unknown: y\r\nX-Mailer: z\r\n\r\n"
    b"Hello  there,\r\nthis is it.\r\n"
)


def test_facts_of_a_message() -> None:
    facts = facts_of(MESSAGE)
    assert facts.envelope.startswith(b'("Fri, 21 Jun 2024 01:30:00 +0200" ')
    assert facts.bodystructure.startswith(b'("TEXT" "PLAIN"')
    assert facts.preview == "Hello there, this is it."
    assert thaw(facts.scan).root == scan(MESSAGE).root
    kept = common.cut(facts.common, common.VERSIONS[common.CURRENT])
    assert kept is not None
    names = [field.name for field in header.fields(b"".join(kept))]
    assert names == (
        [b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"x-mailer"]
    )


def test_keys_of_a_message() -> None:
    found = keys.unpack(facts_of(MESSAGE).keys)
    assert found.sent == 1_718_926_200
    assert found.zone == 120
    assert (found.subject, found.is_reply) == (fold("Grüße"), True)
    assert (found.from_, found.display_from) == ("ANN.Q", "ANN, Q.")
    assert (found.to, found.display_to) == ("UNDISCLOSED-RECIPIENTS",) * 2
    assert found.cc == "JW"
    assert found.message_id == b"m1@example.org"
    assert found.references == (b"p0@example.org",)
    assert keys.sent_day(keys.pack(found)) == 1_718_926_200 // 86400 + 1  # its own time zone


def test_references_win_over_in_reply_to_and_are_bounded() -> None:
    ids = b"\r\n ".join(b"<%d@x>" % n for n in range(500))
    found = keys.unpack(facts_of(b"References: " + ids + b"\r\nIn-Reply-To: <a@b>\r\n\r\n").keys)
    assert len(found.references) == keys.MAX_REFERENCES
    assert (found.references[0], found.references[-1]) == (b"0@x", b"499@x")
    long = b"<" + b"a" * keys.MAX_ID + b"@" + b"b" * keys.MAX_ID + b">\r\n "
    data = b"References: " + long * 100 + b"\r\n\r\n"
    assert len(keys.unpack(facts_of(data).keys).references) == keys.MAX_REFERENCES


def test_quotes_in_a_message_id_do_not_matter() -> None:
    # RFC 5256 §3 names this very pair.
    quoted = keys.unpack(facts_of(b'Message-ID: <"01KF8JCEOCBS0045PS"@xxx.yyy.com>\r\n\r\n').keys)
    plain = keys.unpack(facts_of(b"Message-ID: <01KF8JCEOCBS0045PS@xxx.yyy.com>\r\n\r\n").keys)
    assert quoted == plain
    assert plain.message_id == b"01KF8JCEOCBS0045PS@xxx.yyy.com"


@pytest.mark.parametrize("broken", [b"", b"\x01", b"\x00" * 40, b"\xff" + b"x" * 40])
def test_keys_of_another_version_are_those_of_nothing(broken: bytes) -> None:
    assert keys.unpack(broken) == keys.EMPTY
    assert keys.sent_day(broken) is None


def test_message_without_anything() -> None:
    facts = facts_of(b"")
    assert keys.unpack(facts.keys) == keys.EMPTY
    assert common.cut(facts.common, (b"from",)) == []
    assert facts.preview == ""


def test_too_many_common_fields_are_not_kept_at_all() -> None:
    facts = facts_of(b"To: " + b"x@example.org,\r\n " * 5000 + b"y@z\r\n\r\n")
    assert facts.common == b"\0"
    assert common.cut(facts.common, (b"to",)) is None


def test_names_outside_the_list_are_not_answered() -> None:
    column = facts_of(MESSAGE).common
    assert common.cut(column, (b"from", b"x-unknown")) is None
    assert not common.covered((b"received",))
    assert common.covered((b"references", b"list-id"))


def test_header_that_ends_with_the_message() -> None:
    kept = common.cut(facts_of(b"Subject: a").common, (b"subject",))
    assert kept == [b"Subject: a\r\n"]


def test_the_list_of_names_never_changes_within_a_version() -> None:
    # Columns on disks name fields by their place in this list: append a version instead.
    names = b" ".join(common.VERSIONS[1])
    assert (len(common.VERSIONS[1]), zlib.crc32(names)) == (50, 3484255752)


def test_a_bug_in_the_scanner_does_not_lose_mail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(facts_module, "scan", broken)
    facts = facts_of(MESSAGE)
    assert facts.bodystructure.startswith(b'("APPLICATION" "OCTET-STREAM"')
    assert thaw(facts.scan).size == len(MESSAGE)
    assert common.cut(facts.common, (b"from",)) is None
    assert "intake.facts_failed" in caplog.text


@pytest.mark.needs(corpus=True)
def test_corpus(corpus_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    facts = facts_of(corpus_file.read_bytes())
    assert not caplog.records
    assert keys.pack(keys.unpack(facts.keys)) == facts.keys
    assert len(facts.preview) <= 256  # RFC 8970 §3.1


@given(st.binary(max_size=400))
def test_any_bytes_have_facts(data: bytes) -> None:
    found = facts_of(b"From: " + data + b"\r\nReferences: <a@b>" + data)
    assert keys.pack(keys.unpack(found.keys)) == found.keys


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Hello", "Hello", False),
        ("Re: Hello", "Hello", True),
        ("RE:re : FWD: Hello (fwd) (FWD)", "Hello", True),
        ("[list] Re: [x] Fw[2]: Hello", "Hello", True),
        ("[Fwd: [fwd: Re: Hello] ]", "Hello", True),
        ("[list] Hello", "Hello", False),
        ("[list]", "[list]", False),
        ("[a] [b]", "[b]", False),
        ("Re: [b]", "[b]", True),
        ("[a] re", "re", False),
        ("Refund: Hello", "Refund: Hello", False),
        ("Re[3] : x", "x", True),
        ("\t two   spaces\r\n and more ", "two spaces and more", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("[fwd: x", "[fwd: x", False),
        ("[a[b] x", "[a[b] x", False),
        ("", "", False),
    ],
)
def test_base_subject(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == (base, is_reply)


@given(st.text(alphabet="[]re:fwd() xF", max_size=60))
def test_base_subject_of_a_base_is_itself(subject: str) -> None:
    base, _ = base_subject(subject)
    assert base_subject(base)[0] == base
    assert len(base) <= len(subject)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRAßE"),  # RFC 5051 §2: simple mappings, and ß has none
        ("é", "E\u0301"),
        ("Ǆ", "ǆ"),
        ("Ω", "ω"),
        ("ſ", "s"),
        ("ı", "i"),
    ],
)
def test_equal_but_for_case(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("a", "b"), ("é", "e"), ("ﬁ", "fi")])
def test_not_equal(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_example_of_the_rfc() -> None:
    assert fold("\u01c4") == "\u0044\u007a\u030c"  # RFC 5051 §2


@given(st.text(max_size=30), st.text(max_size=30))
def test_folding_keeps_substrings(left: str, right: str) -> None:
    assert fold(left) in fold(left + right)
    assert fold(left.swapcase() if left.isascii() else left) == fold(left)
