"""The standard library's three clients, aiosmtplib, imapclient and aioimaplib."""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import poplib
import re
import smtplib
import ssl
import threading
from email.message import EmailMessage

import pytest

from support.served import PATIENCE, Person, Served, crlf, ok

TEXT = b"From: a@elsewhere.example\r\nSubject: %d\r\n\r\nText %d\r\n.\r\n..\r\n\r\nend\r\n"


def composed(sender: Person, *recipients: Person) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender.address
    message["To"] = ", ".join(recipient.address for recipient in recipients)
    message["Subject"] = "Grüße aus Python"
    message.set_content("Ein Text mit Umlauten: äöü\n.\nEnde\n")
    message.add_attachment(
        bytes(range(256)) * 100, maintype="image", subtype="png", filename="b.png"
    )
    return message


def check(raw: bytes, wanted: EmailMessage) -> None:
    """The same message, behind the trace fields."""
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert found["Subject"] == wanted["Subject"]
    assert found["Return-Path"] == f"<{wanted['From']}>"
    assert found["Message-ID"]
    assert found["Date"]
    for kind in ("plain",):
        body, text = found.get_body((kind,)), wanted.get_body((kind,))
        assert body is not None
        assert text is not None
        assert crlf(body.get_content().encode().splitlines()) == crlf(
            text.get_content().encode().splitlines()
        )
    assert [part.get_content() for part in found.iter_attachments()] == [
        part.get_content() for part in wanted.iter_attachments()
    ]


# ---------------------------------------------------------------------- smtplib


@pytest.mark.parametrize("door", ["submission", "smtps"])
def test_smtplib(house: Served, door: str) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    message = composed(ann, bob)
    port = house.port(door)
    if door == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            "localhost", port, context=house.tls, timeout=PATIENCE
        )
    else:
        client = smtplib.SMTP("localhost", port, timeout=PATIENCE)
        client.starttls(context=house.tls)
    with client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(ann.address, "wrong")
        assert refused.value.smtp_code == 535
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(ann.address, [bob.address], message.as_bytes())
        client.rset()
        client.login(ann.address, ann.password)
        assert client.verify(bob.address)[0] == 252
        assert client.noop()[0] == 250
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(bob.address, [bob.address], message.as_bytes())
        refusals = client.sendmail(
            ann.address, [bob.address, "nobody@example.test"], message.as_bytes()
        )
        assert refusals["nobody@example.test"][0] == 550
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(ann.address, ["who@elsewhere.example"], message.as_bytes())
        client.send_message(message, ann.address, [bob.address])
    for raw in house.inbox(bob):
        check(raw, message)
    assert len(house.mailbox(bob)) == 2


def test_smtplib_utf8(house: Served) -> None:
    """SMTPUTF8: headers as they are, read back by IMAP and POP3."""
    ann = house.person("ann")
    message = EmailMessage(policy=email.policy.SMTPUTF8)
    message["From"], message["To"] = ann.address, ann.address
    message["Subject"] = "日本語の件名 ünd mehr"
    message.set_content("こんにちは\n")
    with smtplib.SMTP_SSL("localhost", house.port("smtps"), context=house.tls) as client:
        client.login(ann.address, ann.password)
        client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    raw = house.mailbox(ann)[0].raw
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert found["Subject"] == message["Subject"]
    assert "日本語".encode() in raw
    assert found.get_payload(decode=True).decode().strip() == "こんにちは"
    with house.pop3(ann) as pop:
        pop.rset()
        assert pop.stat()[0] == 1


def test_smtplib_too_large(house: Served) -> None:
    ann = house.person("ann")
    with smtplib.SMTP_SSL("localhost", house.port("smtps"), context=house.tls) as client:
        client.login(ann.address, ann.password)
        assert client.mail(ann.address, ["SIZE=99999999999"])[0] == 552
        limit = int(client.esmtp_features["size"])
        assert client.mail(ann.address, [f"SIZE={limit}"])[0] == 250


# ---------------------------------------------------------------------- poplib


def pop(house: Served, door: str) -> poplib.POP3:
    if door == "pop3s":
        return poplib.POP3_SSL("localhost", house.port(door), context=house.tls, timeout=PATIENCE)
    client = poplib.POP3("localhost", house.port(door), timeout=PATIENCE)
    client.stls(context=house.tls)
    return client


