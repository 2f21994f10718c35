"""How IMAP commands grow with the mailbox: a real server, a real socket, made-up mail.

    python bench/imap_growth.py [--sizes 10000,100000] [--big 1000000] [--keep DIRECTORY]
                                [--page docs/bench/imap.md]

Makes a store with one mailbox of each size (``--keep`` leaves it, and uses it again), fills the
index of texts, starts ``pillarbox serve`` on it as a process of its own, and times commands as one
client sees them: from the first octet sent to the tagged answer, everything read in between.
Reading commands: the first time, and the best of three after it, in milliseconds; then, in
brackets, the least processor time that the server took for it in any of them, which other work on
the machine changes less. The last column is how that grows: the processor time a message at the
largest size against the one at the smallest, so 1.0 is in proportion, less is better, and what does
not depend on the size has less the larger it is. Prints Markdown; ``--page`` puts it in place of
what stands in a page between its two marks.

The mailbox of ``--big`` has rows but one and the same message, for what grows with rows alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import apsw
import pages

from pillarbox.base.clock import SystemClock
from pillarbox.base.lanes import Lane
from pillarbox.mailbox.indexer import Indexer, Options
from pillarbox.mailbox.intake import whole
from pillarbox.model.flags import flag_set
from pillarbox.store.api import Target
from pillarbox.store.sqlite import open_store

ANN = "ann@example.test"
PASSWORD = "correct horse battery"  # noqa: S105
BATCH = 500
EVERY = 100
"""One message in so many has the rare word."""
COMMON, RARE, ABSENT = "schedule", "xylophone", "zzyzxabsent"


# ---------------------------------------------------------------------------- made-up mail


class Mails:
    """Messages of about 4 KB: a vocabulary used as people use theirs, threads, some HTML, some
    attachments, some encoded subjects."""

    def __init__(self) -> None:
        self._rnd = rnd = random.Random(7)
        letters = "etaoinshrdlucmfwypvbgkqjxz"
        weights = [12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 2, 1, 1, 1, 1, 1]
        made = {"".join(rnd.choices(letters, weights, k=rnd.randint(2, 10))) for _ in range(22_000)}
        self._words = [COMMON, *sorted(made)]
        rnd.shuffle(self._words)
        self._words.insert(20, COMMON)
        self._weights = [1 / (rank + 5) for rank in range(len(self._words))]
        self._start = datetime(2020, 1, 1, tzinfo=UTC)
        self._texts = [self._text(rnd.randint(50, 320)) for _ in range(3000)]
        self._picture = base64.encodebytes(rnd.randbytes(3000)).replace(b"\n", b"\r\n")

    def _some(self, count: int) -> list[str]:
        return self._rnd.choices(self._words, self._weights, k=count)

    def _text(self, count: int) -> str:
        words = self._some(count)
        return "\r\n".join(" ".join(words[at : at + 11]) for at in range(0, count, 11))

    def make(self, number: int) -> bytes:
        """Message ``number``, from 1."""
        rnd = self._rnd
        parent = number - rnd.randint(1, 50) if number > 50 and rnd.random() < 0.5 else 0
        subject = " ".join(self._some(5)) if not parent else f"Re: thread {parent // 7}"
        if number % 20 == 0:
            coded = base64.b64encode(("Grüße " + subject).encode()).decode()
            subject = f"=?utf-8?b?{coded}?="
        if number % EVERY == 0:
            subject += f" {RARE}"
        sender = f"person{rnd.randint(1, 400)}"
        sent = self._start + timedelta(seconds=900 * number + rnd.randint(-4000, 4000))
        head = (
            f"Return-Path: <{sender}@example.net>\r\n"
            f"Received: from mx{number % 7}.example.net by mail.example.test with ESMTPS\r\n"
            f"\tid {number:012x}; {format_datetime(sent)}\r\n"
            f'From: "{sender.title()} Example" <{sender}@example.net>\r\n'
            f"To: Ann <{ANN}>, team@example.test\r\nSubject: {subject}\r\n"
            f"Date: {format_datetime(sent)}\r\nMessage-ID: <{number}@example.net>\r\n"
            + (f"In-Reply-To: <{parent}@example.net>\r\n" if parent else "")
            + (f"References: <{parent}@example.net>\r\n" if parent else "")
            + "MIME-Version: 1.0\r\n"
        )
        text = f"Message {number}\r\n{rnd.choice(self._texts)}\r\n{rnd.choice(self._texts)}\r\n"
        if number % EVERY == 50:
            text += f"and a {RARE} at the end\r\n"
        return head.encode() + self._body(number, text)

    def _body(self, number: int, text: str) -> bytes:
        plain = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
        if number % 10 < 6:
            return plain
        html = text.replace("\r\n", "<br>\r\n").encode()
        parts = [plain, b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + html + b"</p>"]
        kind = b"alternative"
        if number % 10 == 9:
            kind = b"mixed"
            parts[1] = (
                b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n"
                b"Content-Disposition: attachment\r\n\r\n" + self._picture
            )
        edge = b"\r\n--edge\r\n"
        head = b"Content-Type: multipart/" + kind + b"; boundary=edge\r\n\r\n"
        return head + edge[2:] + edge.join(parts) + b"\r\n--edge--\r\n"


# ---------------------------------------------------------------------------- the store


async def fill(store_at: Path, sizes: Sequence[int], big: int) -> None:
    """The mailboxes and the index."""
    store = await open_store(store_at)
    try:
        account = await store.account_by_address(ANN)
        assert account is not None
        mails = Mails()
        for size in sizes:
            box = await store.create_mailbox(account.id, f"m{size}")
            began = time.perf_counter()
            for start in range(1, size + 1, BATCH):
                batch = []
                for number in range(start, min(start + BATCH, size + 1)):
                    flags = flag_set(["\\Seen"] if number % 5 else [])
                    day = 1_577_836_800 + 900 * number
                    target = Target(account.id, box.id, flags, day, 0)  # type: ignore[union-attr]
                    batch.append((await whole(store, mails.make(number)), target))
                await store.append_many(batch)
            note(f"appended {size}: {time.perf_counter() - began:.1f} s")
        lane = Lane("texts")
        began = time.perf_counter()
        indexer = Indexer(store, lane, SystemClock(), Options(rest=0))
        progress = await indexer.fill(100_000)
        note(f"indexed {progress.indexed}: {time.perf_counter() - began:.1f} s")
        await lane.close()
        if big:
            await store.create_mailbox(account.id, f"m{big}")
    finally:
        await store.close()
    if big:
        multiply(store_at / "mail.db", f"m{big}", big)
    for name in ("mail.db", "text.db"):
        note(f"{name}: {(store_at / name).stat().st_size / 1e6:.0f} MB")


def multiply(path: Path, name: str, count: int) -> None:
    """So many rows of the first message, written straight into the tables."""
    db = apsw.Connection(str(path))
    account, box = db.execute("SELECT account, id FROM mailbox WHERE name = ?", (name,)).fetchone()  # type: ignore[misc]
    blob, size = db.execute("SELECT id, size FROM blob ORDER BY id LIMIT 1").fetchone()  # type: ignore[misc]
    columns = [row[1] for row in db.execute("PRAGMA table_info(msg)")]
    values = {
        "account": account, "mailbox": box, "blob": blob, "size": size, "zone": 0,
        "uid": "n.value", "modseq": "10 + n.value", "flags": "n.value % 5 <> 0",
        "internaldate": "1577836800 + n.value", "saved": "1577836800 + n.value",
    }  # fmt: skip
    listed = ", ".join(str(values.get(str(column), 0)) for column in columns)
    with db:
        names = ", ".join(map(str, columns))
        numbers = f"SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {count}"  # noqa: S608
        insert = f"INSERT INTO msg ({names}) SELECT {listed} FROM n"  # noqa: S608
        db.execute(f"WITH RECURSIVE n (value) AS ({numbers}) {insert}")
        unseen = count // 5
        db.execute(
            "UPDATE mailbox SET uidnext = ?, messages = ?, unseen = ?, size = ?,"
            " highest_modseq = ? WHERE id = ?",
            (count + 1, count, unseen, count * size, count + 10, box),
        )
        db.execute("UPDATE account SET modseq = max(modseq, ?) WHERE id = ?", (count + 10, account))
        db.execute("UPDATE blob SET refs = refs + ? WHERE id = ?", (count, blob))
    db.close()


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------- the server


@dataclass
class Server:
    """``pillarbox serve`` in a directory."""

    directory: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.directory / "pillarbox.toml"

    def prepare(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        closed = "".join(f"{door} = []\n" for door in _CLOSED)
        self.config.write_text(
            f'[server]\nhostname = "mail.example.test"\ndata = "{self.directory / "data"}"\n'
            f"allow_root = true\n[listen]\n{closed}"
            f'imap = "127.0.0.1:{self.port}"\n',
            encoding="utf-8",
        )
        (self.directory / "data").mkdir(exist_ok=True)

    def command(self, *words: str, stdin: str = "") -> None:
        subprocess.run(
            [sys.executable, "-m", "pillarbox", *words, "--config", str(self.config)],
            input=stdin.encode(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self) -> None:
        log = (self.directory / "log").open("wb")
        words = [sys.executable, "-m", "pillarbox", "serve", "--config", str(self.config)]
        self.process = subprocess.Popen(words, stderr=log)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server does not start: see its log")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def cpu(self) -> float:
        """Seconds of processor time that its threads took so far."""
        assert self.process is not None
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
            except OSError:  # the thread has just ended
                continue
        return total / 1e9

    def memory(self) -> float:
        """Megabytes the process holds."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


