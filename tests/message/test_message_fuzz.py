"""Properties over mail that is broken in every way chance finds, and over mail that is not."""

from __future__ import annotations

import email
import email.policy
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.message import compose, header, params, text, transfer
from pillarbox.message.freeze import freeze, thaw
from pillarbox.message.imapform import body, bodystructure, envelope
from pillarbox.message.normalise import CrlfNormaliser, to_crlf
from pillarbox.message.scan import Defect, Limits, Part, scan
from pillarbox.message.section import locate, section
from support import corpus
from support.imapforms import numbered, read_body, read_envelope

SCRAP = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b'Content-Type: multipart/digest; boundary="ab"\n',
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/html; charset=x\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%C3; filename*1*=%BC\r\n",
        b"Content-Language: a, b, c\r\n",
        b"Subject: =?utf-8?q?=C3=BC?= \xc3\xbc \xfc\0\r\n",
        b'From: "a\\" (b) <c@d>, x:y;\r\n',
        b"To: a@b,\r\n c@\xc3\xbc\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"--a\r\n",
        b"--a--\r\n",
        b"--ab\n",
        b"--ab--",
        b"stray\r\n",
        b" fold\r\n",
        b"text <p>&amp;&#x110000;</p><!-- -->\r\n",
        b"\0\xff",
    ]
)
RUBBISH = st.binary(max_size=200) | st.lists(SCRAP, max_size=25).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, files: tuple[Path, ...]) -> bytes:
    """A message of the corpus, cut, spliced and sprinkled."""
    data = bytearray(draw(st.sampled_from(files)).read_bytes()[:6000])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 40)))
        data[at:until] = draw(st.binary(max_size=6) | SCRAP)
    return bytes(data)


def check_part(part: Part, start: int, end: int) -> None:
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    at = part.body_start
    for child in part.children:
        check_part(child, at, part.body_end)
        at = child.body_end
    if part.type == b"multipart" and part.children:
        assert part.is_multipart
    if part.envelope is not None:
        assert part.embedded is not None


def check(data: bytes) -> None:
    """Everything the room promises for any bytes whatever."""
    found = scan(data)
    assert found.size == len(data)
    check_part(found.root, 0, len(data))
    assert thaw(freeze(found)) == found
    read_envelope(envelope(found))
    read_body(body(found), False)
    assert section(found, data) == data
    for path, one in numbered(read_body(bodystructure(found), True)):
        got = section(found, data, path)
        assert got is not None
        assert one.parts or len(got) == one.octets
        assert one.lines is None or one.lines == got.count(b"\n")
        for what in ("MIME", "HEADER", "TEXT", "HEADER.FIELDS"):
            span = locate(found, path, what)
            assert span is None or 0 <= span[0] <= span[1] <= len(data)
    for one_text in text.body_texts(found, data):
        one_text.encode("utf-8")
    text.header_text(data, 0, found.root.body_start).encode("utf-8")
    text.preview(found, data).encode("utf-8")
    for part in found.root.walk():
        params.text(part.params, b"name")
        transfer.decode(data[part.body_start : part.body_end], part.encoding)


@given(RUBBISH)
@settings(max_examples=200)
def test_rubbish(data: bytes) -> None:
    check(data)


def test_mutated_mail(corpus_files: tuple[Path, ...]) -> None:
    @given(mutated(corpus_files))
    @settings(max_examples=150)
    def run(data: bytes) -> None:
        check(data)

    run()


@given(RUBBISH, st.integers(0, 4), st.integers(1, 6), st.integers(1, 60), st.integers(1, 4))
def test_limits_hold(data: bytes, depth: int, parts: int, octets: int, count: int) -> None:
    limits = Limits(depth=depth, parts=parts, header=octets, fields=count, params=count)
    found = scan(data, limits)
    everything = found.root.walk()
    # A multipart that has no part is given one.
    assert len(everything) <= parts + (Defect.NO_PARTS in found.defects)
    assert len(found.fields) <= count
    for part in everything:
        assert len(part.params) <= max(count, 1)
    check_part(found.root, 0, len(data))
    read_body(bodystructure(found), True)
    assert thaw(freeze(found)) == found


