"""The comparison's workloads, each on a server that runs; figures are named as the rows are."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import crowd
import load
import senders
from comparing import FIRST, MEMORY, VISIBLE, Figures, Measured
from rivals import DOMAIN, Server, cpu, memory

SBIN = "/usr/sbin:/usr/bin"


@dataclass(frozen=True, slots=True)
class Form:
    """How much of everything. ``messages`` fill the mailbox; the rest is in proportion to it."""

    messages: int = 2_000
    rounds: int = 1
    full: bool = False
    idlers: tuple[int, ...] = (500,)
    """Connections whose memory is weighed; the first of them also without a number in its row."""
    day: float = 6.0
    """Seconds of the mixed day in the first round; later rounds have six at most."""

    def part(self, of_ten_thousand: int) -> int:
        return max(20, of_ten_thousand * self.messages // 10_000)


def form(*, full: bool) -> Form:
    """The short or the long one; ``BENCH_MESSAGES``, ``BENCH_ROUNDS``, ``BENCH_IDLERS`` and
    ``BENCH_DAY`` change their sizes, so that the long one can be tried in a minute."""
    told = Form(10_000, 3, True, (500, 1_000, 5_000), 60.0) if full else Form()
    idlers = os.environ.get("BENCH_IDLERS", "")
    return Form(
        int(os.environ.get("BENCH_MESSAGES", told.messages)),
        int(os.environ.get("BENCH_ROUNDS", told.rounds)),
        full,
        tuple(map(int, idlers.split(","))) if idlers else told.idlers,
        float(os.environ.get("BENCH_DAY", told.day)),
    )


def measure(server: Server, form: Form, kept: Measured, *, first: bool) -> Figures:
    """All workloads on a server that has just been started; what takes minutes, or does not change
    from one round to the next, in the first round only."""
    out: Figures = {}
    messages = load.corpus(form.messages, 4_000)
    steps: list[Callable[[], None]] = [
        functools.partial(_delivery, server, out, messages),
        functools.partial(_settling, server, out),
        functools.partial(_resync, server, out, form.messages),
        functools.partial(_mailbox, server, out, messages),
        functools.partial(_more_delivery, server, out, form, first=first),
        functools.partial(_submission, server, out, form.part(1_000)),
        functools.partial(_commands, server, out, form),
        functools.partial(_append, server, out, form.part(5_000)),
        functools.partial(_pop3, server, out, max(200, form.part(1_000))),
        functools.partial(_idle, server, out, first=first),
        functools.partial(_mixed_day, server, out, form.day if first else min(6.0, form.day)),
    ]
    if first:
        steps.insert(0, functools.partial(weigh, server, out, form.idlers))
    for step in steps:
        attempt(step, server.name, kept)
    return out


def attempt(step: Callable[[], object], who: str, kept: Measured) -> None:
    """A step that fails is a line of the page: the other figures are worth having."""
    what = getattr(getattr(step, "func", step), "__name__", "step").strip("_").replace("_", " ")
    began = time.perf_counter()
    try:
        step()
    except Exception as error:
        kept.failed.append(f"{who}: {what}: {error!r}"[:400])
        print(f"    {who}: {what} FAILED: {error!r}", file=sys.stderr)
    print(f"    {what}: {time.perf_counter() - began:.1f} s", file=sys.stderr)


def _delivery(server: Server, out: Figures, messages: list[bytes]) -> None:
    """Fills the mailbox that the commands are tried on; only then come the other ways to deliver,
    so that nothing else waits to be done when that mailbox is read for the first time."""
    began = cpu(server.pids())
    accepted, visible = crowd.deliver(server.ports, messages, 20, ["user1"])
    used = cpu(server.pids()) - began
    out[f"{VISIBLE}, 4 KB, server CPU"] = used / len(messages) * 1e3
    out["SMTP accept, 4 KB, 20 connections"] = len(messages) / accepted
    out[f"{VISIBLE}, 4 KB, 20 connections"] = len(messages) / visible


def settle(server: Server) -> float:
    """Waits until the server rests, two minutes at most; seconds that it took. Called before what
    is counted in processor time or milliseconds too: what one workload put off (the index of texts
    waits a second before it begins) is not the next one's."""
    began, quiet = time.perf_counter(), 0
    while quiet < 7 and time.perf_counter() - began < 120:
        before = cpu(server.pids())
        time.sleep(0.2)
        quiet = quiet + 1 if cpu(server.pids()) - before <= 0.02 else 0
    return max(0.0, time.perf_counter() - began - 1.4)


def _settling(server: Server, out: Figures) -> None:
    """Both sides may finish in peace what they put off; how long that takes is a row."""
    out["work left after the deliveries"] = settle(server)


