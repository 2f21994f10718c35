"""Every message of the corpus through the whole room, as found and with CRLF line ends."""

from __future__ import annotations

import imaplib
import io
from pathlib import Path

import pytest
from imapclient.response_parser import parse_fetch_response

from pillarbox.message import address, charset, header, transfer
from pillarbox.message.freeze import freeze, thaw
from pillarbox.message.imapform import body, bodystructure, envelope
from pillarbox.message.normalise import to_crlf
from pillarbox.message.scan import Part, Scan, scan
from pillarbox.message.section import section
from pillarbox.message.text import body_texts, header_text, preview
from support.imapforms import as_imaplib_gives, numbered, read_body, read_envelope


@pytest.fixture(params=["as found", "crlf"])
def data(request: pytest.FixtureRequest, corpus_file: Path) -> bytes:
    found = corpus_file.read_bytes()
    return to_crlf(found) if request.param == "crlf" else found


def check_structure(part: Part, start: int, end: int) -> None:
    """A part lies within [start, end); its children lie in its body, in order, apart."""
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    assert part.lines <= part.size + 1
    at = part.body_start
    for child in part.children:
        check_structure(child, at, part.body_end)
        at = child.body_end
    if part.embedded is not None:
        assert part.envelope is not None
        root = part.embedded
        assert (root.header_start, root.body_end) == (part.body_start, part.body_end)


def check_sections(found: Scan, octets: bytes) -> None:
    """What BODYSTRUCTURE promises, BODY[n] keeps; HEADER and TEXT make the whole."""
    whole = section(found, octets)
    assert whole == octets
    head, text = section(found, octets, (), "HEADER"), section(found, octets, (), "TEXT")
    assert head is not None
    assert text is not None
    assert head + text == octets
    for path, one in numbered(read_body(bodystructure(found), True)):
        got = section(found, octets, path)
        assert got is not None
        if not one.parts:
            assert len(got) == one.octets
        if one.lines is not None:
            assert got.count(b"\n") == one.lines
        mime = section(found, octets, path, "MIME")
        assert mime is not None
        assert mime + got in octets
        inner = section(found, octets, path, "HEADER")
        assert (inner is not None) == (one.embedded is not None)
        if inner is not None:
            assert inner + (section(found, octets, path, "TEXT") or b"") == got


def test_structure_and_sections(data: bytes) -> None:
    found = scan(data)
    check_structure(found.root, 0, len(data))
    check_sections(found, data)


def test_forms_are_grammatical(data: bytes) -> None:
    found = scan(data)
    assert len(read_envelope(envelope(found))) == 10
    full = read_body(bodystructure(found), True)
    short = read_body(body(found), False)
    paths = [(path, one.type, one.octets) for path, one in numbered(full)]
    assert paths == [(path, one.type, one.octets) for path, one in numbered(short)]


def test_a_client_parses_them(data: bytes) -> None:
    found = scan(data)
    response = b"3 (UID 7 ENVELOPE %b BODYSTRUCTURE %b BODY %b)" % (
        envelope(found),
        bodystructure(found),
        body(found),
    )
    read = parse_fetch_response(as_imaplib_gives(response))[7]
    assert read[b"ENVELOPE"].subject == read_envelope(envelope(found))[1]
    assert read[b"BODYSTRUCTURE"].is_multipart == found.root.is_multipart


def test_frozen_and_thawed(data: bytes) -> None:
    found = scan(data)
    again = thaw(freeze(found))
    assert again == found
    assert bodystructure(again) == bodystructure(found)
    assert envelope(again) == envelope(found)


def test_texts(data: bytes) -> None:
    found = scan(data)
    for text in body_texts(found, data):
        text.encode("utf-8")
    header_text(data, 0, found.root.body_start).encode("utf-8")
    assert len(preview(found, data)) <= 200
    for part in found.root.walk():
        transfer.decode(data[part.body_start : part.body_end], part.encoding)


