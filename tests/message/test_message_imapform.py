"""ENVELOPE and BODYSTRUCTURE: the bytes, read back by a strict reader and by a client's."""

from __future__ import annotations

import pytest
from imapclient.response_parser import parse_fetch_response

from pillarbox.message import words
from pillarbox.message.imapform import body, bodystructure, envelope
from pillarbox.message.scan import Limits, scan
from support.imapforms import as_imaplib_gives, read_body, read_envelope

# RFC 9051 §8
MEETING = (
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
    b"From: Terry Gray <gray@cac.washington.edu>\r\n"
    b"Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
    b"To: imap@cac.washington.edu\r\n"
    b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
    b"Message-Id: <B27397-0100000@cac.washington.ed>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
    b"\r\n"
)


def test_the_example_of_the_rfc() -> None:
    found = scan(MEETING + b"x" * 30 + b"\r\n" * 3)
    assert envelope(found) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes"'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' ((NIL NIL "imap" "cac.washington.edu"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))'
        b' NIL NIL "<B27397-0100000@cac.washington.ed>")'
    )
    assert body(found) == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 36 3)'
    assert bodystructure(found) == (
        b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 36 3 NIL NIL NIL NIL)'
    )


MIXED = (
    b"Content-Type: multipart/mixed; boundary=b\r\n"
    b"Content-Language: de\r\n"
    b"\r\n"
    b"--b\r\n\r\nhi\r\n\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain; charset=us-ascii; name=cc.diff\r\n"
    b"Content-ID: <960723163407.20117h@cac.washington.edu>\r\n"
    b"Content-Description: Compiler diff\r\n"
    b"Content-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=cc.diff\r\n"
    b"Content-Language: en, de\r\n"
    b"Content-Location: cc.diff\r\n"
    b"Content-MD5: Q2hlY2s=\r\n"
    b"\r\n"
    b"AAAA\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: in\r\n"
    b"From: a@b\r\n"
    b"\r\n"
    b"text\r\n"
    b"--b--\r\n"
)


def test_a_multipart() -> None:
    assert bodystructure(scan(MIXED)) == (
        b'(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 1 NIL NIL NIL NIL)'
        b'("TEXT" "PLAIN" ("CHARSET" "us-ascii" "NAME" "cc.diff")'
        b' "<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4 0'
        b' "Q2hlY2s=" ("ATTACHMENT" ("FILENAME" "cc.diff")) ("en" "de") "cc.diff")'
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 30'
        b' (NIL "in" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b"))'
        b" NIL NIL NIL NIL NIL)"
        b' ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 0 NIL NIL NIL NIL)'
        b" 3 NIL NIL NIL NIL)"
        b' "MIXED" ("BOUNDARY" "b") NIL "de" NIL)'
    )
    assert body(scan(MIXED)) == (
        b'(("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 1)'
        b'("TEXT" "PLAIN" ("CHARSET" "us-ascii" "NAME" "cc.diff")'
        b' "<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4 0)'
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 30'
        b' (NIL "in" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b"))'
        b" NIL NIL NIL NIL NIL)"
        b' ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 4 0) 3)'
        b' "MIXED")'
    )


def envelope_of(header: bytes) -> tuple[object, ...]:
    return read_envelope(envelope(scan(header + b"\r\n\r\n")))


def test_absent_and_empty() -> None:
    assert envelope_of(b"X: y") == (None,) * 10
    empty = b"\r\n".join(
        name + b":"
        for name in b"Date Subject From Sender Reply-To To Cc Bcc In-Reply-To Message-ID".split()
    )
    # RFC 9051 §7.5.2: "" where present but empty, NIL for address lists.
    assert envelope_of(empty) == (b"", b"", None, None, None, None, None, None, b"", b"")


def test_sender_and_reply_to_default_to_from() -> None:
    who = [(None, None, b"a", b"b")]
    other = [(None, None, b"c", b"d")]
    assert envelope_of(b"From: a@b\r\nSender:\r\nReply-To: ,")[2:5] == (who, who, who)
    assert envelope_of(b"From: a@b\r\nSender: c@d")[2:5] == (who, other, who)
    assert envelope_of(b"Reply-To: c@d")[2:5] == (None, None, other)


def test_groups() -> None:
    assert envelope_of(b"To: A: b@c;, d@e\r\nCc: none:;")[5:7] == (
        [
            (None, None, b"A", None),
            (None, None, b"b", b"c"),
            (None, None, None, None),
            (None, None, b"d", b"e"),
        ],
        [(None, None, b"none", None), (None, None, None, None)],
    )


def test_an_address_without_a_host_is_no_group() -> None:
    assert envelope_of(b"To: root, No Body")[5] == [
        (None, None, b"root", b""),
        (b"No Body", None, b"", b""),
    ]


def test_quoting() -> None:
    assert envelope_of(b'Subject: a "b" \\c {5}')[1] == b'a "b" \\c {5}'
    assert envelope_of(b'From: "a\\"b\\\\c" <"x y"@z>')[2] == [(b'a"b\\c', None, b"x y", b"z")]


def test_folds_and_controls() -> None:
    assert envelope_of(b"Subject: a\r\n b\r\n\tc\0d\re\x1bf")[1] == b"a b\tc d e\x1bf"


# ------------------------------------------------------------------ raw octets in headers


