"""DMARC reports: ours against the schema of RFC 9990, those of others read within bounds."""

from __future__ import annotations

import gzip
import importlib.util
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.policy.dmarc import reading, report
from pillarbox.policy.dmarc.evaluate import DmarcResult, Identifier, Method, Verdict
from pillarbox.policy.dmarc.reading import Seen, Unreadable, read, unpack
from pillarbox.policy.dmarc.record import Policy, Record, read_record
from pillarbox.policy.dmarc.report import About, Row, Tally
from pillarbox.policy.dmarc.tree import Found

ABOUT = About("mx.here.test", "postmaster@here.test", "bank.test", 86_400, 172_799, "1@here.test")
ROW = Row("192.0.2.1", "none", True, False, "", "bank.test", "out.test", "pass")


@pytest.fixture(scope="module")
def schema() -> Any:
    found = importlib.util.find_spec("dmarc")
    assert found is not None
    assert found.origin is not None
    return xmlschema.XMLSchema(
        str(Path(found.origin).parent / "report" / "schemas" / "dmarc-2.0.xsd")
    )


def record(text: str) -> Record:
    found = read_record([f"v=DMARC1; {text}".encode()])
    assert found is not None
    return found


RECORDS = [
    "p=reject; rua=mailto:a@bank.test",
    "p=none; sp=quarantine; np=reject; adkim=s; aspf=s; t=y; fo=1:d:s; psd=n",
    "rua=mailto:a@bank.test",
]
SIGNED = (("x.test", "s", "pass"),)
MANY = tuple((f"d{n}.test", "s", "fail") for n in range(10))
ROWS = [
    ROW,
    Row("2001:db8::1", "reject", False, False, "", "sub.bank.test", "", "none"),
    Row("192.0.2.1", "quarantine", False, True, "policy_test_mode", "x.test", "y.test", "fail"),
    Row("192.0.2.1", "pass", True, True, "", "x.test", "y.test", "softfail", SIGNED),
    Row("192.0.2.1", "none", False, False, "mailing_list", "x.test", "y.test", "permerror", MANY),
    Row("192.0.2.1", "none", False, False, "other", "<&\x00\x1b\ud800]]>", "a\nb", "temperror"),
]


@pytest.mark.parametrize("text", RECORDS)
@pytest.mark.parametrize("lost", [0, 7])
def test_reports_are_valid(schema: Any, text: str, lost: int) -> None:
    tally: Tally = {}
    for place, row in enumerate(ROWS):
        report.count(tally, record(text), row, place + 1)
    report.merge(tally, {"policy": tally["policy"], "rows": {}, "lost": lost})
    written = report.write(ABOUT, tally)
    schema.validate(written.decode())
    told = read(gzip.compress(written))
    assert (told.organization, told.ident, told.domain) == (
        "mx.here.test",
        "1@here.test",
        "bank.test",
    )
    assert (told.begin, told.end) == (86_400, 172_799)
    assert [one.count for one in told.seen] == [1, 2, 3, 4, 5, 6]
    assert told.seen[0] == Seen(
        "192.0.2.1", 1, "none", True, False, "bank.test", "out.test", "pass"
    )
    assert told.seen[3].signers == ("x.test",)
    assert told.seen[4].reason == "mailing_list"


def test_equal_messages_are_one_row() -> None:
    one: Tally = {}
    other: Tally = {}
    for tally in (one, other):
        for _ in range(3):
            report.count(tally, record("p=none"), ROW)
    report.merge(one, other)
    assert list(one["rows"].values()) == [6]


def test_many_kinds_are_bounded() -> None:
    tally: Tally = {}
    for n in range(report.MOST_KINDS + 5):
        row = Row(f"192.0.2.{n}", "none", True, True, "", "a", "b", "pass")
        report.count(tally, record("p=none"), row)
    assert len(tally["rows"]) == report.MOST_KINDS
    assert tally["lost"] == 5


QUARANTINE = Policy.QUARANTINE
TRIED = ("quarantine", "policy_test_mode")
PASSED_ON = ("none", "trusted_forwarder")
FOUND = Found("bank.test", record("p=reject"))


