"""Where the server's time goes while it does one kind of work.

    python bench/hot_paths.py delivery [--seconds 8] [--top 40] [--thread main] [--keep FILE]
    python bench/hot_paths.py delivery --compiled
    python bench/hot_paths.py --list

Starts a demo of this checkout, gives it one of the comparison's workloads again and again, and
prints processor time an operation (the least of the turns), then shares of it: by thread, by room,
by function. py-spy does the looking where it is (``pip install py-spy``; it needs root or
ptrace): a few percent dearer, all threads. Without it cProfile does, the main thread only and
twice as slow, which makes small functions look larger than they are.

"Self" is time in a room's own lines and in the C they call; "inclusive" is time with the room
anywhere on the stack. py-spy takes a waiting thread of a pool for a busy one now and then: a few
percent that all pools have alike are none. ``--compiled`` measures what ``make compiled`` made;
compiled functions have no frames, so their time is that of whoever called them. Kept stacks
(``--keep``) are what flamegraph.pl reads.
"""

from __future__ import annotations

import argparse
import functools
import os
import pstats
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import crowd
import load
from rivals import USERS, Pillarbox, Ports, cpu

Turn = Callable[[Ports], int]
"""Does a stretch of work, and says how many operations it was."""
COMPILED = Path(__file__).resolve().parent.parent / "build" / "compiled"
FIELDS = "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)]"


@dataclass(frozen=True)
class Workload:
    """``fill`` messages lie in user1's INBOX before ``turn`` is taken again and again."""

    turn: Turn
    fill: int = 0


# ---------------------------------------------------------------------------- the work


def _deliver(ports: Ports, *, size: int = 4_000, count: int = 1_000, tls: bool = False) -> int:
    """By SMTP from strangers, or by submission over TLS, each connection to a person of its own."""
    messages = _corpus(count, size)
    port, ca = (ports.smtps, ports.ca) if tls else (ports.smtp, "")
    visits = [
        crowd.Visit(
            port,
            crowd.SMTP,
            [functools.partial(crowd.smtp, messages[n::20], [f"user{n}"], "user9" if tls else "")],
            ca,
        )
        for n in range(20)
    ]
    crowd.crowd(visits)
    return count


@functools.cache
def _corpus(count: int, size: int) -> list[bytes]:
    return load.corpus(count, size, seed=17)


def _append(ports: Ports, *, connections: int) -> int:
    messages = _corpus(500, 8_000)
    crowd.append_all(ports, "user4", messages, connections)
    return len(messages)


def _noop(ports: Ports) -> int:
    crowd.round_trips(ports, 10, 4_000)
    return 40_000


def _login(ports: Ports, *, tls: bool) -> int:
    crowd.logins(ports, 500, tls=tls)
    return 500


def _say(ports: Ports, *commands: str) -> int:
    """One client's commands on the full mailbox, ten times; a whole mailbox is one operation."""
    with load.client(ports, "user1") as imap:
        imap.say("SELECT INBOX")
        for _ in range(10):
            for command in commands:
                imap.say(command)
    return 10 * len(commands)


def _copy_and_move(ports: Ports) -> int:
    """COPY of all, MOVE of the copies, EXPUNGE of these."""
    with load.client(ports, "user1") as imap:
        imap.say("SELECT INBOX")
        imap.say("COPY 1:* Archive")
        imap.say("SELECT Archive")
        imap.say("MOVE 1:* Trash")
        imap.say("SELECT Trash")
        imap.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        imap.say("EXPUNGE")
    return 1


def _idle(ports: Ports, *, idlers: int) -> int:
    """One operation is one wake of one idler; the delivery that wakes them is among it."""
    return len(load.idle_latency(ports, idlers, 20))


def _retr(ports: Ports) -> int:
    session = load.Pop3(ports, "user1")
    for number in range(1, 1_001):
        session.retrieve(number)
    session.say("QUIT")
    session.close()
    return 1_000


def _talk(*commands: str) -> Workload:
    return Workload(lambda ports: _say(ports, *commands), fill=2_000)


