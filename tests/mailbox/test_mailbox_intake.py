"""The one way in: measured, normalised, scanned, and nothing left behind."""

from __future__ import annotations

import threading

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.base.lanes import Lane
from pillarbox.mailbox import intake as intake_module
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.intake import Intake, whole
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import NewMessage
from pillarbox.store.blobs.inline import BytesContent, BytesStaging
from pillarbox.store.memory import MemoryStore


class Watched(BytesStaging):
    """Counts what was thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.discarded = 0
        self.written = 0

    def write(self, chunk: bytes) -> None:
        self.written += len(chunk)
        super().write(chunk)

    def discard(self) -> None:
        self.discarded += 1
        super().discard()

    async def finish(self) -> BytesContent:
        return await super().finish()


class Stages:
    def __init__(self) -> None:
        self.staged: list[Watched] = []

    def stage(self, expected: int = 0) -> Watched:
        self.staged.append(Watched())
        return self.staged[-1]


async def finished(intake: Intake) -> NewMessage:
    message = await intake.finish()
    assert isinstance(message, NewMessage)
    return message


async def test_whole_message_in_chunks_with_header_lines_of_the_house() -> None:
    intake = Intake(MemoryStore())
    intake.prepend(b"Return-Path: <a@b>\r\n")
    for chunk in (b"Sub", b"ject: x\r", b"\n\r\nbo", b"dy\n"):
        intake.write(chunk)
    message = await finished(intake)
    assert bytes(message.content.view()) == (b"Return-Path: <a@b>\r\nSubject: x\r\n\r\nbody\r\n")
    assert b'"x"' in message.facts.envelope
    assert intake.received == 19


async def test_binary_keeps_its_line_ends() -> None:
    intake = Intake(MemoryStore(), binary=True)
    intake.write(b"Subject: x\n\nbody\n")
    message = await finished(intake)
    assert bytes(message.content.view()) == b"Subject: x\n\nbody\n"


async def test_too_big_is_known_at_once_and_costs_nothing_more() -> None:
    stages = Stages()
    intake = Intake(stages, max_size=10)
    intake.prepend(b"Received: much longer than ten\r\n")
    intake.write(b"x" * 10)
    assert [intake.too_big] == [False]
    intake.write(b"x")
    assert [intake.too_big] == [True]
    (staged,) = stages.staged
    assert staged.discarded == 1
    before = staged.written
    intake.write(b"x" * 1000)
    assert staged.written == before
    refusal = await intake.finish()
    assert isinstance(refusal, Refusal)
    assert refusal.kind is Kind.TOO_BIG


async def test_discard() -> None:
    stages = Stages()
    intake = Intake(stages)
    intake.write(b"x")
    intake.discard()
    intake.discard()
    assert stages.staged[0].discarded == 1
    with pytest.raises(ValueError, match="discarded"):
        await intake.finish()


async def test_header_lines_only_before_the_message() -> None:
    intake = Intake(MemoryStore())
    intake.write(b"x")
    with pytest.raises(ValueError, match="before"):
        intake.prepend(b"A: b\r\n")


async def test_large_messages_are_scanned_in_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    real = facts_of

    def spy(data: memoryview) -> object:
        threads.append(threading.current_thread().name)
        return real(data)

    monkeypatch.setattr(intake_module, "facts_of", spy)
    lane = Lane("scan")
    await whole(MemoryStore(), b"Subject: x\r\n\r\n" + b"y" * 100, lane)
    await whole(MemoryStore(), b"Subject: x\r\n\r\n" + b"y" * intake_module.SCAN_ON_LOOP, lane)
    await lane.close()
    assert threads[0] == threading.main_thread().name
    assert threads[1].startswith("scan")


async def test_content_is_not_left_behind_when_the_lane_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    discarded: list[object] = []

    def discard(content: BytesContent) -> None:
        discarded.append(content)

    monkeypatch.setattr(BytesContent, "discard", discard)

    class Full(Lane):
        async def run(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
            raise Temporary("full")

    big = b"\r\n" * intake_module.SCAN_ON_LOOP
    with pytest.raises(Temporary):
        await whole(MemoryStore(), big, Full("scan"))
    assert len(discarded) == 1


async def test_what_comes_into_no_mailbox_is_known_by_its_message_id_only() -> None:
    raw = b"Subject: x\r\nMessage-ID:\r\n <one@example.test>\r\n\r\nbody\r\n"
    for text in (raw, raw.replace(b"<one@", b"one@"), b"no header", b""):
        intake = Intake(MemoryStore())
        intake.write(text)
        message = await intake.finish(passing=True)
        assert isinstance(message, NewMessage)
        assert message.content.size == len(text)
        assert message.facts.message_id == facts_of(text).message_id
        assert message.facts.scan == b""
