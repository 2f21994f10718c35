"""What a mailbox has become, in the words of IMAP. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.mailbox.updates import FlagRows, Updates
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.wire.imap import render
from pillarbox.wire.imap.render import FlagTable, codes


@dataclass(frozen=True, slots=True)
class Manner:
    """How this client wants to hear it."""

    condstore: bool = False
    qresync: bool = False
    silent: bool = False
    told: bool = False


def flag_table(view: View) -> FlagTable:
    """The spelling of flags under the mailbox's keywords."""
    return _table(view.keywords)


@lru_cache(1024)
def _table(keywords: tuple[str, ...]) -> FlagTable:
    """Shared by all mailboxes that have the same keywords, which most have: none."""
    return FlagTable(keywords)


def shown_flags(view: View, uids: list[int], bits: list[int]) -> list[int]:
    """``bits`` with \\Recent where it holds for this session; ``uids`` ascend."""
    first = bisect_left(uids, view.recent_from)
    if first == len(uids):
        return bits
    return bits[:first] + [one | render.RECENT for one in bits[first:]]


def say(updates: Updates, view: View, manner: Manner) -> bytes:
    """The untagged responses for ``updates``, in the order that keeps numbers true."""
    out = []
    if updates.keywords is not None:
        out.append(flags_and_permanent(view))
    if manner.qresync:
        out.append(render.vanished(updates.vanished))  # RFC 7162 §3.2.10
    elif updates.expunged:
        out.append(render.expunges(updates.expunged))
    if updates.exists is not None:
        out.append(render.exists(updates.exists) + render.recent(view.recent))
    if len(updates.flagged):
        out.append(_flagged(updates.flagged, view, manner))
    return b"".join(out)


def flags_and_permanent(view: View) -> bytes:
    """FLAGS and PERMANENTFLAGS: at SELECT, and when a keyword is new."""
    permanent = view.permanent_flags()
    code = codes.permanentflags(
        [name for name in permanent if name != "\\*"], more="\\*" in permanent
    )
    return render.flags(view.flag_names()) + render.ok("*", "Flags that can be kept", code)


def _flagged(rows: FlagRows, view: View, manner: Manner) -> bytes:
    """FETCH responses for changed flags, and modseqs where the client wants them."""
    if manner.told or (manner.silent and not manner.condstore):
        picked = [row for row in rows if not row[4]]
    elif manner.silent:  # RFC 7162 §3.1.3: the modseq all the same
        return _silent(rows, view, manner)
    else:
        picked = list(rows)
    return _full(picked, view, manner)


def _full(picked: list[tuple[int, int, int, int, int]], view: View, manner: Manner) -> bytes:
    if not picked:
        return b""
    seqs, uids, bits, modseqs, _ = (list(column) for column in zip(*picked, strict=True))
    return render.fetch_flags(
        seqs,
        shown_flags(view, uids, bits),
        flag_table(view),
        uids if manner.condstore else None,
        modseqs if manner.condstore else None,
    )


def _silent(rows: FlagRows, view: View, manner: Manner) -> bytes:
    own = [row for row in rows if row[4]]
    columns = [
        render.uid_column([row[1] for row in own]),
        render.modseq_column([row[3] for row in own]),
    ]
    out = render.fetch_rows([row[0] for row in own], columns) if own else b""
    return out + _full([row for row in rows if not row[4]], view, manner)


def flags_of(view: View, seqs: NumSet) -> bytes:
    """FETCH responses with UID, flags and modseq, as a client that comes back wants them."""
    rows = [(seq, uid, bits, modseq, 0) for seq, uid, bits, modseq in view.rows(seqs)]
    return _full(rows, view, Manner(condstore=True))
