"""The scanner: known answers, and the ways mail is broken."""

from __future__ import annotations

import mmap
import tempfile

import pytest

from pillarbox.message.imapform import bodystructure
from pillarbox.message.scan import Defect, Limits, LineEnds, Part, Scan, scan
from support.imapforms import read_body

MIXED = (
    b"From: a@example.org\r\n"
    b'Content-Type: multipart/mixed; boundary="x"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--x\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"one\r\ntwo\r\n"
    b"--x \t\r\n"
    b'Content-Type: IMAGE/PNG; Name="a \\"b\\".png"\r\n'
    b"Content-Transfer-Encoding: BASE64\r\n"
    b"Content-Disposition: Attachment; filename=a.png\r\n"
    b"Content-ID: <i@d>\r\n"
    b"Content-Description: a\r\n picture\r\n"
    b"Content-MD5: Q2hlY2s=\r\n"
    b"Content-Language: en, de-CH\r\n"
    b"Content-Location: http://example.org/a.png\r\n"
    b"\r\n"
    b"AAAA\r\n"
    b"\r\n"
    b"--x--\r\n"
    b"epilogue\r\n"
)


def shape(part: Part) -> object:
    """Types and nesting, nothing else."""
    name = f"{part.type.decode()}/{part.subtype.decode()}"
    return (name, [shape(child) for child in part.children]) if part.children else name


def body(data: bytes, part: Part) -> bytes:
    return data[part.body_start : part.body_end]


