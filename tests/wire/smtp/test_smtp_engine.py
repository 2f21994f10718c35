"""The server engine: totality, indifference to packets, gates, limits, what the answers commit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.address import Address
from pillarbox.model.reply import OK, Reply
from pillarbox.model.transaction import Local, Role, Sender
from pillarbox.wire.engine import Engine as EngineShape
from pillarbox.wire.smtp import events, replies
from pillarbox.wire.smtp.options import BareNewline, Extension, Options
from pillarbox.wire.smtp.server import Engine
from pillarbox.wire.smtp.states import State
from support.smtpdoor import HOST
from support.smtpstreams import EXAMPLES, KINDS, SMALL, check, talk

NO = Reply(550, "5.7.1", "No")


@given(EXAMPLES)
def test_packets_do_not_matter(example: tuple[bytes, bytes, Options, list[int]]) -> None:
    check(example)


@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_any_octets(data: bytes, options: Options) -> None:
    talk(options, [data])
    talk(options, [b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n" + data])
    talk(options, [b"LHLO x\r\nMAIL FROM:<" + data + b">\r\n"])


def started(options: Options = SMALL, *lines: bytes, tls: bool = False) -> Engine:
    """An engine after these lines, each answered well."""
    engine = Engine(options, tls=tls)
    engine.greet()
    for line in (b"LHLO x" if options.role is Role.LMTP else b"EHLO x", *lines):
        found = engine.feed(line + b"\r\n")
        assert len(found) == 1, found
        assert not isinstance(found[0], events.Fault | events.Unknown), found
        engine.reply(replies.START_INPUT if isinstance(found[0], events.Data) else OK)
    return engine


ENVELOPE = (b"MAIL FROM:<a@x>", b"RCPT TO:<b@x>")


def test_it_has_the_shape_of_an_engine() -> None:
    engine: EngineShape[events.Event] = Engine(SMALL)
    assert engine.gated
    assert engine.feed(b"") == []
    assert engine.resume() == []


def test_nothing_is_read_while_an_answer_is_awaited() -> None:
    engine = started()
    assert [type(e) for e in engine.feed(b"NOOP\r\nNOOP\r\n")] == [events.Noop]
    assert engine.gated
    assert engine.resume() == []
    assert engine.feed(b"QUIT\r\n") == []
    engine.reply(OK)
    assert not engine.gated
    assert [type(e) for e in engine.resume()] == [events.Noop]
    engine.reply(OK)
    assert [type(e) for e in engine.resume()] == [events.Quit]
    engine.reply(OK)
    assert engine.closed
    assert engine.feed(b"NOOP\r\n") == engine.resume() == engine.eof() == []


def test_the_answer_commits_what_the_caller_made_of_it() -> None:
    engine = started()
    engine.feed(b"MAIL FROM:<a@x>\r\n")
    rewritten = Sender(Address("b", "y"))
    engine.reply(OK, rewritten)
    assert engine.sender is rewritten
    found = engine.feed(b"RCPT TO:<c@z>\r\n")[0]
    assert isinstance(found, events.Rcpt)
    routed = replace(found.recipient, routes=(Local(1, "c@z"),))
    engine.reply(OK, routed)
    engine.feed(b"RCPT TO:<d@z>\r\n")
    engine.reply(NO)
    assert engine.recipients == [routed]


def test_the_envelope_outlives_the_last_reply() -> None:
    engine = started(SMALL, *ENVELOPE, b"DATA")
    assert isinstance(engine.feed(b".\r\n")[-1], events.DataEnd)
    sender, recipients = engine.sender, engine.recipients
    engine.reply(OK)
    assert sender is not None
    assert len(recipients) == 1
    assert engine.sender is None
    assert engine.recipients == []


def test_a_bug_of_the_caller_is_an_exception() -> None:
    engine = started()
    for call in (
        lambda: engine.reply(OK),
        engine.greet,
        engine.tls_started,
        lambda: engine.auth_challenge(b""),
        engine.accept_data,
    ):
        with pytest.raises(RuntimeError):
            call()
    engine = started(SMALL, *ENVELOPE)
    engine.feed(b"DATA\r\n")
    with pytest.raises(RuntimeError, match="354"):
        engine.reply(OK)
    engine = started()
    engine.feed(b"AUTH PLAIN\r\n")
    with pytest.raises(RuntimeError, match="auth_challenge"):
        engine.reply(Reply(334, "", ""))


def test_what_is_defective_cannot_be_accepted() -> None:
    engine = started(SMALL, *ENVELOPE, b"DATA")
    found = engine.feed(b"a\nb\r\n.\r\n")
    assert found == [events.DataEnd(5, replies.BARE_NEWLINE)]
    with pytest.raises(RuntimeError, match="defective"):
        engine.reply(OK)
    assert engine.reply(replies.BARE_NEWLINE).startswith(b"550 5.6.0 ")
    assert engine.state is State.READY

    engine = started(SMALL, *ENVELOPE, b"BDAT 151")
    found = engine.feed(b"x" * 151)
    assert found == [events.ChunkEnd(151, replies.TOO_BIG)]
    with pytest.raises(RuntimeError, match="defective"):
        engine.reply(OK)


def test_lmtp_counts_its_replies() -> None:
    options = replace(SMALL, role=Role.LMTP)
    engine = started(options, *ENVELOPE, b"RCPT TO:<c@x>", b"DATA")
    engine.feed(b".\r\nNOOP\r\n")
    assert engine.replies_due == 2
    engine.reply(OK)
    assert engine.gated
    assert engine.state is State.CONTENT
    engine.reply(NO)
    assert engine.replies_due == 0
    assert [type(e) for e in engine.resume()] == [events.Noop]

    engine = started(options, *ENVELOPE, b"RCPT TO:<c@x>", b"DATA")
    engine.feed(b".\r\n")
    assert engine.reply_each(NO) == b"550 5.7.1 No\r\n" * 2
    engine = started(options, *ENVELOPE, b"RCPT TO:<c@x>", b"DATA")
    engine.feed(b".\r\n")
    assert engine.reply_each(Reply(421, "4.3.2", "Bye")) == b"421 4.3.2 Bye\r\n" * 2
    assert engine.closed


def test_a_421_closes_whatever_it_answers() -> None:
    engine = started()
    engine.feed(b"NOOP\r\nNOOP\r\n")
    engine.reply(Reply(421, "4.3.2", "Shutting down"))
    assert engine.closed
    assert engine.resume() == []
    engine = Engine(SMALL)
    assert engine.greet(Reply(421, "4.3.2", "Busy")) == b"421 Busy\r\n"
    assert engine.closed


def test_the_greeting_can_say_something_else() -> None:
    engine = Engine(SMALL)
    assert engine.greet(Reply(220, "", "ESMTP at your service")) == (
        b"220 mx.example.org ESMTP at your service\r\n"
    )
    assert engine.state is State.GREETED


def test_more_than_can_be_kept() -> None:
    options = replace(SMALL, max_kept=100)
    engine = Engine(options)
    assert engine.feed(b"NOOP\r\n" * 20) == []  # one piece may be larger than the bound
    assert engine.feed(b"NOOP\r\n") == []
    assert engine.early_talker
    engine.greet()
    found = engine.resume()
    assert [type(e) for e in found] == [events.Fault]
    assert found[0] == events.Fault(replies.FLOOD, b"", fatal=True)
    engine.reply(replies.FLOOD)
    assert engine.closed


def test_eof_comes_after_what_was_sent() -> None:
    engine = started()
    engine.feed(b"NOOP\r\nMAIL FROM:<a@x>\r\nrubb")
    assert engine.eof() == []
    engine.reply(OK)
    assert [type(e) for e in engine.resume()] == [events.Mail]
    engine.reply(OK)
    assert engine.resume() == [events.Gone(in_transaction=True)]
    assert engine.closed
    assert started().eof() == [events.Gone(in_transaction=False)]


def test_talking_over() -> None:
    engine = started()
    engine.feed(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n")
    engine.reply(OK)
    engine.resume()
    engine.reply(OK)
    assert not engine.talked_over  # a group is a group
    engine.feed(b"DATA\r\nSubject: too soon\r\n")
    engine.accept_data()
    assert engine.talked_over


def test_tls_forgets() -> None:
    engine = started(SMALL, b"AUTH PLAIN AGFubgBwZW5jaWw=")
    assert engine.session.authenticated
    engine.feed(b"STARTTLS\r\n")
    engine.accept_tls()
    assert not engine.plaintext_injected
    assert engine.feed(b"\x16\x03") == []
    assert engine.plaintext_injected  # the driver gave the engine what was not for it
    engine.tls_started()
    assert not engine.session.authenticated
    assert engine.session.tls
    assert [type(e) for e in engine.feed(b"EHLO x\r\n")] == [events.Hello]
    assert b"STARTTLS" not in engine.reply(OK)


def test_tls_may_bring_mechanisms() -> None:
    engine = started()
    engine.feed(b"STARTTLS\r\n")
    engine.accept_tls()
    engine.tls_started(auth=("SCRAM-SHA-256-PLUS", "PLAIN"))
    engine.feed(b"EHLO x\r\n")
    assert b"AUTH SCRAM-SHA-256-PLUS PLAIN\r\n" in engine.reply(OK)
    found = engine.feed(b"AUTH SCRAM-SHA-256-PLUS\r\n")
    assert found == [events.Auth("SCRAM-SHA-256-PLUS", None)]


def test_the_protocol_names() -> None:
    def name(options: Options, *lines: bytes, tls: bool = False) -> str:
        return started(options, *lines, tls=tls).protocol

    tls = replace(SMALL, auth=("PLAIN",))
    login = b"AUTH PLAIN AGFubgBwZW5jaWw="
    utf8 = b"MAIL FROM:<a@x> SMTPUTF8"
    lmtp = replace(SMALL, role=Role.LMTP)
    assert name(SMALL) == "ESMTP"
    assert name(SMALL, b"HELO x") == "SMTP"
    assert name(tls, tls=True) == "ESMTPS"
    assert name(tls, login, tls=True) == "ESMTPSA"
    assert name(SMALL, login) == "ESMTPA"
    assert name(tls, login, utf8, tls=True) == "UTF8SMTPSA"
    assert name(lmtp) == "LMTP"
    assert name(lmtp, utf8) == "UTF8LMTP"


def test_utf8_in_replies_only_where_declared() -> None:
    reply = Reply(251, "2.1.5", "Forward to m\u00fcller@x")
    engine = started(SMALL, b"MAIL FROM:<a@x> SMTPUTF8")
    engine.feed(b"RCPT TO:<b@x>\r\n")
    assert "müller".encode() in engine.reply(reply)
    engine = started(SMALL, b"MAIL FROM:<a@x>")
    engine.feed(b"RCPT TO:<b@x>\r\n")
    assert engine.reply(reply).isascii()


def test_the_offer() -> None:
    def shown(options: Options, *, tls: bool = False) -> set[str]:
        engine = Engine(options, tls=tls)
        engine.greet()
        engine.feed(b"LHLO x\r\n" if options.role is Role.LMTP else b"EHLO x\r\n")
        return {line[4:].decode() for line in engine.reply(OK).split(b"\r\n")[1:-1]}

    full = replace(
        SMALL,
        extensions=frozenset(Extension),
        auth=("SCRAM-SHA-256", "PLAIN"),
        auth_in_clear=("SCRAM-SHA-256",),
        deliverby=0,
        mt_priority="",
        max_size=0,
    )
    clear, inside = shown(full), shown(full, tls=True)
    assert clear - inside == {"STARTTLS", "AUTH SCRAM-SHA-256"}
    assert inside - clear == {"REQUIRETLS", "AUTH SCRAM-SHA-256 PLAIN"}
    assert {"DELIVERBY", "MT-PRIORITY", "SIZE 0", "LIMITS RCPTMAX=3"} <= clear
    assert shown(replace(SMALL, extensions=frozenset(), auth_in_clear=())) == {"SIZE 150"}
    few = replace(SMALL, extensions=frozenset({Extension.BINARYMIME, Extension.SMTPUTF8}))
    assert shown(few) >= {"SMTPUTF8", "8BITMIME"}  # RFC 6531 §3.1 8.
    assert "BINARYMIME" not in shown(few)  # RFC 3030 §3 3)
    must = {"PIPELINING", "ENHANCEDSTATUSCODES"}  # RFC 2033 §5
    assert shown(replace(SMALL, role=Role.LMTP, extensions=frozenset())) >= must


def test_requiretls_is_for_tls() -> None:
    options = replace(SMALL, extensions=frozenset({Extension.REQUIRETLS}))
    line = b"MAIL FROM:<a@x> REQUIRETLS\r\n"
    inside = started(options, tls=True).feed(line)[0]
    assert isinstance(inside, events.Mail)
    assert inside.sender.params == {"REQUIRETLS": None}
    outside = started(options).feed(line)[0]
    assert isinstance(outside, events.Fault)
    assert outside.reply.code == 555


def test_binary_is_untouched() -> None:
    every = bytes(range(256)) * 2 + b"\r\n.\r\n\n.\n\r"
    engine = started(
        replace(SMALL, max_size=0), b"MAIL FROM:<a@x> BODY=BINARYMIME", b"RCPT TO:<b@x>"
    )
    engine.feed(b"BDAT %d LAST\r\n" % len(every))
    engine.accept_data()
    out = b""
    for i in range(len(every)):
        for event in engine.feed(every[i : i + 1]):
            if isinstance(event, events.DataChunk):
                out += event.data
    assert out == every
    assert engine.reply(OK) == b"250 2.0.0 OK\r\n"


def test_the_roles_mind_newlines_differently() -> None:
    assert Options(HOST).newline is BareNewline.REFUSE
    assert Options(HOST, role=Role.SUBMISSION).newline is BareNewline.NORMALISE
    assert Options(HOST, role=Role.LMTP).newline is BareNewline.NORMALISE
    assert Options(HOST, bare_newline=BareNewline.NORMALISE).newline is BareNewline.NORMALISE


def test_memory_stays_small() -> None:
    engine = started()
    for _ in range(1000):
        engine.feed(b"x" * 1000)  # one line without end
    assert len(engine._lines) <= SMALL.max_auth_line
    assert engine.feed(b"\r\n")[0] == events.Fault(replies.LINE_TOO_LONG, b"x" * 100)
    engine.reply(replies.LINE_TOO_LONG)
    found = [events for _ in range(100) for events in engine.feed(b"y")]
    assert found == []
    assert len(engine._lines) == 100
