"""docs/hooks.md: its example runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.hooks import Data, Message, Rcpt
from pillarbox.hooks.crew import Crew
from pillarbox.hooks.load import Defaults, load
from pillarbox.model.transaction import Peer
from pillarbox.model.verdict import Action, Finding, Verdict
from support.tree import ROOT

PEER = Peer("192.0.2.1")
PDF = b"Content-Disposition: attachment; filename=x.pdf\r\n"


@pytest.fixture
def shop(tmp_path: Path) -> Crew:
    page = (ROOT / "docs" / "hooks.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    path = tmp_path / "shop.py"
    path.write_text(found[1])
    path.chmod(0o644)
    return Crew(SystemClock(), load([path], [], Defaults()))


async def test_recipients(shop: Crew) -> None:
    for name, reply in (("fred", 550), ("ann", None)):
        answer = await shop.ask(Rcpt("mx", PEER, "a@out.test", f"{name}@example.test"))
        assert (answer.decision.reply.code if answer.decision.reply else None) == reply


@pytest.mark.parametrize(
    ("subject", "dmarc", "extra", "action", "tags"),
    [
        ("Hello", "fail", PDF, Action.ACCEPT, ()),
        ("Invoice 7", "pass", PDF, Action.ACCEPT, ("invoice",)),
        ("Invoice 7", "fail", PDF, Action.JUNK, ()),
        ("Invoice 7", "fail", b"", Action.ACCEPT, ()),
    ],
)
async def test_messages(
    shop: Crew, subject: str, dmarc: str, extra: bytes, action: Action, tags: tuple[str, ...]
) -> None:
    octets = b"Subject: %b\r\n%b\r\nx\r\n" % (subject.encode(), extra)
    verdict = Verdict(findings=(Finding("dmarc", dmarc),))
    answer = await shop.ask(Data("mx", PEER, "a@out.test", (), Message(octets), verdict))
    assert (answer.decision.action, answer.decision.tags) == (action, tags)
    assert not any(one.fault for one in answer.said)
