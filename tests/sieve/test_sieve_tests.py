"""Tests on the message, with match types and comparators (RFC 5228 §2.7, §5 and extensions)."""

from __future__ import annotations

import pytest

from support.sievesay import MESSAGE, World, complaints, decide, holds

TRUE = [
    # header, exists, not, allof, anyof
    ('header "subject" "beep é beep"', ""),
    ('header :is "SUBJECT" "BEEP é BEEP"', ""),
    ('header :is :comparator "i;octet" "subject" "Beep é beep"', ""),
    ('header :contains "subject" "é"', ""),
    ('header :contains "subject" ""', ""),
    ('header :is "x-twice" "second"', ""),
    ('header :is ["x-none", "x-twice"] ["nothing", "first"]', ""),
    ('header :matches "subject" "*é*"', ""),
    ('header :matches "subject" "????\\x20?? ????"', ""),
    ('header :matches "subject" "????\\x20? ????"', "NOT"),
    ('header :matches "list-id" "*<*@*" ', "NOT"),
    ('header :matches "list-id" "*<*.lists.*>"', ""),
    ('exists "from"', ""),
    ('exists ["from", "to"]', ""),
    ('exists ["from", "x-none"]', "NOT"),
    ('header :contains "x-none" ""', "NOT"),
    ('header :is :comparator "i;octet" "subject" "beep é beep"', "NOT"),
    ("not false", ""),
    ("allof (true, true)", ""),
    ("allof (true, false)", "NOT"),
    ("anyof (false, true)", ""),
    ("anyof (false, false)", "NOT"),
    # address, envelope
    ('address "from" "wile+acme@desert.example.org"', ""),
    ('address :all "from" "wile+acme@desert.example.org"', ""),
    ('address :localpart "from" "wile+acme"', ""),
    ('address :domain "from" "desert.example.org"', ""),
    ('address :domain :is ["from", "to"] "acme.example.com"', ""),
    ('address :is "cc" "two@x.example"', ""),
    ('address :is "cc" "team"', "NOT"),
    ('address :contains "from" "Wile E."', "NOT"),
    ('envelope "from" "wile@desert.example.org"', "envelope"),
    ('envelope :localpart ["to"] "bird+lists"', "envelope"),
    ('envelope :user "to" "bird"', "envelope subaddress"),
    ('envelope :detail "to" "lists"', "envelope subaddress"),
    ('envelope :detail "from" ""', "envelope subaddress NOT"),
    ('address :detail "from" "acme"', "subaddress"),
    ('address :user "from" "wile"', "subaddress"),
    ('address :detail :contains "to" ""', "subaddress"),
    # relational
    ('header :count "eq" :comparator "i;ascii-numeric" "x-twice" "2"',
     "relational comparator-i;ascii-numeric"),
    ('address :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] "4"',
     "relational comparator-i;ascii-numeric"),
    ('address :count "gt" :comparator "i;ascii-numeric" ["to", "cc"] "4"',
     "relational comparator-i;ascii-numeric NOT"),
    ('header :value "gt" "x-twice" "erst"', "relational"),
    ('header :value "lt" "x-twice" "erst"', "relational NOT"),
    ('header :value "ge" "x-twice" "second"', "relational"),
    ('header :value "le" "x-twice" "first"', "relational"),
    ('header :value "ne" "x-twice" "first"', "relational"),
    ('header :value "EQ" "x-twice" "FIRST"', "relational"),
    # index
    ('header :index 1 "x-twice" "first"', "index"),
    ('header :index 1 :last "x-twice" "second"', "index"),
    ('header :index 2 "x-twice" "first"', "index NOT"),
    ('header :index 3 :contains "x-twice" ""', "index NOT"),
    ('address :index 1 :domain "to" "acme.example.com"', "index"),
    # date
    ('date "date" "date" "2026-03-03"', "date"),
    ('date "date" "hour" "09"', "date"),
    ('date :originalzone "date" "hour" "10"', "date"),
    ('date :zone "-0330" "date" "time" "04:50:30"', "date"),
    ('date :zone "+0000" "date" "iso8601" "2026-03-03T08:20:30Z"', "date"),
    ('date :originalzone "date" "iso8601" "2026-03-03T10:20:30+02:00"', "date"),
    ('date :originalzone "date" "zone" "+0200"', "date"),
    ('date :zone "-0330" "date" "zone" "-0330"', "date"),
    ('date "date" "year" "2026"', "date"),
    ('date "date" "month" "03"', "date"),
    ('date "date" "day" "03"', "date"),
    ('date "date" "minute" "20"', "date"),
    ('date "date" "second" "30"', "date"),
    ('date "date" "weekday" "2"', "date"),
    ('date :zone "+0000" "date" "julian" "61102"', "date"),
    ('date :originalzone "date" "std11" "Tue, 03 Mar 2026 10:20:30 +0200"', "date"),
    ('date :originalzone "received" "weekday" "6"', "date"),
    ('date "subject" "year" "2026"', "date NOT"),
    ('date "x-none" "year" "2026"', "date NOT"),
    ('date :count "eq" "x-none" "year" "0"', "date relational"),
    ('date :count "eq" "date" "year" "1"', "date relational"),
    ('date :value "ge" "date" "hour" "09"', "date relational"),
    ('currentdate "date" "2026-03-04"', "date"),
    ('currentdate :zone "+0000" "hour" "04"', "date"),
    ('currentdate "weekday" "3"', "date"),
    ('currentdate "zone" "+0100"', "date"),
    ('currentdate :value "lt" "iso8601" "2027"', "date relational"),
    # body
    ('body :contains "hello THERE"', "body"),
    ('body :raw :contains "Hello there."', "body"),
    ('body :text :matches "*hello*"', "body"),
    ('body :content "text" :contains "Hello"', "body"),
    ('body :content "text/plain" :contains "Hello"', "body"),
    ('body :content "text/html" :contains "Hello"', "body NOT"),
    ('body :content "text/" :contains "Hello"', "body NOT"),
    ('body :content "" :contains "Hello"', "body"),
    ('body :raw :contains "Subject"', "body NOT"),
    # environment
    ('environment "name" "pillarbox"', "environment"),
    ('environment :matches "remote-ip" "192.*"', "environment"),
    ('environment :contains "remote-host" ""', "environment"),
    ('environment :contains "vnd.nothing" ""', "environment NOT"),
    ('environment :count "eq" "remote-host" "0"', "environment relational"),
    ('environment :count "eq" "name" "1"', "environment relational"),
    # regex
    ('header :regex "subject" "^beep . beep$"', "regex"),
    ('header :regex :comparator "i;octet" "subject" "^[^[:upper:]]+$"', "regex NOT"),
    ('address :regex "to" "(bird|fish)(\\\\+.*)?@acme\\\\.example\\\\.com"', "regex"),
    # comparators
    ('header :is :comparator "i;unicode-casemap" "subject" "BEEP É BEEP"',
     "comparator-i;unicode-casemap"),
    ('header :contains :comparator "i;unicode-casemap" "subject" "É"',
     "comparator-i;unicode-casemap"),
    ('header :is "subject" "BEEP É BEEP"', "NOT"),
    ('string :is :comparator "i;ascii-numeric" "007" "7 of 9"',
     "variables comparator-i;ascii-numeric"),
    ('string :value "gt" :comparator "i;ascii-numeric" "x" "99999999999999999999"',
     "variables relational comparator-i;ascii-numeric"),
    ('string :is :comparator "i;ascii-numeric" "" "none"',
     "variables comparator-i;ascii-numeric"),
    ('string :value "lt" "10" "9"', "variables relational"),
    ('string :value "lt" :comparator "i;ascii-numeric" "9" "10"',
     "variables relational comparator-i;ascii-numeric"),
    # strings counted
    ('string :count "eq" ["", "a", "b"] "2"', "variables relational"),
    # spam and virus
    ('spamtest "0"', "spamtest"),
    ('spamtest :count "eq" "0"', "spamtest relational"),
    ('spamtest :percent "0"', "spamtestplus"),
    ('virustest "0"', "virustest"),
    # notify
    ('valid_notify_method "mailto:a@b.example"', "enotify"),
    ('valid_notify_method ["mailto:a@b.example", "tel:+1"]', "enotify NOT"),
    ('valid_notify_method "mailto:"', "enotify NOT"),
    ('notify_method_capability "mailto:a@b.example" "Online" ["yes", "MAYBE"]', "enotify"),
    ('notify_method_capability "xmpp:a@b.example" "online" "maybe"', "enotify NOT"),
    ('notify_method_capability "mailto:a@b.example" "fluent" "maybe"', "enotify NOT"),
    # mailboxes
    ('mailboxexists "INBOX"', "mailbox"),
    ('mailboxexists ["INBOX", "None"]', "mailbox NOT"),
    ('mailboxidexists "i0"', "mailboxid"),
    ('mailboxidexists ["i0", "i9"]', "mailboxid NOT"),
]  # fmt: skip


