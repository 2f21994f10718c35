"""Another interpreter's word: what ours and Debian's sieve-test decide is the same.

One call decides all cases: each is a test, and those that hold are filed by their number.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.sieve.actions import FileInto
from support.sievesay import MESSAGE, PARTS, outcome

pytestmark = pytest.mark.needs("sieve-test")

REQUIRE = (
    'require ["fileinto", "copy", "envelope", "body", "variables", "relational", "subaddress",'
    ' "comparator-i;ascii-numeric", "imap4flags", "date", "index", "regex", "environment", "mime",'
    ' "encoded-character", "vacation", "reject"];\n'
)
PATTERNS = [
    "", "*", "?", "**", "b*p", "*é*", "beep ? beep", "BEEP*BEEP", "\\\\*", "*b??p", "?eep*", "*x*",
    "beep é beep", "* * *", "*e*e*e*", "b*é*p", "Beep \\\\? beep", "????\\u0020*",
]  # fmt: skip
CASES = [
    *(
        f'header :{kind} {comparator} "subject" "{pattern}"'
        for pattern in PATTERNS
        for kind in ("is", "contains", "matches")
        for comparator in ("", ':comparator "i;octet"')
    ),
    *(
        f'address :{part} :{kind} ["from", "to", "cc"] "{key}"'
        for part in ("all", "localpart", "domain", "user", "detail")
        for kind in ("is", "contains", "matches")
        for key in ("", "*", "wile*", "lists", "acme.example.com", "bird", "@", "x.example")
    ),
    *(
        f'header :value "{relation}" :comparator "{comparator}" ["x-twice", "x-none"] "{key}"'
        for relation in ("gt", "ge", "lt", "le", "eq", "ne")
        for comparator in ("i;octet", "i;ascii-casemap")
        for key in ("", "first", "FIRST", "m", "zzz", "é")
    ),
    *(
        f'string :value "{relation}" :comparator "i;ascii-numeric" "{value}" "{key}"'
        for relation in ("gt", "ge", "lt", "le", "eq", "ne")
        for value in ("0", "007", "10", "", "x", "9a")
        for key in ("7", "10", "", "y")
    ),
    *(
        f'header :count "{relation}" :comparator "i;ascii-numeric" ["x-twice", "subject"] "{key}"'
        for relation in ("gt", "ge", "lt", "le", "eq", "ne")
        for key in ("2", "3", "4")
    ),
    *(
        f'date {zone} :is "date" "{part}" "{key}"'
        for zone in (":originalzone", ':zone "+0000"', ':zone "-0330"')
        for part, keys in {
            "year": "2026", "month": "03", "day": "03 02", "date": "2026-03-03", "hour": "10 08 04",
            "minute": "20 50", "second": "30", "time": "10:20:30 08:20:30", "zone": "+0200 +0000",
            "iso8601": "2026-03-03T10:20:30+02:00 2026-03-03T08:20:30Z", "weekday": "2 1",
            "julian": "61102",
        }.items()
        for key in keys.split()
    ),
    *(
        f'header :regex {comparator} "subject" "{pattern}"'
        for pattern in (
            "^beep", "beep$", "^Beep", "b[e]+p", "[[:upper:]]", "(x|b)eep", "^.*$", "e{2}", "e{3}",
            "^$", "[^a-z ]", "beep .+ beep",
        )
        for comparator in ("", ':comparator "i;octet"')
    ),
    *(
        f'body :{kind} :{transform} "{key}"'
        for kind in ("contains", "matches")
        for transform in ("raw", "text", 'content "text"', 'content "image"', 'content ""')
        for key in ("hello", "Hello there.", "*", "nothing", "Subject")
    ),
    *(
        f"header :mime {child} :{option} {field} {key}"
        for child in ("", ":anychild")
        for option in ("type", "subtype", "contenttype")
        for field in ('"content-type"', '"content-disposition"')
        for key in ('"text"', '"plain"', '"text/plain"', '"attachment"', '""', '"mixed"')
    ),
    *(f'envelope :{part} :is "from" "{key}"' for part in ("all", "localpart", "domain")
      for key in ("", "wile@desert.example.org", "wile", "desert.example.org")),
    *(f"size :{side} {size}" for side in ("over", "under") for size in ("1", "100", "1K", "1M")),
    *(f"exists {names}" for names in ('"from"', '["from", "x-none"]', '["from", "to"]')),
]  # fmt: skip


THEIRS_IS_WRONG = re.compile(r':matches .*"subject" "(?:\*b\?\?p|\?eep\*|\?{4}.*)"')
"""Patterns with ``?`` where sieve-test 0.5.19 is not held to RFC 5228 §2.7.1: it takes "parts" for
"?eep*", and does not look for a later "b" in "Beep é beep" when the first one leads nowhere."""


def ours(source: str, message: bytes) -> set[int]:
    found = outcome(source, message).actions
    return {int(one.mailbox[1:]) for one in found if isinstance(one, FileInto)}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that sieve-test can read as whom it becomes: it does not stay root."""
    path = Path(tempfile.mkdtemp(prefix="sieve-test-"))
    path.chmod(0o755)
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    lines = [
        f"mail_location = maildir:{path}/mail",
        f"mail_home = {path}",
        f"mail_uid = {user}",
        f"mail_gid = {grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name}",
        "first_valid_uid = 1",
        "ssl = no",
        "log_path = /dev/stderr",
        "recipient_delimiter = +",
        "plugin {",
        "  sieve_max_actions = 0",
        "}",
    ]
    (path / "dovecot.conf").write_text("\n".join(lines) + "\n")
    yield path
    shutil.rmtree(path)


def theirs(source: str, message: bytes, folder: Path) -> set[int]:
    script, mail = folder / "s.sieve", folder / "m.eml"
    script.write_text(source)
    mail.write_bytes(message)
    done = subprocess.run(
        [
            *("sieve-test", "-c", folder / "dovecot.conf", "-f", "wile@desert.example.org"),
            *("-r", "bird+lists@acme.example.com", script, mail),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {int(n) for n in re.findall(r"folder: n(\d+)", done.stdout)}


@pytest.mark.parametrize("message", [MESSAGE, PARTS], ids=["plain", "parts"])
def test_every_case(message: bytes, folder: Path) -> None:
    wrong = []
    for start in range(0, len(CASES), 30):
        some = CASES[start : start + 30]
        source = (
            REQUIRE
            + 'fileinto :copy "n9999";\n'
            + "\n".join(
                f'if {case} {{ fileinto :copy "n{start + n}"; }}'.replace("\\u0020", " ")
                for n, case in enumerate(some)
            )
        )
        mine, other = ours(source, message), theirs(source, message, folder)
        assert 9999 in other
        differ = [CASES[n] for n in (mine ^ other) - {9999}]
        wrong += [case for case in differ if not THEIRS_IS_WRONG.search(case)]
    assert not wrong, "\n".join(wrong)
