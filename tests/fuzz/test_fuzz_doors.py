"""The doors under random streams over real sockets, for as long as there is time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support import imapstage, imapstreams, pop3stage, smtpstage
from support.doorfuzz import DoorFuzz, Open
from support.fuzz import fuzz
from support.smtpstreams import WORDS


@contextlib.contextmanager
def fuzzed(open_stage: Open, head: str, folder: Path) -> Iterator[DoorFuzz]:
    """A door to be fuzzed; its house is left behind in order."""
    door = DoorFuzz(open_stage, head, folder)
    try:
        yield door
    finally:
        door.close()


def packets(
    openings: list[bytes], words: SearchStrategy[bytes], most: int = 25
) -> SearchStrategy[list[bytes]]:
    """An opening, then words strung together and cut anywhere into packets."""
    talk = st.lists(words, max_size=most).map(b"".join)
    cuts = st.lists(st.integers(1, 200), max_size=4)

    def cut(example: tuple[bytes, bytes, list[int]]) -> list[bytes]:
        opening, rest, sizes = example
        out = [opening] if opening else []
        for size in sizes:
            out.append(rest[:size])
            rest = rest[size:]
        return [packet for packet in [*out, rest] if packet]

    return st.tuples(st.sampled_from(openings), talk, cuts).map(cut)


HELLO = b"EHLO x\r\n"
MAIL = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
CONTENT = [b"Subject: x\r\n\r\nbody\r\n.\r\n", b"From: \xff\r\n", b"x" * 5000, b"\r\n..\r\n"]
SMTP = st.one_of(st.sampled_from([*WORDS, *CONTENT]), st.binary(max_size=20))


def test_mx_door(tmp_path: Path) -> None:
    openings = [b"", HELLO, HELLO + MAIL, HELLO + MAIL + b"DATA\r\n"]
    with fuzzed(smtpstage.stage, "@ mx with=STARTTLS", tmp_path) as door:
        assert fuzz(door, packets(openings, SMTP)) > 0


def test_submission_door(tmp_path: Path) -> None:
    login = HELLO + b"AUTH PLAIN AGFubgBwZW5jaWw=\r\n"
    own = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<b@example.org>\r\n"
    openings = [b"", HELLO, login, login + own, login + own + b"DATA\r\n"]
    words = st.one_of(SMTP, st.sampled_from([own, login]))
    with fuzzed(smtpstage.stage, "@ submission auth=PLAIN,LOGIN clear=PLAIN", tmp_path) as door:
        assert fuzz(door, packets(openings, words)) > 0


def test_lmtp_door(tmp_path: Path) -> None:
    hello = b"LHLO x\r\n"
    openings = [b"", hello, hello + MAIL, hello + MAIL + MAIL[27:] + b"DATA\r\n"]
    with fuzzed(smtpstage.stage, "@ lmtp", tmp_path) as door:
        assert fuzz(door, packets(openings, SMTP)) > 0


POP3 = st.one_of(
    st.sampled_from(
        [
            b"USER ann\r\n", b"USER user\r\n", b"PASS pencil\r\n", b"PASS wrong\r\n", b"AUTH\r\n",
            b"AUTH PLAIN AGFubgBwZW5jaWw=\r\n", b"AUTH PLAIN\r\n", b"AUTH LOGIN YW5u\r\n",
            b"cGVuY2ls\r\n", b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n", b"*\r\n", b"=\r\n",
            b"STLS\r\n", b"UTF8\r\n", b"LANG de\r\n", b"LANG\r\n", b"CAPA\r\n", b"STAT\r\n",
            b"LIST\r\n", b"LIST 1\r\n", b"UIDL\r\n", b"UIDL 3\r\n", b"RETR 1\r\n", b"RETR 3\r\n",
            b"RETR 9\r\n", b"TOP 1 0\r\n", b"TOP 2 1\r\n", b"DELE 1\r\n", b"DELE 2\r\n",
            b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"x" * 300 + b"\r\n", b"\r", b"\n", b"\0",
            b"GET / HTTP/1.1\r\n",
        ]
    ),
    st.binary(max_size=20),
)  # fmt: skip


def test_pop3_door(tmp_path: Path) -> None:
    openings = [b"", b"USER ann\r\nPASS pencil\r\n", b"UTF8\r\nUSER eai\r\nPASS pencil\r\n"]
    with fuzzed(pop3stage.stage, "@ secure", tmp_path) as door:
        assert fuzz(door, packets(openings, POP3)) > 0


MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
IMAP = st.one_of(
    imapstreams.line.map(str.encode),
    imapstreams.other.map(str.encode),
    st.sampled_from(
        [
            b"s SELECT INBOX\r\n", b"e EXAMINE Sent\r\n", b"i IDLE\r\nDONE\r\n", b"x EXPUNGE\r\n",
            b"p APPEND Sent {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE), b"c CLOSE\r\n",
            b"f FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[TEXT]<2.3> PREVIEW)\r\n",
            b"d STORE 1:* +FLAGS (\\Deleted new)\r\n", b"m MOVE 1 Sent\r\n", b"y COPY 1:* Sent\r\n",
            b"q UID SEARCH RETURN (ALL COUNT) TEXT body\r\n", b"b RENAME Sent a/b\r\n",
            b"n ENABLE CONDSTORE QRESYNC\r\n", b"k CREATE a/b/c\r\n", b"o DELETE a\r\n",
            b'l LIST (SUBSCRIBED) "" (* %) RETURN (CHILDREN STATUS (MESSAGES))\r\n',
            b"t STARTTLS\r\n", b"z LOGOUT\r\n", b"u UNSELECT\r\n", b"g NOOP\r\n",
        ]
    ),
    st.binary(max_size=20),
)  # fmt: skip


def test_imap_door(tmp_path: Path) -> None:
    login = b"a LOGIN ann pencil\r\n"
    openings = [b"", login, login + b"s SELECT INBOX\r\n", login + b"s EXAMINE INBOX\r\ni IDLE\r\n"]
    with fuzzed(imapstage.stage, "@ secure", tmp_path) as door:
        assert fuzz(door, packets(openings, IMAP)) > 0
