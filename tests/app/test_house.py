"""A whole house in one process: mail through it, its doors, what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import logging
import poplib
import smtplib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app.demo import make_certificates
from pillarbox.app.house import House
from pillarbox.app.trial import Person, Trial, trial
from pillarbox.base.errors import Misuse
from pillarbox.config.checks import Bind
from pillarbox.net.certs import leaf
from pillarbox.net.sockets import bind_tcp
from pillarbox.testing.clock import FakeClock
from support.whole import PASSWORD, configuration, memory_store, whole_house

DOORS = ["smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s", "sieve"]
MESSAGE = b"From: x@elsewhere.test\r\nSubject: hello\r\n\r\nhello\r\n"


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def send(port: int, *to: str, lmtp: bool = False) -> None:
    kind = smtplib.LMTP if lmtp else smtplib.SMTP
    with kind("127.0.0.1", port, timeout=10) as client:
        client.sendmail("x@elsewhere.test", list(to), MESSAGE)


def subjects(port: int, user: str = "ann@example.test", box: str = "INBOX") -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", port, timeout=10) as client:
        client.login(user, PASSWORD)
        client.select(f'"{box}"', readonly=True)
        _, rows = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [row[1].strip() for row in rows if isinstance(row, tuple)]


async def test_every_door_opens_and_mail_goes_through(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", "bob") as house:
        assert list(house.ports) == DOORS
        assert len(set(house.ports.values())) == len(DOORS)
        people = [Person(f"{name}@example.test", PASSWORD) for name in ("ann", "bob")]
        plan = Trial("localhost", house.ports, tmp_path / "tls" / "ca.pem", *people)
        await asyncio.to_thread(trial, plan)
        await asyncio.to_thread(send, house.ports["smtp"], "ann@example.test")
        await asyncio.to_thread(send, house.ports["lmtp"], "ann@example.test", lmtp=True)
        found = await asyncio.to_thread(subjects, house.ports["imap"])
        assert found == [b"Subject: hello"] * 2


async def test_mail_is_there_after_a_restart(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann") as house:
        await asyncio.to_thread(send, house.ports["smtp"], "ann@example.test")
    async with whole_house(tmp_path) as house:
        assert await asyncio.to_thread(subjects, house.ports["imap"]) == [b"Subject: hello"]


async def test_a_full_mailbox_is_tried_again_by_the_queue(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", "bob") as house:
        call = house.admin.call
        await call(
            "alias.add",
            {"address": "all@example.test", "targets": ["ann@example.test", "bob@example.test"]},
        )
        await call("account.set", {"address": "ann@example.test", "quota": 1})
        await asyncio.to_thread(send, house.ports["smtp"], "all@example.test")
        queue = (await call("queue.list", {}))["items"]
        assert [r["route"] for r in queue[0]["recipients"]] == ["local ann@example.test"]
        assert (await call("status", {}))["queue"] == 1
        await call("queue.hold", {"items": [queue[0]["id"]]})
        await call("queue.release", {"items": [queue[0]["id"]]})
        await call("queue.drop", {"items": [queue[0]["id"]]})
        assert (await call("queue.list", {}))["items"] == []


async def test_one_house_a_directory(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    clock = FakeClock()
    async with House(config, opener=memory_store):
        second = asyncio.create_task(_enter(House(config, opener=memory_store, clock=clock)))
        for _ in range(10):
            await clock.advance(1)
        with pytest.raises(Misuse, match="in use by process"):
            await second
    async with House(config, opener=memory_store):
        pass


async def _enter(house: House) -> None:
    async with house:
        pass


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    taken = bind_tcp("127.0.0.1", 0)
    try:
        place = Bind("127.0.0.1", taken[0].getsockname()[1])
        config = configuration(tmp_path, listen={"pop3s": (place,)})
        with pytest.raises(Misuse, match=r"listen\.pop3s"):
            await _enter(House(config, opener=memory_store))
    finally:
        for sock in taken:
            sock.close()
    await _enter(House(config, opener=memory_store))

    async def broken(*_: object) -> object:
        raise Misuse("no store today")

    with pytest.raises(Misuse, match="no store"):
        await _enter(House(config, opener=broken))  # type: ignore[arg-type]
    await _enter(House(config, opener=memory_store))


async def test_bad_certificates_are_refused_before_anything_opens(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    (tmp_path / "tls" / "key.pem").write_text("nonsense")
    with pytest.raises(Misuse, match="certificate"):
        await _enter(House(config))
    assert not (tmp_path / "data").exists()


async def test_sockets_can_be_handed_over(tmp_path: Path) -> None:
    given = bind_tcp("127.0.0.1", 0)
    port = given[0].getsockname()[1]
    config = configuration(tmp_path)
    async with House(config, opener=memory_store, given={"imap": given}) as house:
        assert house.ports["imap"] == port
        assert len(house.ports) == len(DOORS)
    unknown = bind_tcp("127.0.0.1", 0)
    try:
        with pytest.raises(Misuse, match="web"):
            House(config, given={"web": unknown}).bind()
    finally:
        unknown[0].close()


async def test_closed_doors_stay_closed(tmp_path: Path) -> None:
    async with whole_house(tmp_path, opener=memory_store, listen={"pop3": (), "lmtp": ()}) as house:
        assert set(house.ports) == set(DOORS) - {"pop3", "lmtp"}


async def test_draining_says_goodbye(tmp_path: Path) -> None:
    async with whole_house(tmp_path, opener=memory_store) as house:
        waiting = asyncio.create_task(house.serve())
        open_ones = {
            name: await asyncio.open_connection("127.0.0.1", house.ports[name])
            for name in ("smtp", "imap", "pop3")
        }
        for reader, _ in open_ones.values():
            await reader.readline()
        house.stop()
        await waiting
    words = {name: await reader.read() for name, (reader, _) in open_ones.items()}
    assert words["smtp"].startswith(b"421 ")
    assert words["imap"].startswith(b"* BYE ")
    for _, writer in open_ones.values():
        await close(writer)


async def test_a_second_stop_does_not_wait(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", opener=memory_store, server={"drain": 3600.0}) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.ports["smtp"])
        await reader.readline()
        writer.write(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
        while not (await reader.readline()).startswith(b"354"):
            pass
        house.stop()
        house.stop()
    with contextlib.suppress(ConnectionResetError):  # that is what cutting means
        assert not (await reader.read()).startswith(b"250")
    await close(writer)


def certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


async def test_a_reload_shows_the_new_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with whole_house(tmp_path, opener=memory_store) as house:
        before = await asyncio.to_thread(certificate, house.ports["imaps"])
        make_certificates(tmp_path)
        house.reload(house.config)
        after = await asyncio.to_thread(certificate, house.ports["imaps"])
        assert before != after == leaf((tmp_path / "tls" / "certificate.pem").read_bytes())
        (tmp_path / "tls" / "key.pem").write_text("half a k")
        with pytest.raises(Misuse, match="key"):
            house.reload(configuration(tmp_path, limits={"connections": 1}))
        assert await asyncio.to_thread(certificate, house.ports["imaps"]) == after
        assert house.config.limits.connections > 1


async def test_a_reload_changes_limits_for_those_who_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with whole_house(tmp_path, opener=memory_store) as house:
        with caplog.at_level(logging.WARNING):
            house.reload(
                configuration(
                    tmp_path,
                    limits={"connections_per_address": 1},
                    mail={"max_message_size": 12345},
                    server={"hostname": "other.example"},
                )
            )
        assert any("restart-needed" in record.getMessage() for record in caplog.records)
        reader, writer = await asyncio.open_connection("127.0.0.1", house.ports["smtp"])
        assert b"localhost" in await reader.readline()
        writer.write(b"EHLO x\r\n")
        lines = [await reader.readline()]
        while not lines[-1].startswith(b"250 "):
            lines.append(await reader.readline())
        assert any(line[4:].strip() == b"SIZE 12345" for line in lines)
        other, out = await asyncio.open_connection("127.0.0.1", house.ports["pop3"])
        assert (await other.readline()).startswith(b"-ERR ")
        for one in (writer, out):
            await close(one)


async def test_retention_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    async with whole_house(
        tmp_path, "ann", opener=memory_store, clock=clock, mail={"retention": 7200.0}
    ) as house:
        await asyncio.to_thread(send, house.ports["smtp"], "ann@example.test")

        def delete() -> None:
            client = poplib.POP3("127.0.0.1", house.ports["pop3"], timeout=10)
            client.user("ann@example.test")
            client.pass_(PASSWORD)
            client.dele(1)
            client.quit()

        await asyncio.to_thread(delete)
        listed = {"account": "ann@example.test"}
        (kept,) = (await house.admin.call("undelete.list", listed))["messages"]
        assert (kept["subject"], kept["from"]) == ("hello", "x@elsewhere.test")
        assert kept["by"]
        await clock.advance(3600)
        assert (await house.admin.call("undelete.list", listed))["messages"]
        await clock.advance(7300)
        assert not (await house.admin.call("undelete.list", listed))["messages"]


async def test_what_pop3_deleted_comes_back(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann") as house:
        ports = house.ports
        for _ in range(3):
            await asyncio.to_thread(send, ports["smtp"], "ann@example.test")

        def delete() -> None:
            client = poplib.POP3("127.0.0.1", ports["pop3"], timeout=10)
            client.user("ann@example.test")
            client.pass_(PASSWORD)
            for number in (1, 2, 3):
                client.dele(number)
            client.quit()

        await asyncio.to_thread(delete)
        assert await asyncio.to_thread(subjects, ports["imap"]) == []
        call = house.admin.call
        ann = {"account": "ann@example.test"}
        kept = (await call("undelete.list", ann))["messages"]
        one = await call("undelete.restore", ann | {"mailbox": "INBOX", "uids": [kept[0]["uid"]]})
        assert one["restored"] == [{"mailbox": "INBOX", "messages": 1}]
        with pytest.raises(Misuse, match="UID"):
            await call("undelete.restore", ann | {"mailbox": "INBOX", "uids": [kept[0]["uid"]]})
        rest = await call("undelete.restore", ann | {"to": "Rescued"})
        assert rest["restored"] == [{"mailbox": "Rescued", "messages": 2}]
        assert len(await asyncio.to_thread(subjects, ports["imap"])) == 1
        found = await asyncio.to_thread(subjects, ports["imap"], "ann@example.test", "Rescued")
        assert len(found) == 2


def test_asking_before_it_is_open_is_refused(tmp_path: Path) -> None:
    house = House(configuration(tmp_path))
    for name in ("core", "admin"):
        with pytest.raises(Misuse, match="not open"):
            getattr(house, name)
    assert house.ports == {}


async def test_closed_doors_need_no_certificate(tmp_path: Path) -> None:
    closed: dict[str, tuple[Bind, ...]] = dict.fromkeys(("smtps", "imaps", "pop3s"), ())
    none: dict[str, Path | None] = {"certificate": None, "key": None}
    async with whole_house(tmp_path, "ann", listen=closed, tls=none) as house:
        assert list(house.ports) == [door for door in DOORS if door not in closed]


CUT = (OSError, imaplib.IMAP4.abort, poplib.error_proto, smtplib.SMTPException)
CHANGES = [
    ("account.passwd", {"password": "another"}),
    ("account.set", {"enabled": False}),
    ("account.remove", {}),
]


def logged_in(door: str, port: int, user: str) -> Any:
    """A client with a method ``noop``."""
    if door == "submission":
        smtp = smtplib.SMTP("127.0.0.1", port, timeout=10)
        smtp.login(user, PASSWORD)
        return smtp
    if door == "pop3":
        pop3 = poplib.POP3("127.0.0.1", port, timeout=10)
        pop3.user(user)
        pop3.pass_(PASSWORD)
        return pop3
    imap = imaplib.IMAP4("127.0.0.1", port, timeout=10)
    imap.login(user, PASSWORD)
    return imap


def is_cut(client: Any) -> bool:
    try:
        client.noop()
    except CUT:
        return True
    finally:
        for held in (client.file, client.sock):
            if held is not None:
                held.close()
    return False


@pytest.mark.parametrize(("operation", "more"), CHANGES)
async def test_sessions_end_with_their_password(
    tmp_path: Path, operation: str, more: dict[str, Any]
) -> None:
    """Whoever took a password must not go on reading once its owner has another one."""
    ann, bob = "ann@example.test", "bob@example.test"
    async with whole_house(tmp_path, "ann", "bob") as house:
        doors = ("submission", "pop3", "imap")
        clients = [
            await asyncio.to_thread(logged_in, door, house.ports[door], ann) for door in doors
        ]
        other = await asyncio.to_thread(logged_in, "imap", house.ports["imap"], bob)
        await house.admin.call(operation, {"address": ann} | more)
        assert [await asyncio.to_thread(is_cut, client) for client in clients] == [True] * 3
        assert not await asyncio.to_thread(is_cut, other)
