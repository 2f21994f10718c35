"""BODY[...]: the example tree of RFC 9051 §6.4.5.1, and the odd cases."""

from __future__ import annotations

import pytest

from pillarbox.message.freeze import freeze, thaw
from pillarbox.message.scan import scan
from pillarbox.message.section import locate, section


def leaf(kind: str, text: str) -> bytes:
    return f"Content-Type: {kind}\r\n\r\n{text}\r\n".encode()


def multi(kind: str, mark: str, *parts: bytes) -> bytes:
    head = f"Content-Type: multipart/{kind}; boundary={mark}\r\n\r\n".encode()
    edge = f"--{mark}".encode()
    return head + b"".join(edge + b"\r\n" + part for part in parts) + edge + b"--\r\n"


def message(subject: str, inner: bytes) -> bytes:
    return b"Subject: " + subject.encode() + b"\r\n" + inner


def embedded(inner: bytes) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n"


THIRD = message(
    "third", multi("mixed", "c", leaf("text/plain", "3.1"), leaf("application/octet-stream", "3.2"))
)
FOURTH = message(
    "fourth",
    multi(
        "mixed",
        "d",
        leaf("text/plain", "4.2.1"),
        multi("alternative", "e", leaf("text/plain", "4.2.2.1"), leaf("text/richtext", "4.2.2.2")),
    ),
)
# The tree printed in RFC 9051 §6.4.5.1
TREE = b"From: a@b\r\n" + message(
    "all",
    multi(
        "mixed",
        "a",
        leaf("text/plain", "1"),
        leaf("application/octet-stream", "2"),
        embedded(THIRD),
        multi("mixed", "b", leaf("image/gif", "4.1"), embedded(FOURTH)),
    ),
)
HEADER_END = TREE.index(b"\r\n\r\n") + 4


def get(spec: str, data: bytes = TREE, *fields: bytes) -> bytes | None:
    """A section by its IMAP spelling."""
    numbers = [word for word in spec.split(".") if word.isdigit()]
    what = spec.removeprefix(".".join(numbers)).removeprefix(".")
    return section(scan(data), data, tuple(map(int, numbers)), what or None, fields)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", TREE),
        ("HEADER", TREE[:HEADER_END]),
        ("TEXT", TREE[HEADER_END:]),
        ("1", b"1"),
        ("2", b"2"),
        ("3", THIRD),
        ("3.HEADER", THIRD[: THIRD.index(b"\r\n\r\n") + 4]),
        ("3.TEXT", THIRD[THIRD.index(b"\r\n\r\n") + 4 :]),
        ("3.1", b"3.1"),
        ("3.2", b"3.2"),
        ("4.1", b"4.1"),
        ("4.1.MIME", b"Content-Type: image/gif\r\n\r\n"),
        ("4.2", FOURTH),
        ("4.2.HEADER", FOURTH[: FOURTH.index(b"\r\n\r\n") + 4]),
        ("4.2.TEXT", FOURTH[FOURTH.index(b"\r\n\r\n") + 4 :]),
        ("4.2.1", b"4.2.1"),
        ("4.2.2.1", b"4.2.2.1"),
        ("4.2.2.2", b"4.2.2.2"),
        ("4.2.2.2.MIME", b"Content-Type: text/richtext\r\n\r\n"),
        ("3.MIME", b"Content-Type: message/rfc822\r\n\r\n"),
        # What is not there.
        ("0", None),
        ("5", None),
        ("1.1", None),
        ("3.3", None),
        ("3.1.1", None),
        ("4.3", None),
        ("4.2.2.3", None),
        ("MIME", None),
        ("1.HEADER", None),
        ("1.TEXT", None),
        ("4.HEADER", None),
        ("4.2.2.TEXT", None),
        ("4.2.1.HEADER.FIELDS", None),
        ("NONSENSE", None),
    ],
)
def test_the_tree_of_the_rfc(spec: str, expected: bytes | None) -> None:
    assert get(spec) == expected


def test_the_parts_of_a_nested_multipart() -> None:
    whole = get("4")
    assert whole is not None
    assert whole.startswith(b"--b\r\n")
    assert whole.endswith(b"--b--")


def test_header_fields() -> None:
    assert get("HEADER.FIELDS", TREE, b"subject", b"FROM") == b"From: a@b\r\nSubject: all\r\n\r\n"
    assert get("HEADER.FIELDS.NOT", TREE, b"content-type") == (b"From: a@b\r\nSubject: all\r\n\r\n")
    assert get("3.HEADER.FIELDS", TREE, b"subject") == b"Subject: third\r\n\r\n"
    assert get("4.2.HEADER.FIELDS.NOT", TREE, b"Content-Type") == b"Subject: fourth\r\n\r\n"


def test_a_message_that_is_no_multipart_has_one_part() -> None:
    data = b"Subject: x\r\n\r\nbody"
    assert get("1", data) == b"body"
    assert get("1.MIME", data) == b"Subject: x\r\n\r\n"
    assert get("TEXT", data) == b"body"
    assert get("2", data) is None
    assert get("1.1", data) is None
    assert get("1.HEADER", data) is None
    assert get("1.TEXT", data) is None


def test_a_message_that_is_a_message() -> None:
    data = embedded(THIRD)
    assert get("1", data) == THIRD + b"\r\n"
    assert get("1.HEADER", data) == THIRD[: THIRD.index(b"\r\n\r\n") + 4]
    assert get("1.1", data) == b"3.1"
    assert get("1.2", data) == b"3.2"
    single = embedded(leaf("text/html", "<p>"))
    assert get("1.1", single) == b"<p>\r\n\r\n"
    assert get("1.1.MIME", single) == b"Content-Type: text/html\r\n\r\n"
    assert get("1.1.1", single) is None


def test_a_message_without_header_or_body() -> None:
    assert get("HEADER", b"") == b""
    assert get("TEXT", b"") == b""
    assert get("1", b"") == b""
    assert get("HEADER", b"just text") == b""
    assert get("TEXT", b"just text") == b"just text"
    assert get("HEADER", b"A: b\r\n") == b"A: b\r\n"
    assert get("HEADER.FIELDS", b"A: b\r\n", b"c") == b"\r\n"


def test_an_empty_multipart_has_the_part_it_shows() -> None:
    data = b"Content-Type: multipart/mixed; boundary=a\r\n\r\nonly a preamble"
    assert get("1", data) == b"only a preamble"
    assert get("1.MIME", data) == b""


def test_a_thawed_scan_finds_the_same() -> None:
    found = scan(TREE)
    again = thaw(freeze(found, header=False))
    for part in found.root.walk():
        assert part.size >= 0
    for path in [(), (1,), (3,), (4, 2, 2, 1), (9,)]:
        for what in ("", "HEADER", "TEXT", "MIME", "HEADER.FIELDS"):
            assert locate(again, path, what) == locate(found, path, what)


def test_locate_reads_less() -> None:
    start, end = locate(scan(TREE), (4, 1)) or (0, 0)
    assert TREE[start:end] == b"4.1"
    assert locate(scan(TREE), (3,), "HEADER.FIELDS") == locate(scan(TREE), (3,), "HEADER")
