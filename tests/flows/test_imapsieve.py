"""Scripts that hear of IMAP commands (RFC 6785), in a whole house."""

from __future__ import annotations

import asyncio
import imaplib
from pathlib import Path

from support.whole import PASSWORD, any_store, whole_house

ANN = "ann@example.test"
SCRIPT = """require ["imapsieve", "environment", "imap4flags", "fileinto", "copy", "variables"];
if environment "imap.cause" "APPEND" { addflag "Appended"; }
elsif environment "imap.cause" "COPY" { fileinto :copy "Archive"; }
elsif allof (environment :contains "imap.changedflags" "\\\\Flagged", hasflag "\\\\Flagged") {
    discard;
}
"""
LETTER = b"From: a@b.example\r\nSubject: x\r\n\r\nText\r\n"


def talk(port: int) -> dict[str, object]:
    """What a client does, and what it sees afterwards."""
    seen: dict[str, object] = {}
    with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
        client.login(ANN, PASSWORD)
        seen["capable"] = (
            "IMAPSIEVE=SIEVE://LOCALHOST" in client.capability()[1][0].decode().upper()
        )
        client.append("INBOX", "", "", LETTER)
        client.select("INBOX")
        seen["appended"] = client.fetch("1", "(FLAGS)")[1][0]
        client.copy("1", "Sent")
        seen["sent"] = client.status("Sent", "(MESSAGES)")[1][0]
        seen["archive"] = client.status("Archive", "(MESSAGES)")[1][0]
        client.store("1", "+FLAGS", "(\\Flagged)")
        client.noop()
        seen["flagged"] = client.fetch("1", "(FLAGS)")[1][0]
        client.select("Drafts")
        client.append("Drafts", "", "", LETTER)
        client.noop()
        seen["elsewhere"] = client.fetch("1", "(FLAGS)")[1][0]
    return seen


async def test_a_script_of_a_mailbox(tmp_path: Path) -> None:
    sieve = {"imap_events": True}
    async with whole_house(tmp_path, "ann", opener=any_store, sieve=sieve) as house:
        store = house.core.store
        await house.admin.call("sieve.put", {"address": ANN, "name": "ev", "source": SCRIPT})
        account = await store.account_by_address(ANN)
        assert account is not None
        for name in ("INBOX", "Sent"):
            box = await store.mailbox_by_name(account.id, name)
            assert box is not None
            entry = {(0, "/shared/imapsieve/script"): b"ev"}
            assert await store.annotate(account.id, box.id, entry) is None
        seen = await asyncio.to_thread(talk, house.ports["imap"])
    assert seen["capable"]
    assert b"Appended" in seen["appended"]  # type: ignore[operator]
    assert seen["sent"] == b'"Sent" (MESSAGES 1)'
    assert seen["archive"] == b'"Archive" (MESSAGES 1)'
    assert b"\\Deleted" in seen["flagged"]  # type: ignore[operator]
    assert b"Appended" not in seen["elsewhere"]  # type: ignore[operator]


async def test_off_by_itself(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", opener=any_store) as house:
        seen = await asyncio.to_thread(talk, house.ports["imap"])
    assert not seen["capable"]
    assert b"\\Deleted" not in seen["flagged"]  # type: ignore[operator]
