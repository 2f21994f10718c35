"""mutt and neomutt: two IMAP clients of their own making, led through their keys.

They want a terminal, so `script` gives them one; what they do is pushed into their keyboard.
"""

from __future__ import annotations

import email
import email.policy
import shlex
from pathlib import Path

import pytest

from support.served import Person, Served, crlf, ok

PROGRAMS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("mutt", "neomutt")]
pytestmark = [pytest.mark.needs("script"), pytest.mark.parametrize("program", PROGRAMS)]


def message(name: str, text: str = "text") -> bytes:
    return (
        f"From: {name} <{name}@elsewhere.example>\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
        f"Subject: {name}\r\nMessage-ID: <{name}@x.example>\r\n\r\n{text} of {name}\r\n.\r\nend\r\n"
    ).encode()


def configure(
    tmp_path: Path, house: Served, person: Person, *more: str, door: str = "imaps"
) -> Path:
    user = person.address.replace("@", "%40")
    sending = house.port("smtps")
    scheme = "imaps" if door == "imaps" else "imap"
    path = tmp_path / "muttrc"
    lines = [
        f'set folder="{scheme}://{user}@localhost:{house.port(door)}/"', "set spoolfile=+INBOX",
        f'set imap_user="{person.address}" imap_pass="{person.password}"',
        f'set smtp_url="smtps://{user}@localhost:{sending}/" smtp_pass="{person.password}"',
        f'set from="{person.address}" use_from=yes realname="Ann Example"',
        f'set ssl_force_tls=yes ssl_starttls=yes ssl_ca_certificates_file="{house.ca}"',
        f'set certificate_file="{tmp_path}/none" tmpdir="{tmp_path}"',
        'set record="=Sent" postponed="=Drafts" trash="" editor=true',
        "set move=no delete=yes quit=yes confirmappend=no confirmcreate=no sleep_time=0",
        "set wait_key=no pipe_decode=no beep=no mark_old=no timeout=5 send_charset=utf-8",
        *more,
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def mutt(house: Served, run, tmp_path: Path, program: str):
    """`mutt(rc, mailbox, keys)`: open a mailbox, press the keys, quit."""

    def mutt(rc: Path, mailbox: str, *keys: str) -> str:
        push = "push '" + "".join(keys) + "<sync-mailbox><quit>'"
        command = [program, "-n", "-F", str(rc), "-f", mailbox, "-e", push]
        done = run("script", "-qec", shlex.join(command), "/dev/null", TERM="xterm", LINES="40")
        return done.stdout.decode(errors="replace")

    return mutt


def subjects(house: Served, person: Person, box: str = "INBOX") -> dict[str, frozenset[str]]:
    """What is in a mailbox, with the flags."""
    found = {}
    for stored in house.mailbox(person, box):
        parsed = email.message_from_bytes(stored.raw, policy=email.policy.default)
        found[parsed["Subject"]] = stored.flags - {"\\Recent"}
    return found


def test_sending(house: Served, run, tmp_path: Path, program: str) -> None:
    """In batch mode, over TLS, with an attachment; mutt keeps what it sent by IMAP, neomutt
    does not in this mode."""
    ann, bob = house.person("ann"), house.person("bob")
    rc = configure(tmp_path, house, ann)
    attached = bytes(range(256)) * 50
    (tmp_path / "picture.png").write_bytes(attached)
    text = "Grüße an alle\n.\n..\nFrom the start\n"
    run(
        program, "-n", "-F", rc, "-s", "Übung by mutt", "-b", ann.address,
        "-a", tmp_path / "picture.png", "--", bob.address, stdin=text,
    )  # fmt: skip
    kept = [(ann, "Sent")] if program == "mutt" else []
    for person, box in [(bob, "INBOX"), (ann, "INBOX"), *kept]:
        [stored] = house.mailbox(person, box)
        parsed = email.message_from_bytes(stored.raw, policy=email.policy.default)
        assert parsed["Subject"] == "Übung by mutt"
        body = parsed.get_body()
        assert body is not None
        assert body.get_content().replace("\r\n", "\n") == text
        [part] = parsed.iter_attachments()
        assert part.get_content() == attached
        assert parsed["Bcc"] is None or box == "Sent"
        assert ("\\Seen" in stored.flags) == (box == "Sent")
    assert house.inbox(bob) == [house.mailbox(bob)[0].raw]


@pytest.mark.parametrize("door", ["imaps", "imap"])
def test_reading(house: Served, mutt, tmp_path: Path, program: str, door: str) -> None:
    """Read, save elsewhere, copy, delete, flag: as the server shows it afterwards."""
    ann = house.person("ann")
    for name in ("one", "two", "three", "four", "five", "six"):
        house.append(ann, "INBOX", message(name))
    rc = configure(tmp_path, house, ann, door=door)
    mutt(
        rc, "=INBOX",
        "<search>~s three<enter><display-message><exit>",
        f"<search>~s three<enter><pipe-message>cat > {tmp_path}/three<enter>",
        "<tag-pattern>~s one|~s two<enter><tag-prefix><save-message>=Archive<enter>",
        "<search>~s four<enter><copy-message>=Saved/Deep<enter>",
        "<delete-pattern>~s five<enter>",
        "<search>~s six<enter><flag-message>",
    )  # fmt: skip
    piped = crlf((tmp_path / "three").read_bytes().splitlines())
    assert piped.endswith(message("three").partition(b"\r\n\r\n")[2])
    assert b"Subject: three\r\n" in piped
    there = subjects(house, ann)
    assert set(there) == {"three", "four", "six"}
    assert "\\Seen" in there["three"]
    assert "\\Flagged" in there["six"]
    assert "\\Seen" not in there["six"]
    assert set(subjects(house, ann, "Archive")) == {"one", "two"}
    assert set(subjects(house, ann, "Saved/Deep")) == {"four"}
    archived = [stored.raw for stored in house.mailbox(ann, "Archive")]
    assert sorted(archived) == sorted([message("one"), message("two")])
    assert house.inbox(ann) == [message(name) for name in ("three", "four", "six")]


def test_uploading(house: Served, mutt, tmp_path: Path, program: str) -> None:
    """From a file of the old kind into a mailbox, flags and all. (neomutt would not make it.)"""
    ann = house.person("ann")
    texts = [message(name).replace(b"\r\n", b"\n") for name in ("one", "two")]
    texts[1] = texts[1].replace(b"Message-ID", b"Status: RO\nX-Status: F\nMessage-ID")
    (tmp_path / "mbox").write_bytes(
        b"".join(b"From a Mon Jan  5 10:00:00 2026\n%s\n" % t for t in texts)
    )
    rc = configure(tmp_path, house, ann)
    with house.imap(ann) as client:
        ok(client.create("Up"))
    mutt(rc, str(tmp_path / "mbox"), "<tag-pattern>~A<enter><tag-prefix><copy-message>=Up<enter>")
    assert subjects(house, ann, "Up") == {"one": frozenset(), "two": {"\\Seen", "\\Flagged"}}
    bodies = [stored.raw.partition(b"\r\n\r\n")[2] for stored in house.mailbox(ann, "Up")]
    assert bodies == [message(name).partition(b"\r\n\r\n")[2] for name in ("one", "two")]


def test_undoing_and_the_whole_mailbox(house: Served, mutt, tmp_path: Path, program: str) -> None:
    """Deleted and brought back before the sync; then everything goes at once."""
    ann = house.person("ann")
    for n in range(30):
        house.append(ann, "INBOX", message(f"number {n}"))
    rc = configure(tmp_path, house, ann)
    mutt(rc, "=INBOX", "<delete-pattern>~s number<enter>", "<undelete-pattern>~s 7<enter>")
    assert set(subjects(house, ann)) == {f"number {n}" for n in (7, 17, 27)}
    mutt(rc, "=INBOX", "<delete-pattern>~A<enter>")
    assert subjects(house, ann) == {}


def test_searching_on_the_server(house: Served, mutt, tmp_path: Path, program: str) -> None:
    """`=b` asks the server, which answers with what contains the words."""
    ann = house.person("ann")
    house.append(ann, "INBOX", message("one", "hay"))
    house.append(ann, "INBOX", message("two", "a needle in the hay"))
    house.append(ann, "INBOX", message("three", "hay again"))
    rc = configure(tmp_path, house, ann)
    mutt(rc, "=INBOX", '<tag-pattern>=b "needle in"<enter><tag-prefix><save-message>=Found<enter>')
    assert set(subjects(house, ann, "Found")) == {"two"}
    assert set(subjects(house, ann)) == {"one", "three"}


def test_mail_that_comes_while_it_reads(house: Served, mutt, tmp_path: Path, program: str) -> None:
    """A message delivered while the mailbox is open is there at the next look."""
    ann = house.person("ann")
    house.append(ann, "INBOX", message("first"))
    rc = configure(tmp_path, house, ann)
    deliver = tmp_path / "deliver"
    deliver.write_text(
        "import smtplib, sys\n"
        f"with smtplib.LMTP('127.0.0.1', {house.port('lmtp')}) as client:\n"
        f"    client.sendmail('a@elsewhere.example', ['{ann.address}'], {message('second')!r})\n"
    )
    mutt(
        rc, "=INBOX", f"<shell-escape>python3 {deliver}<enter>", "<imap-fetch-mail>",
        "<tag-pattern>~s second<enter><tag-prefix><save-message>=Found<enter>",
    )  # fmt: skip
    assert set(subjects(house, ann, "Found")) == {"second"}
    with house.imap(ann) as client:
        assert ok(client.select("INBOX", readonly=True)) == [b"1"]


def test_its_cache_is_brought_up_to_date(house: Served, mutt, tmp_path: Path, program: str) -> None:
    """By CONDSTORE and QRESYNC: what changed and what went since it was here last."""
    ann = house.person("ann")
    for name in ("one", "two", "three", "four"):
        house.append(ann, "INBOX", message(name))
    cache = f'set header_cache="{tmp_path}/cache"'
    rc = configure(tmp_path, house, ann, cache, "set imap_condstore=yes imap_qresync=yes")
    (tmp_path / "cache").mkdir()
    mutt(rc, "=INBOX")
    assert list((tmp_path / "cache").iterdir())
    with house.imap(ann) as client:
        ok(client.select("INBOX"))
        ok(client.store("1", "+FLAGS", "(\\Deleted)"))
        ok(client.expunge())
        ok(client.store("2", "+FLAGS", "(\\Flagged)"))
    house.append(ann, "INBOX", message("five"))
    mutt(rc, "=INBOX", "<tag-pattern>~F|~s five<enter><tag-prefix><save-message>=Archive<enter>")
    assert set(subjects(house, ann, "Archive")) == {"three", "five"}
    assert set(subjects(house, ann)) == {"two", "four"}
    assert {"ENABLE", "QRESYNC", "UTF8=ACCEPT"} <= house.spoken(ann)