def test_a_multipart() -> None:
    found = scan(MIXED)
    text, image = found.root.children
    assert shape(found.root) == ("multipart/mixed", ["text/plain", "image/png"])
    assert body(MIXED, text) == b"one\r\ntwo"  # the line end before a boundary is the boundary's
    assert text.lines == 1
    assert text.size == 8
    assert text.params == ((b"charset", b"utf-8"),)
    assert MIXED[text.header_start : text.body_start] == (
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    assert body(MIXED, image) == b"AAAA\r\n"
    assert image.params == ((b"name", b'a "b".png'),)
    assert image.encoding == b"base64"
    assert image.disposition == (b"attachment", ((b"filename", b"a.png"),))
    assert image.content_id == b"<i@d>"
    assert image.description == b"a picture"
    assert image.md5 == b"Q2hlY2s="
    assert image.language == (b"en", b"de-CH")
    assert image.location == b"http://example.org/a.png"
    assert found.size == len(MIXED)
    assert found.line_ends is LineEnds.CRLF
    assert not found.defects
    assert not found.eight_bit


def test_the_field_table_covers_the_header() -> None:
    found = scan(MIXED)
    assert [(f.name, MIXED[f.start : f.end]) for f in found.fields] == [
        (b"from", b"From: a@example.org\r\n"),
        (b"content-type", b'Content-Type: multipart/mixed; boundary="x"\r\n'),
    ]


def test_envelope_fields_are_unfolded() -> None:
    found = scan(
        b"Subject: one\r\n two\r\n\tthree \r\nTo: a@b\r\nSUBJECT: again\r\nCC :c@d\r\nto: e@f\r\n"
        b"Reply-To:\r\nMessage-ID:<1@x>\r\n\r\n"
    )
    assert found.envelope.subject == b"one two\tthree"
    assert found.envelope.to == b"a@b, e@f"  # RFC 5322 §4.5.3
    assert found.envelope.cc == b"c@d"
    assert found.envelope.reply_to == b""
    assert found.envelope.message_id == b"<1@x>"
    assert found.envelope.date is None
    assert found.defects == {Defect.DUPLICATE_FIELD}


def test_lf_only_gives_the_same_structure() -> None:
    data = MIXED.replace(b"\r\n", b"\n")
    found = scan(data)
    assert shape(found.root) == shape(scan(MIXED).root)
    assert body(data, found.root.children[0]) == b"one\ntwo"
    assert found.line_ends is LineEnds.LF
    assert not found.defects


def test_digest_parts_are_messages() -> None:
    data = (
        b"Content-Type: multipart/digest; boundary=d\r\n\r\n"
        b"--d\r\n\r\nSubject: one\r\n\r\nfirst\r\n"
        b"--d\r\nContent-Type: text/html\r\n\r\n<p>\r\n--d--\r\n"
    )
    found = scan(data)
    first, second = found.root.children
    assert shape(first) == ("message/rfc822", ["text/plain"])  # RFC 2046 §5.1.5
    assert first.envelope is not None
    assert first.envelope.subject == b"one"
    assert shape(second) == "text/html"


def test_embedded_message() -> None:
    inner = b"Subject: in\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--"
    data = b"Content-Type: message/rfc822\r\n\r\n" + inner
    part = scan(data).root
    root = part.embedded
    assert root is not None
    assert part.lines == inner.count(b"\n")
    assert data[root.header_start : root.body_end] == inner
    assert shape(part) == ("message/rfc822", [("multipart/mixed", ["text/plain"])])


@pytest.mark.parametrize("encoding", [b"base64", b"Quoted-Printable"])
def test_encoded_message_is_opaque(encoding: bytes) -> None:
    found = scan(
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\nU3Vi"
    )
    assert found.root.embedded is None
    assert found.root.type == b"message"
    assert Defect.ENCODED_MESSAGE in found.defects
    assert read_body(bodystructure(found), True).subtype == b"OCTET-STREAM"


@pytest.mark.parametrize("kind", [b"rfc822", b"GLOBAL"])
def test_message_kinds_that_are_looked_into(kind: bytes) -> None:
    found = scan(b"Content-Type: message/" + kind + b"\r\n\r\nSubject: x\r\n\r\n")
    assert found.root.embedded is not None


# --------------------------------------------------------------------------- boundaries


def multipart(boundary: bytes, rest: bytes) -> bytes:
    return b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + rest


def bodies(data: bytes) -> list[bytes]:
    return [body(data, part) for part in scan(data).root.children]


@pytest.mark.parametrize(
    ("boundary", "rest", "expected"),
    [
        (b"a", b"--a\r\n\r\n1\r\n--ab\r\n--a\r\n\r\n2\r\n--a--", [b"1\r\n--ab", b"2"]),
        (b"a", b"--a\r\n\r\n1\r\nx--a\r\n2\r\n--a--", [b"1\r\nx--a\r\n2"]),
        (b"a", b"--a\r\n\r\n1", [b"1"]),  # not closed
        (b"a", b"--a\r\n\r\n1\r\n", [b"1\r\n"]),
        (b"a", b"--a\r\n\r\n1\r\n--a", [b"1", b""]),
        (b"a", b"--a\r\n\r\n1\r\n--a--\r\n--a\r\n\r\n2", [b"1"]),  # an epilogue
        (b"a", b"--a\r\n--a\r\n--a--", [b"", b""]),
        (b"a", b"--a\r\n--a--", [b""]),
        (b"a", b"--a--\r\n", [b"--a--\r\n"]),  # no part at all: shown as text
        (b"a", b"text\r\n", [b"text\r\n"]),
        (b"a", b"", [b""]),
        (b"a", b"--A\r\n\r\n1\r\n", [b"--A\r\n\r\n1\r\n"]),  # boundaries have a case
        (b"a--", b"--a--\r\n\r\n1\r\n--a----", [b"1"]),
        (b"a b", b"--a b\r\n\r\n1\r\n--a b--", [b"1"]),
        (b"a ", b"--a\r\n\r\n1\r\n--a--", [b"1"]),  # RFC 2046 §5.1.1: no space at the end
        (b"a", b"--a\r\r\n\r\n1\r\n--a--", [b"1"]),
        (b"a", b"\r\n--a\r\n\r\n\r\n--a--", [b""]),
        (b"a", b"--a\r\n\r\n\r\n\r\n--a--", [b"\r\n"]),
        (b"a", b"--a\n\nlf\n--a\r\n\r\ncrlf\r\n--a--", [b"lf", b"crlf"]),
    ],
)
def test_boundaries(boundary: bytes, rest: bytes, expected: list[bytes]) -> None:
    assert bodies(multipart(boundary, rest)) == expected


@pytest.mark.parametrize(("outer", "inner"), [(b"ab", b"a"), (b"a", b"ab"), (b"x-1", b"x-1-1")])
def test_boundaries_that_begin_alike(outer: bytes, inner: bytes) -> None:
    nested = multipart(inner, b"--%b\r\n\r\n1\r\n--%b\r\n\r\n2\r\n--%b--\r\n" % ((inner,) * 3))
    data = multipart(
        outer, b"--%b\r\n%b--%b\r\n\r\n3\r\n--%b--\r\n" % (outer, nested, outer, outer)
    )
    kinds = ["text/plain", "text/plain"]
    assert shape(scan(data).root) == (
        "multipart/mixed",
        [("multipart/mixed", kinds), "text/plain"],
    )


def test_an_outer_boundary_ends_what_is_inside() -> None:
    data = multipart(b"o", b"--o\r\n" + multipart(b"i", b"--i\r\n\r\n1\r\n--o\r\n\r\n2\r\n--o--"))
    found = scan(data)
    assert shape(found.root) == (
        "multipart/mixed",
        [("multipart/mixed", ["text/plain"]), "text/plain"],
    )
    assert found.defects == {Defect.NOT_CLOSED}


def test_the_same_boundary_twice() -> None:
    data = multipart(b"a", b"--a\r\n" + multipart(b"a", b"--a\r\n\r\n1\r\n--a--"))
    assert [shape(part) for part in scan(data).root.children] == [
        ("multipart/mixed", ["text/plain"]),
        "text/plain",
    ]


def test_boundary_in_pieces() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n\r\n1\r\n--ab--"
    )
    assert bodies(data) == [b"1"]  # RFC 2231 §3


