"""The operator's own rules in a whole house: what senders, mailboxes, users and stories see."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app import checkup
from pillarbox.app.house import House
from pillarbox.base.errors import Misuse
from support.whole import PASSWORD, configuration, memory_store, whole_house

LETTER = (
    b"From: ann@out.test\r\nTo: bob@example.test\r\n"
    b"Message-ID: <%b@out.test>\r\nSubject: %b\r\n\r\nx\r\n"
)

RULES = """
import asyncio, pathlib
from pillarbox import hooks

@hooks.on("rcpt")
async def nobody(rcpt: hooks.Rcpt):
    if rcpt.sender == "spammer@out.test":
        return hooks.refuse("You are not welcome", code=554)

@hooks.on("data", seconds=0.2)
async def subjects(mail: hooks.Data):
    match mail.message.subject:
        case "refuse": return hooks.refuse("No such talk here")
        case "later": return hooks.defer("Come back")
        case "junk": return hooks.junk("it says so itself")
        case "tag": return hooks.accept("known", fields=[("X-Known", "Grüße")], tags=["known"])
        case "break": raise RuntimeError("oops")
        case "hang": await asyncio.sleep(60)

@hooks.on("data", doors=["submission"])
async def leaks(mail: hooks.Data):
    if "secret" in await mail.message.text():
        return hooks.refuse("Secrets stay here")

@hooks.on("data", fault="closed", doors=["lmtp"])
async def careful(mail: hooks.Data):
    raise RuntimeError("not today")

@hooks.on("deliver")
async def personal(copy: hooks.Deliver):
    if copy.account == "carol@example.test":
        match copy.message.subject:
            case "to carol": return hooks.junk("carol does not read this")
            case "mark": return hooks.accept(tags=["marked"])
            case "not carol": return hooks.refuse("Carol takes no such mail")

@hooks.on("append")
async def drafts(copy: hooks.Append):
    if "virus" in await copy.message.text():
        return hooks.refuse("Not into this house")
    return hooks.accept(tags=[copy.mailbox.lower() + "-by-" + copy.by.partition("@")[0]])

@hooks.on("queue_result")
async def told(result: hooks.QueueResult):
    path = pathlib.Path(__file__).with_name("told")
    with path.open("a") as file:
        print(result.sender, result.recipient, result.state, result.reply.code, file=file)
