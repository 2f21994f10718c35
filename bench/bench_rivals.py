"""Pillarbox and Postfix + Dovecot side by side: the same work, in turn, on the same machine.

Prints, for each workload, both figures and the ratio (above 1: Pillarbox is ahead), the median of
several rounds in turn with their spread; the rival's figure is the better of its stores (maildir,
mdbox). ``FULL=1`` is the long form, which writes docs/bench/rivals.{json,md,svg}. What has been
measured is written after each server of each round, and what fails is a line of the page: a long
run that breaks off is not for nothing. ``--from FILE`` makes page and table of a run that was.

``BENCH_MESSAGES``, ``BENCH_ROUNDS``, ``BENCH_IDLERS`` (a list) and ``BENCH_DAY`` (seconds) change
the sizes, ``BENCH_OUT`` the directory: so the long form can be tried in minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import crowd
import load
import pages
import plots
from comparing import Figures, Measured, behind, compared, table
from rivals import Pillarbox, PostfixDovecot, Server
from workloads import SBIN, Form, attempt, form, measure, queue_to_sink, settle, weigh

OUT = Path(__file__).resolve().parent.parent / "docs" / "bench"


@contextlib.contextmanager
def many_watchers() -> Iterator[None]:
    """Lets 200 Dovecot processes watch with inotify; past Linux's 128 they look every 30 s."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before = limit.read_text()
    limit.write_text(str(max(int(before), 16_384)))
    try:
        yield
    finally:
        limit.write_text(before)


def at_rest(make: Callable[[Path], Server], count: int) -> Figures:
    """How long a start takes, the second one of a house; and what lies on disk after an orderly
    stop, when all that was put off has been done."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as scratch:
        server = make(Path(scratch) / "server")
        server.start()
        server.stop()
        began = time.perf_counter()
        server.start()
        ready = (time.perf_counter() - began) * 1000
        try:
            crowd.deliver(server.ports, load.mixed(count), 20, ["user1"])
            settle(server)
        finally:
            server.stop()
        return {"start-up time": ready, "disk bytes a message": server.disk() / count}


Kind = Callable[[Path], Server]
KINDS: tuple[Kind, ...] = (
    functools.partial(PostfixDovecot, store="maildir"),
    functools.partial(PostfixDovecot, store="mdbox"),
    Pillarbox,
)
SPREAD: Kind = functools.partial(Pillarbox, workers=max(2, os.cpu_count() or 1))
"""The long form shows what another process brings, too."""
PLAIN: Kind = functools.partial(Pillarbox, plain=True)
"""And what an installation without a C compiler does."""
HIBERNATING: Kind = functools.partial(PostfixDovecot, store="maildir", hibernates=True)


@contextlib.contextmanager
def running(make: Kind) -> Iterator[Server]:
    """One in a directory of its own, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as scratch:
        server = make(Path(scratch) / "server")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def compare(form: Form, kept: Measured, keep: Callable[[], None], only: str = "") -> None:
    """All rounds; ``keep`` is called whenever there is more to keep."""
    for number in range(form.rounds):
        first = number == 0
        for make in (*KINDS, *_more(form)) if first else KINDS:
            name = make(Path()).name
            if only not in name:
                continue
            began = time.perf_counter()
            attempt(functools.partial(_one, make, name, form, kept, first), name, kept)
            keep()
            took = time.perf_counter() - began
            print(f"round {number + 1}/{form.rounds}: {name} in {took:.0f} s", file=sys.stderr)
        if not only:
            attempt(functools.partial(_apart, form, kept, first), "beside", kept)
            keep()


def _more(form: Form) -> Iterator[Kind]:
    """What one round is enough for."""
    if form.full:
        yield SPREAD
        if pages.compiled():
            yield PLAIN


def _one(make: Kind, name: str, form: Form, kept: Measured, first: bool) -> None:
    if first:
        attempt(functools.partial(_rest, make, name, form, kept), name, kept)
    with running(make) as server:
        kept.put(name, measure(server, form, kept, first=first))


