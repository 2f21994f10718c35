"""Actions, variables and control that extensions bring, by their RFCs."""

from __future__ import annotations

import email
import email.policy
import itertools
from types import SimpleNamespace

import pytest

from pillarbox.sieve import match
from pillarbox.sieve.actions import FileInto, Keep, Notify, Redirect, Remember, Vacation
from pillarbox.sieve.limits import Limits
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script
from support.sievesay import MESSAGE, World, complaints, decide, outcome

# ---------------------------------------------------------------------------- tables

DECIDES = [
    # copy (RFC 3894)
    ('require ["copy", "fileinto"]; fileinto :copy "a";', ['fileinto "a"', "keep (implicit)"]),
    ('require "copy"; redirect :copy "a@b.example";',
     ['redirect "a@b.example"', "keep (implicit)"]),
    # reject (RFC 5429 §2.4)
    ('require "reject"; reject "no";', ['reject "no"']),
    ('require "ereject"; ereject "no";', ['ereject "no"']),
    ('require "reject"; keep; reject "no";',
     ["error: line 1: a message is either refused or delivered and answered", "keep (implicit)"]),
    ('require ["reject", "fileinto"]; reject "no"; fileinto "a";',
     ["error: line 1: a message is either refused or delivered and answered", "keep (implicit)"]),
    ('require "reject"; reject "no"; reject "no";',
     ["error: line 1: a message is refused once only", "keep (implicit)"]),
    ('require ["reject", "vacation"]; vacation "away"; reject "no";',
     ["error: line 1: a message is either refused or delivered and answered", "keep (implicit)"]),
    ('require "reject"; discard; reject "no";', ["discard", 'reject "no"']),
    # vacation (RFC 5230 §4.7, RFC 6131)
    ('require "vacation"; vacation "away";',
     ['vacation "away" once in 604800 seconds', "keep (implicit)"]),
    ('require "vacation"; vacation "a"; vacation "b";',
     ["error: line 1: there can be one vacation only", "keep (implicit)"]),
    ('require "vacation"; vacation :days 0 "a";',
     ['vacation "a" once in 86400 seconds', "keep (implicit)"]),
    ('require "vacation"; vacation :days 9999 "a"; discard;',
     ['vacation "a" once in 5184000 seconds', "discard"]),
    ('require "vacation-seconds"; vacation :seconds 0 "a";',
     ['vacation "a" once in 60 seconds', "keep (implicit)"]),
    ('require "vacation-seconds"; vacation :seconds 1800 "a";',
     ['vacation "a" once in 1800 seconds', "keep (implicit)"]),
    # imap4flags (RFC 5232)
    ('require "imap4flags"; addflag "\\\\Seen"; addflag ["A", "B"]; removeflag "a";',
     ["keep (implicit) flags \\Seen B"]),
    ('require "imap4flags"; setflag "A b  \\\\flagged"; keep; setflag "c";',
     ["keep flags A b \\flagged"]),
    ('require ["imap4flags", "fileinto"]; setflag "A"; fileinto "x"; fileinto :flags "B" "x";',
     ['fileinto "x" flags B']),
    ('require ["imap4flags", "variables"]; setflag "v" "A B"; addflag "v" "c"; '
     'if hasflag :is "v" "b" { keep :flags "${v}"; }', ["keep flags A B c"]),
    ('require "imap4flags"; setflag ["", "\\\\Recent", "a b", "bad]flag"]; keep;',
     ["keep flags a b"]),
    ('require "imap4flags"; setflag "A B"; if hasflag "b A" { discard; }', ["discard"]),
    ('require ["imap4flags", "relational", "comparator-i;ascii-numeric", "variables"];'
     'set "m" "A B"; if hasflag :count "ge" :comparator "i;ascii-numeric" "m" "2" { discard; }',
     ["discard"]),
    ('require ["imap4flags", "variables"]; set "m" "NonJunk $Forwarded";'
     'if hasflag :contains "m" ["label", "forward"] { discard; }', ["discard"]),
    # variables (RFC 5229)
    ('require ["variables", "fileinto"]; set "a" "juMBlEd"; set :upperfirst :lower "b" "${A}";'
     'fileinto "${b}";', ['fileinto "Jumbled"']),
    ('require ["variables", "fileinto"]; set :length "b" "four"; fileinto "${b}";',
     ['fileinto "4"']),
    ('require ["variables", "fileinto"]; set :quotewildcard "b" "Rock*?\\\\"; fileinto "${b}";',
     ['fileinto "Rock\\\\*\\\\?\\\\\\\\"'.replace("\\\\", "\\")]),
    ('require ["variables", "fileinto"]; set :lowerfirst "b" "ABC"; fileinto "${b}";',
     ['fileinto "aBC"']),
    ('require ["variables", "fileinto"]; set :upper "b" "aé1"; fileinto "${b}";',
     ['fileinto "Aé1"']),
    ('require ["variables", "fileinto"]; set "company" "ACME";'
     'fileinto "${full}${company}${BAD${Company} &%${}! ${doh!}";',
     ['fileinto "ACME${BADACME &%${}! ${doh!}"']),
    ('require ["variables", "fileinto"]; if header :matches "list-id" "*<*.*.*>*"'
     ' { fileinto "l.${2}.${003}.${9}"; }', ['fileinto "l.fans.lists."']),
    ('require ["variables", "fileinto"]; if header :matches "subject" "*é*" {}'
     ' if header :matches "subject" "x*" {} fileinto "${1}|${2}";', ['fileinto "Beep | beep"']),
    ('require ["variables", "fileinto", "regex"];'
     ' if header :regex "from" "<([a-z]+)\\\\+([a-z]+)@" { fileinto "${1}/${2}"; }',
     ['fileinto "wile/acme"']),
    ('require ["variables", "fileinto"]; if address :matches :domain "from" "*.*.*"'
     ' { fileinto "${1}-${2}-${3}"; }', ['fileinto "Desert-Example-org"']),
    # encoded characters (RFC 5228 §2.4.2.4)
    ('require ["encoded-character", "fileinto"]; fileinto "$${hex:40}${hex: 41 42 }${HEX:43}";',
     ['fileinto "$@ABC"']),
    ('require ["encoded-character", "fileinto"]; fileinto "${hex:40";', ['fileinto "${hex:40"']),
    ('require ["encoded-character", "fileinto"]; fileinto "${hex:400}${unicode:E9}";',
     ['fileinto "${hex:400}é"']),
    ('require ["encoded-character", "fileinto"]; fileinto "${hex:4${hex:30}}";',
     ['fileinto "${hex:40}"']),
    ('require ["encoded-character", "fileinto"]; fileinto "${ unicode:40}${UnICoDE:0000040}";',
     ['fileinto "${ unicode:40}@"']),
    ('require ["encoded-character", "fileinto"]; fileinto "${Unicode:Cool}${hex:c3 a9}";',
     ['fileinto "${Unicode:Cool}é"']),
    ('require ["encoded-character", "variables", "fileinto"]; set "name" "E";'
     'fileinto "d${hex:20 24 7b 4e}ame}";', ['fileinto "d E"']),
    # mailbox (RFC 5490), special-use (RFC 8579), mailboxid (RFC 9042)
    ('require ["mailbox", "fileinto"]; fileinto :create "a";', ['fileinto "a" create']),
    ('require ["special-use", "fileinto"]; fileinto :specialuse "\\\\Junk" "Spam";',
     ['fileinto "Spam" special-use \\Junk']),
    ('require ["mailboxid", "fileinto"]; fileinto :mailboxid "F1" "Spam";',
     ['fileinto "Spam" mailboxid F1']),
    # redirect-dsn and redirect-deliverby (RFC 6009)
    ('require "redirect-dsn"; redirect :notify "success,failure" :ret "hdrs" "a@b.example";',
     ['redirect "a@b.example" notify SUCCESS,FAILURE ret HDRS']),
    ('require "redirect-deliverby"; redirect :bytimerelative 600 :bymode "notify" :bytrace'
     ' "a@b.example";', ['redirect "a@b.example" by 600;NT']),
    ('require "redirect-deliverby"; redirect :bytimeabsolute "2026-03-04T04:16:07Z" "a@b.example";',
     ['redirect "a@b.example" by 600;R']),
    # ihave (RFC 5463)
    ('require "ihave"; if ihave "fileinto" { fileinto "a"; }', ['fileinto "a"']),
    ('require "ihave"; if ihave "nothing" { nothing "a"; } else { discard; }', ["discard"]),
    ('require "ihave"; if not ihave "nothing" { stop; } nothing :x 5;', ["keep (implicit)"]),
    ('require "ihave"; fileinto "a";',
     ['error: line 1: "fileinto" is used before ihave found: fileinto', "keep (implicit)"]),
    ('require "ihave"; if anyof (false, ihave ["fileinto", "copy"]) {} fileinto :copy "a";',
     ['fileinto "a"', "keep (implicit)"]),
    ('require "ihave"; if ihave ["fileinto", "nothing"] {} fileinto "a";',
     ['error: line 1: "fileinto" is used before ihave found: fileinto', "keep (implicit)"]),
    ('require "ihave"; if ihave "variables" { discard; }', ["keep (implicit)"]),
    ('require "ihave"; error "it ends";', ["error: line 1: it ends", "keep (implicit)"]),
    ('require "ihave"; frobnicate;', ['error: line 1: unknown command: "frobnicate"',
                                      "keep (implicit)"]),
]  # fmt: skip


