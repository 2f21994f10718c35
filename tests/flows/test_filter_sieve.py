"""Mail that came before its rules is sieved again by IMAP (FILTER=SIEVE), in a whole house."""

from __future__ import annotations

import asyncio
import imaplib
import time
from pathlib import Path

from support.whole import PASSWORD, whole_house

ANN = "ann@example.test"
RULES = """require ["fileinto", "copy", "editheader"];
if header "Subject" "toys" { fileinto "Archive"; }
elsif header "Subject" "bob" { redirect :copy "bob@example.test"; }
elsif header "Subject" "warn" { addheader "Original-From" "x"; }
elsif header "Subject" "lost" { fileinto "Nowhere"; }
"""


def ask(client: imaplib.IMAP4, *words: str) -> tuple[str, bytes, list[bytes]]:
    """A FILTER: how it ended, in what words, and what it told."""
    status, said = client.xatom(*words)
    held = client.untagged_responses
    held.pop("FETCH", None)
    told = held.pop("FILTERED", []) + held.pop("FILTER", [])
    return status, said[-1], told


def talk(port: int) -> dict[str, object]:
    """What a client does, and what it sees."""
    seen: dict[str, object] = {}
    with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
        client.login(ANN, PASSWORD)
        seen["capable"] = "FILTER=SIEVE" in client.capability()[1][0].decode()
        for subject in ("plain", "toys", "bob", "warn", "lost"):
            letter = b"From: a@b.example\r\nSubject: %b\r\n\r\nText\r\n" % subject.encode()
            client.append("INBOX", "", "", letter)
        client.select("INBOX", readonly=True)
        seen["examined"] = ask(client, "FILTER", "SIEVE", "DELIVERY", "ALL")[:2]
        client.select("INBOX")
        seen["done"] = ask(client, "UID", "FILTER", "SIEVE", "DELIVERY", "ALL")
        seen["flags"] = client.fetch("1:*", "(FLAGS)")[1]
        seen["archive"] = client.status("Archive", "(MESSAGES)")[1][0]
        seen["named"] = ask(client, "FILTER", "SIEVE", "PERSONAL", "main", "SUBJECT", "plain")
        seen["wrong"] = ask(client, "FILTER", "SIEVE", "SCRIPT", '"hm;"', "ALL")
    with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
        client.login("bob@example.test", PASSWORD)
        for _ in range(100):
            if client.status("INBOX", "(MESSAGES)")[1][0].endswith(b" (MESSAGES 1)"):
                seen["bob"] = True
                break
            time.sleep(0.05)
    return seen


async def test_again(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", "bob") as house:
        script = {"address": ANN, "name": "main", "source": RULES, "activate": True}
        await house.admin.call("sieve.put", script)
        seen = await asyncio.to_thread(talk, house.ports["imap"])
    assert seen["capable"]
    status, words = seen["examined"]  # type: ignore[misc]
    assert status == "NO"
    assert b"[NOPERM]" in words
    status, _, told = seen["done"]  # type: ignore[misc]
    assert status == "OK"
    assert [one.partition(b" UID ")[2] for one in told if isinstance(one, bytes)] == [
        b"2 OK",
        b"3 OK",
        b'4 WARNINGS "the field \\"Original-From\\" cannot be added"',
        b'5 ERRORS "mailbox does not exist: Nowhere"',
    ]
    marked = [b"\\Deleted" in one for one in seen["flags"]]  # type: ignore[attr-defined]
    assert marked == [False, True, False, False, False]
    assert seen["archive"] == b'"Archive" (MESSAGES 1)'
    status, _, told = seen["named"]  # type: ignore[misc]
    assert (status, told) == ("OK", [])
    status, _, told = seen["wrong"]  # type: ignore[misc]
    assert status == "NO"
    assert b"ERRORS" in told[0]
    assert seen["bob"]


async def test_only_what_users_may_keep(tmp_path: Path) -> None:
    """Without ManageSieve nobody sends scripts by IMAP either; with Sieve off there is none."""

    def look(port: int) -> tuple[bool, bytes, str]:
        with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
            client.login(ANN, PASSWORD)
            capable = "FILTER=SIEVE" in client.capability()[1][0].decode()
            client.select("INBOX")
            _, words, _ = ask(client, "FILTER", "SIEVE", "SCRIPT", '"keep;"', "ALL")
            return capable, words, ask(client, "FILTER", "SIEVE", "DELIVERY", "ALL")[0]

    async with whole_house(tmp_path / "a", "ann", listen={"sieve": []}) as house:
        capable, words, usual = await asyncio.to_thread(look, house.ports["imap"])
    assert capable
    assert words.startswith(b"[NOPERM]")
    assert usual == "OK"
    async with whole_house(tmp_path / "b", "ann", sieve={"enabled": False}) as house:
        capable, words, usual = await asyncio.to_thread(look, house.ports["imap"])
    assert not capable
    assert words.startswith(b"[CANNOT]")
    assert usual == "NO"
