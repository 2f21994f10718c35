"""The reader of dialogues can fail: otherwise no dialogue proves anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript

ECHO = "S: hello\nC: a\\x00\\_b\\r\nc: tail\nS: said 12\n"


def play(path: Path, text: str, answer: bytes = b"said 12\r\n") -> list[bytes]:
    path = path / "x.txt"
    path.write_text(text, "utf-8")
    heard: list[bytes] = []

    def talk(data: bytes) -> bytes:
        heard.append(data)
        return answer

    transcript.play(path, talk, lambda _: b"", b"hello\r\n")
    return heard


def test_what_is_sent(tmp_path: Path) -> None:
    assert play(tmp_path, ECHO) == [b"a\0 b\r\r\ntail"]
    assert transcript.octets_of("x\\*3é\\xe9\\\\n") == b"xxx\xc3\xa9\xe9\\n"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (ECHO, b"said 123\r\n"),
        (ECHO, b"said 12"),
        (ECHO, b""),
        (ECHO, b"said 12\r\nand more\r\n"),
        (ECHO.replace("hello", "bye"), b"said 12\r\n"),
        ("C: x\n", b"said 12\r\n"),
    ],
)
def test_what_does_not_match_fails(tmp_path: Path, text: str, answer: bytes) -> None:
    with pytest.raises(AssertionError):
        play(tmp_path, text, answer)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.txt:1"):
        play(tmp_path, "D: x\n")