@pytest.mark.parametrize(("script", "lines"), DECIDES, ids=[row[0][:60] for row in DECIDES])
def test_decides(script: str, lines: list[str]) -> None:
    assert decide(script) == lines


WRONG = [
    'require "variables"; set "1" "a";',
    'require "variables"; set "a.b" "a";',
    'require "variables"; set "global.b" "a";',
    'require "variables"; set "a b" "a";',
    'require "variables"; set :lower :upper "a" "a";',
    'require "variables"; set :frob "a" "a";',
    'require "variables"; set "${a}" "a";',
    'require "variables"; keep; if string "${a.b}" "" {}',
    'require "variables"; if string "${100}" "" {}',
    'require ["variables", "encoded-character"]; if string "${unicode:200000}" "" {}',
    'require ["encoded-character", "fileinto"]; fileinto "${unicode:DF01}";',
    'require "vacation"; vacation :seconds 5 "a";',
    'require "vacation-seconds"; vacation :days 1 :seconds 5 "a";',
    'require "vacation"; vacation :from "nobody" "a";',
    'require "vacation"; vacation :mime "Subject: é\n\nx";',
    'require "vacation"; vacation ["a", "b"];',
    'require "imap4flags"; setflag "v" "A";',
    'require "relational"; if header :value "xx" "a" "b" {}',
    'require "relational"; if header :count "eq" :is "a" "b" {}',
    'require "date"; if date "date" "century" "21" {}',
    'require "date"; if date :zone "0100" "date" "hour" "1" {}',
    'require "date"; if date :zone "+0100" :originalzone "date" "hour" "1" {}',
    'require "date"; if currentdate :originalzone "hour" "1" {}',
    'require "index"; if header :last "a" "b" {}',
    'require "editheader"; addheader "a b" "c";',
    'require "editheader"; deleteheader :last "a";',
    'require "editheader"; deleteheader "a:" ;',
    'require "duplicate"; if duplicate :header "a" :uniqueid "b" {}',
    'require "regex"; if header :regex "a" "(" {}',
    'require "regex"; if header :regex "a" "(a)\\\\1" {}',
    'require "regex"; if header :regex "a" "(?P<x>a)" {}',
    'require ["regex", "comparator-i;ascii-numeric"];'
    ' if header :regex :comparator "i;ascii-numeric" "a" "a" {}',
    'require "foreverypart"; break;',
    'require ["foreverypart", "extracttext", "variables"]; extracttext "a";',
    'require ["foreverypart", "extracttext"]; foreverypart { extracttext "a"; }',
    'require "replace"; replace :mime :subject "a" "b";',
    'require "replace"; replace :from "nobody" "b";',
    'require "enotify"; notify :importance "4" "mailto:a@b.example";',
    'require "enotify"; notify :options "x" "mailto:a@b.example";',
    'require "enotify"; notify;',
    'require "include"; include :personal :global "a";',
    'require "include"; include "";',
    'require ["include"]; global "a";',
    'require ["include", "variables"]; global "1";',
    'require ["include", "variables"]; include "${a}";',
    'require "ihave"; if ihave 5 {}',
    'require "redirect-dsn"; redirect :notify "never,success" "a@b.example";',
    'require "redirect-dsn"; redirect :ret "some" "a@b.example";',
    'require "redirect-deliverby"; redirect :bymode "return" "a@b.example";',
    'require "redirect-deliverby"; redirect :bytimeabsolute "soon" "a@b.example";',
    'require ["mailboxid", "special-use", "fileinto"];'
    ' fileinto :mailboxid "a" :specialuse "\\\\Junk" "b";',
    'require ["special-use", "fileinto"]; fileinto :specialuse "Junk" "b";',
    'require "mailbox"; vacation :create "a";',
    'require ["vacation", "mailbox"]; vacation :create "a";',
    'require "mboxmetadata"; if metadata "INBOX" "comment" "a" {}',
    'require "envelope"; if envelope "cc" "a" {}',
    'require "spamtest"; if spamtest ["1", "2"] {}',
    'require "fileinto"; fileinto "";',
]