@given(RUBBISH, st.lists(st.integers(0, 200), max_size=6))
def test_line_ends(data: bytes, cuts: list[int]) -> None:
    normal = to_crlf(data)
    assert to_crlf(normal) is normal
    assert normal.replace(b"\r\n", b"\n") == data.replace(b"\r\n", b"\n")
    normaliser = CrlfNormaliser()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    fed = b"".join(normaliser.feed(data[a:b]) for a, b in pairwise(edges))
    assert fed + normaliser.close() == normal


NAMES = st.sets(st.sampled_from([b"to", b"from", b"subject", b"bcc", b"content-type"]))


@given(RUBBISH, NAMES)
def test_taking_fields_away(data: bytes, names: set[bytes]) -> None:
    left = compose.without(data, names)
    assert not names & {field.name for field in header.fields(left)}
    assert compose.without(left, names) is left


@given(RUBBISH)
def test_putting_fields_before(data: bytes) -> None:
    more = compose.prepend(data, b"X-New: 1\r\n", b"X-Other: 2\r\n")
    assert more.endswith(data)
    before, after = scan(data), scan(more)
    assert [f.name for f in after.fields][:2] == [b"x-new", b"x-other"]
    body_before = data[before.root.body_start :]
    assert more[after.root.body_start :] == body_before


# ------------------------------------------------------------------ mail that is well formed

WORDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, blacklist_categories=["Cs", "Cc"]),
    max_size=60,
)
LINES = st.lists(WORDS, max_size=6).map("\n".join)
TEXT_PART = st.builds(
    MIMEText, LINES, st.sampled_from(["plain", "html"]), st.sampled_from(["utf-8"])
)


@st.composite
def binary_part(draw: st.DrawFn) -> Message:
    part = MIMEBase("application", "x-test", name=draw(st.sampled_from(["a b.bin", "ü.bin", "x"])))
    part.set_payload(draw(st.binary(max_size=90)))
    email.encoders.encode_base64(part)
    return part


def multipart(kind: str, parts: list[Message]) -> Message:
    whole = MIMEMultipart(kind)
    for part in parts:
        whole.attach(part)
    return whole


def wrapped(part: Message) -> Message:
    part["Subject"] = "inner"
    return MIMEMessage(part)


MAIL: st.SearchStrategy[Message] = st.recursive(
    TEXT_PART | binary_part(),
    lambda inner: (
        st.builds(
            multipart,
            st.sampled_from(["mixed", "alternative"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(wrapped, inner)
    ),
    max_leaves=6,
)


def compare(ours: Part, theirs: Message, data: bytes) -> None:
    assert f"{ours.type.decode()}/{ours.subtype.decode()}" == theirs.get_content_type()
    if theirs.is_multipart():
        inner = theirs.get_payload()
        assert isinstance(inner, list)
        assert len(ours.children) == len(inner)
        for child, other in zip(ours.children, inner, strict=True):
            assert isinstance(other, Message)
            compare(child, other, data)
        return
    octets = transfer.decode(data[ours.body_start : ours.body_end], ours.encoding)
    assert octets == theirs.get_payload(decode=True)
    name = theirs.get_param("name")
    plain = email.utils.collapse_rfc2231_value(name) if name is not None else None
    assert params.text(ours.params, b"name") == plain


@given(MAIL, WORDS)
@settings(max_examples=60)
def test_the_standard_library_reads_the_same(message: Message, subject: str) -> None:
    if message["Subject"] is None:
        message["Subject"] = subject
    data = message.as_bytes(policy=email.policy.compat32.clone(linesep="\r\n"))
    found = scan(data)
    assert not found.defects
    compare(found.root, email.message_from_bytes(data), data)
    check(data)


def test_the_corpus_is_there_or_said_to_be_missing() -> None:
    """The strategies above take files; without any, the fixture says so."""
    assert all(path.suffix == ".eml" for path in corpus.files())