@pytest.mark.parametrize(("test", "require"), TRUE, ids=[row[0] for row in TRUE])
def test_holds(test: str, require: str) -> None:
    names = require.split()
    expected = "NOT" not in names
    need = " ".join(name for name in names if name != "NOT")
    assert holds(test.replace("\\x20", " "), need) is expected


def test_the_null_sender_is_empty_whatever_is_asked() -> None:
    """RFC 5228 §5.4."""
    envelope = {"from": "", "to": "a@b.example"}
    for part in (":all", ":localpart", ":domain"):
        assert holds(f'envelope {part} "from" ""', "envelope", envelope=envelope)


def test_parts_of_dsn_and_deliverby_in_the_envelope() -> None:
    envelope = {"from": "", "notify": "NEVER", "bymode": "R"}
    assert holds('envelope "notify" "never"', "envelope envelope-dsn", envelope=envelope)
    assert not holds('envelope :contains "envid" ""', "envelope envelope-dsn", envelope=envelope)
    assert holds('envelope "bymode" "R"', "envelope envelope-deliverby", envelope=envelope)
    assert complaints('require "envelope"; if envelope "notify" "x" {}')
    assert complaints('require ["envelope", "envelope-dsn"]; if envelope :domain "ret" "x" {}')


@pytest.mark.parametrize(
    ("score", "value", "percent"),
    [(0.0, "1", "0"), (0.5, "5", "50"), (1.0, "10", "100"), (7.0, "10", "100")],
)
def test_spam_scores(score: float, value: str, percent: str) -> None:
    assert holds(f'spamtest :is "{value}"', "spamtest", spam=score)
    assert holds(f'spamtest :percent :is "{percent}"', "spamtestplus", spam=score)
    assert holds('spamtest :count "eq" "1"', "spamtest relational", spam=score)
    assert complaints('require "spamtest"; if spamtest :percent "1" {}')