@pytest.mark.parametrize("script", WRONG)
def test_is_refused(script: str) -> None:
    assert complaints(script)


@pytest.mark.parametrize("extension", [
    ("fileinto", 'fileinto "a";'), ("envelope", 'if envelope "from" "a" {}'),
    ("copy", 'redirect :copy "a@b.c";'), ("body", 'if body "a" {}'),
    ("variables", 'set "a" "b";'), ("relational", 'if header :count "eq" "a" "1" {}'),
    ("subaddress", 'if address :user "to" "a" {}'), ("imap4flags", 'addflag "a";'),
    ("imap4flags", 'keep :flags "a";'), ("date", 'if currentdate "year" "1" {}'),
    ("index", 'if header :index 1 "a" "b" {}'), ("vacation", 'vacation "a";'),
    ("reject", 'reject "a";'), ("ereject", 'ereject "a";'), ("include", 'include "a";'),
    ("environment", 'if environment "a" "b" {}'), ("mailbox", 'if mailboxexists "a" {}'),
    ("mboxmetadata", 'if metadataexists "a" "/shared/b" {}'),
    ("servermetadata", 'if servermetadataexists "/shared/b" {}'),
    ("editheader", 'addheader "a" "b";'), ("duplicate", "if duplicate {}"),
    ("regex", 'if header :regex "a" "b" {}'), ("foreverypart", "foreverypart {}"),
    ("mime", 'if exists :mime "a" {}'), ("enclose", 'enclose "a";'), ("replace", 'replace "a";'),
    ("enotify", 'notify "mailto:a@b.c";'), ("ihave", 'if ihave "a" {}'), ("ihave", 'error "a";'),
    ("special-use", 'if specialuse_exists "\\\\Junk" {}'),
    ("mailboxid", 'if mailboxidexists "a" {}'),
    ("redirect-dsn", 'redirect :ret "full" "a@b.c";'),
    ("redirect-deliverby", 'redirect :bytimerelative 5 "a@b.c";'),
    ("extlists", 'if header :list "a" "b" {}'), ("spamtest", 'if spamtest "1" {}'),
    ("virustest", 'if virustest "1" {}'),
    ("comparator-i;ascii-numeric", 'if header :comparator "i;ascii-numeric" "a" "1" {}'),
    ("comparator-i;unicode-casemap", 'if header :comparator "i;unicode-casemap" "a" "1" {}'),
], ids=lambda pair: f"{pair[0]}: {pair[1]}")  # fmt: skip
def test_needs_its_require(extension: tuple[str, str]) -> None:
    name, script = extension
    assert f'needs: require "{name}";' in complaints(script)[0]
    assert complaints(f'require "{name}"; {script}') == []