"""


def rules(directory: Path, text: str = RULES) -> Path:
    path = directory / "rules.py"
    path.write_text(text)
    path.chmod(0o644)
    return path


@asynccontextmanager
async def opened(directory: Path, **more: Any) -> AsyncIterator[House]:
    wanted = {"files": (rules(directory),)}
    async with whole_house(directory, "bob", "carol", hooks=wanted, **more) as house:
        yield house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path, opener=memory_store) as one:
        yield one


def letter(subject: str) -> bytes:
    return LETTER % (subject.replace(" ", "-").encode(), subject.encode())


def _send(port: int, subject: str, *to: str, sender: str, kind: type[smtplib.SMTP]) -> Any:
    with kind("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        client.mail(sender)
        for one in to:
            code, text = client.rcpt(f"{one}@example.test")
            if code != 250:
                return code, text.decode()
        code, text = client.data(letter(subject))
        return code, text.decode()


async def sent(
    house: House, subject: str, *to: str, sender: str = "ann@out.test", door: str = "smtp"
) -> Any:
    kind: type[smtplib.SMTP] = smtplib.LMTP if door == "lmtp" else smtplib.SMTP
    return await asyncio.to_thread(
        lambda: _send(house.ports[door], subject, *to or ("bob",), sender=sender, kind=kind)
    )


async def by_imap(house: House, who: str, work: Callable[[imaplib.IMAP4], Any]) -> Any:
    def talk() -> Any:
        with imaplib.IMAP4("127.0.0.1", house.ports["imap"], timeout=20) as client:
            client.login(f"{who}@example.test", PASSWORD)
            return work(client)

    return await asyncio.to_thread(talk)


async def inside(house: House, who: str, box: str = "INBOX") -> str:
    """Flags and headers of a mailbox."""

    def look(client: imaplib.IMAP4) -> str:
        if client.select(box, readonly=True)[1] == [b"0"]:
            return ""
        return str(client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER])")[1])

    return str(await by_imap(house, who, look))


async def story(house: House, word: str) -> str:
    told = await house.admin.call("why", {"word": word})
    return "\n".join(line["text"] for one in told["stories"] for line in one["lines"])


async def test_a_recipient_is_refused(house: House) -> None:
    assert await sent(house, "x", sender="spammer@out.test") == (554, "5.7.1 You are not welcome")
    assert (await sent(house, "x"))[0] == 250


async def test_a_message_is_refused_or_put_off(house: House) -> None:
    assert await sent(house, "refuse") == (550, "5.7.1 No such talk here")
    assert await sent(house, "later") == (451, "4.7.1 Come back")
    assert await inside(house, "bob") == ""
    assert (await sent(house, "refuse"))[0] == 550
    await house._handlers.recorder.write()  # type: ignore[union-attr]
    text = await story(house, "ann@out.test")
    assert "Checked by a hook: fail: the hook rules.subjects refuses it: No such talk here" in text
    assert "All in all: refused: No such talk here (the hook rules.subjects)" in text


async def test_junk_and_tags(house: House) -> None:
    assert (await sent(house, "junk"))[0] == 250
    assert await inside(house, "bob") == ""
    assert "$Junk" in await inside(house, "bob", "Junk")
    text = await story(house, "junk@out.test")
    assert "filed as junk: it says so itself (the hook rules.subjects)" in text
    assert (await sent(house, "tag"))[0] == 250
    found = await inside(house, "bob")
    assert "known" in found
    assert "X-Known: =?" in found
    assert "hook=pass" in found


@pytest.mark.parametrize(("subject", "words"), [("break", "oops"), ("hang", "no answer within")])
async def test_a_hook_that_fails_stops_no_mail(house: House, subject: str, words: str) -> None:
    assert (await sent(house, subject))[0] == 250
    assert words in await story(house, f"{subject}@out.test")
    assert "the hook rules.subjects failed" in await story(house, f"{subject}@out.test")


async def test_where_the_operator_wants_it_a_fault_puts_off(house: House) -> None:
    code, text = await sent(house, "x", door="lmtp")
    assert (code, text) == (451, "4.7.1 A check of this server failed; try again later")


async def test_mail_of_users_is_for_hooks_that_ask_for_it(house: House) -> None:
    def submit(subject: str) -> int:
        with smtplib.SMTP("127.0.0.1", house.ports["submission"], timeout=20) as client:
            client.login("bob@example.test", PASSWORD)
            client.mail("bob@example.test")
            client.rcpt("carol@example.test")
            return client.data(
                letter(subject).replace(b"\r\n\r\nx", b"\r\n\r\n" + subject.encode())
            )[0]

    assert await asyncio.to_thread(submit, "secret") == 550
    assert await asyncio.to_thread(submit, "junk") == 250
    found = await inside(house, "carol")
    assert "Subject: junk" in found
    assert "Authentication-Results" not in found


async def test_one_copy_of_several(house: House) -> None:
    for subject in ("to carol", "mark", "not carol"):
        assert (await sent(house, subject, "bob", "carol"))[0] == 250
    bob, carol = await inside(house, "bob"), await inside(house, "carol")
    assert all(f"Subject: {one}" in bob for one in ("to carol", "mark", "not carol"))
    assert "marked" not in bob
    assert "Subject: to carol" not in carol
    assert "Subject: not carol" not in carol
    assert "marked" in carol
    assert "Subject: to carol" in await inside(house, "carol", "Junk")
    text = await story(house, "not-carol@out.test")
    assert "no copy is kept: refused by a hook" in text
    assert "the hook rules.personal says refuse: Carol takes no such mail" in text
    assert (await sent(house, "not carol", "carol")) == (550, "5.7.1 Carol takes no such mail")


async def test_what_programs_append(house: House) -> None:
    def keep(client: imaplib.IMAP4) -> tuple[Any, Any]:
        no = client.append("Drafts", "", "", b"Subject: a\r\n\r\na virus\r\n")
        return no, client.append("Drafts", "\\Seen", "", b"Subject: b\r\n\r\nfine\r\n")

    no, yes = await by_imap(house, "bob", keep)
    assert (no[0], no[1][0]) == ("NO", b"[CANNOT] Not into this house")
    assert yes[0] == "OK"
    found = await inside(house, "bob", "Drafts")
    assert "drafts-by-bob" in found
    assert "\\\\Seen" in found
    assert "Subject: a" not in found


async def test_results_of_the_queue(house: House, tmp_path: Path) -> None:
    def submit() -> int:
        with smtplib.SMTP("127.0.0.1", house.ports["submission"], timeout=20) as client:
            client.login("bob@example.test", PASSWORD)
            client.mail("bob@example.test")
            client.rcpt("carol@example.test", ["NOTIFY=SUCCESS"])  # goes by the queue
            return client.data(letter("x"))[0]

    assert await asyncio.to_thread(submit) == 250
    async with asyncio.timeout(10):
        while not (tmp_path / "told").exists():  # noqa: ASYNC110  (the hook knows no event)
            await asyncio.sleep(0.02)
    first = (tmp_path / "told").read_text().splitlines()[0]
    assert first == "bob@example.test carol@example.test done 250"


async def test_other_hooks_without_a_restart(house: House, tmp_path: Path) -> None:
    path = rules(tmp_path, RULES.replace('"No such talk here"', '"Still no"'))
    house.reload(house.config)
    assert await sent(house, "refuse") == (550, "5.7.1 Still no")
    for text, mode in (("def (", 0o644), (RULES, 0o666)):
        path.write_text(text)
        path.chmod(mode)
        with pytest.raises(Misuse):
            house.reload(house.config)
        assert await sent(house, "refuse") == (550, "5.7.1 Still no")
    house.reload(replace(house.config, hooks=replace(house.config.hooks, files=())))
    assert (await sent(house, "refuse"))[0] == 250


async def test_a_house_does_not_open_with_a_file_of_others(tmp_path: Path) -> None:
    path = rules(tmp_path)
    path.chmod(0o666)
    with pytest.raises(Misuse, match="written by others"):
        async with whole_house(tmp_path, hooks={"files": (path,)}, opener=memory_store):
            pass


def test_check_looks_at_files_and_runs_none(tmp_path: Path) -> None:
    path = rules(tmp_path, "raise SystemExit('it ran')")
    config = configuration(tmp_path, hooks={"files": (path,)})
    assert [one.level for one in checkup.hooks(config)] == ["ok"]
    path.chmod(0o666)
    (found,) = checkup.hooks(config)
    assert (found.level, found.hint) == ("error", f"chmod go-w {path}")


@pytest.mark.slow
async def test_in_every_process(tmp_path: Path) -> None:
    text = (
        RULES
        + """
import os

@hooks.on("rcpt")
async def where(rcpt: hooks.Rcpt):
    return hooks.refuse(f"by {os.getpid()}") if rcpt.sender == "who@out.test" else None
"""
    )
    async with opened(tmp_path, server={"workers": 2}) as house:
        path = rules(tmp_path, text)
        house.reload(house.config)
        said: set[str] = set()
        async with asyncio.timeout(60):
            while len(said) < 2:
                answer = await sent(house, "x", sender="who@out.test")
                said |= {answer[1]} if answer[0] == 550 else set()
        assert (await sent(house, "refuse"))[0] == 550
        path.chmod(0o666)
        with pytest.raises(Misuse):
            house.reload(house.config)
        assert (await sent(house, "x", sender="who@out.test"))[0] == 550