def test_spam_text_may_follow_the_number() -> None:
    need = "spamtest relational comparator-i;ascii-numeric"
    test = 'spamtest :value "ge" :comparator "i;ascii-numeric" "5"'
    assert holds(test, need, spam=0.9, spam_text="by rspamd")
    assert holds('virustest "5 Eicar"', "virustest", virus=5, virus_text="Eicar")


def test_lists_outside() -> None:
    world = World(lists={"tag:x,2026:friends": ("wile+acme@Desert.Example.org",)})
    assert holds('address :list "from" "tag:x,2026:friends"', "extlists", world=world)
    assert not holds('address :list "to" "tag:x,2026:friends"', "extlists", world=world)
    assert holds('valid_ext_list "tag:x,2026:friends"', "extlists", world=world)
    assert not holds('valid_ext_list ["tag:x,2026:friends", "no"]', "extlists", world=world)
    lines = decide('require "extlists"; redirect :list "tag:x,2026:friends";', world=world)
    assert lines == ['redirect "wile+acme@Desert.Example.org"']
    assert decide('require "extlists"; redirect :list "none";')[0].startswith("error")


def test_annotations() -> None:
    world = World(
        metadata={("INBOX", "/private/comment"): "on", (None, "/shared/admin"): "mailto:x@y.z"}
    )
    for test, need, expected in [
        ('metadata :is "INBOX" "/private/comment" "ON"', "mboxmetadata", True),
        ('metadata :contains "INBOX" "/private/none" ""', "mboxmetadata", False),
        ('metadataexists "INBOX" ["/private/comment"]', "mboxmetadata", True),
        ('metadataexists "INBOX" ["/private/comment", "/private/x"]', "mboxmetadata", False),
        ('servermetadata :matches "/shared/ADMIN" "mailto:*"', "servermetadata", True),
        ('servermetadataexists "/shared/admin"', "servermetadata", True),
        ('servermetadataexists "/shared/none"', "servermetadata", False),
    ]:
        assert holds(test, need, world=world) is expected, test