# ---------------------------------------------------------------------------- vacation


def vacation_of(script: str) -> Vacation:
    return next(one for one in outcome(script).actions if isinstance(one, Vacation))


def test_what_counts_as_the_same_answer() -> None:
    """RFC 5230 §4.2: each argument by itself, before expansion."""
    handles = [
        vacation_of(f'require ["vacation", "variables"]; set "v" "{n}"; vacation {words};').handle
        for n, words in enumerate([
            '"a"', ':subject "a" ""', ':from "a@b.c" "a"', ':mime "a"', '"${v}"', '"${v}"',
            ':handle "a" "x"', ':handle "a" "y"',
        ])
    ]  # fmt: skip
    assert len(set(handles)) == 6
    assert handles[4] == handles[5]
    assert handles[6] == handles[7]


def test_the_copy_of_an_answer() -> None:
    script = 'require ["vacation", "fcc", "mailbox", "imap4flags"]; addflag "x";'
    answer = vacation_of(script + 'vacation :fcc "Sent" :create :flags "\\\\Seen" "a";')
    assert answer.fcc == FileInto("Sent", ("\\Seen",), create=True)
    assert vacation_of(script + 'vacation :fcc "Sent" "a";').fcc == FileInto("Sent")


# ---------------------------------------------------------------------------- header and body