# --------------------------------------------------------------------------- broken headers


def structure(data: bytes) -> tuple[object, bytes, set[Defect]]:
    found = scan(data)
    return shape(found.root), body(data, found.root), found.defects


def test_nothing() -> None:
    assert structure(b"") == ("text/plain", b"", {Defect.NO_HEADER, Defect.NO_BLANK_LINE})


def test_no_header() -> None:
    kind, text, defects = structure(b"Hello,\r\nthis is text\r\n")
    assert (kind, text) == ("text/plain", b"Hello,\r\nthis is text\r\n")
    assert Defect.NO_HEADER in defects


def test_empty_header() -> None:
    assert structure(b"\r\nbody") == ("text/plain", b"body", {Defect.NO_HEADER})
    assert structure(b"\nbody") == ("text/plain", b"body", {Defect.NO_HEADER})


def test_header_without_body() -> None:
    assert structure(b"Subject: x\r\n") == ("text/plain", b"", {Defect.NO_BLANK_LINE})
    assert structure(b"Subject: x") == ("text/plain", b"", {Defect.NO_BLANK_LINE})
    assert structure(b"Subject: x\r\n\r\n") == ("text/plain", b"", set())


def test_blank_line_missing() -> None:
    kind, text, defects = structure(b"Content-Type: text/html\r\n<p>one\r\ntwo</p>\r\n\r\nthree")
    assert (kind, text) == ("text/html", b"<p>one\r\ntwo</p>\r\n\r\nthree")
    assert defects == {Defect.NO_BLANK_LINE}


def test_blank_line_missing_before_a_boundary() -> None:
    data = b"Content-Type: multipart/mixed; boundary=a\r\n--a\r\nSubject: x\r\n\r\n1\r\n--a--"
    assert shape(scan(data).root) == ("multipart/mixed", ["text/plain"])
    assert bodies(data) == [b"1"]


@pytest.mark.parametrize(
    "stray",
    [
        b"From a@b Mon Jan  1 00:00:00 2024",
        b">From a@b",
        b"fold that lost its indent",
        b"\xef\xbb\xbf",
    ],
)
def test_a_stray_line_hides_nothing(stray: bytes) -> None:
    data = b"Subject: x\r\n" + stray + b"\r\nContent-Type: text/html\r\n\r\n<p>"
    kind, text, defects = structure(data)
    assert (kind, text) == ("text/html", b"<p>")
    assert Defect.STRAY_LINE in defects
    first = stray + b"\r\nContent-Type: text/html\r\n\r\n<p>"
    assert structure(first)[:2] == ("text/html", b"<p>")


