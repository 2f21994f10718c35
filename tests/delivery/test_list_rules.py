"""Lists as pure questions: who may post, what members get, what a token says."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.delivery.lists import copies, posting
from pillarbox.delivery.lists.posting import facts, judge
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.message.bounce import Failure, failures
from pillarbox.model.address import Address
from pillarbox.model.lists import MailingList, Member, Others, Post, RewriteFrom
from pillarbox.model.verdict import Finding, Verdict

TALK = MailingList(1, "talk@example.test", "Talk")
MEMBERS = [Member(1, 1, "ann@far.test"), Member(2, 1, "bob@far.test", owner=True)]
SOMEBODY = Address("x", "y.test")


@pytest.mark.parametrize(
    ("fields", "post", "others", "verdict"),
    [
        ("From: Ann <ANN@far.test>", Post.MEMBERS, Others.REFUSE, None),
        ("From: ann@far.test, eve@far.test", Post.MEMBERS, Others.REFUSE, posting.MEMBERS_ONLY),
        ("From: eve@far.test", Post.MEMBERS, Others.REFUSE, posting.MEMBERS_ONLY),
        ("From: eve@far.test", Post.MEMBERS, Others.HOLD, Others.HOLD),
        ("From: eve@far.test", Post.ANYONE, Others.REFUSE, None),
        ("From: ann@far.test", Post.OWNERS, Others.REFUSE, posting.OWNERS_ONLY),
        ("From: ann@far.test", Post.OWNERS, Others.HOLD, Others.HOLD),
        ("From: bob@far.test", Post.OWNERS, Others.REFUSE, None),
        ("From: ", Post.ANYONE, Others.REFUSE, posting.NO_AUTHOR),
        ("X: y", Post.ANYONE, Others.REFUSE, posting.NO_AUTHOR),
        ("From: a@b\r\nAuto-Submitted: auto-x; y", Post.ANYONE, Others.HOLD, posting.AUTOMATIC),
        ("From: a@b\r\nAuto-Submitted: no", Post.ANYONE, Others.HOLD, None),
        ("From: a@b\r\nList-Id: T <Talk.example.test>", Post.ANYONE, Others.HOLD, posting.LOOPING),
        ("From: a@b\r\nList-Id: <talk.other.test>", Post.ANYONE, Others.HOLD, None),
        ("From: a@b\r\nDelivered-To: TALK@example.test", Post.ANYONE, Others.HOLD, posting.LOOPING),
    ],
)  # fmt: skip
def test_who_may_post(fields: str, post: Post, others: Others, verdict: object) -> None:
    one = MailingList(1, TALK.address, "Talk", post, others)
    found = facts(f"{fields}\r\n\r\n".encode())
    assert judge(one, MEMBERS, SOMEBODY, found) == verdict


def test_reports_are_no_posts() -> None:
    found = facts(b"From: ann@far.test\r\n\r\n")
    assert judge(TALK, MEMBERS, None, found) == posting.AUTOMATIC


RAW = (
    b"Return-Path: <ann@far.test>\r\nReceived: x\r\nDKIM-Signature: v=1; d=far.test; b=x\r\n"
    b"From: =?utf-8?q?Ann_=C3=84?= <ann@far.test>\r\nTo: talk@example.test\r\nSubject: hello\r\n"
    b"List-Id: <other.test>\r\nList-Unsubscribe: <mailto:other@test>\r\n\r\nhello\r\n"
)


def test_a_copy_has_the_fields_of_one_list_and_the_same_body() -> None:
    raw = copies.for_members(RAW, TALK, rewrite=False)
    found = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert found["List-Id"] == "Talk <talk.example.test>"
    assert found["List-Post"] == "<mailto:talk@example.test>"
    assert found["List-Owner"] == "<mailto:talk-owner@example.test>"
    assert found["Precedence"] == "list"
    assert found["Delivered-To"] == "talk@example.test"
    assert found["List-Unsubscribe"] is None  # each copy gets its own
    assert found.get_all("List-Id") == ["Talk <talk.example.test>"]
    assert found["DKIM-Signature"]
    assert "Return-Path" not in found
    assert raw.endswith(b"\r\n\r\nhello\r\n")
    assert str(found["From"]) == "Ann Ä <ann@far.test>"


def test_the_list_in_the_place_of_the_author() -> None:
    found = email.message_from_bytes(
        copies.for_members(RAW, TALK, rewrite=True), policy=email.policy.SMTP
    )
    assert str(found["From"]) == "Ann Ä via Talk <talk@example.test>"
    assert str(found["Reply-To"]) == "Ann Ä <ann@far.test>"
    assert "ann@far.test" in found["X-Original-From"]
    assert found["DKIM-Signature"] is None  # it would not hold


def test_an_announcement_list_takes_no_posts() -> None:
    news = MailingList(1, "news@example.test", post=Post.OWNERS)
    assert b"\r\nList-Post: NO\r\n" in copies.for_members(RAW, news, rewrite=False)


def test_the_way_out() -> None:
    mail_only = copies.way_out(TALK, "abc", "")
    assert mail_only == b"List-Unsubscribe: <mailto:talk-unsubscribe+abc@example.test>\r\n"
    both = copies.way_out(TALK, "abc", "https://mail.example.test")
    found = email.message_from_bytes(both)
    uris = " ".join(found["List-Unsubscribe"].split())
    assert uris == ("<https://mail.example.test/u/abc>, <mailto:talk-unsubscribe+abc@example.test>")
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("rule", "strict", "signer", "rewritten"),
    [
        (RewriteFrom.AUTO, False, b"", False),
        (RewriteFrom.AUTO, True, b"", True),
        (RewriteFrom.AUTO, True, b"far.test", False),
        (RewriteFrom.AUTO, True, b"test", False),
        (RewriteFrom.AUTO, True, b"near.test", True),
        (RewriteFrom.AUTO, True, b"r.test", True),
        (RewriteFrom.ALWAYS, False, b"far.test", True),
        (RewriteFrom.NEVER, True, b"", False),
    ],
)
def test_when_from_is_rewritten(
    rule: RewriteFrom, strict: bool, signer: bytes, rewritten: bool
) -> None:
    head = b"From: ann@far.test\r\n"
    head += b"DKIM-Signature: v=1; a=rsa-sha256;\r\n d=" + signer + b"; s=x\r\n" if signer else b""
    one = MailingList(1, TALK.address, rewrite_from=rule)
    assert copies.rewrites(one, head + b"\r\n", strict=strict) is rewritten


@pytest.mark.parametrize(
    ("address", "label"),
    [("talk@a.test", "talk.a.test"), ("a b@a.test", "a-b.a.test"), (".x.@a.test", "x.a.test")],
)
def test_list_ids(address: str, label: str) -> None:
    assert copies.list_id(MailingList(1, address)) == label


@given(st.integers(0, 2**40 - 1))
def test_tokens_come_back_in_any_case_and_for_their_purpose_only(member: int) -> None:
    tokens = Tokens(b"0123456789abcdef")
    token = tokens.make("leave", member)
    assert len(token) == 24
    assert tokens.read("leave", token) == tokens.read("leave", token.upper()) == member
    assert tokens.read("bounce", token) is None
    assert Tokens(b"another secret!!").read("leave", token) is None


@given(st.text(max_size=40))
def test_no_token_can_be_made_up(text: str) -> None:
    assert Tokens(b"0123456789abcdef").read("leave", text) is None


REPORT = (
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nwords\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; x\r\n\r\n"
    b"Final-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    b"Diagnostic-Code: smtp; 550 no such\r\n user\r\n\r\n"
    b"Final-Recipient: rfc822; c@d\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n--b--\r\n"
)


def test_what_a_report_says() -> None:
    assert failures(REPORT) == [Failure("5.1.1", "550 no such user")]
    assert failures(RAW) == []
    assert failures(REPORT.replace(b"failed", b"relayed")) == []


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_not(data: bytes) -> None:
    failures(REPORT[:200] + data)
    failures(data)
    facts(data)
    copies.for_members(data, TALK, rewrite=True)


def _found(*results: str) -> Verdict:
    """Findings out of ``method=result domain``."""
    names = {"spf": "smtp.mailfrom", "dkim": "header.d", "dmarc": "header.from"}
    found = []
    for one in results:
        what, _, domain = one.partition(" ")
        method, _, result = what.partition("=")
        found.append(Finding(method, result, "", ((names.get(method, "x"), domain),)))
    return Verdict(findings=tuple(found))


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ((), None),  # nobody looked
        (("spam=pass", "hook=none"), None),
        (("dmarc=pass far.test",), None),
        (("dmarc=fail far.test",), posting.UNPROVEN),
        (("dmarc=fail far.test", "spf=pass far.test"), posting.UNPROVEN),
        (("dmarc=pass eve.test", "spf=pass eve.test"), posting.UNPROVEN),
        (("dmarc=none far.test", "spf=pass far.test"), None),
        (("dmarc=none far.test", "dkim=pass far.test"), None),
        (("dmarc=none far.test", "dkim=pass test"), None),
        (("dmarc=none far.test", "dkim=pass r.test"), posting.UNPROVEN),
        (("dmarc=none far.test", "dkim=pass eve.far.test"), posting.UNPROVEN),
        (("dmarc=none far.test", "spf=none", "dkim=none"), posting.UNPROVEN),
        (("dmarc=temperror far.test", "spf=none eve.test"), posting.NOT_NOW),
        (("dmarc=none far.test", "spf=temperror far.test"), posting.NOT_NOW),
        (("dmarc=none far.test", "spf=temperror eve.test"), posting.UNPROVEN),
    ],
)
def test_a_member_in_from_has_to_be_proven(results: tuple[str, ...], answer: object) -> None:
    found, verdict = facts(b"From: ann@far.test\r\n\r\n"), _found(*results)
    assert judge(TALK, MEMBERS, SOMEBODY, found, verdict) == answer
    held = MailingList(1, TALK.address, "Talk", others=Others.HOLD)
    looked_at = Others.HOLD if answer else None
    assert judge(held, MEMBERS, SOMEBODY, found, verdict) == looked_at
    anyone = MailingList(1, TALK.address, "Talk", post=Post.ANYONE)
    assert judge(anyone, MEMBERS, SOMEBODY, found, verdict) is None