EDITS = [
    ('addheader "X-Hello" "World";', "X-Hello: World\r\n", 1),
    ('addheader :last "X-Hello" "World";', "X-Hello: World\r\n", -1),
    ('addheader "Subject" "Grüße";', "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n", 1),
]


@pytest.mark.parametrize(("edit", "field", "place"), EDITS)
def test_adding_a_field(edit: str, field: str, place: int) -> None:
    (keep,) = outcome(f'require "editheader"; {edit}').actions
    head, _, body = MESSAGE.partition(b"\r\n\r\n")
    new = field.encode() + head + b"\r\n" if place == 1 else head + b"\r\n" + field.encode()
    assert isinstance(keep, Keep)
    assert keep.message == new + b"\r\n" + body


def names_after(edit: str) -> list[str]:
    (keep,) = outcome(f'require ["editheader"]; {edit}').actions
    assert isinstance(keep, Keep)
    octets = keep.message if keep.message is not None else MESSAGE
    return [f"{k}: {v}" for k, v in email.message_from_bytes(octets).items() if "Twice" in k]


def test_deleting_fields() -> None:
    assert names_after('deleteheader "x-twice";') == []
    assert names_after('deleteheader :index 1 "X-Twice";') == ["X-Twice: second "]
    assert names_after('deleteheader :index 1 :last "X-Twice";') == ["X-Twice: first"]
    assert names_after('deleteheader :contains "X-Twice" "seco";') == ["X-Twice: first"]
    assert names_after('deleteheader :index 1 :contains "X-Twice" "seco";') == [
        "X-Twice: first",
        "X-Twice: second ",
    ]
    assert names_after('deleteheader :index 9 "X-Twice";')[0] == "X-Twice: first"


def test_some_fields_stay() -> None:
    """RFC 5293 §6."""
    (keep,) = outcome('require "editheader"; deleteheader "received";').actions
    assert keep == Keep(implicit=True)


def test_edits_are_seen_by_what_follows_and_undone_by_errors() -> None:
    """RFC 5293 §7."""
    script = 'require ["editheader", "ihave"]; addheader "X-New" "1";'
    assert decide(script + ' if not header "x-new" "1" { discard; }')[0].startswith("keep (impl")
    assert outcome(script + 'error "x";').actions == (Keep(implicit=True),)
    assert outcome('require "editheader"; addheader "A" "b"; deleteheader "A";').changed == MESSAGE
    (kept,) = outcome('require "editheader"; keep; addheader "X" "y"; keep;').actions
    assert kept == Keep()