WORKLOADS: dict[str, Workload] = {
    "delivery": Workload(_deliver),
    "delivery-100k": Workload(functools.partial(_deliver, size=100_000, count=200)),
    "submission": Workload(functools.partial(_deliver, tls=True)),
    "append": Workload(functools.partial(_append, connections=1)),
    "append-10": Workload(functools.partial(_append, connections=10)),
    "noop": Workload(_noop),
    "login": Workload(functools.partial(_login, tls=False)),
    "login-tls": Workload(functools.partial(_login, tls=True)),
    "idle": Workload(functools.partial(_idle, idlers=1)),
    "idle-200": Workload(functools.partial(_idle, idlers=200)),
    "select": _talk("SELECT INBOX"),
    "fetch-flags": _talk("FETCH 1:* FLAGS"),
    "fetch-envelope": _talk("FETCH 1:* ENVELOPE"),
    "fetch-structure": _talk("FETCH 1:* BODYSTRUCTURE"),
    "fetch-fields": _talk(f"FETCH 1:* {FIELDS}"),
    "fetch-body": _talk("FETCH 1:* BODY.PEEK[]"),
    "search-subject": _talk("SEARCH SUBJECT garden"),
    # So many words that the answers to none of them are at hand when it comes again.
    "search-body": _talk(*[f"SEARCH BODY {load.RARE}{number}" for number in range(20)]),
    "sort": _talk("SORT (DATE) UTF-8 ALL"),
    "thread": _talk("THREAD REFERENCES UTF-8 ALL"),
    "store": _talk("STORE 1:* +FLAGS.SILENT (\\Flagged)", "STORE 1:* -FLAGS.SILENT (\\Flagged)"),
    "copy-move": Workload(_copy_and_move, 2_000),
    "retr": Workload(_retr, 1_000),
}

# ---------------------------------------------------------------------------- the looking


@dataclass
class Shares:
    """Samples (or seconds) by what they were spent in."""

    whole: float = 0.0
    threads: Counter[str] = field(default_factory=Counter)
    room_self: Counter[str] = field(default_factory=Counter)
    room_inclusive: Counter[str] = field(default_factory=Counter)
    here: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)


_FRAME = re.compile(r"^(?P<name>.*) \((?P<file>.*?)(?::\d+)?\)$")
_OURS = re.compile(r".*/pillarbox/(?P<module>(?P<room>\w+)(?:/.*)?)\.py$")


def _place(name: str, file: str) -> tuple[str, str]:
    """A function's room ("other" where it is not ours), and its name to be shown."""
    if ours := _OURS.match(file):
        return ours["room"], f"{ours['module']}.{name}"
    return "other", f"{Path(file).name}: {name}"


def from_stacks(lines: Iterable[str], thread: str = "") -> Shares:
    """Of collapsed stacks, ``thread;frame;frame count``; only of threads with ``thread`` in their
    name, but for the table of threads."""
    found = Shares()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        samples = int(count)
        told, *frames = stack.split(";")
        # A thread is told by its number and name; those of one pool are one line.
        name = re.sub(r"^thread \(\w+\)(: )?|[-_ ]?\d+$", "", told) or "unnamed"
        found.threads[name] += samples
        if thread.lower() not in name.lower():
            continue
        found.whole += samples
        seen = [_place(m["name"], m["file"]) for one in frames if (m := _FRAME.match(one))]
        rooms = [room for room, _ in seen if room != "other"]
        loop = bool(seen) and seen[-1][1].endswith("Runner.run")  # uvloop's C, and the kernel's
        found.room_self["the loop" if loop else rooms[-1] if rooms else "other"] += samples
        found.room_inclusive.update(dict.fromkeys(rooms, samples))
        found.inclusive.update(dict.fromkeys((shown for _, shown in seen), samples))
        if seen:
            found.here[seen[-1][1]] += samples
    return found


def from_profile(path: Path) -> Shares:
    """Of cProfile's file. Inclusive time by room cannot be told from it and is left out."""
    found = Shares()
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, inclusive, callers) in stats.items():
        room, shown = _place(name, file)
        if shown.endswith(("run_forever", "poll", "~: <method 'run_until_complete' of")):
            continue
        found.whole += own
        found.here[shown] += own
        found.inclusive[shown] += inclusive
        if room != "other" or not callers:
            found.room_self[room] += own
            continue
        for (above, _, above_name), (_, _, part, _) in callers.items():  # C belongs to its caller
            found.room_self[_place(above_name, above)[0]] += part
    found.threads["MainThread"] = found.whole
    return found


