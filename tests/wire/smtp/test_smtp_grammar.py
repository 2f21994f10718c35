"""Paths, mailboxes, literals, parameters and their escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.address import Address
from pillarbox.wire.smtp import grammar, params, quirks, xtext
from pillarbox.wire.smtp.grammar import Malformed, parse_mailbox, parse_path

GOOD = {
    "<a@example.com>": Address("a", "example.com"),
    "<A.b+c@Example.COM>": Address("A.b+c", "Example.COM"),
    "<!#$%&'*+/=?^_`{|}~-@x>": Address("!#$%&'*+/=?^_`{|}~-", "x"),
    "<e=mc2@example.com>": Address("e=mc2", "example.com"),
    '<"a b"@x>': Address("a b", "x"),
    r'<"a\"b\\c"@x>': Address(r"a\"b\\c".replace("\\\\", "\\").replace('\\"', '"'), "x"),
    '<"a>b"@x>': Address("a>b", "x"),
    '<"a@b"@x>': Address("a@b", "x"),
    "<a@[192.0.2.1]>": Address("a", "[192.0.2.1]"),
    "<a@[IPv6:2001:db8::1]>": Address("a", "[IPv6:2001:db8::1]"),
    "<a@[ipv6:::ffff:192.0.2.1]>": Address("a", "[ipv6:::ffff:192.0.2.1]"),
    "<a@[tag-1:anything]>": Address("a", "[tag-1:anything]"),
    "<@one,@two:a@x>": Address("a", "x"),
    "<@one:a@x>": Address("a", "x"),
    "<postmaster>": Address("postmaster", ""),
    "<>": None,
    "<m\u00fcller@b\u00fccher.example>": Address("m\u00fcller", "b\u00fccher.example"),
    '<"\u00fc \u00fc"@x>': Address("\u00fc \u00fc", "x"),
    "<a@x-y.example>": Address("a", "x-y.example"),
    "<a@xn--bcher-kva.example>": Address("a", "xn--bcher-kva.example"),
    "<a@1.2.3.4>": Address("a", "1.2.3.4"),
}
BAD = (
    "",
    "a@x",
    "<a@x",
    "<a@>",
    "<@x>",
    "< a@x>",
    "<a@x >",
    "<a b@x>",
    "<a@b@x>",
    "<.a@x>",
    "<a.@x>",
    "<a..b@x>",
    "<a@.x>",
    "<a@x.>",
    "<a@x..y>",
    "<a@-x>",
    "<a@x->",
    "<a@x.-y.z>",
    "<a@x y>",
    "<a@x!y>",
    '<"a@x>',
    '<"a"b@x>',
    '<""@x>',
    r'<"a\"@x>',
    "<a@[1.2.3]>",
    "<a@[1.2.3.256]>",
    "<a@[01.2.3.4]>",
    "<a@[IPv6:1.2.3.4]>",
    "<a@[IPv6:fe80::1%eth0]>",
    "<a@[]>",
    "<a@[x]>",
    "<a@[1.2.3.4>",
    "<a@1.2.3.4]>",
    "<@one,two:a@x>",
    "<@one a@x>",
    "<@:a@x>",
    "<<a@x>>",
    "<a,b@x>",
    "<a@x,b@y>",
    "<a:b@x>",
    "<(c)a@x>",
)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_path(text: str) -> None:
    assert parse_path(text, 512) == (GOOD[text], "")
    assert parse_path(text + " X=1", 512) == (GOOD[text], " X=1")


@pytest.mark.parametrize("text", BAD)
def test_a_bad_path(text: str) -> None:
    with pytest.raises(Malformed):
        print(parse_path(text, 512))


def test_what_is_too_long() -> None:
    assert parse_path(f"<{'a' * 100}@x>", 102)
    for text in (f"<{'a' * 101}@x>", f'<"{"a" * 99}"@x>'):
        with pytest.raises(Malformed, match="Path too long"):
            parse_path(text, 102)
    label = "y" * 63
    assert parse_path(f"<a@{label}.x>", 512)
    with pytest.raises(Malformed, match="label"):
        parse_path(f"<a@{label}y.x>", 512)
    with pytest.raises(Malformed, match="Domain too long"):
        parse_path(f"<a@{'y.' * 128}x>", 512)


ATEXT = "abcXYZ019!#$%&'*+/=?^_`{|}~-"
atoms = st.text(ATEXT, min_size=1, max_size=9)
locals_ = st.lists(atoms, min_size=1, max_size=3).map(".".join)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join)
quoted = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)


@given(locals_, domains)
def test_the_two_roads_agree(local: str, domain: str) -> None:
    text = f"<{local}@{domain}>"
    expected = (Address(local, domain), "")
    assert parse_path(text, 512) == expected
    assert grammar._parse_any_path(text, 512) == expected


@given(st.text(alphabet='ab.@<>"\\[]-:,1 \u00fc', max_size=14))
def test_the_two_roads_agree_on_rubbish(text: str) -> None:
    def outcome(parse: object) -> object:
        try:
            return parse(text, 512)  # type: ignore[operator]
        except Malformed:
            return None

    assert outcome(parse_path) == outcome(grammar._parse_any_path)


@given(quoted, domains)
def test_an_address_survives_the_wire(local: str, domain: str) -> None:
    address = Address(local, domain)
    assert parse_path(f"<{address}>", 512) == (address, "")


def test_a_mailbox_in_a_parameter() -> None:
    assert parse_mailbox("a@x") == Address("a", "x")
    for text in ("", "a", "<a@x>", "a@x>", "a@x> b", "a@x b", "@x:a"):
        assert parse_mailbox(text) is None, text


def test_quirks_by_name() -> None:
    assert quirks.space_after_colon("  <a@x>") == "<a@x>"
    assert quirks.trailing_space("DATA  ") == "DATA"
    assert quirks.hello_name("WIN_BOX and more") == "WIN_BOX"
    assert quirks.hello_name("") is None
    assert quirks.hello_name("x" * 256) is None
    assert quirks.hello_name("\u00fc") is None
    assert quirks.DOMAIN_EXTRA == "_"


# Escapes


def test_xtext() -> None:
    assert xtext.decode("a+2B+3Db+20") == "a+=b "
    for text in ("a b", "a=b", "a+2", "a+2b", "a+", "\u00fc", "+C3+BC"):
        assert xtext.decode(text) is None, text
    assert xtext.encode("a+=b \u00fc") == "a+2B+3Db+20?"


@given(st.text(st.characters(max_codepoint=127)))
def test_xtext_round_trip(text: str) -> None:
    assert xtext.decode(xtext.encode(text)) == text


def test_unitext() -> None:
    assert xtext.decode_unitext(r"\x{7528}\x{2B}a") == "用+a"
    for text in ("", "a b", "a+b", "a=b", "a\\b", r"\x{7}", r"\x{D800}", r"\x{110000}", r"\x{7f}"):
        assert xtext.decode_unitext(text) is None, text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.booleans())
def test_unitext_round_trip(text: str, utf8: bool) -> None:
    coded = xtext.encode_unitext(text, utf8=utf8)
    assert utf8 or coded.isascii()
    assert xtext.decode_unitext(coded) == text


# Parameters

ALL = {
    key: parser
    for group in (
        params.SIZE,
        params.AUTH,
        params.DELIVERBY,
        params.FUTURERELEASE,
        params.MT_PRIORITY,
        *params.OF_MAIL.values(),
        *params.OF_RCPT.values(),
    )
    for key, parser in group.items()
}


def fields_of(text: str) -> params.Fields:
    fields: params.Fields = {}
    assert params.parse_params(text, ALL, fields) == "", text
    return fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("  SIZE=0   ", {"size": 0}),
        ("size=123", {"size": 123}),
        ("BODY=8bitmime", {"body": "8BITMIME"}),
        ("BODY=BINARYMIME SMTPUTF8", {"body": "BINARYMIME", "smtputf8": True}),
        ("RET=full ENVID=a+20b", {"ret": "FULL", "envid": "a b"}),
        ("AUTH=<> SIZE=1", {"auth": "<>", "size": 1}),
        ("AUTH=e+3Dmc2@example.com", {"auth": "e=mc2@example.com"}),
        ("NOTIFY=never", {"notify": frozenset({"NEVER"})}),
        ("NOTIFY=DELAY,success", {"notify": frozenset({"DELAY", "SUCCESS"})}),
        ("ORCPT=rfc822;Ann+2BB@x", {"orcpt": "rfc822;Ann+B@x"}),
        ("ORCPT=X400;/c+3Dus/a", {"orcpt": "X400;/c=us/a"}),
        (r"ORCPT=utf-8;\x{FC}@x", {"orcpt": "utf-8;\u00fc@x"}),
        ("BY=60;n HOLDFOR=9", {"params": {"BY": "60;n", "HOLDFOR": "9"}}),
        ("BY=-60;NT", {"params": {"BY": "-60;NT"}}),
        ("HOLDUNTIL=2030-01-01T00:00:00Z", {"params": {"HOLDUNTIL": "2030-01-01T00:00:00Z"}}),
        ("MT-PRIORITY=-9 REQUIRETLS", {"params": {"MT-PRIORITY": "-9", "REQUIRETLS": None}}),
    ],
)  # fmt: skip
def test_good_parameters(text: str, fields: params.Fields) -> None:
    assert fields_of(text) == fields


@pytest.mark.parametrize(
    "text",
    [
        "SIZE", "SIZE=", "SIZE=-1", "SIZE=1x", "SIZE=\u0663", f"SIZE={'9' * 21}", "SIZE=1 SIZE=1",
        "BODY", "BODY=7", "SMTPUTF8=1", "RET", "RET=NONE", "ENVID=", "ENVID", "ENVID=a+00",
        "ENVID=a+", "HOLDUNTIL=2030-01-01T00:00:00",
        f"ENVID={'a' * 101}", "AUTH=", "AUTH=a", "AUTH=a@b=c", "NOTIFY=NEVER,NEVER,DELAY",
        "NOTIFY=,", "NOTIFY=ALWAYS", "ORCPT=;a", "ORCPT=rfc822;", "ORCPT=rfc822", "ORCPT=a b;c",
        "ORCPT=rfc822;a+0Ab", f"ORCPT=rfc822;{'a' * 500}", "BY=1", "BY=1;X", "BY=0;R", "BY=-1;R",
        "BY=1;R;T", "HOLDFOR=0x", "HOLDFOR=1 HOLDUNTIL=2030-01-01T00:00:00Z", "HOLDUNTIL=2030",
        "MT-PRIORITY=10", "MT-PRIORITY=+1", "REQUIRETLS=yes", "=1", "-SIZE=1", "S\u00cdZE=1",
        "SIZE==1",
        "\u017fIZE=1", "SIZE=1\x7f",
    ],
)  # fmt: skip
def test_bad_parameters(text: str) -> None:
    with pytest.raises(Malformed):
        params.parse_params(text, ALL, {})


def test_unknown_parameters() -> None:
    assert params.parse_params(" X-FOO=1 SIZE=x", ALL, {}) == "X-FOO"
    assert params.parse_params(" size=1", {}, {}) == "SIZE"


@given(st.text(max_size=60))
def test_any_parameters(text: str) -> None:
    try:
        params.parse_params(text, ALL, {})
    except Malformed:
        pass
