"""The client engine against scripted servers: one outcome a recipient, whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.engine import Engine as EngineShape
from pillarbox.wire.smtp import client_session, envelope
from pillarbox.wire.smtp.answers import AnswerReader
from pillarbox.wire.smtp.capabilities import Capabilities, parse_capabilities
from pillarbox.wire.smtp.client import Client, ClientOptions
from pillarbox.wire.smtp.client_events import (
    Answered,
    Authenticated,
    AuthRefused,
    Challenge,
    ClientEvent,
    ContentWanted,
    Greeting,
    HelloRefused,
    Lost,
    Outcome,
    Stage,
    TlsGo,
    TlsRefused,
    TransactionOver,
    Welcome,
)
from pillarbox.wire.smtp.client_states import ACTIONS, REPLIES, TIMEOUTS, ClientState
from pillarbox.wire.smtp.options import Extension

ME = ClientOptions("mail.example.net")
ANN = Sender(Address("ann", "example.net"))
BOB, CID, DAN = (Recipient(Address(n, "example.org")) for n in ("bob", "cid", "dan"))
FULL = (
    b"250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
    b"250-BINARYMIME\r\n250-DSN\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
)


def ready(ehlo: bytes = FULL, options: ClientOptions = ME) -> Client:
    """A client that has said hello."""
    client = Client(options)
    client.feed(b"220 mx ESMTP\r\n")
    client.hello()
    client.feed(ehlo)
    assert client.state is ClientState.READY
    client.outgoing()
    return client


def outcomes(found: list[ClientEvent]) -> list[tuple[int, int, Stage]]:
    return [(e.index, e.reply.code, e.stage) for e in found if isinstance(e, Outcome)]


def kinds(found: list[ClientEvent]) -> list[type]:
    return [type(e) for e in found]


def test_it_has_the_shape_of_an_engine() -> None:
    client: EngineShape[ClientEvent] = Client(ME)
    assert not client.gated
    assert client.resume() == client.feed(b"") == []


def test_a_message_pipelined() -> None:
    client = ready()
    assert client.send(ANN, [BOB, CID]) == []
    assert client.outgoing() == (
        b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\n"
        b"RCPT TO:<cid@example.org>\r\nDATA\r\n"
    )
    found = client.feed(b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 who?\r\n354 go\r\n")
    assert outcomes(found) == [(1, 550, Stage.RCPT)]
    assert isinstance(found[-1], ContentWanted)
    assert client.may_send
    client.content(b"Subject: x\r\n\r\n.dot")
    client.content(b"\n\n.\nend")
    client.finish()
    assert client.outgoing() == b"Subject: x\r\n\r\n..dot\r\n\r\n..\r\nend\r\n.\r\n"
    found = client.feed(b"250 2.0.0 queued as 7\r\n")
    assert found == [
        Outcome(0, Reply(250, "2.0.0", "queued as 7"), Stage.CONTENT),
        TransactionOver(),
    ]
    client.quit()
    assert client.outgoing() == b"QUIT\r\n"
    assert client.feed(b"221 2.0.0 bye\r\n") == [Answered("quit", Reply(221, "2.0.0", "bye"))]
    assert client.closed


@pytest.mark.parametrize(
    ("first", "refusal", "code"),
    [
        (b"250 ok", b"552 too many recipients", 451),
        (b"250 ok", b"552 5.5.3 too many recipients", 451),
        (b"250 ok", b"552 5.2.2 mailbox full", 552),
        (b"250 ok", b"550 5.5.3 too many recipients", 550),
        (b"550 no", b"552 no room", 552),  # nobody was taken: it is about something else
    ],
)
def test_one_recipient_too_many_goes_later(first: bytes, refusal: bytes, code: int) -> None:
    client = ready()
    client.send(ANN, [BOB, CID])
    found = client.feed(b"250 ok\r\n" + first + b"\r\n" + refusal + b"\r\n")
    (said,) = [one for one in found if isinstance(one, Outcome) and one.index == 1]
    assert said.reply.code == code
    assert refusal.partition(b" ")[2].decode() in str(said.reply)


def test_a_message_step_by_step() -> None:
    client = ready(b"250 mx\r\n")
    client.send(ANN, [BOB, CID])
    steps = [
        (b"MAIL FROM:<ann@example.net>\r\n", b"250 ok\r\n"),
        (b"RCPT TO:<bob@example.org>\r\n", b"451 later\r\n"),
        (b"RCPT TO:<cid@example.org>\r\n", b"251 forwarded\r\n"),
        (b"DATA\r\n", b"354 go\r\n"),
    ]
    found = []
    for command, answer in steps:
        assert client.outgoing() == command
        found = client.feed(answer)
    assert kinds(found) == [ContentWanted]
    client.finish(b"x")
    assert client.outgoing() == b"x\r\n.\r\n"
    assert outcomes(client.feed(b"554 5.6.0 no\r\n")) == [(1, 554, Stage.CONTENT)]


def test_helo_when_ehlo_is_unknown() -> None:
    client = Client(ME)
    assert kinds(client.feed(b"220-two\r\n220 lines\r\n")) == [Greeting]
    client.hello()
    assert client.outgoing() == b"EHLO mail.example.net\r\n"
    assert kinds(client.feed(b"502 what?\r\n")) == [HelloRefused]
    client.hello(extended=False)
    assert client.outgoing() == b"HELO mail.example.net\r\n"
    found = client.feed(b"250 mx\r\n")
    assert isinstance(found[0], Welcome)
    assert found[0].capabilities == Capabilities("mx")


def test_turned_away() -> None:
    client = Client(ME)
    assert client.feed(b"554 5.3.2 no service\r\n") == [Greeting(Reply(554, "5.3.2", "no service"))]
    with pytest.raises(RuntimeError, match="hello"):
        client.hello()
    client.quit()
    assert client.feed(b"421 4.3.2 bye\r\n") == [Lost(Reply(421, "4.3.2", "bye"))]
    client = Client(ME)
    assert kinds(client.feed(b"421 busy\r\n")) == [Greeting, Lost]


@pytest.mark.parametrize("pipelining", [True, False])
def test_mail_refused_is_everybodys_outcome(pipelining: bool) -> None:
    client = ready(FULL if pipelining else b"250 mx\r\n")
    client.send(ANN, [BOB, CID])
    client.outgoing()
    found = client.feed(b"450 4.7.1 slow down\r\n")
    if pipelining:
        # The 503 that follow are about the missing MAIL, not about the recipients.
        found += client.feed(b"503 mail first\r\n503 mail first\r\n503 no\r\n")
    assert outcomes(found) == [(0, 450, Stage.MAIL), (1, 450, Stage.MAIL)]
    assert isinstance(found[-1], TransactionOver)
    assert client.outgoing() == b""
    client.send(ANN, [BOB])
    assert client.outgoing().startswith(b"MAIL FROM")  # nothing to clear


def test_data_refused_leaves_something_to_clear() -> None:
    client = ready()
    client.send(ANN, [BOB, CID])
    client.outgoing()
    found = client.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n452 4.3.1 full\r\n")
    assert outcomes(found) == [(0, 452, Stage.DATA), (1, 452, Stage.DATA)]
    client.send(ANN, [BOB])
    assert client.outgoing().startswith(b"RSET\r\nMAIL FROM:")
    assert kinds(client.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"))[-1] is ContentWanted


@pytest.mark.parametrize("answer", [b"503 no recipients\r\n", b"354 go\r\n"])
def test_nobody_was_accepted(answer: bytes) -> None:
    client = ready()
    client.send(ANN, [BOB])
    client.outgoing()
    found = client.feed(b"250 ok\r\n550 no\r\n" + answer)
    assert outcomes(found) == [(0, 550, Stage.RCPT)]
    if answer.startswith(b"354"):
        assert client.outgoing() == b".\r\n"  # RFC 2920 §3.1
        found = client.feed(b"250 what did you send?\r\n")
        assert outcomes(found) == []
    assert isinstance(found[-1], TransactionOver)
    assert client.state is ClientState.READY


def test_lmtp() -> None:
    client = ready(b"250-mx\r\n250 PIPELINING\r\n", ClientOptions("mail.example.net", lmtp=True))
    client.send(ANN, [BOB, CID, DAN])
    client.outgoing()
    client.feed(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    client.finish(b"x\r\n")
    assert outcomes(client.feed(b"250 stored\r\n")) == [(0, 250, Stage.CONTENT)]
    found = client.feed(b"452 full\r\n")
    assert outcomes(found) == [(2, 452, Stage.CONTENT)]
    assert isinstance(found[-1], TransactionOver)


def test_lmtp_lost_between_the_replies() -> None:
    """RFC 2033 §5: what has arrived counts, the rest is temporary."""
    client = ready(b"250-mx\r\n250 PIPELINING\r\n", ClientOptions("mail.example.net", lmtp=True))
    client.send(ANN, [BOB, CID])
    client.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    client.finish(b"x\r\n")
    assert outcomes(client.feed(b"250 stored\r\n")) == [(0, 250, Stage.CONTENT)]
    found = client.eof()
    assert outcomes(found) == [(1, 451, Stage.LOST)]
    assert kinds(found) == [Outcome, TransactionOver, Lost]


def test_chunks() -> None:
    client = ready(options=ClientOptions("mail.example.net", prefer_chunking=True))
    client.send(ANN, [BOB])
    assert not client.outgoing().endswith(b"DATA\r\n")
    assert isinstance(client.feed(b"250 ok\r\n250 ok\r\n")[-1], ContentWanted)
    client.content(b".a\r\n")
    client.content(b"")
    assert client.may_send  # pipelined
    client.finish(b"b\n")
    assert client.outgoing() == b"BDAT 4\r\n.a\r\nBDAT 3 LAST\r\nb\r\n"
    found = client.feed(b"250 ok\r\n250 done\r\n")
    assert outcomes(found) == [(0, 250, Stage.CONTENT)]


def test_chunks_one_at_a_time() -> None:
    client = ready(
        b"250-mx\r\n250-BINARYMIME\r\n250-8BITMIME\r\n250 CHUNKING\r\n",
        ClientOptions("mail.example.net"),
    )
    client.send(Sender(None, body="BINARYMIME"), [BOB])
    assert client.outgoing() == b"MAIL FROM:<> BODY=BINARYMIME\r\n"
    client.feed(b"250 ok\r\n")
    assert kinds(client.feed(b"250 ok\r\n"))[-1] is ContentWanted
    client.content(b"\n\0\r")
    assert client.outgoing() == b"RCPT TO:<bob@example.org>\r\nBDAT 3\r\n\n\0\r"
    assert not client.may_send
    with pytest.raises(RuntimeError):
        client.content(b"more")
    assert kinds(client.feed(b"250 ok\r\n")) == [ContentWanted]
    client.finish()
    assert client.outgoing() == b"BDAT 0 LAST\r\n"
    assert outcomes(client.feed(b"250 ok\r\n")) == [(0, 250, Stage.CONTENT)]


def test_a_chunk_is_refused() -> None:
    client = ready(options=ClientOptions("mail.example.net", prefer_chunking=True))
    client.send(ANN, [BOB])
    client.feed(b"250 ok\r\n250 ok\r\n")
    client.content(b"a\r\n")
    client.content(b"b\r\n")
    found = client.feed(b"452 4.3.1 full\r\n")
    assert outcomes(found) == [(0, 452, Stage.CONTENT)]
    assert not client.may_send
    assert kinds(client.feed(b"503 failed\r\n")) == [TransactionOver]
    client.outgoing()
    client.send(ANN, [BOB])
    assert client.outgoing().startswith(b"RSET\r\n")


def test_a_chunk_is_refused_after_the_last_went_out() -> None:
    client = ready(options=ClientOptions("mail.example.net", prefer_chunking=True))
    client.send(ANN, [BOB])
    client.feed(b"250 ok\r\n250 ok\r\n")
    client.content(b"a\r\n")
    client.finish()
    found = client.feed(b"552 5.3.4 big\r\n503 failed\r\n")
    assert outcomes(found) == [(0, 552, Stage.CONTENT)]
    assert isinstance(found[-1], TransactionOver)
    client.outgoing()
    client.send(ANN, [BOB])
    assert client.outgoing().startswith(b"RSET\r\n")


def test_a_refusal_in_the_middle_of_the_content_stands() -> None:
    client = ready()
    client.send(ANN, [BOB])
    client.feed(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.content(b"x\r\n")
    found = client.feed(b"552 5.3.4 stop\r\n")
    assert outcomes(found) == [(0, 552, Stage.CONTENT)]
    assert kinds(found) == [Outcome, TransactionOver, Lost]
    client = ready()
    client.send(ANN, [BOB])
    client.feed(b"250 ok\r\n250 ok\r\n354 go\r\n")
    found = client.feed(b"250 thanks already\r\n")  # for what?
    assert outcomes(found) == [(0, 451, Stage.LOST)]


def test_starttls() -> None:
    client = ready()
    client.starttls()
    assert client.outgoing() == b"STARTTLS\r\n"
    assert kinds(client.feed(b"220 go\r\n")) == [TlsGo]
    client.tls_started()
    assert client.tls
    assert client.capabilities == Capabilities()
    client.hello()
    assert kinds(client.feed(b"250 mx\r\n")) == [Welcome]
    client = ready()
    client.starttls()
    assert kinds(client.feed(b"454 4.7.0 not now\r\n")) == [TlsRefused]
    assert client.state is ClientState.READY


def test_replies_in_the_clear_behind_starttls() -> None:
    for extra in (b"250 mx\r\n", b"250"):
        client = ready()
        client.starttls()
        assert client.feed(b"220 go\r\n" + extra) == [Lost(client_session.IN_THE_CLEAR)]


def test_auth() -> None:
    client = ready()
    client.auth("PLAIN", b"\0ann\0pencil")
    assert client.outgoing() == b"AUTH PLAIN AGFubgBwZW5jaWw=\r\n"
    assert kinds(client.feed(b"235 2.7.0 ok\r\n")) == [Authenticated]
    assert client.authenticated
    client.send(ANN, [BOB])
    assert b"MAIL FROM:<ann@example.net> AUTH=<>\r\n" in client.outgoing()

    client = ready()
    client.auth("LOGIN")
    assert client.feed(b"334 VXNlcm5hbWU6\r\n") == [Challenge(b"Username:")]
    client.auth_respond(b"ann")
    client.feed(b"334 UGFzc3dvcmQ6\r\n")
    client.auth_respond(b"")
    assert client.outgoing() == b"AUTH LOGIN\r\nYW5u\r\n\r\n"
    assert kinds(client.feed(b"535 5.7.8 no\r\n")) == [AuthRefused]
    client.auth("EXTERNAL", b"")
    assert client.outgoing() == b"AUTH EXTERNAL =\r\n"
    client.feed(b"334 \r\n")
    client.auth_cancel()
    assert client.outgoing() == b"*\r\n"


def test_auth_with_much_to_say() -> None:
    client = ready()
    client.auth("OAUTHBEARER", b"t" * 1000)
    assert client.outgoing() == b"AUTH OAUTHBEARER\r\n"  # RFC 4954 §4: 512 octets a command
    assert client.feed(b"334 \r\n") == []
    assert len(client.outgoing()) == 1338
    assert kinds(client.feed(b"235 ok\r\n")) == [Authenticated]
    client = ready()
    client.auth("LOGIN")
    assert client.feed(b"334 not base64!\r\n") == []
    assert client.outgoing() == b"AUTH LOGIN\r\n*\r\n"


def test_small_talk() -> None:
    client = ready()
    client.noop()
    assert client.outgoing() == b"NOOP\r\n"
    assert client.feed(b"250 ok\r\n") == [Answered("noop", Reply(250, "", "ok"))]
    client.reset()
    assert client.outgoing() == b"RSET\r\n"
    assert client.feed(b"250 ok\r\n") == [Answered("reset", Reply(250, "", "ok"))]


# What needs no server


def before(
    sender: Sender, recipients: list[Recipient], ehlo: bytes, **how: bool
) -> list[tuple[int, Reply]]:
    client = ready(ehlo, ClientOptions("mail.example.net", **how))
    found = client.send(sender, recipients)
    assert all(e.stage is Stage.BEFORE for e in found if isinstance(e, Outcome))
    return [(e.index, e.reply) for e in found if isinstance(e, Outcome)]


PLAIN = b"250-mx\r\n250 PIPELINING\r\n"
UTF8 = Recipient(Address("m\u00fcller", "example.org"))


def test_what_the_server_cannot_take() -> None:
    assert before(Sender(None, smtputf8=True), [BOB], PLAIN) == [(0, envelope.NO_UTF8)]
    assert before(Sender(None, body="8BITMIME"), [BOB], PLAIN) == [(0, envelope.NO_8BIT)]
    assert before(Sender(None, body="8BITMIME"), [BOB], PLAIN, eightbit_anyway=True) == []
    assert before(Sender(None, body="BINARYMIME"), [BOB], PLAIN) == [(0, envelope.NO_BINARY)]
    assert before(Sender(None, size=1001), [BOB], FULL) == [(0, envelope.TOO_BIG)]
    assert before(Sender(None, size=1000), [BOB], FULL) == []
    tls = {"REQUIRETLS": None}
    assert before(Sender(ANN.address, params=tls), [BOB], FULL) == [(0, envelope.NO_REQUIRETLS)]
    assert before(Sender(None, params=tls), [BOB], FULL) == []
    assert before(ANN, [BOB, UTF8], PLAIN) == [(1, envelope.NO_UTF8)]
    assert before(ANN, [BOB, UTF8], FULL) == []
    limits = b"250-mx\r\n250 LIMITS RCPTMAX=1 MAILMAX=x\r\n"
    assert before(ANN, [BOB, CID, DAN], limits) == [(1, envelope.TOO_MANY), (2, envelope.TOO_MANY)]


def test_nothing_to_send() -> None:
    client = ready()
    assert kinds(client.send(ANN, [])) == [TransactionOver]
    assert kinds(client.send(ANN, [Recipient(Address("a\r\nDATA", "x"))])) == [
        Outcome,
        TransactionOver,
    ]
    assert client.outgoing() == b""
    assert client.state is ClientState.READY


@pytest.mark.parametrize(
    "address",
    [
        Address("a\r\nRCPT TO:<b", "x"),
        Address("a", "x>\r\nDATA\r\n"),
        Address("a", "x> SIZE=1"),
        Address("a", "x y"),
        Address("", "x"),
        Address("a\0", "x"),
        Address("a", "[1.2.3.4"),
    ],
)
def test_no_address_writes_a_command(address: Address) -> None:
    assert envelope.path(address, utf8=True) is None
    assert before(ANN, [Recipient(address)], FULL) == [(0, envelope.BAD_ADDRESS)]
    assert before(Sender(address), [BOB], FULL) == [(0, envelope.BAD_SENDER)]


@given(st.text(max_size=12), st.text(max_size=12), st.booleans())
def test_any_address(local: str, domain: str, utf8: bool) -> None:
    written = envelope.path(Address(local, domain), utf8=utf8)
    if written is not None:
        assert written[0] == "<"
        assert written[-1] == ">"
        assert not set(written) & set("\r\n\0")
        assert utf8 or written.isascii()


def test_parameters() -> None:
    offered = parse_capabilities(
        ["mx", "DSN", "SIZE", "SMTPUTF8", "8BITMIME", "AUTH PLAIN", "DELIVERBY", "REQUIRETLS"]
    )
    sender = Sender(
        Address("m\u00fcller", "b\u00fccher.example"),
        size=7,
        body="8BITMIME",
        ret="HDRS",
        envid="a b",
        auth="a=b@x",
        params={"BY": "60;N", "MT-PRIORITY": "3", "REQUIRETLS": None, "HOLDFOR": "1"},
    )
    line = envelope.mail_line(sender, offered, utf8=True, authenticated=True)
    assert (
        line
        == (
            "MAIL FROM:<müller@bücher.example> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS "
            "ENVID=a+20b AUTH=a+3Db@x BY=60;N REQUIRETLS\r\n"
        ).encode()
    )
    bare = envelope.mail_line(sender, Capabilities(), utf8=False, authenticated=False)
    assert bare is None  # the local part cannot be written
    plain = Sender(Address("a", "b\u00fccher.example"), size=7, ret="FULL")
    line = envelope.mail_line(plain, Capabilities(), utf8=False, authenticated=False)
    assert line == b"MAIL FROM:<a@xn--bcher-kva.example>\r\n"

    recipient = Recipient(
        Address("a b", "x"), notify=frozenset({"SUCCESS", "DELAY"}), orcpt="rfc822;A+B@x"
    )
    line = envelope.rcpt_line(recipient, offered, utf8=True)
    assert line == b'RCPT TO:<"a b"@x> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;A+2BB@x\r\n'
    wide = Recipient(Address("a", "x"), orcpt="utf-8;\u00fc+@x")
    line = envelope.rcpt_line(wide, offered, utf8=True)
    assert line == "RCPT TO:<a@x> ORCPT=utf-8;ü\\x{2B}@x\r\n".encode()
    line = envelope.rcpt_line(wide, offered, utf8=False)
    assert line == b"RCPT TO:<a@x> ORCPT=utf-8;\\x{FC}\\x{2B}@x\r\n"
    assert envelope.rcpt_line(wide, Capabilities(), utf8=False) == b"RCPT TO:<a@x>\r\n"
    evil = Recipient(Address("a", "x"), notify=frozenset({"NEVER\r\nDATA"}))
    assert envelope.rcpt_line(evil, offered, utf8=False) is None


# Replies


def answers(data: bytes) -> list[Reply]:
    reader = AnswerReader()
    reader.feed(data)
    out = []
    while (answer := reader.next()) is not None:
        out.append(answer.reply)
    if reader.broken:
        out.append(Reply(0, "", reader.broken))
    return out


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 ok\r\n", [Reply(250, "", "ok")]),
        (b"250\r\n", [Reply(250, "", "")]),
        (b"250 \r\n", [Reply(250, "", "")]),
        (b"250 ok\n", [Reply(250, "", "ok")]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [Reply(250, "", "a\nb\nc")]),
        (b"550-5.1.1 a\r\n550 5.1.1 b\r\n", [Reply(550, "5.1.1", "a\nb")]),
        (b"550-5.1.1 a\r\n550 b\r\n", [Reply(550, "5.1.1", "a\nb")]),
        (b"250 5.1.1 fits not\r\n", [Reply(250, "", "5.1.1 fits not")]),
        (b"250 2.1.5\r\n", [Reply(250, "2.1.5", "")]),
        (b"250 2.1.5000 x\r\n", [Reply(250, "", "2.1.5000 x")]),
        (b"250 a\0\x1b[2Jb\r\n", [Reply(250, "", "a??[2Jb")]),
        ("250 grüß\r\n".encode(), [Reply(250, "", "grüß")]),
        (b"250 \xff\r\n", [Reply(250, "", "\ufffd")]),
        (b"250-a\r\n251 b\r\n", [Reply(251, "", "a\nb")]),
        (b"250 one\r\n251 two\r\n25", [Reply(250, "", "one"), Reply(251, "", "two")]),
        (b"150 x\r\n", [Reply(0, "", "the server sends what is no reply")]),
        (b"\r\n", [Reply(0, "", "the server sends what is no reply")]),
        (b"HTTP/1.1 400 Bad Request\r\n", [Reply(0, "", "the server sends what is no reply")]),
        (b"250x\r\n", [Reply(0, "", "the server sends what is no reply")]),
        (b"250 " + b"x" * 5000, []),
        (b"250 " + b"x" * 5000 + b"\n", [Reply(0, "", "the server sends what is no reply")]),
        (b"250-x\r\n" * 501, [Reply(0, "", "the server's reply does not end")]),
    ],
)
def test_replies(data: bytes, replies: list[Reply]) -> None:
    assert answers(data) == replies


def test_an_endless_reply_costs_no_memory() -> None:
    reader = AnswerReader()
    for _ in range(1000):
        reader.feed(b"x" * 1000)
        assert reader.next() is None
    assert len(reader._buffer) < 5000


def test_capabilities() -> None:
    offered = parse_capabilities(
        [
            "mx.example.org greets you",
            "size 1000",
            "8bitmime ",
            "AUTH=LOGIN",
            "AUTH PLAIN login",
            "LIMITS RCPTMAX=50 MAILMAX=x OTHER",
            "X-\u00fc",
            "",
        ]
    )
    assert offered.name == "mx.example.org"
    assert offered.takes_size
    assert offered.max_size == 1000
    assert offered.has(Extension.EIGHTBITMIME)
    assert not offered.has(Extension.DSN)
    assert offered.mechanisms == ("LOGIN", "PLAIN")
    assert offered.limit("RCPTMAX") == 50
    assert offered.limit("MAILMAX") == offered.limit("RCPTDOMAINMAX") == 0
    assert parse_capabilities(["x", "SIZE"]).max_size == 0
    assert parse_capabilities([]) == Capabilities()


# Tables

DO: dict[str, Callable[[Client], object]] = {
    "hello": lambda c: c.hello(),
    "starttls": lambda c: c.starttls(),
    "tls_started": lambda c: c.tls_started(),
    "auth": lambda c: c.auth("PLAIN", b""),
    "auth_respond": lambda c: c.auth_respond(b""),
    "auth_cancel": lambda c: c.auth_cancel(),
    "send": lambda c: c.send(ANN, [BOB]),
    "content": lambda c: c.content(b"x"),
    "finish": lambda c: c.finish(),
    "noop": lambda c: c.noop(),
    "reset": lambda c: c.reset(),
    "quit": lambda c: c.quit(),
}


def client_in(state: ClientState) -> Client:
    """A client brought into a state by the server's replies and the caller's deeds."""
    client = Client(ME)
    steps: dict[ClientState, list[bytes | str]] = {
        ClientState.CONNECTED: [],
        ClientState.GREETED: [b"220 x\r\n"],
        ClientState.TURNED_AWAY: [b"554 x\r\n"],
        ClientState.HELLO: [b"220 x\r\n", "hello"],
        ClientState.READY: [b"220 x\r\n", "hello", FULL],
        ClientState.STARTTLS: [b"220 x\r\n", "hello", FULL, "starttls"],
        ClientState.HANDSHAKE: [b"220 x\r\n", "hello", FULL, "starttls", b"220 x\r\n"],
        ClientState.AUTH: [b"220 x\r\n", "hello", FULL, "auth"],
        ClientState.CHALLENGED: [b"220 x\r\n", "hello", FULL, "auth", b"334 \r\n"],
        ClientState.ENVELOPE: [b"220 x\r\n", "hello", FULL, "send"],
        ClientState.ENDING: [
            *(b"220 x\r\n", "hello", FULL, "send"),
            *(b"250 x\r\n250 x\r\n354 x\r\n", "finish"),
        ],
        ClientState.CONTENT: [
            *(b"220 x\r\n", "hello", FULL, "send", b"250 x\r\n250 x\r\n354 x\r\n"),
        ],
        ClientState.ASKED: [b"220 x\r\n", "hello", FULL, "noop"],
        ClientState.QUITTING: [b"220 x\r\n", "quit"],
        ClientState.CLOSED: [b"421 x\r\n"],
    }
    if state is ClientState.CHUNK:
        client = ready(b"250-mx\r\n250 CHUNKING\r\n", ClientOptions("x", prefer_chunking=True))
        client.send(ANN, [BOB])
        client.feed(b"250 x\r\n")
        client.feed(b"250 x\r\n")
        client.content(b"x")
    for step in steps.get(state, []):
        if isinstance(step, str):
            DO[step](client)
        else:
            client.feed(step)
    assert client.state is state
    return client


def test_the_deeds_here_cover_the_table() -> None:
    assert {action for row in ACTIONS.values() for action in row} == set(DO)
    assert set(ACTIONS) == set(ClientState)
    waiting = {state for state, row in ACTIONS.items() if not row} - {ClientState.CLOSED}
    assert waiting <= set(TIMEOUTS)
    assert {state for state, _ in REPLIES} == waiting | {ClientState.CONTENT}


@pytest.mark.parametrize("action", DO)
@pytest.mark.parametrize("state", ClientState)
def test_every_state_and_deed(state: ClientState, action: str) -> None:
    client = client_in(state)
    after = ACTIONS[state].get(action)
    if after is None:
        with pytest.raises(RuntimeError, match=action):
            DO[action](client)
        assert client.state is state
    else:
        DO[action](client)
        assert client.state is after


@pytest.mark.parametrize("state", ClientState)
def test_every_state_can_be_lost(state: ClientState) -> None:
    client = client_in(state)
    found = client.lose(Reply(451, "4.4.2", "Timed out"))
    assert client.closed
    assert client.outgoing() == b""
    sending = {
        ClientState.ENVELOPE,
        ClientState.CONTENT,
        ClientState.CHUNK,
        ClientState.ENDING,
    }
    assert outcomes(found) == ([(0, 451, Stage.LOST)] if state in sending else [])
    assert kinds(found)[-1:] == ([] if state is ClientState.CLOSED else [Lost])
    assert client.eof() == client.feed(b"250 x\r\n") == []


SERVER_SAYS = [
    *(b"250 x\r\n", b"250-x\r\n", b"354 x\r\n", b"334 =\r\n", b"550 x\r\n", b"421 x\r\n"),
    *(b"451 x\r\n", b"x\r\n", b"\r\n", b"235 x\r\n", b"220 x\r\n", b"2", FULL),
]


@given(st.lists(st.sampled_from(SERVER_SAYS), max_size=12), st.sampled_from(list(ClientState)))
def test_any_server(lines: list[bytes], state: ClientState) -> None:
    """Whatever the server says, each recipient of an open transaction gets one outcome."""
    client = client_in(state)
    open_before = client._sending
    data = b"".join(lines)
    found = client.feed(data)
    if client.may_send:
        client.finish(b"x")
    found += client.eof()
    assert len(outcomes(found)) == open_before
    assert kinds(found).count(TransactionOver) == open_before
    if state is ClientState.STARTTLS:
        return  # what comes with the 220 is an attack, what comes after it is the handshake
    other = client_in(state)
    bytewise = [e for i in range(len(data)) for e in other.feed(data[i : i + 1])]
    if other.may_send:
        other.finish(b"x")
    assert bytewise + other.eof() == found