MIME = b"""\
From: a@b.example
Subject: parts
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Gr\xc3\xbc\xc3\x9fe
--b
Content-Type: image/png; name="x.png"
Content-Transfer-Encoding: base64

AAAA
--b
Content-Type: message/rfc822

Subject: inner

inside
--b--
""".replace(b"\n", b"\r\n")


def test_every_part() -> None:
    script = """require ["foreverypart", "mime", "fileinto", "variables"];
    foreverypart { if header :mime :contenttype :matches "content-type" "*" {
        set "found" "${found} ${1}"; } else { set "found" "${found} -"; } }
    fileinto "${found}";"""
    assert decide(script, MIME) == [
        'fileinto " multipart/mixed text/plain image/png message/rfc822 -"'
    ]


def test_loops_within_loops_and_breaks() -> None:
    script = """require ["foreverypart", "mime", "fileinto", "variables"];
    foreverypart :name "outer" { set "n" "${n}o";
        foreverypart { set "n" "${n}i"; if header :mime :type "content-type" "image" {
            break :name "outer"; } } }
    fileinto "${n}";"""
    assert decide(script, MIME) == ['fileinto "oii"']
    script = """require ["foreverypart", "fileinto", "variables"];
    foreverypart { set "n" "${n}o"; foreverypart { set "n" "${n}i"; break; } }
    fileinto "${n}";"""
    assert decide(script, MIME) == ['fileinto "oiooooi"'.replace("oiooooi", "oioooio")]
    assert decide('require "foreverypart"; foreverypart { break :name "x"; }')[0].startswith("err")


def test_text_of_a_part() -> None:
    script = """require ["foreverypart", "mime", "extracttext", "variables", "fileinto"];
    foreverypart { if header :mime :type "content-type" "text" {
        extracttext :first 4 :upper "t"; break; } }
    fileinto "${t}";"""
    assert decide(script, MIME) == ['fileinto "GRüß"']


def test_replacing_a_part() -> None:
    script = """require ["foreverypart", "mime", "replace"];
    foreverypart { if header :mime :type "content-type" "image" { replace "no images"; } }"""
    (keep,) = outcome(script, MIME).actions
    assert isinstance(keep, Keep)
    parts = email.message_from_bytes(keep.message or b"", policy=email.policy.default)
    assert [part.get_content_type() for part in parts.iter_parts()] == [
        "text/plain", "text/plain", "message/rfc822",
    ]  # fmt: skip
    assert b"no images" in (keep.message or b"")


def test_replacing_all() -> None:
    script = 'require "replace"; replace :subject "Näw" :from "x@y.example" "gone";'
    (keep,) = outcome(script, MIME).actions
    assert isinstance(keep, Keep)
    made = email.message_from_bytes(keep.message or b"", policy=email.policy.default)
    assert made.get_content_type() == "text/plain"
    assert made.get_content().strip() == "gone"
    assert (made["Subject"], made["Original-Subject"]) == ("Näw", "parts")
    assert (made["From"], made["Original-From"]) == ("x@y.example", "a@b.example")


def test_replacing_by_an_entity() -> None:
    script = 'require "replace"; replace :mime text:\nContent-Type: text/html\n\n<p>x</p>\n.\n;'
    (keep,) = outcome(script, MIME).actions
    assert isinstance(keep, Keep)
    made = email.message_from_bytes(keep.message or b"", policy=email.policy.default)
    assert made.get_content_type() == "text/html"
    assert made["Subject"] == "parts"


def test_enclosing() -> None:
    script = 'require ["enclose"]; enclose :subject "Warning" :headers "Message-ID" "Look out.";'
    (keep,) = outcome(script, MESSAGE).actions
    assert isinstance(keep, Keep)
    made = email.message_from_bytes(keep.message or b"", policy=email.policy.default)
    assert made["Subject"] == "Warning"
    assert made["Message-ID"] == "<m1@desert.example.org>"
    assert made["From"] == "bird@acme.example.com"
    text, inner = made.iter_parts()
    assert text.get_content().strip() == "Look out."
    assert inner.get_content()["X-Twice"] == "first"
    assert MESSAGE in (keep.message or b"")


