"""Reports as a reader of RFC 3464 and RFC 6533 sees them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.queue.dsn import Fate, Frame, advice, report
from support.people import envelope

FRAME = Frame("mail.example.test", 1_700_000_000.0, "id@mail.example.test", "b")
ORIGINAL = b"From: ann@x\r\nSubject: hello\r\n\r\nbody\r\n"
GONE = Reply(550, "5.1.1", "No such user")


def made(
    *fates: Fate, sender: Sender | None = None, original: bytes = ORIGINAL, whole: bool = True
) -> EmailMessage:
    sender = sender or Sender(Address("ann", "x.test"))
    env = replace(envelope(*(fate.recipient for fate in fates)), sender=sender)
    raw = report(env, fates, original, whole=whole, frame=FRAME)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    found: Any = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
    return found


def fate(action: str, reply: Reply, to: str = "bob@y.test", **more: Any) -> Fate:
    return Fate(
        Recipient(Address(*to.split("@")), orcpt="rfc822;B@y.test"), action, reply, to, **more
    )


def groups(message: EmailMessage) -> list[dict[str, str]]:
    part = list(message.iter_parts())[1]
    payload: Any = part.get_payload()
    return [dict(group.items()) for group in payload if group.items()]


def test_a_failure() -> None:
    message = made(
        fate("failed", GONE, by="mx.y.test"),
        sender=Sender(Address("ann", "x.test"), envid="e+1", ret="FULL"),
    )
    assert message.get_content_type() == "multipart/report"
    assert message["To"] == "ann@x.test"
    assert message["Auto-Submitted"] == "auto-replied"
    whole, one = groups(message)
    assert whole["Original-Envelope-Id"] == "e+1"
    assert whole["Reporting-MTA"] == "dns; mail.example.test"
    assert one == {
        "Original-Recipient": "rfc822;B@y.test",
        "Final-Recipient": "rfc822; bob@y.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.y.test",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": one["Last-Attempt-Date"],
    }
    text, _, returned = message.iter_parts()
    words = text.get_content()
    assert "mx.y.test said: 550 5.1.1 No such user" in words
    assert advice(GONE) in words
    assert returned.get_content_type() == "message/rfc822"


def text_of(message: EmailMessage) -> str:
    found: str = next(iter(message.iter_parts())).get_content()
    return found.replace("\r\n", "\n")


def test_what_was_tried_for_days_says_so_and_what_to_do() -> None:
    words = text_of(made(fate("failed", Reply(451, "4.4.1", "mx.y.test: no answer"))))
    assert "tried again and again until now, and is given up" in words
    assert "Send the message again later, or reach the recipient another way." in words
    assert "given up" not in text_of(made(fate("failed", GONE)))


def test_the_message_is_called_by_its_subject() -> None:
    top = b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    top += b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n a\r\n\r\n"
    words = text_of(made(fate("failed", GONE), original=top))
    assert "\n  Subject: Grüße a\n  Written: Tue, 14 Nov 2023 22:13:20 +0000\n" in words
    evil = b"Subject: =?utf-8?q?x=0D=0A=0D=0AIt_was_delivered_to:?=\r\n\r\n"
    assert "\n  Subject: x It was delivered to:\n" in text_of(
        made(fate("failed", GONE), original=evil)
    )


@pytest.mark.parametrize(
    ("ret", "whole", "action", "kind"),
    [
        ("FULL", True, "failed", "message/rfc822"),
        ("FULL", False, "failed", "text/rfc822-headers"),
        ("FULL", True, "delayed", "text/rfc822-headers"),
        ("HDRS", True, "failed", "text/rfc822-headers"),
        ("", True, "failed", "text/rfc822-headers"),
    ],
)
def test_what_comes_back(ret: str, whole: bool, action: str, kind: str) -> None:
    sender = Sender(Address("ann", "x.test"), ret=ret)
    *_, returned = made(fate(action, GONE), sender=sender, whole=whole).iter_parts()
    assert returned.get_content_type() == kind
    assert b"Subject: hello" in returned.as_bytes()
    assert (b"body" in returned.as_bytes()) is (kind == "message/rfc822")


def test_several_fates_in_one() -> None:
    message = made(
        fate("delivered", Reply(250, "", "fine"), "a@y.test"),
        fate("delayed", Reply(451, "4.4.1", "no answer"), "b@y.test", until=1_700_400_000.0),
        fate("relayed", Reply(250, "2.1.5", "ok"), "c@y.test", by="mx.y.test"),
        fate("failed", GONE, "d@y.test"),
    )
    assert message["Subject"] == "Your message could not be delivered"
    found = {one["Final-Recipient"][8:]: one for one in groups(message)[1:]}
    assert {name: one["Action"] for name, one in found.items()} == {
        "a@y.test": "delivered",
        "b@y.test": "delayed",
        "c@y.test": "relayed",
        "d@y.test": "failed",
    }
    assert found["a@y.test"]["Status"] == "2.0.0"
    assert "Will-Retry-Until" in found["b@y.test"]
    assert found["d@y.test"]["Diagnostic-Code"].startswith("X-Pillarbox;")


@pytest.mark.parametrize(
    ("action", "reply", "status"),
    [
        ("failed", Reply(550, "5.7.1", "no"), "5.7.1"),
        ("failed", Reply(550, "", "no"), "5.0.0"),
        ("failed", Reply(550, "2.0.0", "no"), "5.0.0"),
        ("failed", Reply(451, "4.4.1", "no answer for days"), "4.4.1"),
        ("delayed", Reply(451, "5.1.1", "odd"), "4.0.0"),
        ("delivered", Reply(250, "4.0.0", "odd"), "2.0.0"),
        ("expanded", Reply(250, "2.1.5", "ok"), "2.1.5"),
    ],
)
def test_the_class_of_a_status(action: str, reply: Reply, status: str) -> None:
    _, one = groups(made(fate(action, reply, until=1_700_000_000.0)))
    assert one["Status"] == status


def test_what_must_stay_secret_does() -> None:
    """A report on a REQUIRETLS message brings no content back (RFC 8689 §5)."""
    sender = Sender(Address("ann", "x.test"), ret="FULL", params={"REQUIRETLS": None})
    *_, returned = made(fate("failed", GONE), sender=sender).iter_parts()
    assert returned.get_content_type() == "text/rfc822-headers"


def test_names_without_a_domain_are_no_dns_names() -> None:
    fates = [fate("failed", GONE)]
    env = replace(envelope(fates[0].recipient), sender=Sender(Address("ann", "x.test")))
    raw = report(env, fates, ORIGINAL, whole=True, frame=replace(FRAME, hostname="box"))
    assert b"Reporting-MTA: x-local-hostname; box" in raw


def test_international_addresses_make_it_a_global_report() -> None:
    sender = Sender(Address("änn", "x.test"), smtputf8=True)
    top = "From: änn@x.test\r\nSubject: grüße\r\n\r\nx\r\n".encode()
    message = made(fate("failed", GONE, "bøb@y.test"), sender=sender, original=top)
    _, status, returned = message.iter_parts()
    assert status.get_content_type() == "message/global-delivery-status"
    assert "utf-8; bøb@y.test" in status.as_bytes().decode()
    assert returned.get_content_type() == "message/global-headers"


def test_words_of_a_server_forge_nothing() -> None:
    evil = Reply(550, "5.0.0", "no\r\nAction: delivered\r\n\r\n--b--\r\nX: y ü")
    (_, one) = groups(made(fate("failed", evil, by="mx\r\nAction: x")))
    assert one["Action"] == "failed"
    assert "delivered" in one["Diagnostic-Code"]