def test_special_uses() -> None:
    world = World(uses={"\\Junk": "Spam"})
    assert holds('specialuse_exists "\\\\Junk"', "special-use", world=world)
    assert holds('specialuse_exists "Spam" ["\\\\Junk"]', "special-use", world=world)
    assert not holds('specialuse_exists "INBOX" "\\\\Junk"', "special-use", world=world)
    assert not holds('specialuse_exists ["\\\\Junk", "\\\\Sent"]', "special-use", world=world)


BODY = b"""\
Content-Type: multipart/mixed; boundary=outer

& before
--outer
Content-Type: multipart/alternative; boundary=inner

& within
--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Hello p=E9re
--inner
Content-Type: text/html

<p>Hello <b>ht</b>ml</p>
--inner--
& after inner
--outer
Content-Type: message/rfc822

From: Someone Else
Subject: hello request

Please say Hello
--outer
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="it.bin"

QmluYXJ5IEhlbGxv
--outer--
& after outer
""".replace(b"\n", b"\r\n")

BODIES = [
    ('body :content "multipart" :contains "& before"', True),
    ('body :content "multipart" :contains "& within"', True),
    ('body :content "multipart" :contains "& after inner"', True),
    ('body :content "multipart/mixed" :contains "& after outer"', True),
    ('body :content "multipart" :contains "Hello"', False),
    ('body :content "text/plain" :contains "pére"', True),
    ('body :content "text/plain" :contains "say Hello"', True),
    ('body :content "text/html" :contains "<b>ht</b>"', True),
    ('body :text :contains "Hello html"', True),
    ('body :content "message/rfc822" :contains "hello request"', True),
    ('body :content "message/rfc822" :contains "Please"', False),
    ('body :content "application" :contains "Binary Hello"', True),
    ('body :content ["audio", "image"] :contains ""', False),
    ('body :raw :contains "p=E9re"', True),
    ('body :raw :contains "--inner--"', True),
]


@pytest.mark.parametrize(("test", "expected"), BODIES)
def test_bodies(test: str, expected: bool) -> None:
    assert holds(test, "body", message=BODY) is expected


MIME = [
    ('header :mime :type "content-type" "multipart"', True),
    ('header :mime :subtype "content-type" "mixed"', True),
    ('header :mime :contenttype "content-type" "text/html"', False),
    ('header :mime :anychild :contenttype "content-type" "text/html"', True),
    ('header :mime :anychild :param "filename" "content-disposition" "it.bin"', True),
    ('header :mime :anychild :type "content-disposition" "attachment"', True),
    ('header :mime :anychild :subtype :contains "content-disposition" "a"', False),
    ('header :mime :anychild :param ["charset"] :contains "content-type" "8859"', True),
    ('exists :mime :anychild "content-disposition"', True),
    ('exists :mime "content-disposition"', False),
    ('exists "content-disposition"', False),
    ('header :mime :anychild :is "subject" "hello request"', True),
]


@pytest.mark.parametrize(("test", "expected"), MIME)
def test_mime(test: str, expected: bool) -> None:
    assert holds(test, "mime", message=BODY) is expected


def test_mime_options_need_mime() -> None:
    assert complaints('require "mime"; if header :anychild "a" "b" {}')
    assert complaints('require "mime"; if header :type "a" "b" {}')
    assert complaints('require "mime"; if header :mime :type :subtype "a" "b" {}')


def test_raw_octets_in_a_header_are_read() -> None:
    message = MESSAGE.replace(b"=?utf-8?q?Beep_=C3=A9_beep?=", "é".encode("latin-1"))
    assert holds('header :is "subject" "é"', message=message)