def _more_delivery(server: Server, out: Figures, form: Form, *, first: bool) -> None:
    settle(server)
    if shutil.which("smtp-source", path=SBIN):
        many = form.part(2_000)
        seconds = load.timed(functools.partial(_smtp_source, server.ports.smtp, many))
        out["SMTP accept, 4 KB, 20 connections, load by smtp-source"] = many / seconds
    large = load.corpus(form.part(1_000), 100_000)
    _, visible = crowd.deliver(server.ports, large, 20, ["user2"])
    out[f"{VISIBLE}, 100 KB, 20 connections"] = len(large) / visible
    more = load.corpus(form.part(2_000), 4_000, seed=9)
    people = [f"user{n}" for n in range(10, 30)]
    seconds = crowd.deliver_apart(server.ports, more, people)
    out[f"{VISIBLE}, 4 KB, 20 connections, to 20 people"] = len(more) / seconds
    few = more[: len(more) // 4]
    for name, share, connections in (("1 connection", few, 1), ("100 connections", more, 100)):
        _, visible = crowd.deliver(server.ports, share, connections, ["user6"])
        out[f"{VISIBLE}, 4 KB, {name}"] = len(share) / visible
    if first:
        everyone = [f"user{n}" for n in range(10, 60)]
        _, visible = crowd.deliver(server.ports, few[: len(few) // 4], 20, everyone)
        out[f"{VISIBLE}, 4 KB, 50 recipients"] = len(few) // 4 / visible


def _smtp_source(port: int, messages: int) -> None:
    """Postfix's own generator, in C: little load, one kind of message, a round trip a command."""
    command = ["smtp-source", "-d", "-s", "20", "-l", "4096", "-m", str(messages)]
    command += ["-f", "s@a.test", "-t", f"user9@{DOMAIN}", f"inet:127.0.0.1:{port}"]
    subprocess.run(command, env={"PATH": SBIN}, check=True, timeout=load.LONGEST)


def _submission(server: Server, out: Figures, count: int) -> None:
    settle(server)
    messages = load.corpus(count, 4_000, seed=11)
    _, visible = crowd.deliver(server.ports, messages, 20, ["user7"], login="user8")
    out["submission over TLS with AUTH → visible, 4 KB, 20 connections"] = len(messages) / visible


def _commands(server: Server, out: Figures, form: Form) -> None:
    settle(server)
    each = form.part(10_000)
    began = cpu(server.pids())
    out["IMAP NOOP round trips, 10 connections"] = crowd.round_trips(server.ports, 10, each)
    out["IMAP NOOP round trip, server CPU"] = (cpu(server.pids()) - began) / each / 10 * 1e6
    for name, count, tls in (
        ("plain", form.part(2_000), False),
        ("over TLS", form.part(1_000), True),
    ):
        began = cpu(server.pids())
        out[f"LOGIN+LOGOUT {name}"] = crowd.logins(server.ports, count, tls=tls)
        out[f"LOGIN+LOGOUT {name}, server CPU"] = (cpu(server.pids()) - began) / count * 1e3


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
    # Another word each time: who was asked the same before may remember the answer.
    for name, commands, expected in (
        ("SEARCH BODY", [f"SEARCH BODY {word}" for word in load.RARITIES], 1),
        ("SEARCH TEXT", [f"SEARCH TEXT {word}" for word in load.RARITIES], 1),
        ("SEARCH SUBJECT", ["SEARCH SUBJECT garden"] * 3, garden),
        ("SORT", ["SORT (DATE) UTF-8 ALL"] * 3, len(messages)),
        ("THREAD REFERENCES", ["THREAD REFERENCES UTF-8 ALL"] * 3, len(messages)),
    ):
        runs = [hits(command) for command in commands]
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
    settle(server)
    messages = load.corpus(count, 8_000, seed=3)
    few = messages[: max(100, count // 5)]
    out["APPEND, 1 connection"] = len(few) / crowd.append_all(server.ports, "user4", few, 1)
    seconds = crowd.append_all(server.ports, "user3", messages, 10)
    out["APPEND, 10 connections"] = len(messages) / seconds


def _pop3(server: Server, out: Figures, count: int) -> None:
    crowd.append_all(server.ports, "user5", load.corpus(count, 16_000, seed=5), 10)
    settle(server)  # after the APPENDs: what is read is the mailbox of a server at rest
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


def _idle(server: Server, out: Figures, *, first: bool) -> None:
    settle(server)
    for name, idlers, rounds in (
        ("1 idler", 1, 30),
        ("200 idlers", 200, 8),
        *((("500 idlers", 500, 5),) if first else ()),
    ):
        waits = sorted(load.idle_latency(server.ports, idlers, rounds))
        out[f"IDLE push latency p99, {name}"] = waits[int(len(waits) * 0.99)] * 1000


def weigh(server: Server, out: Figures, sizes: tuple[int, ...], *, rest: float = 1.0) -> None:
    """Memory of idle connections, on a server that has served nobody: processes that are kept
    would hide the cost. ``rest`` seconds pass before it is read."""
    before = memory(server.pids())
    for number, idlers in enumerate(sizes):
        crowd.room_for(idlers)
        for name, tls in (("plain", False), ("TLS", True)):
            used = load.idle_memory(
                server.ports, idlers, lambda: memory(server.pids()), tls=tls, rest=rest
            )
            row = f"{MEMORY} of {idlers:,}" if number else MEMORY
            out[f"{row}, {name}"] = (used - before) / idlers / 1024


def _resync(server: Server, out: Figures, count: int) -> None:
    """In the mailbox that the deliveries filled."""
    out["QRESYNC resync, 1,000 changed"] = (
        load.resync(server.ports, "user1", min(1_000, count)) * 1000
    )


def _mixed_day(server: Server, out: Figures, seconds: float) -> None:
    settle(server)
    began = cpu(server.pids())
    waits = sorted(load.mixed_day(server.ports, seconds))
    out["mixed day, server CPU for a minute"] = (cpu(server.pids()) - began) * 60 / seconds
    out["mixed day, IDLE push latency p99"] = waits[int(len(waits) * 0.99)] * 1000


def queue_to_sink(count: int) -> dict[str, Figures]:
    """Mail that leaves, by Pillarbox and by Postfix (on its own, so that it has one figure)."""
    messages = load.corpus(count, 4_096)
    found = {}
    for name, server in ((senders.OURS, "pillarbox"), (senders.POSTFIX, "postfix+dovecot/maildir")):
        accepted, out, used = senders.through(name, messages)
        found[server] = {
            "queue to a null sink, accepted": accepted,
            "queue to a null sink, out at the sink": out,
            "queue to a null sink, server CPU": used,
        }
    return found