def test_what_is_redirected_is_not_enclosed() -> None:
    """RFC 5703 §6."""
    script = 'require ["enclose", "copy"]; enclose "x"; redirect :copy "a@b.example";'
    redirect, keep = outcome(script).actions
    assert isinstance(redirect, Redirect)
    assert redirect.message is None
    assert isinstance(keep, Keep)
    assert keep.message is not None


# ---------------------------------------------------------------------------- duplicate


def test_duplicate_remembers() -> None:
    require = 'require "duplicate"; '
    seen = World(seen={("", "<m1@desert.example.org>"), ("h", "x")})
    assert decide(require + "if duplicate { discard; }", world=seen) == ["discard"]
    first, keep = outcome(require + "if duplicate { discard; }").actions
    assert first == Remember("", "<m1@desert.example.org>", 7 * 86_400)
    assert isinstance(keep, Keep)
    assert outcome(require + "if duplicate :last :seconds 9 {}", world=seen).actions[0] == (
        Remember("", "<m1@desert.example.org>", 9, renew=True)
    )
    assert decide(require + 'if duplicate :handle "h" :uniqueid "x" { discard; }', world=seen) == [
        "discard"
    ]
    for words in (':header "x-none"', ':header "bad name"', ":seconds 0"):
        assert decide(require + f"if duplicate {words} {{ discard; }}", world=seen) == [
            "keep (implicit)"
        ]
    assert outcome(require + "if duplicate :seconds 999999999 {}").actions[0] == Remember(
        "", "<m1@desert.example.org>", 90 * 86_400
    )
    assert len(outcome(require + "if duplicate {} if duplicate {}").actions) == 2


# ---------------------------------------------------------------------------- include

SCRIPTS = World(
    scripts={
        (
            "files",
            False,
        ): 'require ["fileinto", "include"]; fileinto "mine"; return; fileinto "never";',
        ("files", True): 'require "fileinto"; fileinto "site";',
        ("stops", False): "stop;",
        ("loops", False): 'require "include"; include "loops";',
        ("once", False): 'require "include"; include :once "once"; discard;',
        ("bad", False): "nonsense;",
        (
            "sets",
            False,
        ): 'require ["include", "variables"]; global "g"; set "g" "${g}2"; set "l" "9";',
        ("deep", False): 'require "include"; include "deeper";',
        ("deeper", False): 'require ["include", "fileinto"]; include "files"; fileinto "deeper";',
    }
)
INCLUDES = [
    ('include "files";', ['fileinto "mine"']),
    ('include :personal "files"; include :global "files";', ['fileinto "mine"', 'fileinto "site"']),
    ('include "files"; include :once "files";', ['fileinto "mine"']),
    ('include "stops"; discard;', ["keep (implicit)"]),
    ('include "none";', ['error: line 1: there is no script "none"', "keep (implicit)"]),
    ('include :optional "none"; discard;', ["discard"]),
    ('include "once";', ["discard"]),
    ('include "deep";', ['fileinto "mine"', 'fileinto "deeper"']),
    ("discard; return; keep;", ["discard"]),
]


@pytest.mark.parametrize(("script", "lines"), INCLUDES)
def test_including(script: str, lines: list[str]) -> None:
    assert decide(f'require "include"; {script}', world=SCRIPTS) == lines


def test_including_goes_wrong() -> None:
    for name, words in (("loops", "includes itself"), ("bad", "is not valid: line 1, column 1")):
        lines = decide(f'require "include"; include "{name}";', world=SCRIPTS)
        assert words in lines[0]
        assert lines[1] == "keep (implicit)"
    deep = World(scripts={
        (f"s{n}", False): f'require "include"; include "s{n + 1}";' for n in range(40)
    })  # fmt: skip
    assert "too many" in decide('require "include"; include "s0";', world=deep)[0]