def report(shares: Shares, top: int) -> Iterator[str]:
    """Tables, most first."""
    every = sum(shares.threads.values()) or 1
    told = ", ".join(f"{name} {n / every:.0%}" for name, n in shares.threads.most_common())
    yield f"threads: {told}"
    whole = shares.whole or 1
    yield "\n  self  inclusive  room"
    for room, samples in shares.room_self.most_common():
        if samples < 0.0005 * whole:
            continue
        both = shares.room_inclusive.get(room)
        yield f"{samples / whole:6.1%}  {f'{both / whole:9.1%}' if both else ' ' * 9}  {room}"
    for title, counter in (("inclusive", shares.inclusive), ("self", shares.here)):
        yield f"\n{title:>9}  function"
        few = [
            (name, n) for name, n in counter.most_common() if title == "self" or n < 0.995 * whole
        ]
        for name, samples in few[:top]:  # what is always on the stack says nothing
            yield f"{samples / whole:9.1%}  {name}"


def py_spy() -> str:
    """The program; empty where it is not installed."""
    beside = Path(sys.executable).parent
    return shutil.which("py-spy", path=f"{beside}:/usr/local/bin:/usr/bin") or ""


@contextmanager
def _watched(pid: int, scratch: Path) -> Iterator[Path]:
    """py-spy beside a process; the stacks are there when it is left."""
    stacks = scratch / "stacks"
    words = [py_spy(), "record", "--pid", str(pid), "--rate", "500", "--threads", "--function"]
    words += ["--full-filenames", "--duration", "unlimited", "--format", "raw"]
    spy = subprocess.Popen(
        [*words, "--output", str(stacks)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield stacks
    finally:
        spy.send_signal(signal.SIGINT)
        _, said = spy.communicate(timeout=60)
        if not stacks.exists():
            raise RuntimeError(said.decode())


def _turns(server: Pillarbox, turn: Turn, seconds: float) -> float:
    """Least seconds of the processor for one operation."""
    until, least = time.monotonic() + seconds, float("inf")
    while time.monotonic() < until:
        before = cpu(server.pids())
        count = turn(server.ports)
        least = min(least, (cpu(server.pids()) - before) / count)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", nargs="?", choices=sorted(WORKLOADS))
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--top", type=int, default=40, help="functions to show")
    parser.add_argument("--thread", default="main", help="part of a thread's name; '' for all")
    parser.add_argument("--keep", type=Path, help="where to put the stacks")
    parser.add_argument("--cprofile", action="store_true", help="even where py-spy is")
    parser.add_argument("--compiled", action="store_true", help="with rooms compiled")
    parser.add_argument("--list", action="store_true", help="the workloads")
    told = parser.parse_args()
    if told.list or not told.workload:
        print("\n".join(WORKLOADS))
        return
    if told.compiled:
        if not COMPILED.exists():
            parser.error("first: make compiled")
        os.environ["PYTHONPATH"] = str(COMPILED)  # for the server
    work = WORKLOADS[told.workload]
    spy = py_spy() and not told.cprofile
    with tempfile.TemporaryDirectory(prefix="pillarbox-hot-") as folder:
        scratch = Path(folder)
        kept = scratch / "profile"
        server = Pillarbox(scratch / "server", users=USERS)
        if not spy:
            server.under = ("-m", "cProfile", "-o", str(kept))
        server.start()
        try:
            if work.fill:
                crowd.deliver(server.ports, _corpus(work.fill, 4_000), 20, ["user1"])
            if spy:
                plain = _turns(server, work.turn, told.seconds / 2)
                with _watched(server.pids()[0], scratch) as kept:
                    _turns(server, work.turn, told.seconds)
            else:
                plain = _turns(server, work.turn, told.seconds)
        finally:
            server.stop()
        if told.keep:
            shutil.copy(kept, told.keep)
        how = "" if spy else ", cProfile's own time among it"
        print(f"{told.workload}: {plain * 1e6:,.1f} µs of the processor an operation{how}")
        shares = (
            from_stacks(kept.read_text().splitlines(), told.thread) if spy else from_profile(kept)
        )
        print("\n".join(report(shares, told.top)))


if __name__ == "__main__":
    main()