_CLOSED = ("smtp", "submission", "smtps", "lmtp", "imaps", "pop3", "pop3s")


class Client:
    """One connection; answers are read and dropped, but for their last kilobytes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sock = socket.create_connection(("127.0.0.1", server.port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count = 0
        self.answer = b""
        self._sock.recv(65536)
        self.say(f'LOGIN {ANN} "{PASSWORD}"')

    def timed(self, command: str, before: str = "") -> tuple[float, float]:
        """Wall-clock and processor seconds of a command, another one ``before`` it not counted."""
        if before:
            self.say(before)
        cpu = self._server.cpu()
        wall = self.say(command)[0]
        return wall, self._server.cpu() - cpu

    def append(self, box: str) -> None:
        """A small message comes."""
        self._count += 1
        data = b"Subject: one more\r\nMessage-ID: <more%d@example.net>\r\n\r\n" % self._count
        head = b"t%d APPEND %b {%d+}\r\n" % (self._count, box.encode(), len(data))
        self._sock.sendall(head + data + b"\r\n")
        while b"t%d OK" % self._count not in self._sock.recv(65536):
            pass

    def say(self, command: str) -> tuple[float, int]:
        """Seconds and octets; the end of the answer is kept."""
        self._count += 1
        tag = f"t{self._count}".encode()
        began = time.perf_counter()
        self._sock.sendall(tag + b" " + command.encode() + b"\r\n")
        end, octets = b"", 0
        while True:
            data = self._sock.recv(1 << 20)
            if not data:
                raise SystemExit(f"{command}: connection closed")
            octets += len(data)
            end = (end + data)[-65536:]
            if end.endswith(b"\r\n"):
                last = end[:-2].rpartition(b"\r\n")[2]
                if last.startswith(tag + b" "):
                    if not last.startswith(tag + b" OK"):
                        raise SystemExit(f"{command}: {last!r}")
                    self.answer = end
                    return time.perf_counter() - began, octets


# ---------------------------------------------------------------------------- what is timed


Times = list[tuple[float, float]]
"""Wall-clock and processor seconds of each time, the first one first."""


@dataclass
class Table:
    """Rows of name to figures, a column a size."""

    sizes: list[int]
    rows: dict[str, dict[int, str]] = field(default_factory=dict)
    cpu: dict[str, dict[int, float]] = field(default_factory=dict)
    """Seconds."""

    def put(self, name: str, size: int, times: Times, more: str = "") -> None:
        self.cpu.setdefault(name, {})[size] = min(cpu for _, cpu in times)
        self.say(name, size, shown(times) + more)

    def say(self, name: str, size: int, text: str) -> None:
        """A figure that is no time."""
        self.rows.setdefault(name, {})[size] = text
        note(f"{size:>9} {name}: {text}")

    def growth(self, name: str) -> str:
        """Of the processor time a message, from the smallest size to the largest."""
        known = self.cpu.get(name, {})
        if len(known) < 2:
            return ""
        low, high = min(known), max(known)
        return f"{known[high] / high / (known[low] / low):.2f}"

    def markdown(self) -> str:
        head = ["command", *(f"{size:,}" for size in self.sizes), "growth"]
        lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for name, cells in self.rows.items():
            shown_cells = [cells.get(size, "") for size in self.sizes]
            lines.append("| " + " | ".join([name, *shown_cells, self.growth(name)]) + " |")
        return "\n".join(lines)


def shown(times: Times) -> str:
    first, *more = [wall for wall, _ in times]
    cpu = min(cpu for _, cpu in times)
    best = f" / {min(more) * 1000:,.1f}" if more else ""
    return f"{first * 1000:,.1f}{best} ({cpu * 1000:,.1f})"


_READS = [
    ("FETCH 1:* FLAGS", "FETCH 1:* FLAGS"),
    ("FETCH 1:* ENVELOPE", "FETCH 1:* ENVELOPE"),
    ("FETCH 1:* BODYSTRUCTURE", "FETCH 1:* BODYSTRUCTURE"),
    (
        "FETCH 1:* header fields",
        "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES)]",
    ),
    (
        "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)",
        "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)",
    ),
    ("FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]"),
    ("SEARCH UNSEEN", "SEARCH UNSEEN"),
    ("SEARCH SINCE", "SEARCH SINCE 1-Feb-2020"),
    ("SEARCH SENTSINCE", "SEARCH SENTSINCE 1-Feb-2020"),
    *[
        (f"SEARCH {key} {name}", f"SEARCH RETURN (COUNT) {key} {word}")
        for key in ("SUBJECT", "FROM", "BODY", "TEXT")
        for name, word in (("common", COMMON), ("rare", RARE), ("absent", ABSENT))
        if key != "FROM"
    ],
    ("SEARCH FROM common", "SEARCH RETURN (COUNT) FROM example.net"),
    ("SEARCH FROM rare", "SEARCH RETURN (COUNT) FROM person77@"),
    ("SEARCH FUZZY TEXT rare", "SEARCH RETURN (COUNT RELEVANCY) FUZZY TEXT xilophone"),
    ("SORT (DATE)", "SORT (DATE) UTF-8 ALL"),
    ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL"),
    ("SORT (REVERSE ARRIVAL)", "SORT (REVERSE ARRIVAL) UTF-8 ALL"),
    ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ("THREAD ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL"),
    ("THREAD REFS", "THREAD REFS UTF-8 ALL"),
]


_AFTER_ARRIVAL = (
    "SORT (DATE) UTF-8 ALL",
    "SORT (SUBJECT) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
)


def measure(server: Server, table: Table, size: int) -> None:
    """Every command on the mailbox of this size. Writing ones go on copies."""
    box = f"m{size}"
    client = Client(server)
    first = client.timed(f"SELECT {box}")
    again = [client.timed(f"SELECT {box}", before="UNSELECT") for _ in range(3)]
    table.put("SELECT", size, [first, *again])
    table.put("STATUS", size, _times(client, f"STATUS {box} (MESSAGES UNSEEN UIDNEXT SIZE)"))
    for name, command in _READS:
        times = _times(client, command)
        more = ""
        if command.endswith("BODY.PEEK[]"):
            octets = client.say(command)[1]
            more = f" {octets / min(wall for wall, _ in times) / 1e6:,.0f} MB/s"
        table.put(name, size, times, more)
    for command in _AFTER_ARRIVAL:
        times = []
        for _ in range(3):
            client.append(box)
            client.say("NOOP")
            times.append(client.timed(command))
        table.put(command.partition(" UTF")[0] + ", a message came since", size, times)
    writes(client, table, size, box)
    client.say("LOGOUT")


def writes(client: Client, table: Table, size: int, box: str) -> None:
    """One round of what changes a mailbox, with a copy that is removed again."""
    work = f"work{size}"
    client.say(f"CREATE {work}")
    client.say(f"CREATE {work}b")

    def once(name: str, command: str) -> None:
        table.put(name, size, [client.timed(command)])

    once("COPY 1:* to an empty mailbox", f"COPY 1:* {work}")
    client.say(f"SELECT {work}")
    once("STORE 1:* +FLAGS.SILENT", "STORE 1:* +FLAGS.SILENT (\\Flagged)")
    once("STORE 1:* +FLAGS", "STORE 1:* +FLAGS (\\Answered)")
    once("STORE of one message", "STORE 5 +FLAGS (\\Deleted)")
    client.say("STORE 5 -FLAGS.SILENT (\\Deleted)")
    once("MOVE 1:*", f"MOVE 1:* {work}b")
    client.say(f"SELECT {work}b")
    client.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    once("EXPUNGE of all", "EXPUNGE")
    client.say("UNSELECT")
    client.say(f"DELETE {work}")
    client.say(f"DELETE {work}b")
    client.say(f"SELECT {box}")


def _times(client: Client, command: str) -> Times:
    return [client.timed(command) for _ in range(4)]


def measure_big(server: Server, table: Table, size: int) -> None:
    """SELECT, STATUS and QRESYNC of a mailbox of rows."""
    box = f"m{size}"
    before = server.memory()
    client = Client(server)
    table.put("STATUS", size, _times(client, f"STATUS {box} (MESSAGES UNSEEN UIDNEXT)"))
    client.say("ENABLE QRESYNC")
    first = client.timed(f"SELECT {box}")
    answer = client.answer
    validity = answer.partition(b"UIDVALIDITY ")[2].split(b"]")[0].decode()
    again = [client.timed(f"SELECT {box}", before="UNSELECT") for _ in range(3)]
    table.put("SELECT", size, [first, *again])
    table.say("memory of the server, MB more", size, f"{server.memory() - before:.0f}")
    client.say("STORE 1,5,100:200 FLAGS.SILENT (\\Answered)")  # what a packed copy lacks
    client.say("LOGOUT")
    server.stop()
    server.start()
    client = Client(server)
    table.put("SELECT, the server having just started", size, [client.timed(f"SELECT {box}")])
    client.say("ENABLE QRESYNC")

    def resync(modseq: int) -> Times:
        command = f"SELECT {box} (QRESYNC ({validity} {modseq}))"
        return [client.timed(command, before="UNSELECT") for _ in range(4)]

    table.put("SELECT with QRESYNC, nothing new", size, resync(size + 20))
    table.put("SELECT with QRESYNC, 1,000 changed", size, resync(size - 990))
    for name, command in (
        ("FETCH 1:* FLAGS", "FETCH 1:* FLAGS"),
        (
            "UID FETCH CHANGEDSINCE, 1,000 changed",
            f"UID FETCH 1:* FLAGS (CHANGEDSINCE {size - 990})",
        ),
        ("SEARCH UNSEEN", "SEARCH UNSEEN"),
        ("STORE of one message", "STORE 5 FLAGS.SILENT (\\Flagged)"),
    ):
        table.put(name, size, _times(client, command))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--big", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    sizes = [int(one) for one in arguments.sizes.split(",") if one]
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="imap-growth-"))
    directory.mkdir(exist_ok=True)
    server = Server(directory)
    try:
        fresh = not (directory / "data" / "store").exists()
        server.prepare()
        if fresh:
            server.command("domain", "add", "example.test")
            server.command("account", "add", ANN, "--password-stdin", stdin=PASSWORD + "\n")
            asyncio.run(fill(directory / "data" / "store", sizes, arguments.big))
        server.start()
        table = Table([*sizes, *([arguments.big] if arguments.big else [])])
        for size in sizes:
            measure(server, table, size)
        if arguments.big:
            measure_big(server, table, arguments.big)
        text = f"{pages.machine()}\n\n{table.markdown()}\n"
        print(text)
        if arguments.page is not None:
            pages.put_into(arguments.page, "figures", text)
    finally:
        server.stop()
        if arguments.keep is None:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
