"""Thunderbird, without a screen: its own code talks to the server, driven by Marionette."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.served import Served
from support.thunderbird import thunderbird

LETTER = (
    b"From: Bob <bob@elsewhere.example>\r\nTo: ann@example.test\r\nSubject: letter %d\r\n"
    b"Date: Mon, 7 Feb 2022 21:52:25 +0000\r\nMessage-ID: <%d@elsewhere.example>\r\n\r\n"
    b"Hello number %d\r\n"
)
_OPEN = """
const box = await opened("INBOX");
await until("mail", async () => messages(box).length == arguments[0] || !await opened("INBOX"));
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.needs("thunderbird")
def test_thunderbird(house: Served, tmp_path: Path) -> None:
    ann = house.person("ann")
    house.deliver(ann, *[LETTER % ((number,) * 3) for number in range(4)])
    with thunderbird(tmp_path, house.ca, ann.address, ann.password, house.port("imaps")) as tb:
        subjects = tb.run(_OPEN + "return messages(box).map(one => one.mime2DecodedSubject);", 4)
        assert subjects == [f"letter {number}" for number in range(4)]
        names = tb.run(
            """await until("folders", () => folder("Sent"));
            return server().rootFolder.descendants.map(one => one.name);"""
        )
        assert set(names) == {"Inbox", "Archive", "Drafts", "Junk", "Sent", "Trash"}
        text = tb.run(_OPEN + 'return await body(box, by(box, "letter 1"));', 4)
        assert text.strip() == "Hello number 1"
        tb.run(
            _OPEN + 'box.markMessagesFlagged([by(box, "letter 2")], true);'
            ' box.markMessagesRead([by(box, "letter 2")], true);',
            4,
        )
        moved = tb.run(
            _OPEN
            + """const to = await opened("Archive"), over = heard();
            MailServices.copy.copyMessages(
              box, [by(box, "letter 3")], to, true, over, null, false);
            const gone = until("moved", async () => !by(await opened("INBOX"), "letter 3"));
            return await Promise.race([over.promise, gone.then(() => 0)]);""",
            4,
        )
        assert moved == 0
        assert tb.run(_OPEN + 'return await searched(box, "number 1");', 3) == ["letter 1"]
    found = {stored.uid: stored.flags for stored in house.mailbox(ann)}
    assert found[3] == {"\\Seen", "\\Flagged"}
    assert set(found) == {1, 2, 3}
    assert len(house.mailbox(ann, "Archive")) == 1
    used = {
        *("ID", "ENABLE", "UTF8=ACCEPT", "COMPRESS=DEFLATE", "NAMESPACE", "SPECIAL-USE"),
        *("LIST-EXTENDED", "LANGUAGE", "ACL", "QUOTA", "MOVE"),
    }
    assert used <= house.spoken(ann)
