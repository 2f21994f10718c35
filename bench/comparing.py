"""What is compared, row by row, and how the figures of several rounds become a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

MAILDIR, MDBOX, OURS = "postfix+dovecot/maildir", "postfix+dovecot/mdbox", "pillarbox"
HIBERNATING = "postfix+dovecot/hibernating"
RIVALS = (MAILDIR, MDBOX)


@dataclass(frozen=True, slots=True)
class Row:
    """A workload: ``unit`` ends in /s where more is better; ``goal`` is the ratio aimed at."""

    name: str
    unit: str
    goal: float | None = None
    against: tuple[str, ...] = RIVALS
    """The best of these is the rival."""


VISIBLE = "SMTP accept → visible by IMAP"
FIRST = "first time after delivery"
MEMORY = "memory per idle connection"
ROWS = (
    Row(f"{VISIBLE}, 4 KB, 20 connections", "/s", 8),
    Row(f"{VISIBLE}, 4 KB, server CPU", "ms"),
    Row(f"{VISIBLE}, 4 KB, 20 connections, to 20 people", "/s"),
    Row(f"{VISIBLE}, 100 KB, 20 connections", "/s", 6),
    Row(f"{VISIBLE}, 4 KB, 1 connection", "/s"),
    Row(f"{VISIBLE}, 4 KB, 100 connections", "/s"),
    Row(f"{VISIBLE}, 4 KB, 50 recipients", "/s"),
    Row("SMTP accept, 4 KB, 20 connections", "/s"),
    Row("SMTP accept, 4 KB, 20 connections, load by smtp-source", "/s"),
    Row("submission over TLS with AUTH → visible, 4 KB, 20 connections", "/s"),
    Row("queue to a null sink, accepted", "/s", None, (MAILDIR,)),
    Row("queue to a null sink, out at the sink", "/s", None, (MAILDIR,)),
    Row("queue to a null sink, server CPU", "ms", None, (MAILDIR,)),
    Row("IMAP NOOP round trips, 10 connections", "/s", 4),
    Row("IMAP NOOP round trip, server CPU", "µs"),
    Row("LOGIN+LOGOUT plain", "/s", 3),
    Row("LOGIN+LOGOUT plain, server CPU", "ms"),
    Row("LOGIN+LOGOUT over TLS", "/s", 2),
    Row("LOGIN+LOGOUT over TLS, server CPU", "ms"),
    Row("SELECT", "ms", 1),
    Row("FETCH FLAGS", "ms", 1),
    Row("FETCH ENVELOPE", "ms", 2.5),
    Row("FETCH BODYSTRUCTURE", "ms", 1),
    Row("FETCH header fields", "ms", 1.5),
    Row(f"FETCH ENVELOPE, {FIRST}", "ms", 7),
    Row(f"FETCH BODYSTRUCTURE, {FIRST}", "ms", 8),
    Row(f"FETCH header fields, {FIRST}", "ms", 6),
    Row("FETCH BODY[]", "MB/s", 1),
    Row("SEARCH BODY", "ms", 50),
    Row("SEARCH TEXT", "ms", 50),
    Row("SEARCH SUBJECT", "ms", 5),
    Row("SORT", "ms", 1),
    Row("THREAD REFERENCES", "ms", 1),
    Row("STORE +FLAGS of all", "ms", 0.5),
    Row("STORE +FLAGS of all, against maildir", "ms", 5, (MAILDIR,)),
    Row("COPY", "ms", 2),
    Row("MOVE", "ms", 2),
    Row("EXPUNGE", "ms", 1),
    Row("APPEND, 1 connection", "/s", 2),
    Row("APPEND, 10 connections", "/s", 2),
    Row("QRESYNC resync, 1,000 changed", "ms"),
    Row("IDLE push latency p99, 1 idler", "ms", 50),
    Row("IDLE push latency p99, 200 idlers", "ms", 50),
    Row("IDLE push latency p99, 500 idlers", "ms"),
    Row(f"{MEMORY}, plain", "KB", 10),
    Row(f"{MEMORY}, TLS", "KB", 10),
    Row(f"{MEMORY}, plain, against hibernated", "KB", 1, (HIBERNATING,)),
    Row(f"{MEMORY}, TLS, against hibernated", "KB", 1, (HIBERNATING,)),
    *(
        Row(f"{MEMORY} of {count:,}, {kind}", "KB", 10)
        for count in (1_000, 5_000)
        for kind in ("plain", "TLS")
    ),
    Row("mixed day, IDLE push latency p99", "ms"),
    Row("mixed day, server CPU for a minute", "s"),
    Row("POP3 login+STAT", "/s", 3),
    Row("POP3 RETR", "/s", 1.5),
    Row("POP3 DELE", "/s", 1),
    Row("disk bytes a message", "octets", 1 / 0.6, (MAILDIR,)),
    Row("start-up time", "ms"),
    Row("work left after the deliveries", "s"),
)
Figures = dict[str, float]
"""A figure for each row's name."""


