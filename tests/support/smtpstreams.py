"""Streams of octets for the SMTP server engine, and what must hold for each of them.

Commands, content and rubbish are strung together at random. The same stream is given to the engine
whole, octet by octet and in odd packets; what happens and what is said must be the same.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from pillarbox.model.transaction import Role
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.options import BareNewline, Extension, Options
from pillarbox.wire.smtp.states import State
from support.smtpdoor import HOST, SmtpDoor

SMALL = Options(
    HOST,
    extensions=Options(HOST).extensions | {Extension.STARTTLS},
    auth_in_clear=("PLAIN", "LOGIN"),
    max_line=120,
    max_auth_line=200,
    max_size=150,
    max_discard=300,
    max_recipients=3,
    max_bad_commands=6,
)
KINDS = [
    SMALL,
    replace(SMALL, bare_newline=BareNewline.NORMALISE),
    replace(SMALL, role=Role.LMTP),
    replace(SMALL, extensions=frozenset()),
]

WORDS = [
    b"EHLO x\r\n", b"LHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@x>\r\n",
    b"MAIL FROM:<> BODY=BINARYMIME\r\n", b"MAIL FROM:<a@x> SIZE=151\r\n", b"RCPT TO:<b@x>\r\n",
    b"RCPT TO:<no@x>\r\n", b"RCPT TO:<full@x>\r\n", b"DATA\r\n", b"BDAT 7\r\n",
    b"BDAT 9 LAST\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n", b"\r\n.\r\n", b".\r\n", b"RSET\r\n",
    b"NOOP\r\n", b"QUIT\r\n", b"VRFY \xc3\xbc SMTPUTF8\r\n", b"AUTH PLAIN\r\n",
    b"AUTH LOGIN eA==\r\n", b"AUTH PLAIN AGFubgBwZW5jaWw=\r\n", b"*\r\n", b"=\r\n",
    b"STARTTLS\r\n", b"FOO\r\n", b"GET / HTTP/1.0\r\n", b"\r", b"\n", b"\0", b".", b"\xff",
    b"x" * 30, b"AUTH ", b" ", b"MAIL FROM:<nodata@x>\r\n",
]  # fmt: skip
TALKS = st.lists(st.sampled_from(WORDS), max_size=30).map(b"".join)
OPENINGS = st.sampled_from(
    [
        b"",
        b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n",
        b"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<full@x>\r\n",
        b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n",
    ]
)


def told(door: SmtpDoor) -> list[object]:
    """What happened, with the content in one piece, and only that of whole and good messages."""
    out: list[object] = []
    for event in door.seen:
        if not isinstance(event, events.DataChunk):
            # Content that is void or was never finished may have been cut anywhere.
            if getattr(event, "defect", None) is not None or isinstance(event, events.Gone):
                while out and isinstance(out[-1], bytes):
                    out.pop()
            out.append(event)
        elif out and isinstance(out[-1], bytes):
            out[-1] += event.data
        else:
            out.append(event.data)
    return out


def talk(options: Options, pieces: list[bytes], *, tls: bool = False) -> tuple[list[object], bytes]:
    door = SmtpDoor(options, tls=tls)
    out = door.greet()
    for piece in pieces:
        out += door.talk(piece)
        if door.engine.state is State.TLS:
            break  # the rest belongs to the handshake
    out += door.eof()
    return told(door), out


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)
EXAMPLES = st.tuples(OPENINGS, TALKS, st.sampled_from(KINDS), SIZES)


def check(example: tuple[bytes, bytes, Options, list[int]]) -> None:
    """The same events and replies in any packets, and every reply a reply."""
    opening, data, options, sizes = example
    data = opening + data
    pieces: list[bytes] = []
    pos = 0
    while pos < len(data):
        pieces.append(data[pos : pos + sizes[len(pieces) % len(sizes)]])
        pos += len(pieces[-1])
    whole = talk(options, [data])
    assert talk(options, [data[i : i + 1] for i in range(len(data))]) == whole
    assert talk(options, pieces) == whole
    for line in whole[1].split(b"\r\n")[:-1]:
        assert line[:3].isdigit(), line
        assert line[3:4] in (b" ", b"-"), line