def test_raw_utf8_becomes_encoded_words() -> None:
    header = "Subject: Grüße an alle\r\nFrom: Jürg <jürg@bücher.test>, ok@x"
    subject, senders = envelope_of(header.encode())[1:3]
    assert isinstance(subject, bytes)
    assert words.decode(subject) == "Grüße an alle"
    assert subject.endswith(b" an alle")
    assert isinstance(senders, list)
    name, adl, mailbox, host = senders[0]
    assert (words.decode(name), adl) == ("Jürg", None)
    assert words.decode(mailbox) == "jürg"
    assert host == b"xn--bcher-kva.test"
    assert senders[1] == (None, None, b"ok", b"x")


def test_encoded_words_stay() -> None:
    header = "Subject: =?iso-8859-1?q?a=FC?= ü"
    subject = envelope_of(header.encode())[1]
    assert isinstance(subject, bytes)
    assert subject.startswith(b"=?iso-8859-1?q?a=FC?= =?utf-8?")
    assert words.decode(subject) == "aü ü"


@pytest.mark.parametrize(
    ("charset", "octets"),
    [(b"koi8-r", "при".encode("koi8-r")), (b"koi8-r", "при".encode()), (b"utf-8", "при".encode())],
)
def test_other_raw_octets_are_read_in_the_charset_of_the_text(
    charset: bytes, octets: bytes
) -> None:
    header = b"Subject: " + octets + b"\r\nContent-Type: text/plain; charset=" + charset
    subject = envelope_of(header)[1]
    assert isinstance(subject, bytes)
    assert words.decode(subject) == "при"


def test_else_in_windows_1252() -> None:
    subject = envelope_of(b"Subject: caf\xe9 \x80")[1]
    assert isinstance(subject, bytes)
    assert words.decode(subject) == "café €"


def test_hosts_that_idna_refuses() -> None:
    for host in ("ü" * 70, "ü" * 300, "..ü", "\u200dü."):
        found = envelope_of(f"From: a@{host}".encode())[2]
        assert isinstance(found, list)


def structure_of(header: bytes) -> dict[bytes, bytes]:
    return dict(read_body(bodystructure(scan(header + b"\r\n\r\n")), True).params)


def test_parameters() -> None:
    def of(params: bytes) -> dict[bytes, bytes]:
        return structure_of(b"Content-Type: a/b; " + params)

    assert of(b'name="a b"; x=1') == {b"NAME": b"a b", b"X": b"1"}
    assert of(b"n*0=a; n*1=b") == {b"N": b"ab"}
    assert of(b"n*0*=utf-8''%C3; n*1*=%BC") == {b"N*": b"utf-8''%C3%BC"}
    assert of('name="ü.txt"'.encode()) == {b"NAME*": b"utf-8''%C3%BC.txt"}
    assert of(b'name="\xfc.txt"') == {b"NAME*": b"utf-8''%C3%BC.txt"}
    assert of(b"name*=iso-8859-1''\xfc%20") == {b"NAME*": b"iso-8859-1''%FC%20"}


def test_parts_that_cannot_be_looked_into_are_octets() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(3)
    )
    found = read_body(bodystructure(scan(nested, Limits(depth=1))), True)
    assert [(part.type, part.subtype) for part in found.parts] == [
        (b"APPLICATION", b"OCTET-STREAM")
    ]


def test_a_message_that_is_a_message() -> None:
    found = read_body(
        bodystructure(scan(b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhi\r\n")), True
    )
    assert found.embedded is not None
    assert found.embedded.lines == 1
    assert found.lines == 3


def test_message_kinds_that_are_plain_parts() -> None:
    for kind in (b"delivery-status", b"partial", b"external-body", b"disposition-notification"):
        found = read_body(
            bodystructure(scan(b"Content-Type: message/" + kind + b"\r\n\r\nx")), True
        )
        assert (found.type, found.subtype) == (b"MESSAGE", kind.upper())


def test_long_strings_are_literals() -> None:
    subject = b"x" * 5000
    written = envelope(scan(b"Subject: " + subject + b"\r\n\r\n"))
    assert b"{5000}\r\n" + subject in written
    assert read_envelope(written)[1] == subject


def test_no_line_is_too_long_for_clients() -> None:
    header = b"From: " + b"".join(b"n%d <someone%d@example.org>, " % (n, n) for n in range(9000))
    written = envelope(scan(header + b"\r\n\r\n"))
    assert len(written) > 1_000_000  # Sender and Reply-To repeat it
    assert max(map(len, written.split(b"\r\n"))) < 1_000_000
    found = read_envelope(written)[2]
    assert isinstance(found, list)
    assert len(found) == 9000


def test_long_types_stay_grammatical() -> None:
    header = (
        b"Content-Type: text/" + b"x" * 9000 + b"; a=b" + b"\r\nContent-Type-X: " + b"y" * 500_000
    )
    read_body(bodystructure(scan(header + b"\r\n\r\nhi")), True)


def test_a_client_reads_all_of_it() -> None:
    found = scan(MIXED)
    response = b"1 (ENVELOPE %b BODYSTRUCTURE %b UID 7)" % (envelope(found), bodystructure(found))
    read = parse_fetch_response(as_imaplib_gives(response))[7]
    assert read[b"BODYSTRUCTURE"].is_multipart
    assert len(read[b"BODYSTRUCTURE"][0]) == 3
