"""What a client makes use of, as the log has it."""

from __future__ import annotations

import pytest

from pillarbox.serve.imap.features import used
from pillarbox.wire.imap.capability import ROWS
from support.imapsay import one

USES = {
    "NOOP": [],
    "SEARCH ALL": [],
    "SEARCH RETURN (SAVE) ALL": ["ESEARCH", "SEARCHRES"],
    "UID SEARCH RETURN (PARTIAL 1:2) MODSEQ 7": ["ESEARCH", "PARTIAL", "CONDSTORE"],
    "FETCH 1 (FLAGS)": [],
    "UID FETCH 1 (PREVIEW) (CHANGEDSINCE 7 VANISHED)": ["PREVIEW", "CONDSTORE", "QRESYNC"],
    "FETCH 1 BINARY[1]": ["BINARY"],
    "UID EXPUNGE 1": ["UIDPLUS"],
    "EXPUNGE": [],
    "STORE 1 (UNCHANGEDSINCE 7) +FLAGS (\\Seen)": ["CONDSTORE"],
    'LIST "" "*"': [],
    'LIST "" % RETURN (SPECIAL-USE STATUS (UNSEEN))': [
        "LIST-EXTENDED",
        "SPECIAL-USE",
        "LIST-STATUS",
    ],
    "SELECT INBOX (QRESYNC (1 2))": ["QRESYNC", "CONDSTORE"],
    "ENABLE UTF8=ACCEPT": ["ENABLE", "UTF8=ACCEPT"],
    "UID THREAD REFS UTF-8 ALL": ["THREAD=REFS"],
    "UID SORT RETURN (UPDATE) (DATE) UTF-8 ALL": ["SORT", "ESORT", "CONTEXT=SEARCH"],
    "STATUS INBOX (HIGHESTMODSEQ SIZE)": ["CONDSTORE", "STATUS=SIZE"],
    "UID MOVE 1 Trash": ["MOVE"],
}


@pytest.mark.parametrize("line", USES)
def test_used(line: str) -> None:
    names = list(dict.fromkeys(used(one(f"a {line}"))))
    assert names == USES[line]
    assert set(names) <= set(ROWS)
