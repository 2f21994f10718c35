"""Mail through files and back: every format, the whole corpus, octet for octet."""

from __future__ import annotations

import hashlib
import mailbox as stdlib
import os
import random
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from pillarbox.app.caller import LocalCaller
from pillarbox.app.exporting import WRITERS, export_mail
from pillarbox.app.formats import mbox
from pillarbox.app.importing import Tally, import_mail
from pillarbox.app.reading import Messages
from pillarbox.base.errors import Misuse
from pillarbox.message.normalise import to_crlf
from support.rooms import caller, with_ann

ANN = "ann@example.test"
AT = 1_700_000_000
NASTY = [
    b"",
    b"\r\n",
    b"\r\n\r\n",
    b"From here to there\r\n",
    b"Subject: x\r\n\r\nFrom me\r\n>From you\r\n\r\nFrom ann Thu Jan  1 00:00:00 1970\r\n",
    b"Subject: x\r\n\r\n" + b">" * 70_000 + b"\r\nFrom \r\n",
    b"Subject: x\r\n\r\n" + b"a" * 70_000 + b"From the middle of a line\r\n",
    b"Status: RO\r\nX-Status: AFDT\r\nX-Keywords: mine\r\n\r\nmine, not the mailbox's\r\n",
    b"no header at all\r\n",
    b"Subject: bare\rCR\r\n\r\nand \x00 NUL \xff\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n",
]


class Held:
    """Messages of a mailbox as they come."""

    def __init__(self) -> None:
        self.notes: list[dict[str, object]] = []
        self.bodies: list[bytes] = []

    def begin(self, note: dict[str, object]) -> None:
        self.notes.append(note)
        self.bodies.append(b"")

    def write(self, data: bytes) -> None:
        self.bodies[-1] += data

    def end(self) -> None:
        assert len(self.bodies[-1]) == self.notes[-1]["size"]


async def held(caller: LocalCaller, box: str = "INBOX", account: str = ANN) -> Held:
    found = Held()
    arguments = {"account": account, "mailbox": box}
    await caller.call("mail.read", arguments, sink=Messages(found).feed)
    return found


async def append(
    caller: LocalCaller, messages: list[bytes], box: str = "INBOX", **more: object
) -> None:
    async def octets():  # type: ignore[no-untyped-def]
        for message in messages:
            yield message

    notes = [{"size": len(message), "internaldate": AT, **more} for message in messages]
    arguments = {"account": ANN, "mailbox": box, "messages": notes}
    await caller.call("mail.append", arguments, body=octets(), size=sum(map(len, messages)))


@pytest.mark.parametrize(
    ("kind", "back"), [("maildir", "maildir"), ("mbox", "mbox"), ("eml", "eml-tree")]
)
async def test_there_and_back_again(
    kind: str, back: str, corpus_files: tuple[Path, ...], tmp_path: Path
) -> None:
    bodies = [to_crlf(path.read_bytes()) for path in corpus_files]
    if kind == "mbox":  # a last line without end gets one
        bodies = [b if b.endswith(b"\n") or not b else b + b"\r\n" for b in bodies]
    async with caller() as house:
        await with_ann(house)
        await append(house, bodies, flags=["\\Seen", "$Junk"])
        await append(house, NASTY, "Lists/python & <ö>.old", flags=["\\Flagged", "\\Draft"])
        await append(house, [b"a: b\r\n\r\nc\r\n"], flags=["\\Answered", "$Forwarded"])
        await append(house, [b"a: b\r\n\r\nd\r\n"], zone=0)
        written = await export_mail(house, kind, ANN, tmp_path / "out")
        assert written.exported == len(bodies) + len(NASTY) + 2
        assert not written.problems
        await house.call("account.add", {"address": "bob@example.test", "password": "secret"})
        tally = await import_mail(house, back, tmp_path / "out", "bob@example.test")
        assert (tally.imported, tally.bad) == (written.exported, 0)
        for box in ("INBOX", "Lists/python & <ö>.old"):
            one, other = await held(house, box), await held(house, box, "bob@example.test")
            assert Counter(one.bodies) == Counter(other.bodies)
            assert summary(one) == summary(other)


def summary(found: Held) -> Counter[object]:
    """What must survive beside the octets."""
    return Counter(
        (
            hashlib.sha256(body).hexdigest(),
            note["internaldate"],
            tuple(sorted(note["flags"])),  # type: ignore[call-overload]
        )
        for body, note in zip(found.bodies, found.notes, strict=True)
    )


