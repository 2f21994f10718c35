"""Streams of octets for the IMAP engine, and what must hold for each of them."""

from __future__ import annotations

from hypothesis import strategies as st

from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.server import Event, ServerEngine
from pillarbox.wire.imap.state import TABLE, State
from support.imapsay import engine, merged

SMALL = Limits(
    line=120, line_before_login=80, literal=40, literal_before_login=10, command=200, literals=3,
    append=60, messages=3, swallow=300, swallow_before_login=100, depth=4, keys=6, ranges=5,
)  # fmt: skip

WORDS = r"""
1 1:* 2,4:6 $ ALL ( ) FLAGS (FLAGS#UID) BODY[]<0.5> BODY[1.MIME] BODY.PEEK[HEADER.FIELDS#(a#b)]
INBOX x "a#b" " \Seen (\Seen#$x) NOT OR SEEN FROM SINCE 1-Feb-2024 RETURN (MIN#ALL) CHARSET UTF-8
(CONDSTORE) (CHANGEDSINCE#5) +FLAGS.SILENT CATENATE (URL TEXT UTF8 PLAIN AGEAYg== % * (MESSAGES) }
NIL ~ { (QRESYNC#(1#2#1:5)) &AOQ- & ü "3-Feb-2025#18:28:47#+0000" SAVE MODSEQ UNCHANGEDSINCE
"""
words = st.sampled_from([word.replace("#", " ") for word in WORDS.split()] + ["\x00", "\n", "\r"])
announced = st.builds(
    lambda size, plus, short: f"{{{size}{plus}}}\r\n" + "y" * max(0, size - short),
    st.integers(0, 70), st.sampled_from(["", "+"]), st.integers(0, 3),
)  # fmt: skip
pieces = st.lists(words | announced, max_size=8).map(" ".join)
names = st.sampled_from([*TABLE, "XYZZY", "UID", ""])
line = st.builds("{} {} {}\r\n".format, st.sampled_from(["a", "b1", "+", "*"]), names, pieces)
other = st.sampled_from(["DONE\r\n", "*\r\n", "AGFubgBi\r\n", "\r\n", "x" * 130 + "\r\n", "x" * 60])
stream = st.lists(line | other, max_size=6).map(lambda lines: "".join(lines).encode())


def run(data: bytes, choices: list[int], state: State, *, bytewise: bool) -> list[Event]:
    """Play a stream with the decisions of ``choices``, one a gate, whatever it is."""
    made = engine(state, limits=SMALL)
    decide = iter(choices * 200)
    pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
    found: list[Event] = []
    for piece in pieces:
        events = made.feed(piece)
        while events:
            found += events
            if made.gated:
                _open(made, events[-1], next(decide))
            assert not made.gated
            events = made.resume()
    found += made.eof()
    return found


def _open(made: ServerEngine, event: Event, choice: int) -> None:
    if isinstance(event, c.StartTls):
        made.refuse()  # accepting throws away what has come by then, which the cut decides
    elif isinstance(event, c.Authenticate | e.AuthResponse):
        if choice % 2:
            made.challenge(b"x")
    elif isinstance(event, c.Login | c.Select | c.Close | c.Logout | c.Unselect | c.Enable):
        made.state = list(State)[choice % 3]
    elif choice % 3:
        made.accept()
    made.done()


EXAMPLES = st.tuples(
    st.one_of(stream, st.binary(max_size=400)),
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.sampled_from(State),
)


def check(example: tuple[bytes, list[int], State]) -> None:
    """The same events in any packets, and no refusal that says more than a line."""
    data, choices, state = example
    events = run(data, choices, state, bytewise=False)
    assert merged(run(data, choices, state, bytewise=True)) == merged(events)
    for event in events:
        if isinstance(event, e.BadCommand | e.Bye):
            assert event.reply.endswith(b"\r\n")
            assert not set(event.reply[:-2]) & {*range(32), *range(127, 256)}
