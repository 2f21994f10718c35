"""What it means that a client did something to a message."""

from __future__ import annotations

import pytest

from pillarbox.filters.lessons import Meaning, meaning
from pillarbox.model.mailbox import Mailbox

J, G, N = Meaning.JUNK, Meaning.GOOD, Meaning.NEITHER


def box(name: str, use: str) -> Mailbox:
    return Mailbox(1, 1, name, 1, 1, 1, 1, 1, special_use=use)


@pytest.mark.parametrize(
    ("cause", "name", "use", "flags", "changed", "said"),
    [
        ("COPY", "Junk", "\\Junk", "", "", J),
        ("COPY", "Old/Spam", "", "", "", J),
        ("COPY", "INBOX", "", "$junk", "", G),  # the place is the last word
        ("COPY", "Work", "", "", "", G),
        ("COPY", "Archive", "\\Archive", "", "", G),
        ("COPY", "Trash", "\\Trash", "", "", None),
        ("COPY", "Sent", "\\Sent", "", "", None),
        ("APPEND", "Junk", "\\Junk", "", "", J),
        ("APPEND", "INBOX", "", "", "", None),
        ("APPEND", "INBOX", "", "$notjunk", "", G),
        ("FLAG", "INBOX", "", "$junk", "$junk", J),
        ("FLAG", "INBOX", "", "junk", "junk nonjunk", J),  # Thunderbird
        ("FLAG", "INBOX", "", "nonjunk", "junk", G),
        ("FLAG", "Junk", "\\Junk", "$notjunk", "$notjunk", G),
        ("FLAG", "INBOX", "", "", "$junk", N),
        ("FLAG", "INBOX", "", "\\answered", "\\answered", G),
        ("FLAG", "Junk", "\\Junk", "\\answered", "\\answered", None),
        ("FLAG", "INBOX", "", "$junk \\answered", "\\answered", None),
        ("FLAG", "INBOX", "", "\\seen $junk", "\\seen", None),
    ],
)
def test_meaning(
    cause: str, name: str, use: str, flags: str, changed: str, said: Meaning | None
) -> None:
    assert meaning(cause, box(name, use), flags.split(), changed.split()) is said