@dataclass
class Measured:
    """Figures by workload, server and round, and what did not work: kept as a file as it grows."""

    head: str = ""
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    syncs: list[str] = field(default_factory=list)

    def put(self, server: str, found: Figures) -> None:
        for workload, figure in found.items():
            self.figures.setdefault(workload, {}).setdefault(server, []).append(figure)


@dataclass(frozen=True, slots=True)
class Compared:
    """A row with its figures: medians by server, and our ratio to the best rival by round, none
    where one side has no figure."""

    row: Row
    medians: dict[str, float]
    ratios: list[float]

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def met(self) -> bool:
        """The goal."""
        return self.row.goal is not None and (self.ratio or 0.0) >= self.row.goal


def compared(figures: dict[str, dict[str, list[float]]]) -> list[Compared]:
    """Every row that anybody has a figure for: some are of the long form only."""
    found = []
    for row in ROWS:
        source = row.name.partition(", against ")[0]
        by_server = {name: runs for name, runs in figures.get(source, {}).items() if runs}
        if not by_server:
            continue
        medians = {name: statistics.median(runs) for name, runs in by_server.items()}
        rivals = [name for name in medians if name in row.against]
        ratios: list[float] = []
        if rivals and OURS in by_server:
            rate = row.unit.endswith("/s")
            best = (max if rate else min)(rivals, key=medians.__getitem__)
            pairs = zip(by_server[OURS], by_server[best], strict=False)
            ratios = [(a / b if rate else b / a) for a, b in pairs if a and b]
        found.append(Compared(row, medians, ratios))
    return found


def table(found: Sequence[Compared]) -> list[str]:
    """The page's table; a column more for each other server that was measured."""
    names = dict.fromkeys((*RIVALS, OURS))
    names |= dict.fromkeys(name for one in found for name in one.medians)
    names.pop(HIBERNATING, None)  # it has its rows, where it stands in maildir's place
    titles = (name.rpartition("/")[2].replace(f"{OURS}, ", "") for name in names)
    columns = [title.replace(OURS, "Pillarbox") for title in titles]
    lines = [f"| workload | unit | {' | '.join(columns)} | ratio | spread | goal |"]
    lines.append(f"| --- | --- |{' ---: |' * len(columns)} ---: | --- | --- |")
    for one in found:
        row, shown = one.row, one.medians
        if HIBERNATING in row.against:
            shown = {MAILDIR: shown.get(HIBERNATING), OURS: shown.get(OURS)}  # type: ignore[dict-item]
        cells = [shown.get(name) for name in names]
        ratio, spread = "?", ""
        if one.ratio is not None:
            ratio = f"{one.ratio:.2f}"
            spread = f"{min(one.ratios):.2f} to {max(one.ratios):.2f}"
        lines.append(
            f"| {row.name} | {row.unit} "
            + "".join("| " if cell is None else f"| {cell:,.1f} " for cell in cells)
            + f"| {ratio} | {spread} | {_goal(one)} |"
        )
    return lines


def _goal(one: Compared) -> str:
    if one.row.goal is None:
        return ""
    return f"≥ {one.row.goal:.3g} {'yes' if one.met else '**NO**'}"


def behind(found: Sequence[Compared]) -> Iterator[str]:
    """What is slower than it should be, in words that a new run changes by itself."""
    aimed = [one for one in found if one.row.goal is not None]
    yield f"{sum(one.met for one in aimed)} of {len(aimed)} goals are met."
    missed = [one for one in aimed if not one.met]
    if missed:
        told = (
            f"{one.row.name} ({'no figure' if one.ratio is None else f'{one.ratio:.2f}'}"
            f" of {one.row.goal:.3g})"
            for one in missed
        )
        yield "Behind its goal: " + "; ".join(told) + "."
    slower = [
        f"{one.row.name} ({one.ratio:.2f})"
        for one in found
        if one.row.goal is None and one.ratio is not None and one.ratio < 1
    ]
    if slower:
        yield "Without a goal, and behind the better rival: " + "; ".join(slower) + "."