@pytest.mark.parametrize(
    ("verdict", "policy", "applied", "became", "exempt", "expected"),
    [
        (Verdict.PASS, Policy.REJECT, Policy.REJECT, "none", "", ("pass", "")),
        (Verdict.PASS, Policy.NONE, Policy.NONE, "none", "", ("none", "")),
        (Verdict.PASS, Policy.REJECT, Policy.REJECT, "quarantine", "", ("pass", "")),
        (Verdict.FAIL, Policy.REJECT, Policy.REJECT, "reject", "", ("reject", "")),
        (Verdict.FAIL, Policy.NONE, Policy.NONE, "none", "", ("none", "")),
        (Verdict.FAIL, Policy.REJECT, QUARANTINE, QUARANTINE.value, "", TRIED),
        (Verdict.FAIL, Policy.REJECT, Policy.REJECT, "none", PASSED_ON[1], PASSED_ON),
    ],
)
def test_what_became_of_it(
    verdict: Verdict,
    policy: Policy,
    applied: Policy,
    became: str,
    exempt: str,
    expected: tuple[str, str],
) -> None:
    aligned = (Identifier(Method.DKIM, "bank.test"),) if verdict is Verdict.PASS else ()
    result = DmarcResult(verdict, "bank.test", FOUND, policy, applied, aligned)
    row = report.row(
        result,
        ip="192.0.2.1",
        disposition=became,
        exempt=exempt,
        spf=("x.test", "fail"),
        signatures=[],
    )
    assert (row.disposition, row.reason) == expected
    assert (row.dkim, row.spf) == (verdict is Verdict.PASS, False)


def test_names() -> None:
    """The examples of RFC 9990 §3.5.2."""
    about = About("mail.receiver.example", "x@y", "example.com", 1013662812, 1013749130, "a@b")
    assert about.filename == "mail.receiver.example!example.com!1013662812!1013749130.xml.gz"
    assert about.subject == (
        "Report Domain: example.com Submitter: mail.receiver.example Report-ID: <a@b>"
    )


OLD = """<?xml version="1.0"?>
<feedback><report_metadata><org_name>Old Co</org_name><email>a@b</email><report_id>7</report_id>
<date_range><begin>1</begin><end> 2 </end></date_range></report_metadata>
<policy_published><domain>Bank.Test.</domain><p>none</p><pct>100</pct></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>
<disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated></row>
<identifiers><header_from>bank.test</header_from></identifiers>
<auth_results><spf><domain>bank.test</domain><result>pass</result></spf></auth_results></record>
</feedback>"""


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        OLD.encode(),
        gzip.compress(OLD.encode()),
        zipped(("r.xml", OLD.encode())),
        OLD.replace("<feedback>", '<x:feedback xmlns:x="urn:x">').replace("</f", "</x:f").encode(),
        OLD.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
    ],
)
def test_reports_of_others(data: bytes) -> None:
    told = read(data)
    assert (told.organization, told.domain, told.policy) == ("Old Co", "bank.test", "none")
    assert told.seen == (
        Seen("192.0.2.1", 3, "none", False, True, "bank.test", "bank.test", "pass"),
    )


BOMB = gzip.compress(b"<a>" + b"x" * (reading.LARGEST + 1) + b"</a>")
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    "<feedback>&b;</feedback>"
)
DAMAGED = {
    "nothing": b"",
    "rubbish": b"hello",
    "a bomb": BOMB,
    "a zip of bombs": zipped(("r.xml", b"x" * (reading.LARGEST + 1))),
    "two files": zipped(("a.xml", b"x"), ("b.xml", b"y")),
    "no zip": b"PK\x03\x04rubbish",
    "cut short": gzip.compress(OLD.encode())[:-20],
    "entities": ENTITIES.encode(),
    "entities, packed": gzip.compress(ENTITIES.encode()),
    "entities in UTF-16": ENTITIES.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
    "deep": b"<a>" * 50_000,
    "another document": b"<html/>",
    "no domain": OLD.replace("Bank.Test.", "").encode(),
    "no number": OLD.replace(">3<", ">-3<").encode(),
    "a long number": OLD.replace(">3<", f">{'9' * 5000}<").encode(),
    "an encoding of nobody": OLD.replace('"1.0"', '"1.0" encoding="klingon"').encode(),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_no_report(what: str) -> None:
    with pytest.raises(Unreadable):
        read(DAMAGED[what])


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"<feedback>"])
)
def test_any_octets(data: bytes, begin: bytes) -> None:
    for one in (begin + data, OLD.encode()[: len(data)] + data + OLD.encode()[len(data) * 2 :]):
        try:
            read(one)
        except Unreadable:
            pass


def test_what_is_unpacked() -> None:
    assert unpack(gzip.compress(b"x")) == b"x"