def test_octets_that_are_no_text() -> None:
    found = scan(b"Subject: a\0b\xff\r\nFrom: \xc3\xa4@b\r\n\r\n\0\xff\r")
    assert found.envelope.subject == b"a\0b\xff"
    assert found.eight_bit
    assert found.eight_bit_header
    assert {Defect.NUL, Defect.EIGHT_BIT_HEADER, Defect.BARE_CR} <= found.defects
    only_body = scan(b"Subject: a\r\n\r\n\xff")
    assert only_body.eight_bit
    assert not only_body.eight_bit_header


def test_line_ends() -> None:
    def of(data: bytes) -> LineEnds:
        return scan(data).line_ends

    assert of(b"") is LineEnds.NONE
    assert of(b"a\rb") is LineEnds.NONE
    assert of(b"a\r\nb\r\n") is LineEnds.CRLF
    assert of(b"a\nb") is LineEnds.LF
    assert of(b"a\rb\nc") is LineEnds.LF
    assert of(b"a\r\nb\n") is LineEnds.MIXED
    # As many CRs as LFs, yet no pair among them but one.
    assert of(b"a\rb\nc\r\n") is LineEnds.MIXED


@pytest.mark.parametrize(
    ("value", "kind", "params"),
    [
        (b"text/html", "text/html", ()),
        (b" TEXT / HTML ;Charset = X", "text/html", ((b"charset", b"X"),)),
        (b"text", "text/plain", ((b"charset", b"us-ascii"),)),
        (b"", "text/plain", ((b"charset", b"us-ascii"),)),
        (b"t\xc3\xa4xt/plain", "text/plain", ((b"charset", b"us-ascii"),)),
        (b"/", "text/plain", ((b"charset", b"us-ascii"),)),
        (b"text/html charset=x", "text/html", ((b"charset", b"x"),)),
        (
            b"text/html; charset=x format=flowed",
            "text/html",
            ((b"charset", b"x"), (b"format", b"flowed")),
        ),
        (b"text/html (a; b=c); (d (e)) x=y (z)", "text/html", ((b"x", b"y"),)),
        (b"a/b; name=my file (1).pdf", "a/b", ((b"name", b"my file (1).pdf"),)),
        (b"a/b; name=file(1).pdf", "a/b", ((b"name", b"file(1).pdf"),)),
        (b'a/b; name="(x)"', "a/b", ((b"name", b"(x)"),)),
        (b'a/b; name="never closed', "a/b", ((b"name", b"never closed"),)),
        (b'a/b; name=""', "a/b", ((b"name", b""),)),
        (b"a/b; name=", "a/b", ((b"name", b""),)),
        (b"a/b; ; ;;x=1;", "a/b", ((b"x", b"1"),)),
        (b"a/b; rubbish; x=1", "a/b", ((b"x", b"1"),)),
        (b"a/b; x=1; x=2", "a/b", ((b"x", b"1"), (b"x", b"2"))),
    ],
)
def test_content_types(value: bytes, kind: str, params: object) -> None:
    root = scan(b"Content-Type: " + value + b"\r\n\r\n").root
    assert shape(root) == kind
    assert root.params == params


def test_no_content_type_is_us_ascii_text() -> None:
    root = scan(b"Subject: x\r\n\r\nhi").root
    assert root.params == ((b"charset", b"us-ascii"),)  # RFC 2045 §5.2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"7BIT", b"7bit"),
        (b"8-bit", b"8bit"),
        (b" Quoted-Printable ", b"quoted-printable"),
        (b"base64 (see RFC)", b"base64"),
        (b'"base64"', b"base64"),
        (b"x-UUencode", b"x-uuencode"),
        (b"", b""),
        (b"()", b""),
    ],
)
def test_encodings(value: bytes, expected: bytes) -> None:
    assert scan(b"Content-Transfer-Encoding: " + value + b"\r\n\r\n").root.encoding == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"inline", (b"inline", ())),
        (b"ATTACHMENT;FileName=x", (b"attachment", ((b"filename", b"x"),))),
        (b"; filename=x", (b"attachment", ((b"filename", b"x"),))),
        (b"filename=x", (b"attachment", ((b"filename", b"x"),))),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_dispositions(value: bytes, expected: object) -> None:
    assert scan(b"Content-Disposition: " + value + b"\r\n\r\n").root.disposition == expected


