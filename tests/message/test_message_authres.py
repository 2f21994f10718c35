"""Authentication-Results: written for anyone to read, read whoever wrote it, forged ones out."""

from __future__ import annotations

import authres
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.message import header
from pillarbox.message.authres import MOST, field, read, server_of, text, without_forged
from pillarbox.model.verdict import Finding

SPF = Finding("spf", "pass", "", (("smtp.mailfrom", "x.test"),))
DKIM = Finding("dkim", "fail", 'the "body" was (changed)', (("header.d", "x.test"),))
IPREV = Finding("iprev", "pass", "", (("policy.iprev", "2001:db8::1"),))


def test_written_so_that_others_can_read_it() -> None:
    """Another hand's reading of RFC 8601."""
    written = field("mx.test", [SPF, DKIM, IPREV])
    assert max(map(len, written.split(b"\r\n"))) < 80
    value = header.value(written, header.fields(written)[0]).decode()
    told = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + value)
    assert told.authserv_id == "mx.test"
    assert [(one.method, one.result) for one in told.results] == [
        ("spf", "pass"),
        ("dkim", "fail"),
        ("iprev", "pass"),
    ]
    assert told.results[1].reason.replace("\\", "") == 'the "body" was (changed)'
    assert told.results[2].properties[0].value == "2001:db8::1"
    assert read(value) == (SPF, DKIM, IPREV)
    none = authres.AuthenticationResultsHeader.parse(field("mx.test", []).decode().strip())
    assert none.results == []


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        ("mx.test; none", ("mx.test", "1")),
        ("MX.Test 1; spf=pass", ("mx.test", "1")),
        (" (a (nested) one) mx.test (x) 2 ; none", ("mx.test", "2")),
        ('"mx.test";none', ("mx.test", "1")),
        ("mx.test", ("mx.test", "1")),
        ("", None),
        ("; spf=pass", None),
        ("(never closed mx.test; spf=pass", None),
    ],
)
def test_whose_it_claims_to_be(value: str, claimed: tuple[str, str] | None) -> None:
    assert server_of(value) == claimed


def test_forged_ones_are_removed() -> None:
    forged = [
        b"Authentication-Results: mx.test; dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS : MX.TEST; dmarc=pass\r\n",
        b"Authentication-Results:\r\n (hm) mx.test\r\n ; dmarc=pass\r\n",
        b'Authentication-Results: "mx.t\\est"; dmarc=pass\r\n',
        b"Authentication-Results: other.test 7; dmarc=pass\r\n",
        b"Authentication-Results: ;\r\n",
    ]
    honest = [
        b"Authentication-Results: other.test; dmarc=pass\r\n",
        b"Authentication-Results: sub.mx.test; dmarc=pass\r\n",
        b"From: a@b.test\r\n",
        b"X-Authentication-Results: mx.test; spf=pass\r\n",
    ]
    head = b"".join(honest[:2] + forged + honest[2:]) + b"\r\n"
    assert without_forged(head, "mx.test") == b"".join(honest) + b"\r\n"
    clean = b"".join(honest) + b"\r\n"
    assert without_forged(clean, "Mx.test") is clean


def test_much_is_not_read() -> None:
    assert len(read("x" + "; spf=pass" * 500)) <= MOST


@given(st.text(max_size=100))
def test_any_text(value: str) -> None:
    read(value)
    server_of(value)
    without_forged(b"Authentication-Results: " + value.encode() + b"\r\n\r\n", "mx.test")


@given(st.text(max_size=50), st.text(max_size=50))
@example(";", "=")
def test_what_is_written_is_read(reason: str, value: str) -> None:
    finding = Finding("dkim", "fail", reason, (("header.d", value),))
    written = text("mx.test", [finding])
    assert written.isascii()
    assert written.isprintable()
    (back,) = read(written)
    fit = "".join(char if " " <= char <= "~" else "?" for char in reason)
    assert (back.method, back.reason) == ("dkim", fit)
