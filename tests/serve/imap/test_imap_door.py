"""IMAP over real sockets with independent clients, and two sessions on one mailbox."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from imapclient import IMAPClient

from pillarbox.net.driver import Connection
from pillarbox.net.wakes import Wake
from pillarbox.serve.imap.options import Options
from support.doors import PASSWORD, rooms
from support.imapraw import MESSAGE, append, dialogue, opened
from support.wire import Wire

T = TypeVar("T")


async def with_client(port: int, use: Callable[[IMAPClient], T]) -> T:
    """Run ``use`` in a thread with a client that is logged in."""

    def run() -> T:
        with IMAPClient("127.0.0.1", port, ssl=False, timeout=10) as client:
            client.login("ann@example.test", PASSWORD)
            return use(client)

    return await asyncio.to_thread(run)


@contextmanager
def unsent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Octets written by all connections together since the last wait for a peer, at most."""
    counted = {"now": 0, "most": 0}
    write, drain, read = Connection.write, Connection.drain, Connection.read_or

    def writes(conn: Connection, data: bytes) -> None:
        counted["now"] += len(data)
        counted["most"] = max(counted.values())
        write(conn, data)

    async def drains(conn: Connection) -> None:
        counted["now"] = 0
        await drain(conn)

    async def reads(conn: Connection, *wakes: Wake) -> bytes | None:
        counted["now"] = 0
        return await read(conn, *wakes)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "write", writes)
        patch.setattr(Connection, "drain", drains)
        patch.setattr(Connection, "read_or", reads)
        yield lambda: counted["most"]