@pytest.mark.parametrize("door", ["pop3s", "pop3"])
def test_poplib(house: Served, door: str) -> None:
    ann = house.person("ann")
    house.deliver(ann, *(TEXT % (n, n) for n in range(4)))
    there = [stored.raw for stored in house.mailbox(ann)]
    client = pop(house, door)
    capabilities = client.capa()
    for word in (
        "TOP", "UIDL", "USER", "SASL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE",
        "LOGIN-DELAY", "UTF8", "LANG", "IMPLEMENTATION",
    ):  # fmt: skip
        assert word in capabilities
    assert "STLS" not in capabilities  # TLS is there already
    client.utf8()
    client.user(ann.address)
    with pytest.raises(poplib.error_proto, match="AUTH"):
        client.pass_("wrong")
    client.user(ann.address)
    client.pass_(ann.password)
    assert client.stat() == (4, sum(map(len, there)))
    _, listing, _ = client.list()
    assert listing == [b"%d %d" % (n, len(raw)) for n, raw in enumerate(there, 1)]
    for number, raw in enumerate(there, 1):
        _, lines, size = client.retr(number)
        assert (crlf(lines), size) == (raw, len(raw))
    _, head, _ = client.top(1, 0)
    assert crlf(head) == there[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    _, uidls, _ = client.uidl()
    client.dele(2)
    with pytest.raises(poplib.error_proto):
        client.retr(2)
    client.rset()
    client.dele(1)
    client.dele(3)
    client.quit()
    assert [stored.raw for stored in house.mailbox(ann)] == [there[1], there[3]]
    with house.pop3(ann) as again:
        kept = again.uidl()[1]
    assert [line.split()[1] for line in kept] == [uidls[n].split()[1] for n in (1, 3)]


def test_poplib_a_dropped_connection_deletes_nothing(house: Served) -> None:
    ann = house.person("ann")
    house.deliver(ann, TEXT % (1, 1))
    client = pop(house, "pop3s")
    client.user(ann.address)
    client.pass_(ann.password)
    client.dele(1)
    client.close()
    assert len(house.inbox(ann)) == 1


# ---------------------------------------------------------------------- imaplib


@pytest.mark.parametrize("door", ["imaps", "imap"])
def test_imaplib(house: Served, door: str) -> None:
    ann = house.person("ann")
    if door == "imaps":
        client: imaplib.IMAP4 = imaplib.IMAP4_SSL(
            "localhost", house.port(door), ssl_context=house.tls, timeout=PATIENCE
        )
    else:
        client = imaplib.IMAP4("localhost", house.port(door), timeout=PATIENCE)
        ok(client.starttls(house.tls))
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(ann.address, "wrong")
    plain = f"\0{ann.address}\0{ann.password}".encode()
    ok(client.authenticate("PLAIN", lambda _: plain))
    ok(client.enable("CONDSTORE"))
    ok(client.create("Entwürfe".encode("utf-7").replace(b"+", b"&").decode()))
    ok(client.subscribe("Archive"))
    assert any(b"Archive" in row for row in ok(client.lsub()))
    texts = [TEXT % (n, n) for n in range(5)]
    for text in texts:
        ok(client.append("INBOX", "(\\Seen custom)", imaplib.Time2Internaldate(1767607200), text))
    assert ok(client.select("INBOX")) == [b"5"]
    rows = ok(client.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY.PEEK[])"))
    bodies = [row for row in rows if isinstance(row, tuple)]
    assert [row[1] for row in bodies] == texts
    assert all(b"\\Seen" in row[0] and b"custom" in row[0] for row in bodies)
    assert imaplib.Internaldate2tuple(bodies[0][0]) is not None
    assert ok(client.search(None, "SUBJECT", '"3"')) == [b"4"]
    assert ok(client.search("UTF-8", "TEXT", '"Text 2"')) == [b"3"]
    assert ok(client.sort("(REVERSE SUBJECT)", "UTF-8", "ALL")) == [b"5 4 3 2 1"]
    assert len(re.findall(rb"\((\d+)\)", ok(client.thread("REFERENCES", "UTF-8", "ALL"))[0])) == 5
    ok(client.copy("1:2", "Archive"))
    ok(client.uid("MOVE", "3", "Archive"))
    ok(client.store("1", "+FLAGS.SILENT", "(\\Deleted)"))
    assert ok(client.expunge())[-1] == b"1"  # what MOVE expunged comes before
    ok(client.close())
    assert [stored.raw for stored in house.mailbox(ann, "Archive")] == texts[:3]
    assert house.inbox(ann) == [texts[1], texts[3], texts[4]]
    ok(client.rename("Archive", "Old/Archive"))
    ok(client.delete("Old/Archive"))
    assert "Old/Archive" not in house.names(ann)
    assert client.logout()[0] == "BYE"


# ---------------------------------------------------------------------- aiosmtplib


@pytest.mark.needs(module="aiosmtplib")
@pytest.mark.parametrize("door", ["submission", "smtps"])
async def test_aiosmtplib(house: Served, door: str) -> None:
    import aiosmtplib

    ann, bob = house.person("ann"), house.person("bob")
    message = composed(ann, bob)
    server = {
        "hostname": "localhost", "port": house.port(door), "use_tls": door == "smtps",
        "start_tls": door == "submission", "tls_context": house.tls, "timeout": PATIENCE,
    }  # fmt: skip
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await aiosmtplib.send(message, username=ann.address, password="wrong", **server)
    sent = [
        aiosmtplib.send(message, username=ann.address, password=ann.password, **server)
        for _ in range(10)
    ]
    for refusals, said in await asyncio.gather(*sent):
        assert refusals == {}
        assert said.startswith("2.")
    async with aiosmtplib.SMTP(**server) as client:
        await client.login(ann.address, ann.password)
        for _ in range(5):
            await client.send_message(message)
        assert (await client.vrfy(bob.address)).code == 252
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await client.sendmail(ann.address, ["nobody@example.test"], b"Subject: x\r\n\r\nx\r\n")
    found = await asyncio.to_thread(house.inbox, bob)
    assert len(found) == 15
    for raw in found:
        check(raw, message)


# ---------------------------------------------------------------------- imapclient


@pytest.mark.needs(module="imapclient")
@pytest.mark.parametrize("door", ["imaps", "imap"])
def test_imapclient(house: Served, door: str) -> None:
    import imapclient

    ann = house.person("ann")
    implicit = door == "imaps"
    with imapclient.IMAPClient(
        "localhost", house.port(door), ssl=implicit,
        ssl_context=house.tls if implicit else None, timeout=PATIENCE,
    ) as client:  # fmt: skip
        if not implicit:
            client.starttls(house.tls)
        with pytest.raises(imapclient.exceptions.LoginError):
            client.login(ann.address, "wrong")
        client.login(ann.address, ann.password)
        assert b"Pillarbox" in client.id_({"name": "test"})[0]
        assert client.namespace().personal == (("", "/"),)
        client.create_folder("Reisen/Köln & Bonn")
        assert "Reisen/Köln & Bonn" in [name for _, _, name in client.list_folders()]
        assert client.find_special_folder(b"\\Trash") == "Trash"
        assert client.find_special_folder(b"\\Sent") == "Sent"
        texts = [TEXT % (n, n) for n in range(6)]
        for text in texts:
            client.append("Reisen/Köln & Bonn", text, [imapclient.SEEN])
        opened = client.select_folder("Reisen/Köln & Bonn")
        assert opened[b"EXISTS"] == 6
        found = client.fetch(client.search("ALL"), ["RFC822", "FLAGS", "ENVELOPE", "BODYSTRUCTURE"])
        assert [found[uid][b"RFC822"] for uid in sorted(found)] == texts
        assert [found[uid][b"ENVELOPE"].subject for uid in sorted(found)] == [
            b"%d" % n for n in range(6)
        ]
        assert not found[1][b"BODYSTRUCTURE"].is_multipart
        assert client.search(["SUBJECT", "4"]) == [5]
        assert client.sort("REVERSE SUBJECT") == [6, 5, 4, 3, 2, 1]
        client.add_flags([1, 2], [imapclient.FLAGGED, "Wichtig"])
        assert set(client.get_flags([1])[1]) >= {b"\\Seen", b"\\Flagged", b"Wichtig"}
        client.remove_flags([2], [imapclient.FLAGGED])
        client.move([1, 2], "Archive")
        client.copy([3], "INBOX")
        client.delete_messages([4])
        client.expunge([4])
        assert client.folder_status("INBOX", ["MESSAGES", "UNSEEN"]) == {
            b"MESSAGES": 1, b"UNSEEN": 0,
        }  # fmt: skip
        client.unselect_folder()
        client.rename_folder("Reisen", "Urlaub")
    names = [stored.raw for stored in house.mailbox(ann, "Urlaub/K&APY-ln &- Bonn")]
    assert names == [texts[2], texts[4], texts[5]]
    archived = house.mailbox(ann, "Archive")
    assert [stored.raw for stored in archived] == texts[:2]
    assert archived[0].flags >= {"\\Flagged", "Wichtig"}
    assert house.inbox(ann) == [texts[2]]
    assert {"ID", "NAMESPACE", "SORT", "MOVE", "UIDPLUS"} <= house.spoken(ann)


@pytest.mark.needs(module="imapclient")
def test_imapclient_idle(house: Served) -> None:
    """Told at once of a delivery, of another session's flags and of a removal."""
    import imapclient

    ann = house.person("ann")
    with imapclient.IMAPClient(
        "localhost", house.port("imaps"), ssl_context=house.tls, timeout=PATIENCE
    ) as client:
        client.login(ann.address, ann.password)
        client.select_folder("INBOX")
        client.idle()
        heard: list[object] = []
        house.deliver(ann, TEXT % (1, 1))
        heard += client.idle_check(timeout=PATIENCE)
        assert (1, b"EXISTS") in heard
        with house.imap(ann) as other:
            ok(other.select("INBOX"))
            ok(other.store("1", "+FLAGS", "(\\Answered)"))
            flags = client.idle_check(timeout=PATIENCE)
            assert any(row[1] == b"FETCH" and b"\\Answered" in str(row).encode() for row in flags)
            ok(other.store("1", "+FLAGS.SILENT", "(\\Deleted)"))
            ok(other.expunge())
        gone: list[object] = []
        while (1, b"EXPUNGE") not in gone:
            said = client.idle_check(timeout=PATIENCE)
            assert said, gone
            gone += said
        client.idle_done()
        client.noop()


def test_many_at_once(house: Served) -> None:
    """Sixteen threads send and read at the same time; everyone gets what was sent to them."""
    people = [house.person("crowd") for _ in range(4)]
    failures: list[BaseException] = []

    def send(n: int) -> None:
        try:
            to = people[n % len(people)]
            with smtplib.SMTP_SSL("localhost", house.port("smtps"), context=house.tls) as client:
                client.login(people[0].address, people[0].password)
                for part in range(5):
                    client.sendmail(people[0].address, [to.address], TEXT % (n, part))
        except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures
    for number, person in enumerate(people):
        subjects = [re.findall(rb"Subject: (\d+)", raw)[0] for raw in house.inbox(person)]
        wanted = [b"%d" % n for n in range(16) if n % 4 == number for _ in range(5)]
        assert sorted(subjects) == sorted(wanted)


# ---------------------------------------------------------------------- aioimaplib


@pytest.mark.needs(module="aioimaplib")
async def test_aioimaplib(house: Served) -> None:
    """Appends, searches, marks, moves, and hears of new mail by IDLE."""
    import aioimaplib

    ann = house.person("ann")
    house.deliver(ann, TEXT % (1, 1), TEXT % (2, 2))
    client = aioimaplib.IMAP4_SSL(
        "localhost", house.port("imaps"), timeout=PATIENCE, ssl_context=house.tls
    )
    await client.wait_hello_from_server()
    assert (await client.login(ann.address, ann.password)).result == "OK"
    assert (await client.id(name="aioimaplib")).result == "OK"
    assert (await client.enable("CONDSTORE")).result == "OK"
    assert (await client.select("INBOX")).result == "OK"
    found = await client.uid_search("SUBJECT 2", charset=None)
    assert found.lines[0] == b"2"
    fetched = await client.uid("fetch", "1", "(BODY.PEEK[])")
    assert fetched.result == "OK"
    assert any(b"Text 1" in bytes(line) for line in fetched.lines)
    assert (await client.uid("store", "1", "+FLAGS (\\Flagged)")).result == "OK"
    assert (await client.uid("move", "2", "Archive")).result == "OK"
    idle = await client.idle_start(timeout=PATIENCE)
    await asyncio.to_thread(house.deliver, ann, TEXT % (3, 3))
    heard = await client.wait_server_push(PATIENCE)
    assert any(line.endswith(b"EXISTS") for line in heard)
    client.idle_done()
    await asyncio.wait_for(idle, PATIENCE)
    await client.logout()
    flags = {stored.uid: stored.flags for stored in house.mailbox(ann)}
    assert set(flags) == {1, 3}
    assert "\\Flagged" in flags[1]
    assert len(house.mailbox(ann, "Archive")) == 1
    assert house.spoken(ann) >= {"ID", "IDLE", "MOVE", "ENABLE", "CONDSTORE"}
