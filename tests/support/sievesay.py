"""Sieve in tests: a script and a message in, the decisions as lines out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from pillarbox.sieve.actions import Outcome
from pillarbox.sieve.ask import (
    Asks,
    ListExists,
    ListHas,
    ListMembers,
    MailboxExists,
    MailboxIdExists,
    Metadata,
    Question,
    ScriptNamed,
    Seen,
    SpecialUseExists,
)
from pillarbox.sieve.context import Context
from pillarbox.sieve.limits import DEFAULT, Limits
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script, run
from pillarbox.sieve.show import shown

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=1)))

MESSAGE = b"""\
Received: from a.example (a.example [192.0.2.1]) by b.example; Sat, 28 Feb 2026 23:30:00 -0500
From: "Wile E." <wile+acme@Desert.Example.org>
To: roadrunner@acme.example.com, "B" <bird+lists@acme.example.com>
Cc: team: one@x.example, two@x.example;
Subject: =?utf-8?q?Beep_=C3=A9_beep?=
Date: Tue, 03 Mar 2026 10:20:30 +0200
Message-ID: <m1@desert.example.org>
X-Twice: first
X-Twice:  second\x20
List-ID: Fans <fans.lists.example.org>

Hello there.
""".replace(b"\n", b"\r\n")

PARTS = b"""\
From: "A" <a@b.example>
Subject: parts
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Gr\xc3\xbc\xc3\x9fe
--b
Content-Type: image/png; name="x.exe"
Content-Disposition: attachment; filename="important.exe"
Content-Transfer-Encoding: base64

AAAA
--b
Content-Type: message/rfc822

Subject: inner

inside
--b--
""".replace(b"\n", b"\r\n")
BODIES = (MESSAGE, PARTS, b"", b"\r\n", b"no header at all", b"Subject: x\n\n" + bytes(range(256)))
"""Messages to try scripts over."""

CONTEXT = Context(
    envelope={"from": "wile@desert.example.org", "to": "bird+lists@acme.example.com"},
    now=NOW,
    environment={
        "name": "Pillarbox",
        "remote-ip": "192.0.2.1",
        "remote-host": "",
        "phase": "during",
    },
    owner="bird@acme.example.com",
)


class World:
    """What a script may ask about. Everything absent is unknown."""

    def __init__(self, **known: Any) -> None:
        self.mailboxes: Mapping[str, str] = known.get("mailboxes", {"INBOX": "i0"})
        self.uses: Mapping[str, str] = known.get("uses", {})
        self.metadata: Mapping[tuple[str | None, str], str] = known.get("metadata", {})
        self.seen: set[tuple[str, str]] = known.get("seen", set())
        self.lists: Mapping[str, tuple[str, ...]] = known.get("lists", {})
        self.scripts: Mapping[tuple[str, bool], str] = known.get("scripts", {})

    def answer(self, asked: Question) -> object:
        """The one true answer."""
        match asked:
            case MailboxExists(name=name):
                return name in self.mailboxes
            case MailboxIdExists(id=number):
                return number in self.mailboxes.values()
            case SpecialUseExists(attribute=use, mailbox=box):
                return use in self.uses and box in {"", self.uses[use]}
            case Metadata(entry=entry, mailbox=box):
                return self.metadata.get((box, entry))
            case Seen(handle=handle, id=number):
                return (handle, number) in self.seen
            case ListHas(list=name, value=value):
                return value in self.lists.get(name, ())
            case ListExists(list=name):
                return name in self.lists
            case ListMembers(list=name):
                return self.lists.get(name)
            case ScriptNamed(name=name, site=site):
                found = self.scripts.get((name, site))
                return None if found is None else found.encode()


def outcome(
    script: str,
    message: bytes = MESSAGE,
    *,
    world: World | None = None,
    limits: Limits = DEFAULT,
    **context: Any,
) -> Outcome:
    """Run a script until nothing is open."""
    compiled = compile_script(script.encode("utf-8"), limits)
    answers: dict[Question, object] = {}
    while True:
        ended = run(compiled, message, replace(CONTEXT, **context), answers=answers, limits=limits)
        if not isinstance(ended, Asks):
            return ended
        assert not any(one in answers for one in ended.questions)
        for one in ended.questions:
            answers[one] = (world or World()).answer(one)


def decide(script: str, message: bytes = MESSAGE, **more: Any) -> list[str]:
    """The decisions in words."""
    return shown(outcome(script, message, **more))


def holds(test: str, require: str = "", message: bytes = MESSAGE, **more: Any) -> bool:
    """Whether a test is true of a message; ``require``: capabilities, blank between."""
    names = ", ".join(f'"{name}"' for name in ["fileinto", *require.split()])
    lines = decide(f'require [{names}];\nif {test} {{ fileinto "YES"; }}', message, **more)
    assert not lines[0].startswith("error"), lines
    return lines[0].startswith('fileinto "YES"')


def complaints(script: str | bytes) -> list[str]:
    """What is wrong with a script, with places."""
    try:
        compile_script(script if isinstance(script, bytes) else script.encode())
    except Invalid as invalid:
        return [str(problem) for problem in invalid.problems]
    return []