async def test_a_client_reads_and_organises(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):

        def use(client: IMAPClient) -> None:
            assert {f[2] for f in client.list_folders()} >= {"INBOX", "Sent", "Drafts", "Trash"}
            when = time.gmtime(760000000)
            client.append("INBOX", MESSAGE, (b"\\Flagged",), time.mktime(when) and None)
            selected = client.select_folder("INBOX")
            assert selected[b"EXISTS"] == 1
            assert selected[b"READ-WRITE"]
            fetched = client.fetch([1], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822.SIZE"])
            (row,) = fetched.values()
            assert row[b"ENVELOPE"].subject == b"first"
            assert row[b"ENVELOPE"].from_[0].mailbox == b"bob"
            assert row[b"RFC822.SIZE"] == len(MESSAGE)
            assert b"\\Flagged" in row[b"FLAGS"]
            body = client.fetch([1], ["BODY[]"])[1]
            assert body[b"BODY[]"] == MESSAGE
            assert b"\\Seen" in body[b"FLAGS"]
            assert client.search(["SUBJECT", "FIRST"]) == [1]
            assert client.search(["BODY", "nothing"]) == []
            client.create_folder("Projects/Ö & Söhne")
            client.copy([1], "Projects/Ö & Söhne")
            assert client.folder_status("Projects/Ö & Söhne", ["MESSAGES"])[b"MESSAGES"] == 1
            client.move([1], "Trash")
            assert client.search() == []
            client.rename_folder("Projects", "Done")
            assert "Done/Ö & Söhne" in [f[2] for f in client.list_folders()]
            client.select_folder("Trash")
            client.add_flags([1], [b"\\Deleted", b"custom"])
            client.expunge()
            assert client.search() == []
            client.delete_folder("Done/Ö & Söhne")

        await with_client(port, use)


async def test_tls_scram_and_the_standard_library(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.imap(implicit=True)
        context = ssl.create_default_context(cafile=str(house.ca))

        def use() -> list[bytes | str]:
            with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=10) as client:
                assert "AUTH=SCRAM-SHA-256" in client.capabilities
                client.authenticate("PLAIN", lambda _: b"\0ann@example.test\0" + PASSWORD.encode())
                client.append("INBOX", "", "", MESSAGE)
                client.select()
                return [*client.fetch("1", "(UID INTERNALDATE)")[1]]

        assert b"UID 1" in (await asyncio.to_thread(use))[0]


async def test_sessions_see_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        await two.send(b"i IDLE\r\n")
        await two.until(b"+ ")
        await one.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        answer = await one.until(b"a OK")
        assert b"* 1 EXISTS" in answer
        assert answer[-1].startswith(b"a OK [APPENDUID ")
        assert b"* 1 EXISTS" in await two.until(b"* 1 EXISTS")
        await one.say(b"f STORE 1 +FLAGS (\\Deleted)")
        assert b"\\Deleted" in (await two.until(b"* 1 FETCH"))[-1]
        assert b"* 1 EXPUNGE" in await one.say(b"e EXPUNGE")
        await two.until(b"* 1 EXPUNGE")
        await two.send(b"DONE\r\n")
        await two.until(b"i OK")
        one.close()
        two.close()


async def test_numbers_stand_still_during_fetch_store_search(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        for _ in range(3):
            await one.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
            await one.until(b"a OK")
        await one.say(b"s SELECT INBOX")
        await two.say(b"s SELECT INBOX")
        await two.say(b"d STORE 1 +FLAGS.SILENT (\\Deleted)")
        await two.say(b"e EXPUNGE")
        for command in (b"f FETCH 2:3 UID", b"t STORE 2 +FLAGS (x)", b"c SEARCH ALL"):
            lines = await one.say(command)
            assert not [line for line in lines if b"EXPUNGE" in line and line[:1] == b"*"], lines
        assert (await one.say(b"g FETCH 1 BODY[]"))[-1].startswith(b"g NO [EXPUNGEISSUED]")
        assert b"* 1 EXPUNGE" in await one.say(b"n NOOP")
        assert [x for x in await one.say(b"h FETCH 1 UID") if x == b"* 1 FETCH (UID 2)"]
        one.close()
        two.close()


async def test_condstore(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one = await dialogue(port)
        for _ in range(2):
            await one.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
            await one.until(b"a OK")
        lines = await one.say(b"s SELECT INBOX (CONDSTORE)")
        (high,) = [line for line in lines if b"HIGHESTMODSEQ" in line]
        modseq = int(high.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0])
        lines = await one.say(b"x STORE 1 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Seen)" % modseq)
        assert b"MODSEQ" in lines[0]
        assert b"FLAGS" not in lines[0]
        lines = await one.say(b"y STORE 1:2 (UNCHANGEDSINCE %d) +FLAGS (\\Draft)" % modseq)
        assert lines[-1].startswith(b"y OK [MODIFIED 1]")
        lines = await one.say(b"z FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq)
        assert len(lines) == 3
        one.close()


async def test_many_bytes_in_pieces(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        large = MESSAGE + b"x" * 70 + b"\r\n" + b"line of text\r\n" * 100_000

        def use(client: IMAPClient) -> None:
            client.append("INBOX", large)
            client.select_folder("INBOX")
            assert client.fetch([1], ["BODY.PEEK[]"])[1][b"BODY[]"] == large
            partial = client.fetch([1], ["BODY.PEEK[TEXT]<0.20>"])[1]
            assert partial[b"BODY[TEXT]<0>"] == large.partition(b"\r\n\r\n")[2][:20]

        await with_client(port, use)


async def test_what_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        table = [
            (b"a SELECT nowhere", b"a NO [NONEXISTENT]"),
            (b"b CREATE INBOX", b"b NO [ALREADYEXISTS]"),
            (b"c CREATE a//b", b"c NO [CANNOT]"),
            (b"d DELETE INBOX", b"d NO [CANNOT]"),
            (b"e COPY 1 INBOX", b"e BAD"),
            (b"f APPEND nowhere {3+}\r\nabc", b"f NO [TRYCREATE]"),
            (b"g EXAMINE INBOX", b"g OK [READ-ONLY]"),
            (b"h STORE 1 +FLAGS (x)", b"h BAD"),
            (b"i FETCH 1 FLAGS", b"i BAD"),
            (b"j UID FETCH 1:* FLAGS", b"j OK"),
            (b"k NONSENSE", b"k BAD"),
            (b"m EXPUNGE", b"m NO"),
        ]
        for command, expected in table:
            answer = (await talk.say(command))[-1]
            assert answer.startswith(expected), (command, answer)
        talk.close()


async def test_qresync_tells_what_happened_meanwhile(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        one, two = await dialogue(port), await dialogue(port)
        await append(one, MESSAGE, MESSAGE, MESSAGE)
        assert (await two.say(b"b SELECT INBOX (QRESYNC (1 1))"))[-1].startswith(b"b BAD")
        assert (await two.say(b"e ENABLE QRESYNC"))[0] == b"* ENABLED QRESYNC"
        lines = await two.say(b"s SELECT INBOX")
        (validity,) = [x.split()[3].rstrip(b"]") for x in lines if b"UIDVALIDITY" in x]
        (modseq,) = [x.split()[3].rstrip(b"]") for x in lines if b"HIGHESTMODSEQ" in x]
        await two.say(b"u UNSELECT")
        await one.say(b"s SELECT INBOX")
        await one.say(b"f STORE 3 +FLAGS.SILENT (\\Flagged)")
        await one.say(b"d STORE 1 +FLAGS.SILENT (\\Deleted)")
        await one.say(b"e EXPUNGE")
        known = b"q SELECT INBOX (QRESYNC (%b %b 1:3))" % (validity, modseq)
        lines = await two.say(known)
        assert b"* VANISHED (EARLIER) 1" in lines
        assert len([x for x in lines if b" FETCH (" in x]) == 1
        assert any(x.startswith(b"* 2 FETCH (UID 3 FLAGS (\\Flagged") for x in lines), lines
        await one.say(b"g STORE 1 +FLAGS.SILENT (\\Deleted)")
        await one.say(b"h EXPUNGE")
        assert b"* VANISHED 2" in await two.say(b"n NOOP")
        lines = await two.say(b"v UID FETCH 1:* (FLAGS) (CHANGEDSINCE %b VANISHED)" % modseq)
        assert b"* VANISHED (EARLIER) 1:2" in lines
        one.close()
        two.close()


async def test_saved_results_and_pages(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, *[MESSAGE] * 10)
        await talk.say(b"s SELECT INBOX")
        await talk.say(b"f STORE 2,4,6,8 +FLAGS.SILENT (\\Flagged)")
        assert len(await talk.say(b"a SEARCH RETURN (SAVE) FLAGGED")) == 1
        assert b"* SEARCH 2 4 6 8" in await talk.say(b"b SEARCH $")
        assert len(await talk.say(b"c FETCH $ UID")) == 5
        lines = await talk.say(b"d SEARCH RETURN (PARTIAL 2:3 COUNT) $")
        assert lines[0] == b'* ESEARCH (TAG "d") COUNT 4 PARTIAL (2:3 4,6)'
        lines = await talk.say(b"e UID SEARCH RETURN (PARTIAL -1:-2) ALL")
        assert lines[0] == b'* ESEARCH (TAG "e") UID PARTIAL (-1:-2 9:10)'
        assert len(await talk.say(b"g UID FETCH 1:* FLAGS (PARTIAL -1:-3)")) == 4
        await talk.say(b"h SEARCH RETURN (SAVE MIN MAX) FLAGGED")
        assert b"* SEARCH 2 8" in await talk.say(b"i SEARCH $")
        talk.close()


async def test_binary_preview_and_save_date(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        mail = (
            b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: application/x-y\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nYQBi\r\n"
        )
        await append(talk, mail, MESSAGE)
        await talk.say(b"s SELECT INBOX")
        lines = await talk.say(b"z9 FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")
        assert b"\r\n".join(lines[:2]) == (b"* 1 FETCH (BINARY[1] ~{3}\r\na\0b BINARY.SIZE[1] 3)")
        assert (await talk.say(b"b FETCH 2 PREVIEW"))[0] == b'* 2 FETCH (PREVIEW "body text")'
        assert b'* 2 FETCH (SAVEDATE "' in (await talk.say(b"c FETCH 2 SAVEDATE"))[0]
        talk.close()


async def test_several_messages_in_one_append(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        size = len(MESSAGE)
        await talk.send(b"a APPEND INBOX (\\Seen) {%d+}\r\n%b" % (size, MESSAGE))
        await talk.send(b" {%d+}\r\n%b\r\n" % (size, MESSAGE))
        answer = (await talk.until(b"a "))[-1]
        assert answer.startswith(b"a OK [APPENDUID ")
        assert b" 1:2]" in answer
        talk.close()


def reply_to(number: int, subject: str, *references: int, date: str = "1 Jan 2024") -> bytes:
    """A message of a conversation, with an id made of its number."""
    refs = " ".join(f"<{one}@t>" for one in references)
    return (
        f"From: u{9 - number}@example.test\r\nSubject: {subject}\r\nMessage-ID: <{number}@t>\r\n"
        + (f"References: {refs}\r\n" if refs else "")
        + f"Date: {date} 10:0{number}:00 +0000\r\n\r\ntext\r\n"
    ).encode()


async def test_sort_and_thread(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(
            talk,
            reply_to(1, "Re: b", 3, date="3 Jan 2024"),
            reply_to(2, "c"),
            reply_to(3, "b", date="2 Jan 2024"),
        )
        await talk.say(b"s SELECT INBOX")
        table = [
            (b"a SORT (SUBJECT DATE) UTF-8 ALL", b"* SORT 3 1 2"),
            (b"b SORT (REVERSE DATE) UTF-8 ALL", b"* SORT 1 3 2"),
            (b"c SORT (FROM) UTF-8 ALL", b"* SORT 3 2 1"),
            (b"d UID SORT (REVERSE ARRIVAL) US-ASCII SUBJECT b", b"* SORT 1 3"),
            (b"e SORT (DISPLAYFROM) UTF-8 UNSEEN", b"* SORT 3 2 1"),
            (b"g SORT (SIZE) UTF-8 SUBJECT nowhere", b"* SORT"),
            (
                b"f SORT RETURN (MIN MAX COUNT ALL) (REVERSE DATE) UTF-8 ALL",
                b'* ESEARCH (TAG "f") MIN 1 MAX 2 COUNT 3 ALL 1,3,2',
            ),
            (b"h THREAD REFERENCES UTF-8 ALL", b"* THREAD (2)(3 1)"),
            (b"i UID THREAD ORDEREDSUBJECT UTF-8 ALL", b"* THREAD (2)(3 1)"),
        ]
        for command, expected in table:
            lines = await talk.say(command)
            assert lines[0] == expected, lines
        assert (await talk.say(b"j SORT (NONSENSE) UTF-8 ALL"))[-1].startswith(b"j BAD")
        assert (await talk.say(b"k SORT (DATE) X-NONE ALL"))[-1].startswith(b"k NO [BADCHARSET")
        talk.close()


async def test_search_in_several_mailboxes(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await append(talk, MESSAGE, MESSAGE)
        await talk.say(b"c CREATE lists/one")
        await talk.send(b"a APPEND lists/one {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE))
        await talk.until(b"a OK")
        lines = await talk.say(b'e ESEARCH IN (personal) RETURN (COUNT ALL) SUBJECT "first"')
        assert len(lines) == 3
        assert lines[0].startswith(b'* ESEARCH (TAG "e" MAILBOX INBOX UIDVALIDITY ')
        assert lines[0].endswith(b"UID COUNT 2 ALL 1:2")
        assert b'MAILBOX "lists/one"' in lines[1]
        lines = await talk.say(b"f ESEARCH IN (subtree lists) SUBJECT first")
        assert len(lines) == 2
        assert (await talk.say(b"g ESEARCH IN (selected) ALL"))[-1].startswith(b"g BAD")
        talk.close()


async def test_unauthenticate_and_language(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        await talk.say(b"s SELECT INBOX")
        assert b"* LANGUAGE (en i-default)" in await talk.say(b"a LANGUAGE")
        assert (await talk.say(b"b LANGUAGE de"))[-1].startswith(b"b NO")
        assert (await talk.say(b"u UNAUTHENTICATE"))[-1].startswith(b"u OK [CAPABILITY")
        assert (await talk.say(b"c SELECT INBOX"))[-1].startswith(b"c BAD")
        login = b'l LOGIN ann@example.test "' + PASSWORD.encode() + b'"'
        assert (await talk.say(login))[-1].startswith(b"l OK")
        talk.close()


async def test_keeping_busy_does_not_put_off_the_login(tmp_path: Path) -> None:
    async with opened(tmp_path, Options(login_timeout=0.5)) as (_, port):
        wire = await Wire.connect(port)
        heard = []
        while line := await wire.line():
            heard.append(line)
            await wire.send(b"n NOOP\r\n")
        assert b"* BYE You have taken too long to log in" in heard[-3:]
        wire.close()
        talk = await dialogue(port)
        await asyncio.sleep(0.6)
        assert (await talk.say(b"n NOOP"))[-1].startswith(b"n OK")
        talk.close()


async def test_answers_wait_for_a_client_that_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short commands with long answers, all at once: what is not taken is not made."""
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        for number in range(60):
            await talk.say(b"c CREATE %s-%d" % (b"x" * 200, number))
        wire = await Wire.connect(port)
        await wire.send(f'l LOGIN ann@example.test "{PASSWORD}"\r\n'.encode())
        await wire.until(b"l OK")
        with unsent(monkeypatch) as most:
            await wire.send_some(b'a LIST "" *\r\n' * 4000)
            await asyncio.sleep(0.2)
            assert most() < 1 << 20
        wire.abort()
        talk.close()
