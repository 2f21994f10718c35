"""What a hook may say, what an event allows, and how two decisions become one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pillarbox import hooks
from pillarbox.hooks.decision import harsher
from pillarbox.hooks.mark import marks
from pillarbox.hooks.values import ALLOWED, NAMES
from pillarbox.model.verdict import Action

MAIL = (
    b"From: Ann <ann@out.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-A: 1\r\nX-A: 2\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>there</b></p>\r\n"
    b"--x\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''b%C3%A4r.pdf\r\n\r\nabcd\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: hooks.refuse("no\r\n250 OK"),
        lambda: hooks.refuse("nö"),
        lambda: hooks.refuse(""),
        lambda: hooks.refuse("no", code=250),
        lambda: hooks.refuse("no", enhanced="4.0.0"),
        lambda: hooks.refuse("no", enhanced="5.0.0 x"),
        lambda: hooks.defer("later", code=421),
        lambda: hooks.junk("x\ny"),
        lambda: hooks.accept(fields=[("X A", "b")]),
        lambda: hooks.accept(fields=[("X-A", "b\r\nBcc: c")]),
        lambda: hooks.accept(fields=[("Received", "from nowhere")]),
        lambda: hooks.accept(fields=[("Authentication-Results", "x; dmarc=pass")]),
        lambda: hooks.accept(fields=[(f"X-{n}", "") for n in range(21)]),
        lambda: hooks.accept(tags=["two words"]),
        lambda: hooks.accept(tags=["\\Deleted"]),
    ],
)
def test_what_cannot_be_written_is_a_fault_of_the_hook(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


def test_the_harsher_wins_and_both_add() -> None:
    one = hooks.junk("first", fields=[("X-A", "1")], tags=["a", "b"])
    both = harsher(one, hooks.junk("second", fields=[("X-B", "2")], tags=["b", "c"]))
    assert (both.action, both.reason) == (Action.JUNK, "first")
    assert both.fields == (("X-A", "1"), ("X-B", "2"))
    assert both.tags == ("a", "b", "c")
    no = harsher(both, hooks.refuse("never"))
    assert no.reply is not None
    assert str(no.reply) == "550 5.7.1 never"


async def test_a_message_is_read() -> None:
    message = hooks.Message(MAIL)
    assert message.subject == "Grüße"
    assert message.author == "ann@out.test"
    assert message.headers("x-a") == ("1", "2")
    assert message.header("nothing") == ""
    assert (await message.text()).split() == ["Hello", "there"]
    assert await message.attachments() == (hooks.Attachment("bär.pdf", "application/pdf", 4),)


@pytest.mark.parametrize("octets", [b"", b"\0\xff", MAIL[:90], b"From: \xff\xfe@\r\n\r\n"])
async def test_any_octets_are_a_message(octets: bytes) -> None:
    message = hooks.Message(octets)
    assert isinstance(message.subject + message.author + await message.text(), str)
    await message.attachments()


def test_every_event_has_a_value_and_its_rules() -> None:
    assert set(NAMES.values()) == set(ALLOWED)


@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("rctp", {}),
        ("data", {"seconds": 0}),
        ("data", {"seconds": 61}),
        ("data", {"fault": "shut"}),
        ("data", {"doors": ["imap"]}),
        ("data", {"doors": []}),
        ("deliver", {"fault": "closed"}),
        ("append", {"doors": ["lmtp"]}),
    ],
)
def test_marks_that_cannot_be(event: str, more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        hooks.on(event, **more)  # type: ignore[arg-type]


def test_a_hook_is_async() -> None:
    with pytest.raises(TypeError, match="async"):

        @hooks.on("data")
        def plain(mail: hooks.Data) -> None: ...


def test_one_function_may_have_several_marks() -> None:
    @hooks.on("rcpt", doors="lmtp")
    @hooks.on("data", seconds=2)
    async def both(value: object) -> None: ...

    assert {(one.event, one.seconds) for one in marks(both)} == {
        (hooks.Data, 2),
        (hooks.Rcpt, None),
    }