async def test_a_maildir_of_others(tmp_path: Path) -> None:
    root = tmp_path / "Maildir"
    for folder in ("", ".Sent", ".Lists.python", ".Entw&APw-rfe"):
        for kind in ("cur", "new", "tmp"):
            (root / folder / kind).mkdir(parents=True)
    (root / "dovecot-keywords").write_text("0 $Junk\n1 NonJunk\n2 not a keyword\n")
    (root / "cur" / "1700000001.M1P1.host,S=9:2,FSab").write_bytes(b"a: 1\n\nx\n")
    (root / "cur" / "1700000000.M1P1.host:2,RTDP").write_bytes(b"a: 0\r\n\r\nx\r\n")
    (root / "new" / "1700000002.M1P1.host").write_bytes(b"a: 2\n\nx\n")
    (root / "tmp" / "1700000003.M1P1.host").write_bytes(b"not delivered")
    (root / ".Sent" / "cur" / "1.x:2,S").write_bytes(b"a: s\n\n")
    (root / ".Lists.python" / "cur" / "1.x;2,S").write_bytes(b"a: p\n\n")
    (root / ".Entw&APw-rfe" / "cur" / "1.x:2,").write_bytes(b"a: e\n\n")
    os.utime(root / "cur" / "1700000001.M1P1.host,S=9:2,FSab", (AT + 5, AT + 5))
    async with caller() as house:
        await with_ann(house)
        tally = await import_mail(house, "maildir", root, ANN)
        assert (tally.imported, tally.bad) == (6, 0)
        inbox = await held(house)
        assert inbox.bodies == [b"a: 0\r\n\r\nx\r\n", b"a: 1\r\n\r\nx\r\n", b"a: 2\r\n\r\nx\r\n"]
        assert inbox.notes[0]["flags"] == ["\\Answered", "\\Deleted", "\\Draft", "$Forwarded"]
        assert inbox.notes[1]["flags"] == ["\\Seen", "\\Flagged", "$Junk", "NonJunk"]
        assert inbox.notes[1]["internaldate"] == AT + 5
        assert inbox.notes[2]["flags"] == []
        for box in ("Sent", "Lists/python", "Entwürfe"):
            assert len((await held(house, box)).bodies) == 1
        tally = await import_mail(house, "maildir", root, ANN, mailbox="Old")
        assert set(tally.mailboxes) == {"Old", "Old/Sent", "Old/Lists/python", "Old/Entwürfe"}


async def test_a_tree_of_maildirs(tmp_path: Path) -> None:
    for folder in ("INBOX", "Sent", "Work/2023", "Work/.hidden"):
        (tmp_path / folder / "cur").mkdir(parents=True)
        (tmp_path / folder / "cur" / "1.x:2,S").write_bytes(folder.encode())
    async with caller() as house:
        await with_ann(house)
        tally = await import_mail(house, "maildir", tmp_path, ANN)
        assert dict(tally.mailboxes) == {"INBOX": 1, "Sent": 1, "Work/2023": 1, "Work/hidden": 1}


