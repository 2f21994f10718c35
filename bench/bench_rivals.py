"""Pillarbox and Postfix + Dovecot side by side: the same work, in turn, on the same machine.

Prints, for each workload, both figures and the ratio (above 1: Pillarbox is ahead), the median of
``--pairs`` runs in turn with their spread; the rival's figure is the better of its stores
(maildir, mdbox). ``--full`` or ``FULL=1`` is the long form; ``--json FILE`` writes everything.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import crowd
import load
import pages
import plots
from rivals import DOMAIN, Pillarbox, PostfixDovecot, Server, cpu, memory


@dataclass(frozen=True, slots=True)
class Row:
    """A workload: ``unit`` ends in /s where more is better; ``goal`` is the ratio aimed at."""

    name: str
    unit: str
    goal: float | None = None
    against: str = ""
    """The one store to compare with; empty: the better of them."""


VISIBLE = "SMTP accept → visible by IMAP"
FIRST = "first time after delivery"
OURS = "pillarbox"
_SBIN = "/usr/sbin:/usr/bin"
ROWS = (
    Row("SMTP accept, 4 KB, 20 connections", "/s"),
    Row("SMTP accept, 4 KB, 20 connections, load by smtp-source", "/s"),
    Row(f"{VISIBLE}, 4 KB, 20 connections", "/s", 8),
    Row(f"{VISIBLE}, 4 KB, server CPU", "ms"),
    Row(f"{VISIBLE}, 100 KB, 20 connections", "/s", 6),
    Row(f"{VISIBLE}, 4 KB, 1 connection", "/s"),
    Row(f"{VISIBLE}, 4 KB, 100 connections", "/s"),
    Row(f"{VISIBLE}, 4 KB, 50 recipients", "/s"),
    Row("submission over TLS with AUTH → visible, 4 KB, 20 connections", "/s"),
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
    Row("COPY", "ms", 2),
    Row("MOVE", "ms", 2),
    Row("EXPUNGE", "ms", 1),
    Row("APPEND, 1 connection", "/s", 2),
    Row("APPEND, 10 connections", "/s", 2),
    Row("IDLE push latency p99, 1 idler", "ms", 50),
    Row("IDLE push latency p99, 200 idlers", "ms", 50),
    Row("IDLE push latency p99, 500 idlers", "ms"),
    Row("QRESYNC resync, 1,000 changed", "ms"),
    Row("memory per idle connection, plain", "KB", 10),
    Row("memory per idle connection, TLS", "KB", 10),
    *(
        Row(f"memory per idle connection of {count:,}, {kind}", "KB")
        for count in (1_000, 5_000)
        for kind in ("plain", "TLS")
    ),
    Row("mixed day, IDLE push latency p99", "ms"),
    Row("mixed day, server CPU for a minute", "s"),
    Row("POP3 login+STAT", "/s", 3),
    Row("POP3 RETR", "/s", 1.5),
    Row("POP3 DELE", "/s", 1),
    Row("disk bytes a message", "octets", 1 / 0.6, "maildir"),
    Row("start-up time", "ms"),
)
Figures = dict[str, float]
"""A figure for each row's name."""


