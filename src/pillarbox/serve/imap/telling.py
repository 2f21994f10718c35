"""What a mailbox has become, in the words of IMAP. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pillarbox.mailbox.fetch import from_arrays
from pillarbox.mailbox.fetchplan import Att, plan
from pillarbox.mailbox.updates import FlagRows, Updates
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.wire.imap import render
from pillarbox.wire.imap.render import Column, FlagTable, codes


@dataclass(frozen=True, slots=True)
class Manner:
    """How this client wants to hear it."""

    condstore: bool = False
    qresync: bool = False
    silent: bool = False
    told: bool = False
    rev2: bool = False
    """No RECENT (RFC 9051 Appendix E)."""
    uid_only: bool = False
    """No message numbers (RFC 9586 §3)."""
    uids: bool = False
    """The UID in every FETCH (RFC 5465 §5.1)."""
    others: bool = True
    """Flags that others changed are told."""


def flag_table(view: View) -> FlagTable:
    """The spelling of flags under the mailbox's keywords."""
    return _table(view.keywords)


@lru_cache(1024)
def _table(keywords: tuple[str, ...]) -> FlagTable:
    """Shared by all mailboxes that have the same keywords, which most have: none."""
    return FlagTable(keywords)


def shown_flags(view: View, uids: Sequence[int], bits: Sequence[int]) -> Sequence[int]:
    """``bits`` with \\Recent where it holds for this session; ``uids`` ascend."""
    first = bisect_left(uids, view.recent_from)
    if first == len(uids):
        return bits
    return [*bits[:first], *[one | render.RECENT for one in bits[first:]]]


def say(updates: Updates, view: View, manner: Manner) -> bytes:
    """The untagged responses for ``updates``, in the order that keeps numbers true."""
    out = []
    if updates.keywords is not None:
        out.append(flags_and_permanent(view))
    if manner.qresync or manner.uid_only:
        out.append(render.vanished(updates.vanished))  # RFC 7162 §3.2.10
    elif updates.expunged:
        out.append(render.expunges(updates.expunged))
    if updates.exists is not None:
        out.append(render.exists(updates.exists))
        if not manner.rev2:
            out.append(render.recent(view.recent))
    if len(updates.flagged):
        out.append(_flagged(updates.flagged, view, manner))
    return b"".join(out)


def flags_and_permanent(view: View) -> bytes:
    """FLAGS and PERMANENTFLAGS: at SELECT, and when a keyword is new."""
    return _flags_and_permanent(view.flag_names(), view.permanent_flags())


@lru_cache(1024)
def _flags_and_permanent(names: tuple[str, ...], permanent: tuple[str, ...]) -> bytes:
    """The same words for most mailboxes."""
    code = codes.permanentflags(
        [name for name in permanent if name != "\\*"], more="\\*" in permanent
    )
    return render.flags(names) + render.ok("*", "Flags that can be kept", code)


def _flagged(rows: FlagRows, view: View, manner: Manner) -> bytes:
    """FETCH responses for changed flags, and modseqs where the client wants them."""
    if not manner.others:
        return b""
    if manner.told or (manner.silent and not manner.condstore):
        return _full(rows.of(0), view, manner)
    if manner.silent:  # RFC 7162 §3.1.3: the modseq all the same
        return _silent(rows, view, manner)
    return _full(rows, view, manner)


def _full(rows: FlagRows, view: View, manner: Manner) -> bytes:
    if not rows:
        return b""
    return _by_column(rows.seqs, rows.uids, rows.flags, rows.modseqs, view, manner)


def _by_column(
    seqs: Sequence[int],
    uids: Sequence[int],
    bits: Sequence[int],
    modseqs: Sequence[int],
    view: View,
    manner: Manner,
) -> bytes:
    columns = [render.flags_column(shown_flags(view, uids, bits), flag_table(view))]
    if manner.condstore:
        columns.append(render.modseq_column(modseqs))
    return _rows(seqs, uids, columns, manner)


def _rows(seqs: Sequence[int], uids: Sequence[int], columns: list[Column], manner: Manner) -> bytes:
    if manner.uid_only:
        return render.fetch_rows(uids, columns, render.UIDFETCH)
    if manner.condstore or manner.uids:
        columns = [render.uid_column(uids), *columns]
    return render.fetch_rows(seqs, columns)


def _silent(rows: FlagRows, view: View, manner: Manner) -> bytes:
    own = rows.of(1)
    out = b""
    if own:
        out = _rows(own.seqs, own.uids, [render.modseq_column(own.modseqs)], manner)
    return out + _full(rows.of(0), view, manner)


def flags_of(view: View, seqs: NumSet, manner: Manner) -> bytes:
    """FETCH responses with flags and modseq, as a client that comes back wants them."""
    found = from_arrays(view, _FLAGS, seqs)
    uids, bits, modseqs = found.columns
    return _by_column(found.seqs, uids, bits, modseqs, view, manner) if found else b""


_FLAGS: Final = plan((Att.UID, Att.FLAGS, Att.MODSEQ))


def held_back(view: View) -> bytes:
    """Modseqs were shown while expunges with smaller ones wait: what counts as known (RFC 7162
    §3.2)."""
    return render.ok("*", "Expunges are held back", codes.highestmodseq(view.told_modseq))