async def test_an_mbox_of_others(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(
        b"From MAILER-DAEMON Mon Jan  1 00:00:00 2024\nX-IMAP: 17 3\n"
        b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nx\n\n"
        b"From ann@example.org Tue Nov 14 22:13:20 2023\nSubject: 1\nStatus: RO\nX-Status: AF\n"
        b"X-Keywords: $Junk  no(keyword\n\n>From me\n>>From you\nFrom the blue\n\n"
        b"From of old: this is text\n\nlast\n"
        b"From bob Tue Nov 14 23:13:20 2023 +0100\nis text too: no blank line above\n\n"
        b"From - Wed Nov 15 00:00:00 2023\nSubject: 2\n\nno line end"
    )
    async with caller() as house:
        await with_ann(house)
        tally = await import_mail(house, "mbox", path, ANN)
        assert (tally.imported, tally.bad) == (2, 0)
        inbox = await held(house)
        assert inbox.bodies == [
            b"Subject: 1\r\nStatus: RO\r\nX-Status: AF\r\nX-Keywords: $Junk  no(keyword\r\n\r\n"
            b"From me\r\n>From you\r\nFrom the blue\r\n\r\n"
            b"From of old: this is text\r\n\r\nlast\r\n"
            b"From bob Tue Nov 14 23:13:20 2023 +0100\r\nis text too: no blank line above\r\n",
            b"Subject: 2\r\n\r\nno line end",
        ]
        assert [note["flags"] for note in inbox.notes] == [
            ["\\Seen", "\\Answered", "\\Flagged", "$Junk"],
            [],
        ]
        assert [note["internaldate"] for note in inbox.notes] == [AT, AT + 6400]


async def test_the_standard_library_reads_what_is_written(tmp_path: Path) -> None:
    async with caller() as house:
        await with_ann(house)
        messages = [b"Subject: %d\r\n\r\nFrom x\r\n" % n for n in range(3)]
        await append(house, messages, flags=["\\Seen", "\\Flagged"])
        await append(house, messages[:1], "Lists/python")
        await export_mail(house, "maildir", ANN, tmp_path / "d")
        assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
        await export_mail(house, "mbox", ANN, tmp_path / "m")
    maildir = stdlib.Maildir(tmp_path / "d", create=False)
    assert sorted(message["subject"] for message in maildir) == ["0", "1", "2"]
    assert {message.get_flags() for message in maildir} == {"FS"}
    assert {message.get_date() for message in maildir} == {float(AT)}
    assert len(maildir.get_folder("Lists.python")) == 1
    with closing(stdlib.mbox(tmp_path / "m" / "INBOX.mbox", create=False)) as file:
        assert [message["subject"] for message in file] == ["0", "1", "2"]
        assert [message.get_flags() for message in file] == ["ROF"] * 3
    with closing(stdlib.mbox(tmp_path / "m" / "Lists" / "python.mbox", create=False)) as file:
        assert len(file) == 1


async def test_an_import_goes_on_where_it_was(tmp_path: Path) -> None:
    messages = [b"Subject: %d\n\nx\n" % n for n in range(10)] + [b"Subject: 3\n\nx\n"]
    for number, message in enumerate(messages):
        (tmp_path / f"{number:02}.eml").write_bytes(message)
    (tmp_path / "README").write_bytes(b"not a message")
    async with caller() as house:
        await with_ann(house)
        await append(house, [to_crlf(message) for message in messages[:5]])
        tally = await import_mail(house, "eml-dir", tmp_path, ANN, resume=True)
        assert (tally.imported, tally.skipped) == (6, 5)  # the second "3" is a second message
        tally = await import_mail(house, "eml-dir", tmp_path, ANN, resume=True)
        assert (tally.imported, tally.skipped) == (0, 11)
        assert len((await held(house)).bodies) == 11


async def test_what_cannot_be_read_is_named_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "1.good:2,S").write_bytes(b"a: 1\n\n")
    (tmp_path / "cur" / "2.gone:2,S").symlink_to(tmp_path / "nowhere")
    (tmp_path / "cur" / "3.dir:2,S").mkdir()
    (tmp_path / "cur" / "4.good:2,S").write_bytes(b"a: 4\n\n")
    async with caller() as house:
        await with_ann(house)
        tally = await import_mail(house, "maildir", tmp_path, ANN)
        assert (tally.imported, tally.bad) == (2, 2)
        assert "2.gone" in tally.problems[0]
        assert "3.dir" in tally.problems[1]


@pytest.mark.parametrize("kind", ["maildir", "mbox", "eml-dir"])
async def test_what_is_not_there_is_refused(kind: str, tmp_path: Path) -> None:
    async with caller() as house:
        await with_ann(house)
        with pytest.raises(Misuse, match="there is no"):
            await import_mail(house, kind, tmp_path / "nothing", ANN)


async def test_what_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"Subject: one message\n\nx\n")
    async with caller() as house:
        await with_ann(house)
        with pytest.raises(Misuse, match="not an mbox"):
            await import_mail(house, "mbox", tmp_path / "file", ANN)
        with pytest.raises(Misuse, match="not a Maildir"):
            await import_mail(house, "maildir", tmp_path, ANN)
        with pytest.raises(Misuse, match="not empty"):
            await export_mail(house, "eml", ANN, tmp_path)


async def test_a_full_account_stops_the_import(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(b"a: 1\n\n" + b"x" * 1000)
    async with caller() as house:
        await with_ann(house)
        await house.call("account.set", {"address": ANN, "quota": 100})
        with pytest.raises(Misuse, match="quota") as caught:
            await import_mail(house, "eml-dir", tmp_path, ANN)
        assert "account set" in caught.value.hint
        tally = await import_mail(house, "eml-dir", tmp_path, ANN, enforce_quota=False)
        assert tally.imported == 1


async def test_progress_is_told(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.eml").write_bytes(b"a: 1\n\n")
    seen: list[int] = []

    def progress(tally: Tally) -> None:
        seen.append(tally.imported)

    async with caller() as house:
        await with_ann(house)
        await import_mail(house, "eml-dir", tmp_path, ANN, progress=progress)
    assert len(seen) == 6
    assert seen[-1] == 5


def test_from_is_quoted_wherever_the_octets_are_cut() -> None:
    text = b"From a\n>From b\nfrom\n>>From c\n\nFrom" + b" d\n" + b"x" * 70_000 + b"\nFrom e"
    expected = b"".join(mbox._quoted([text]))
    assert expected.count(b">From") == 5
    chance = random.Random(7)
    for _ in range(200):
        cuts = sorted(chance.sample(range(len(text)), 5))
        parts = [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert b"".join(mbox._quoted(parts)) == expected


def test_every_format_can_be_written() -> None:
    assert set(WRITERS) == {"maildir", "mbox", "eml"}