def _rest(make: Kind, name: str, form: Form, kept: Measured) -> None:
    kept.put(name, at_rest(make, form.part(3_000)))


def _apart(form: Form, kept: Measured, first: bool) -> None:
    """What is asked of other servers than those that have mailboxes and the rest."""
    for name, found in queue_to_sink(form.part(3_000)).items():
        kept.put(name, found)
    if first:
        weighed: Figures = {}
        with running(HIBERNATING) as server:
            weigh(server, weighed, form.idlers[:1], rest=6.0)
            kept.put(server.name, weighed)


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


def _syncs(kept: Measured) -> None:
    kept.syncs.extend(syncs())


def show(kept: Measured) -> list[str]:
    """The table and what it means, as Markdown."""
    found = compared(kept.figures)
    failed = [f"- FAILED: {line}" for line in kept.failed]
    return [kept.head, "", *table(found), "", *behind(found), *(["", *failed] if failed else [])]


def write(kept: Measured, page: Path) -> None:
    """The figures of the page, its picture, and the count of syncs."""
    page.parent.mkdir(parents=True, exist_ok=True)
    rows = [(one.row.name, one.ratio, one.row.goal) for one in compared(kept.figures)]
    picture = page.with_suffix(".svg")
    picture.write_text(plots.ratios([(name, r, goal) for name, r, goal in rows if r is not None]))
    head, *rest = show(kept)
    shown = f"![Our ratio to the better rival, a tick at the goal]({picture.name})"
    counted = ["", "Syncs to disk:", "", *kept.syncs] if kept.syncs else []
    pages.put_into(page, "figures", "\n".join([head, "", shown, *rest, *counted]))


def keep(kept: Measured, path: Path) -> None:
    """Whole or not at all, over what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(dataclasses.asdict(kept), indent=1) + "\n", "utf-8")
    new.replace(path)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", default=os.environ.get("FULL") == "1")
    parser.add_argument("--only", default="", help="servers whose name has this in it; no page")
    parser.add_argument("--syncs", action="store_true", help="count syncs with strace, and end")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    parser.add_argument("--page", type=Path, help="put the table into this page")
    parser.add_argument("--from", dest="source", type=Path, help="figures that were kept")
    told = parser.parse_args()
    out = Path(os.environ.get("BENCH_OUT", OUT))
    if told.full and not told.only:
        told.json, told.page = told.json or out / "rivals.json", told.page or out / "rivals.md"
    if told.source:
        told.page = told.page or out / "rivals.md"
    return told


def main() -> None:
    told = options()
    if told.source:
        kept = Measured(**json.loads(told.source.read_text("utf-8")))
        write(kept, told.page)
        print("\n".join(show(kept)))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that servers stop, too
    if not shutil.which("postfix", path=SBIN) or not shutil.which("dovecot", path=SBIN):
        sys.exit("needs Postfix and Dovecot: see bench/debian-packages.txt")
    if os.geteuid():
        sys.exit("Postfix and Dovecot start as root only: run the comparison as root")
    if told.syncs:
        print("\n".join(syncs()))
        return
    sizes = form(full=told.full)
    kept = Measured(
        f"{sizes.rounds} round(s) of each in turn, a mailbox of {sizes.messages:,};"
        f" {pages.machine()} at the start. The ratio is against the better of maildir and mdbox"
        " unless the row says which; above 1, Pillarbox is ahead."
    )
    save = functools.partial(keep, kept, told.json) if told.json else lambda: None
    with many_watchers():
        compare(sizes, kept, save, told.only)
    if told.full and not told.only:
        attempt(functools.partial(_syncs, kept), "all", kept)
        save()
    print("\n".join([*show(kept), *kept.syncs]))
    if told.page:
        write(kept, told.page)


if __name__ == "__main__":
    main()