def measure(server: Server, scale: float, *, first: bool) -> Figures:
    """All workloads on a server that has just been started; what takes minutes in the first round
    only."""
    out: Figures = {}
    count = int(10_000 * scale)
    messages = load.corpus(count, 4_000)
    for step in (
        functools.partial(_memory, server, out, long=first and scale >= 1),
        functools.partial(_delivery, server, out, messages, scale),
        functools.partial(_submission, server, out, scale),
        functools.partial(_commands, server, out, scale),
        functools.partial(_resync, server, out, count),
        functools.partial(_mailbox, server, out, messages),
        functools.partial(_append, server, out, count),
        functools.partial(_pop3, server, out, int(1_000 * max(scale, 0.5))),
        functools.partial(_idle, server, out),
        functools.partial(_mixed_day, server, out, 60.0 if first and scale >= 1 else 6.0),
    ):
        began = time.perf_counter()
        try:
            step()
        except Exception as error:  # the other figures are worth having
            print(f"    {server.name}: {step.func.__name__[1:]} FAILED: {error!r}", file=sys.stderr)
        print(f"    {step.func.__name__[1:]}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return out


def _delivery(server: Server, out: Figures, messages: list[bytes], scale: float) -> None:
    began = cpu(server.pids())
    accepted, visible = crowd.deliver(server.ports, messages, 20, ["user1"])
    used = cpu(server.pids()) - began
    out[f"{VISIBLE}, 4 KB, server CPU"] = used / len(messages) * 1e3
    out["SMTP accept, 4 KB, 20 connections"] = len(messages) / accepted
    out[f"{VISIBLE}, 4 KB, 20 connections"] = len(messages) / visible
    if shutil.which("smtp-source", path=_SBIN):
        many = int(4_000 * scale)
        seconds = load.timed(functools.partial(_smtp_source, server.ports.smtp, many))
        out["SMTP accept, 4 KB, 20 connections, load by smtp-source"] = many / seconds
    large = load.corpus(int(1_000 * scale), 100_000)
    _, visible = crowd.deliver(server.ports, large, 20, ["user2"])
    out[f"{VISIBLE}, 100 KB, 20 connections"] = len(large) / visible
    more = load.corpus(int(2_000 * scale), 4_000, seed=9)
    few = more[: len(more) // 4]
    for name, share, connections in (("1 connection", few, 1), ("100 connections", more, 100)):
        _, visible = crowd.deliver(server.ports, share, connections, ["user6"])
        out[f"{VISIBLE}, 4 KB, {name}"] = len(share) / visible
    everyone = [f"user{n}" for n in range(10, 60)]
    _, visible = crowd.deliver(server.ports, few[: len(few) // 4], 20, everyone)
    out[f"{VISIBLE}, 4 KB, 50 recipients"] = len(few) // 4 / visible


def _smtp_source(port: int, messages: int) -> None:
    """Postfix's own generator, in C: little load, one kind of message, a round trip a command."""
    command = ["smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(messages)]
    command += ["-f", "s@a.test", "-t", f"user9@{DOMAIN}", f"inet:127.0.0.1:{port}"]
    subprocess.run(command, env={"PATH": _SBIN}, check=True, timeout=load.LONGEST)


def _submission(server: Server, out: Figures, scale: float) -> None:
    messages = load.corpus(int(2_000 * scale), 4_000, seed=11)
    _, visible = crowd.deliver(server.ports, messages, 20, ["user7"], login="user8")
    out["submission over TLS with AUTH → visible, 4 KB, 20 connections"] = len(messages) / visible


def _commands(server: Server, out: Figures, scale: float) -> None:
    each = int(10_000 * scale)
    began = cpu(server.pids())
    out["IMAP NOOP round trips, 10 connections"] = crowd.round_trips(server.ports, 10, each)
    out["IMAP NOOP round trip, server CPU"] = (cpu(server.pids()) - began) / each / 10 * 1e6
    for name, count, tls in (("plain", 2_000 * scale, False), ("over TLS", 1_000 * scale, True)):
        began = cpu(server.pids())
        out[f"LOGIN+LOGOUT {name}"] = crowd.logins(server.ports, int(count), tls=tls)
        out[f"LOGIN+LOGOUT {name}, server CPU"] = (cpu(server.pids()) - began) / int(count) * 1e3


def _mailbox(server: Server, out: Figures, messages: list[bytes]) -> None:
    with load.client(server.ports, "user1") as imap:
        imap.say("SELECT INBOX")
        _fetch(imap, out, len(messages))
        _find(imap, out, messages)
        _change(imap, out, len(messages))


def _fetch(imap: load.Imap, out: Figures, count: int) -> None:
    def ms(item: str, first: int = 1, last: int = count) -> float:
        began = time.perf_counter()
        answer = imap.say(f"FETCH {first}:{last} {item}")
        taken = (time.perf_counter() - began) * 1000
        assert answer.count(b" FETCH (") == last - first + 1, answer[-200:]
        return taken

    items = {
        "ENVELOPE": "ENVELOPE",
        "BODYSTRUCTURE": "BODYSTRUCTURE",
        "header fields": "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)]",
    }
    third = count // 3  # each its own third, so that none finds what another has parsed
    for number, (name, item) in enumerate(items.items()):
        cold = ms(item, number * third + 1, number * third + third)
        out[f"FETCH {name}, {FIRST}"] = cold * count / third
    for name, item in items.items():
        out[f"FETCH {name}"] = min(ms(item) for _ in range(4))
    out["FETCH FLAGS"] = min(ms("FLAGS") for _ in range(3))
    octets = len(imap.say("FETCH 1:* BODY.PEEK[]"))
    seconds = min(load.timed(lambda: imap.say("FETCH 1:* BODY.PEEK[]")) for _ in range(2))
    out["FETCH BODY[]"] = octets / 1e6 / seconds
    out["SELECT"] = min(load.timed(lambda: imap.say("SELECT INBOX")) for _ in range(5)) * 1000


def _find(imap: load.Imap, out: Figures, messages: list[bytes]) -> None:
    def hits(command: str) -> tuple[int, float]:
        began = time.perf_counter()
        answer = imap.say(command)
        taken = (time.perf_counter() - began) * 1000
        line = next(one for one in answer.split(b"\r\n") if one.startswith(b"* "))
        return len(line.replace(b"(", b" ").replace(b")", b" ").split()) - 2, taken

    garden = sum(b"garden" in one.split(b"\r\nSubject: ")[1].split(b"\r\n")[0] for one in messages)
    for name, command, expected in (
        ("SEARCH BODY", f"SEARCH BODY {load.RARE}", 1),
        ("SEARCH TEXT", f"SEARCH TEXT {load.RARE}", 1),
        ("SEARCH SUBJECT", "SEARCH SUBJECT garden", garden),
        ("SORT", "SORT (DATE) UTF-8 ALL", len(messages)),
        ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", len(messages)),
    ):
        runs = [hits(command) for _ in range(3)]
        assert runs[0][0] == expected, (name, runs, expected)
        out[name] = min(taken for _, taken in runs)


def _change(imap: load.Imap, out: Figures, count: int) -> None:
    out["STORE +FLAGS of all"] = _ms(imap, "STORE 1:* +FLAGS.SILENT (\\Flagged)")
    out["COPY"] = _ms(imap, "COPY 1:* Archive")
    imap.say("SELECT Archive")
    out["MOVE"] = _ms(imap, "MOVE 1:* Trash")
    assert imap.count("Trash") == count
    imap.say("SELECT Trash")
    imap.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    out["EXPUNGE"] = _ms(imap, "EXPUNGE")
    assert imap.count("Trash") == 0


def _ms(imap: load.Imap, command: str) -> float:
    return load.timed(lambda: imap.say(command)) * 1000


def _append(server: Server, out: Figures, count: int) -> None:
    messages = load.corpus(count, 8_000, seed=3)
    few = messages[: max(100, count // 5)]
    out["APPEND, 1 connection"] = len(few) / crowd.append_all(server.ports, "user4", few, 1)
    seconds = crowd.append_all(server.ports, "user3", messages, 10)
    out["APPEND, 10 connections"] = len(messages) / seconds


def _pop3(server: Server, out: Figures, count: int) -> None:
    crowd.append_all(server.ports, "user5", load.corpus(count, 16_000, seed=5), 10)
    logins = 200

    def enter() -> None:
        for _ in range(logins):
            one = load.Pop3(server.ports, "user5")
            one.say("STAT")
            one.say("QUIT")
            one.close()

    out["POP3 login+STAT"] = logins / load.timed(enter)
    session = load.Pop3(server.ports, "user5")
    numbers = range(1, count + 1)
    out["POP3 RETR"] = count / load.timed(lambda: [session.retrieve(n) for n in numbers])

    def delete() -> None:
        for number in numbers:
            session.say(f"DELE {number}")
        session.say("QUIT")

    out["POP3 DELE"] = count / load.timed(delete)
    session.close()


def _idle(server: Server, out: Figures) -> None:
    for name, idlers, rounds in (
        ("1 idler", 1, 30),
        ("200 idlers", 200, 5),
        ("500 idlers", 500, 5),
    ):
        waits = sorted(load.idle_latency(server.ports, idlers, rounds))
        out[f"IDLE push latency p99, {name}"] = waits[int(len(waits) * 0.99)] * 1000


def _memory(server: Server, out: Figures, *, long: bool) -> None:
    """On a server that has served nobody: processes that are kept would hide the cost."""
    before = memory(server.pids())
    sizes = {500: "memory per idle connection"}
    if long:
        sizes |= {n: f"memory per idle connection of {n:,}" for n in (1_000, 5_000)}
    for idlers, row in sizes.items():
        crowd.room_for(idlers)
        for name, tls in (("plain", False), ("TLS", True)):
            used = load.idle_memory(server.ports, idlers, lambda: memory(server.pids()), tls=tls)
            out[f"{row}, {name}"] = (used - before) / idlers / 1024


def _resync(server: Server, out: Figures, count: int) -> None:
    """In the mailbox that the deliveries filled."""
    out["QRESYNC resync, 1,000 changed"] = (
        load.resync(server.ports, "user1", min(1_000, count)) * 1000
    )


def _mixed_day(server: Server, out: Figures, seconds: float) -> None:
    began = cpu(server.pids())
    waits = sorted(load.mixed_day(server.ports, seconds))
    out["mixed day, server CPU for a minute"] = (cpu(server.pids()) - began) * 60 / seconds
    out["mixed day, IDLE push latency p99"] = waits[int(len(waits) * 0.99)] * 1000


@contextlib.contextmanager
def many_watchers() -> Iterator[None]:
    """Lets 200 Dovecot processes watch with inotify; past Linux's 128 they look every 30 s."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before = limit.read_text()
    limit.write_text(str(max(int(before), 4096)))
    try:
        yield
    finally:
        limit.write_text(before)


def at_rest(make: Callable[[Path], Server], count: int) -> Figures:
    """How long a start takes, and what lies on disk after an orderly stop."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as scratch:
        server = make(Path(scratch) / "server")
        began = time.perf_counter()
        server.start()
        ready = (time.perf_counter() - began) * 1000
        try:
            crowd.deliver(server.ports, load.mixed(count), 20, ["user1"])
        finally:
            server.stop()
        return {"start-up time": ready, "disk bytes a message": server.disk() / count}


KINDS: tuple[Callable[[Path], Server], ...] = (
    functools.partial(PostfixDovecot, store="maildir"),
    functools.partial(PostfixDovecot, store="mdbox"),
    Pillarbox,
)
SPREAD = functools.partial(Pillarbox, workers=max(2, os.cpu_count() or 1))
"""The long form shows what another process brings, too."""


def compare(pairs: int, scale: float, only: str = "") -> dict[str, dict[str, list[float]]]:
    """Figures by workload and server, one for each pair."""
    figures: dict[str, dict[str, list[float]]] = {}
    for pair in range(pairs):
        for make in (*KINDS, SPREAD) if scale >= 1 else KINDS:
            with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as scratch:
                server = make(Path(scratch) / "server")
                if only not in server.name:
                    continue
                began = time.perf_counter()
                found = at_rest(make, int(5_000 * scale))
                server.start()
                try:
                    found |= measure(server, scale, first=pair == 0)
                finally:
                    server.stop()
                for workload, figure in found.items():
                    figures.setdefault(workload, {}).setdefault(server.name, []).append(figure)
                took = time.perf_counter() - began
                print(f"pair {pair + 1}/{pairs}: {server.name} in {took:.0f} s", file=sys.stderr)
    return figures


def syncs(count: int = 200) -> list[str]:
    """Syncs to disk a message, as strace counts them while 20 connections deliver."""
    lines = []
    for make in KINDS:
        with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as scratch:
            server = make(Path(scratch) / "server")
            server.start()
            try:
                crowd.deliver(server.ports, load.corpus(20, 4_000), 20, ["user1"])
                log = Path(scratch) / "strace"
                calls = "trace=fsync,fdatasync,msync,sync_file_range"
                command = ["strace", "-f", "-c", "-U", "name,calls", "-e", calls, "-o", str(log)]
                for pid in server.pids():
                    command += ["-p", str(pid)]
                tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
                try:
                    time.sleep(1)
                    crowd.deliver(server.ports, load.corpus(count, 4_000, 7), 20, ["user2"])
                finally:
                    tracer.terminate()
                    tracer.wait(10)
                found = [line.split() for line in log.read_text().splitlines()]
                told = {w[0]: int(w[1]) for w in found if len(w) == 2 and w[1].isdigit()}
                named = ", ".join(f"{n} {c}" for n, c in told.items() if n != "total")
                lines.append(f"- {server.name}: {named or 'none'} for {count} messages")
            finally:
                server.stop()
    return lines


@dataclass(frozen=True, slots=True)
class Compared:
    """A row with its figures: medians by server, and our ratio to the better rival by pair."""

    row: Row
    medians: dict[str, float]
    ratios: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)


def compared(figures: dict[str, dict[str, list[float]]]) -> list[Compared]:
    """Every row that all servers have figures for: some are of the long form only."""
    found = []
    for row in ROWS:
        by_server = figures.get(row.name, {})
        if len(set(by_server) - {SPREAD(Path()).name}) < len(KINDS):
            continue
        medians = {name: statistics.median(runs) for name, runs in by_server.items()}
        rate = row.unit.endswith("/s")
        rivals = [n for n in medians if not n.startswith(OURS) and n.endswith(row.against)]
        best = (max if rate else min)(rivals, key=medians.__getitem__)
        pairs = zip(by_server[OURS], by_server[best], strict=False)
        ratios = [a / b if rate else b / a for a, b in pairs]
        found.append(Compared(row, medians, ratios))
    return found


def table(found: list[Compared]) -> list[str]:
    """The page's table; a column more where several workers were measured."""
    spread = SPREAD(Path()).name
    more = [spread] if any(spread in one.medians for one in found) else []
    columns = ["maildir", "mdbox", "Pillarbox", *(name.partition(", ")[2] for name in more)]
    lines = [f"| workload | unit | {' | '.join(columns)} | ratio | spread | goal |"]
    lines.append(f"| --- | --- |{' ---: |' * len(columns)} ---: | --- | --- |")
    for one in found:
        row, ratio = one.row, one.ratio
        goal = ""
        if row.goal is not None:
            goal = f"≥ {row.goal:.3g} {'yes' if ratio >= row.goal else 'NO'}"
        names = [name for name in one.medians if not name.startswith(OURS)]
        cells = [one.medians.get(name) for name in (*names, OURS, *more)]
        lines.append(
            f"| {row.name} | {row.unit} "
            + "".join("| " if cell is None else f"| {cell:,.1f} " for cell in cells)
            + f"| {ratio:.2f} | {min(one.ratios):.2f} to {max(one.ratios):.2f} | {goal} |"
        )
    return lines


def _machine() -> str:
    cores = os.cpu_count()
    busy = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {cores} cores (load {busy:.1f} before the run), "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--full", action="store_true", default=os.environ.get("FULL") == "1")
    parser.add_argument("--scale", type=float, default=0.2, help="1: 10,000 messages")
    parser.add_argument("--only", default="", help="servers whose name has this in it; no table")
    parser.add_argument("--syncs", action="store_true", help="count syncs with strace, and end")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="write the table as Markdown")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that servers stop, too
    if not shutil.which("postfix", path=_SBIN) or not shutil.which("dovecot", path=_SBIN):
        sys.exit("needs Postfix and Dovecot: see bench/debian-packages.txt")
    if os.geteuid():
        sys.exit("Postfix and Dovecot start as root only: run the comparison as root")
    if told.syncs:
        print("\n".join(syncs()))
        return
    pairs, scale = (max(3, told.pairs), 1.0) if told.full else (told.pairs, told.scale)
    machine = _machine()
    with many_watchers():
        figures = compare(pairs, scale, told.only)
    if told.only:
        print(json.dumps(figures, indent=1))
        return
    found = compared(figures)
    lines = table(found)
    head = (
        f"{pairs} run(s) of each in turn, mailbox of {int(10_000 * scale):,}; {machine}. "
        "The ratio is against the better of maildir and mdbox; above 1, Pillarbox is ahead."
    )
    print("\n".join([head, "", *lines]))
    where = Path(__file__).parent.parent / "docs/bench"
    data = told.json or (where / "rivals-full.json" if told.full else None)
    page = told.page or ((where / "rivals-full").with_suffix(".md") if told.full else None)
    if data:
        data.parent.mkdir(parents=True, exist_ok=True)
        data.write_text(json.dumps({"head": head, "figures": figures}, indent=1) + "\n")
    if page:
        page.parent.mkdir(parents=True, exist_ok=True)
        picture = page.with_suffix(".svg")
        picture.write_text(plots.ratios([(one.row.name, one.ratio, one.row.goal) for one in found]))
        counted = syncs() if told.full and shutil.which("strace") else []
        page.write_text(pages.page(head, picture.name, lines, counted))


if __name__ == "__main__":
    main()