def test_field_subsets_make_the_header(data: bytes) -> None:
    found = scan(data)
    octets = data[: found.root.body_start]
    names = {field.name for field in found.fields}
    with_none = header.pick(octets, (), exclude=True)
    assert len(header.pick(octets, names)) == len(with_none)
    if octets.endswith((b"\r\n\r\n", b"\n\n")):
        assert with_none == octets


def test_real_imaplib_reads_a_fetch(corpus_files: tuple[Path, ...]) -> None:
    """imaplib itself over a pretended connection: one FETCH answer a message."""
    scans = [scan(path.read_bytes()) for path in corpus_files]
    lines = [
        b"* %d FETCH (ENVELOPE %b BODYSTRUCTURE %b)\r\n"
        % (number, envelope(found), bodystructure(found))
        for number, found in enumerate(scans, 1)
    ]

    class Pretended(imaplib.IMAP4):
        """Answers CAPABILITY and one FETCH."""

        def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
            self.pending = io.BytesIO(b"* PREAUTH ready\r\n")

        def read(self, size: int) -> bytes:
            return self.pending.read(size)

        def readline(self) -> bytes:
            return self.pending.readline(imaplib._MAXLINE + 1)

        def send(self, data: bytes) -> None:
            tag, command = data.split()[:2]
            answer = b"* CAPABILITY IMAP4rev1\r\n" if command == b"CAPABILITY" else b"".join(lines)
            self.pending = io.BytesIO(answer + tag + b" OK done\r\n")

        def shutdown(self) -> None:
            pass

    client = Pretended()
    client.state = "SELECTED"
    status, answer = client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)")
    assert status == "OK"
    assert len(parse_fetch_response(answer)) == len(scans)


# ------------------------------------------------------------------ some of them in detail


def by_name(files: tuple[Path, ...], name: str) -> bytes:
    return next(path for path in files if path.as_posix().endswith(name)).read_bytes()


def shape(part: Part) -> str:
    inner = ",".join(shape(child) for child in part.children)
    return part.subtype.decode() + (f"({inner})" if inner else "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("malformed/000.eml", "mixed(plain,plain,plain,html)"),
        ("malformed/001.eml", "mixed(mixed(plain),plain)"),
        ("malformed/002.eml", "mixed(plain)"),
        ("malformed/006.eml", "mixed(mixed(plain))"),
        ("malformed/007.eml", "mixed(mixed(plain))"),
        ("malformed/008.eml", "mixed(mixed(plain),html)"),
        ("malformed/009.eml", "mixed(mixed(plain,plain),plain)"),
        ("malformed/010.eml", "rfc822(rfc822(plain))"),
        ("malformed/012.eml", "mixed(mixed(rfc822(plain),rfc822(plain)),rfc822(plain))"),
        ("malformed/015.eml", "signed(plain,pgp-signature)"),
        ("malformed/017.eml", "mixed(png)"),
        ("malformed/022.eml", "mixed(plain,rfc822(plain))"),
        ("thirdparty/003.eml", "mixed(plain,plain,plain,plain,plain)"),
        ("thirdparty/006.eml", "mixed(signed(alternative(html,plain),plain))"),
    ],
)
def test_shapes(corpus_files: tuple[Path, ...], name: str, expected: str) -> None:
    assert shape(scan(by_name(corpus_files, name)).root) == expected


def test_five_encodings_of_one_text(corpus_files: tuple[Path, ...]) -> None:
    data = by_name(corpus_files, "thirdparty/003.eml")
    texts = [
        charset.decode(
            transfer.decode(data[part.body_start : part.body_end], part.encoding), b"utf-8"
        )
        for part in scan(data).root.children
    ]
    assert {text.strip() for text in texts[1:]} == {"Move ♚ to ♛'s ♝"}


def test_addresses_of_the_corpus_have_a_host(corpus_files: tuple[Path, ...]) -> None:
    found = scan(by_name(corpus_files, "legacy/015.eml"))
    assert found.envelope.to is not None
    assert [a[2:] for a in address.parse(found.envelope.to)] == [(b"mueller", b"example.com")]
