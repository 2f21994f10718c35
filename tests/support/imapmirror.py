"""A mailbox as a client has it: rebuilt from what the server said, and from nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pillarbox.model.numset import NumSet

_FETCH = re.compile(r"\* (\d+) FETCH \((.*)\)")
_UID = re.compile(r"\bUID (\d+)")
_FLAGS = re.compile(r"\bFLAGS \(([^)]*)\)")
_MODSEQ = re.compile(r"\bMODSEQ \((\d+)\)")
_CODE = re.compile(r"\* OK \[(UIDVALIDITY|HIGHESTMODSEQ|UIDNEXT) (\d+)\]")


def numbers(text: str) -> set[int]:
    """``1:3,5``."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        low, _, high = part.partition(":")
        found.update(range(int(low), int(high or low) + 1))
    return found


def spelt(uids: set[int]) -> str:
    """The opposite."""
    ranges = NumSet.of(sorted(uids)).ranges
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in ranges)


@dataclass
class Seen:
    """A message as far as the client knows it."""

    uid: int = 0
    flags: frozenset[str] | None = None
    modseq: int = 0


@dataclass
class Mirror:
    """Feed it every untagged line."""

    condstore: bool = False
    messages: list[Seen] = field(default_factory=list)
    uidvalidity: int = 0
    modseq: int = 0
    """What the client may say at its next QRESYNC."""
    earlier: set[int] = field(default_factory=set)
    """VANISHED (EARLIER) since the last look."""
    fetched: list[Seen] = field(default_factory=list)
    """FETCH responses since the last look."""
    bye: bool = False

    def uids(self) -> list[int]:
        return [seen.uid for seen in self.messages]

    def hear(self, line: str, *, holds: bool = False) -> None:
        """One line. ``holds``: numbers must not change now (RFC 9051 §7.5.1)."""
        if code := _CODE.match(line):
            if code[1] == "UIDVALIDITY":
                self.uidvalidity = int(code[2])
            elif code[1] == "HIGHESTMODSEQ":
                self.modseq = int(code[2])
        elif line.startswith("* VANISHED (EARLIER) "):
            self.earlier |= numbers(line.split()[3])
        elif line.startswith("* VANISHED "):
            assert not holds, line
            for uid in sorted(numbers(line.split()[2])):
                self._vanish(uid)
        elif line.endswith(" EXPUNGE"):
            assert not holds, line
            del self.messages[int(line.split()[1]) - 1]
        elif line.endswith(" EXISTS"):
            count = int(line.split()[1])
            assert count >= len(self.messages), (line, len(self.messages))
            self.messages += [Seen() for _ in range(count - len(self.messages))]
        elif found := _FETCH.fullmatch(line):
            self._fetch(int(found[1]), found[2])
        elif line.startswith("* BYE"):
            self.bye = True

    def _vanish(self, uid: int) -> None:
        low = 0
        for at, seen in enumerate(self.messages):
            if seen.uid == uid:
                del self.messages[at]
                return
            if seen.uid > uid:
                break
            if seen.uid:
                low = at + 1
        # One that was announced and not yet looked at, somewhere between those known beside it.
        assert low < len(self.messages), f"VANISHED {uid}, which was never here"
        assert not self.messages[low].uid, f"VANISHED {uid}, which was never here"
        del self.messages[low]

    def _fetch(self, seq: int, items: str) -> None:
        assert 0 < seq <= len(self.messages), (seq, items)
        seen = self.messages[seq - 1]
        if uid := _UID.search(items):
            assert seen.uid in {0, int(uid[1])}, (seq, items, seen)
            seen.uid = int(uid[1])
        if flags := _FLAGS.search(items):
            seen.flags = frozenset(flags[1].split()) - {"\\Recent"}
        if modseq := _MODSEQ.search(items):
            assert int(modseq[1]) >= seen.modseq, (seq, items, seen)
            seen.modseq = int(modseq[1])
            self.modseq = max(self.modseq, seen.modseq)
        self.fetched.append(Seen(seen.uid, seen.flags, seen.modseq))