def test_shared_variables() -> None:
    """RFC 6609 §3.4."""
    script = """require ["include", "variables", "fileinto"];
    global "g"; set "g" "1"; set "l" "1"; include "sets"; fileinto "${g}-${global.g}-${l}";"""
    assert decide(script, world=SCRIPTS) == ['fileinto "12-12-1"']
    late = 'require ["include", "variables"]; set "g" "1"; global "g";'
    assert decide(late, world=SCRIPTS)[0].startswith("error")


# ---------------------------------------------------------------------------- notify, limits


def test_notices() -> None:
    require = 'require ["enotify", "variables"]; '
    script = (
        require
        + """set :encodeurl "b" "Safe&evil é";
    notify :importance "1" :message "m" :options "a=b" :from "x@y.example"
        "mailto:a@b.example?body=${b}";"""
    )
    notify, keep = outcome(script).actions
    assert notify == Notify(
        "mailto:a@b.example?body=Safe%26evil%20%C3%A9", "m", "x@y.example", 1, ("a=b",)
    )
    assert isinstance(keep, Keep)
    for bad in (
        "tel:+1",
        "mailto:",
        "mailto:a b@c",
        "mailto:a@b.c?x",
        "nonsense",
        "mailto:a@b.c%zz",
    ):
        assert decide(require + f'notify "{bad}";')[0].startswith("error"), bad
    assert decide(require + 'set "v" "x"; notify :importance "${v}" "mailto:a@b.c";')[0].startswith(
        "error"
    )


def test_a_catastrophic_expression_ends_in_a_keep() -> None:
    script = 'require "regex"; if header :regex "subject" "^(a|aa|a?)+$" { discard; }'
    lines = decide(script, b"Subject: " + b"a" * 5000 + b"!\r\n\r\n")
    assert lines[-1] == "keep (implicit)"


def test_slow_expressions_have_one_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(step=0.01)
    monkeypatch.setattr(match, "_CLOCK", SimpleNamespace(monotonic=lambda: next(ticks)))
    test = 'if header :regex "subject" "b" { discard; }'
    limits = Limits(regex_seconds=5.0, regex_total=0.055)
    message = b"Subject: a\r\n\r\n"
    assert outcome('require "regex";' + test * 6, message, limits=limits).error == ""
    ended = outcome('require "regex";' + test * 7, message, limits=limits)
    assert "regular expression" in ended.error


@pytest.mark.parametrize("patterns", ["[a-z]" * 300, '","'.join(["[a-z]" * 200] * 40)])
def test_what_takes_long_to_make_is_no_expression(patterns: str) -> None:
    """A megabyte of it takes a minute, in which nobody else is served."""
    with pytest.raises(Invalid):
        compile_script(f'require "regex"; if header :regex "a" ["{patterns}"] {{}}'.encode())


def test_long_patterns_end_soon() -> None:
    script = 'require "variables"; if header :matches "subject" "' + "*a" * 200 + 'b" { discard; }'
    assert decide(script, b"Subject: " + b"a" * 20_000 + b"\r\n\r\n") == ["keep (implicit)"]


def test_values_that_grow_are_cut() -> None:
    script = 'require "variables"; set "a" "0123456789";' + 'set "a" "${a}${a}";' * 20
    ended = outcome(script, limits=Limits(variable=4000))
    assert ended.error == ""
    grown = outcome(script + 'if string :is "${a}" "x" {}', limits=Limits(steps=60))
    assert "steps" in grown.error


def test_imap_events_have_no_envelope() -> None:
    """RFC 6785 §3.11, §4.6."""
    for script in ('require "reject"; keep;', 'require "vacation"; keep;', 'require "duplicate";'):
        assert decide(script, envelope=None)[0].startswith("error")
    assert decide('require "envelope"; if envelope "from" "a" {}', envelope=None)[0] == (
        "error: line 1: there is no envelope at an IMAP event"
    )
    assert decide('require "imap4flags"; addflag "x";', envelope=None, flags=("\\Seen",)) == [
        "keep (implicit) flags \\Seen x"
    ]