def test_multipart_without_boundary_is_text() -> None:
    kind, text, defects = structure(b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nhi\r\n")
    assert (kind, text) == ("text/plain", b"--x\r\n\r\nhi\r\n")
    assert defects == {Defect.NO_BOUNDARY}


# --------------------------------------------------------------------------- limits


def depth_of(part: Part) -> int:
    return 1 + max((depth_of(child) for child in part.children), default=0)


def test_depth_is_bounded() -> None:
    data = b"".join(multipart(b"%d" % n, b"--%d\r\n" % n) for n in range(300))
    found = scan(data, Limits(depth=5))
    assert depth_of(found.root) == 6
    assert Defect.DEPTH_LIMIT in found.defects
    opaque = found.root.walk()[-1]
    assert opaque.type == b"multipart"
    read_body(bodystructure(found), True)
    assert depth_of(scan(data, Limits(depth=10_000)).root) == 101


def test_depth_of_messages_is_bounded() -> None:
    found = scan(b"Content-Type: message/rfc822\r\n\r\n" * 300, Limits(depth=7))
    assert depth_of(found.root) == 8
    assert Defect.DEPTH_LIMIT in found.defects


def test_parts_are_bounded() -> None:
    data = multipart(b"a", b"--a\r\n\r\nx\r\n" * 100 + b"--a--")
    found = scan(data, Limits(parts=10))
    assert len(found.root.walk()) == 10
    last = found.root.children[-1]
    assert (last.type, last.subtype) == (b"application", b"octet-stream")
    assert body(data, last).count(b"--a\r\n") == 91
    assert last.body_end == len(data)
    assert Defect.PART_LIMIT in found.defects


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 30])
def test_parts_in_all_are_bounded(limit: int) -> None:
    inner = multipart(b"i", b"--i\r\n\r\nx\r\n" * 5 + b"--i--\r\n")
    data = multipart(b"o", (b"--o\r\n" + inner) * 5 + b"--o--")
    found = scan(data, Limits(parts=limit))
    assert len(found.root.walk()) <= limit
    assert Defect.PART_LIMIT in found.defects or (limit == 30 and len(found.root.walk()) == limit)


def test_lines_that_only_look_like_boundaries_are_bounded() -> None:
    data = multipart(b"a", b"--a\r\n\r\n" + b"--ab\r\n" * 100_001 + b"--a--")
    found = scan(data)
    assert Defect.PART_LIMIT in found.defects
    assert len(found.root.children) == 1


def test_header_is_bounded_but_its_end_is_true() -> None:
    data = b"X: y\r\n" * 100 + b"Subject: late\r\n\r\nbody"
    for limits in (Limits(fields=10), Limits(header=60)):
        found = scan(data, limits)
        assert len(found.fields) <= 10
        assert found.envelope.subject is None
        assert body(data, found.root) == b"body"
        assert found.defects == {Defect.HEADER_LIMIT}


def test_params_are_bounded() -> None:
    value = b"; ".join(b"p%d=v" % n for n in range(100))
    found = scan(b"Content-Type: text/plain; " + value + b"\r\n\r\n", Limits(params=5))
    assert len(found.root.params) == 5
    assert Defect.PARAMETER_LIMIT in found.defects


# --------------------------------------------------------------------------- kinds of input


def test_any_bytes_like() -> None:
    expected: Scan = scan(MIXED)
    assert scan(bytearray(MIXED)) == expected
    assert scan(memoryview(MIXED)) == expected
    assert scan(memoryview(b"xx" + MIXED)[2:]) == expected
    with tempfile.TemporaryFile() as file:
        file.write(MIXED)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert scan(mapped) == expected
            with memoryview(mapped) as view:
                assert scan(view) == expected


def test_a_mapping_larger_than_a_block() -> None:
    line = b"a line of text that is not very long\r\n"
    data = multipart(b"b", b"--b\r\n\r\n" + line * 60_000 + b"\xff\r\n--b--\r\n")
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert scan(mapped) == scan(data)
