"""Several IMAP sessions and a model do the same; what each client was told must be what is.

The clients know nothing but what the server said to them (`imapmirror`), the model nothing of the
server (`imapmodel`). They are compared whenever a client has been told everything: after a command
in which expunges may be told, and at every moment of an IDLE.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pillarbox.base.lanes import Lane
from pillarbox.bus.local import LocalBus
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.store.api import Store
from pillarbox.store.memory import MemoryStore
from pillarbox.store.sqlite import Options, open_store
from support.imapmirror import Mirror, Seen, spelt
from support.imapmodel import Box, Flags, Model
from support.imappipe import Doorway, Spoken
from support.storekit import HandClock

ANN = "ann@example.test"
MESSAGE = "Subject: a\r\nMessage-ID: <a@example.test>\r\n\r\nbody\r\n"
SESSIONS = 4
WORDS = ("\\Seen", "\\Flagged", "\\Deleted", "$a", "$b")

flags = st.frozensets(st.sampled_from((*WORDS, "\\Deleted")), max_size=3)
who = st.integers(0, SESSIONS - 1)
names = st.sampled_from(["INBOX", "INBOX", "INBOX", "A", "A", "B", "A/x"])
some = st.frozensets(st.integers(0, 30), min_size=1, max_size=8)
"""Which of the messages that a client knows, by place, counted round."""


@dataclass
class Client:
    """A session, what it has selected, and what its client knows."""

    spoken: Spoken
    mirror: Mirror = field(default_factory=Mirror)
    box: Box | None = None
    qresync: bool = False
    idle: bool = False


@dataclass
class Cache:
    """What a client keeps of a mailbox when it leaves."""

    uidvalidity: int
    modseq: int
    messages: list[Seen]


class Machine(RuleBasedStateMachine):
    """On the memory store; see `OnDisk`."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="imap-model-"))
        self.lane = Lane("crypto")
        self.clock = HandClock()
        self.stores = 0
        self.clients: list[Client] = []
        self.caches: dict[tuple[int, int], Cache] = {}

    # ------------------------------------------------------------------ coming and going

    async def open_store(self, bus: LocalBus) -> Store:
        return MemoryStore(bus.publish, self.clock)

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        bus = LocalBus()
        self.store = await self.open_store(bus)
        await self.store.set_domain(Domain("example.test"))
        made = await self.store.add_account(ANN, Credentials(""))
        assert isinstance(made, Account)
        self.account = made.id
        self.door = Doorway(self.store, bus, self.clock, self.lane)
        for name in ("A", "B", "A/x"):
            await self.store.create_mailbox(made.id, name)
        changed = [box.highest_modseq for box in await self.store.mailboxes(made.id)]
        self.model = Model(max(changed))
        for name in ("INBOX", "A", "B", "A/x"):
            await self._learn(name)
        self.clients = [Client(await self.door.open(ANN)) for _ in range(SESSIONS)]
        for number in range(SESSIONS):  # something to begin with
            await self._append(number, "INBOX", frozenset(WORDS[number : number + 1]))
            await self._append(number, "A", frozenset())
        await self._select_all()

    async def _select_all(self) -> None:
        """Most are in the same mailbox, half of them with QRESYNC."""
        for number in range(SESSIONS):
            await self._select(number, "A" if number == 3 else "INBOX", number % 2 == 0, 1)

    async def _learn(self, name: str) -> Box:
        box = await self.store.mailbox_by_name(self.account, name)
        assert box is not None
        made = self.model.boxes[name] = Box(box.uidvalidity)
        return made

    def teardown(self) -> None:
        self.runner.run(self._end())
        self.runner.close()
        shutil.rmtree(self.folder)

    async def _end(self) -> None:
        for client in self.clients:
            await client.spoken.close()
        await self.lane.close()
        if self.clients:
            await self.store.close()

    # ------------------------------------------------------------------ saying and hearing

    async def _say(self, client: Client, command: str, *, holds: bool = False) -> str:
        """The tagged answer; everything else is the mirror's."""
        if client.idle:
            await self._done(client)
        assert client.box is None or client.box in self.model.boxes.values()
        lines = await client.spoken.say(command)
        self._hear(client, lines, holds=holds)
        await self._settle()
        if client.spoken.over:
            return ""
        return lines[-1].partition(" ")[2]

    async def _client(self, number: int) -> Client:
        """The session with that number. When its mailbox was deleted meanwhile it is told so with
        the next thing it says, and another one takes its place."""
        client = self.clients[number]
        if client.box is not None and client.box not in self.model.boxes.values():
            self._hear(client, await client.spoken.say("NOOP"))
            await self._settle()
        return self.clients[number]

    async def _done(self, client: Client) -> None:
        client.idle = False
        self._hear(client, await client.spoken.done())

    def _hear(self, client: Client, lines: list[str], *, holds: bool = False) -> None:
        for line in lines:
            client.mirror.hear(line, holds=holds)

    async def _settle(self) -> None:
        """Idlers have been told; sessions whose mailbox is gone have been sent away."""
        await self.clients[0].spoken.turns()
        for number, client in enumerate(self.clients):
            if client.idle or client.spoken.over:
                self._hear(client, client.spoken.lines())
            if client.spoken.over:
                assert client.mirror.bye
                assert client.box not in self.model.boxes.values()
                self.clients[number] = Client(await self.door.open(ANN))

    async def _told(self, client: Client) -> None:
        """After a moment at which everything may be told: the client has it all."""
        if client.box is None or client not in self.clients:
            return
        unknown = [seq for seq, seen in enumerate(client.mirror.messages, 1) if not seen.uid]
        if unknown and not client.idle:
            items = "(UID FLAGS MODSEQ)" if client.mirror.condstore else "(UID FLAGS)"
            answer = await self._say(client, f"FETCH {unknown[0]}:* {items}", holds=True)
            assert answer.startswith("OK"), answer
        mirror, box = client.mirror, client.box
        assert len(mirror.messages) == len(box.messages), (mirror.messages, box.uids())
        for seen, uid in zip(mirror.messages, box.uids(), strict=True):
            is_new = client.idle and not seen.uid
            assert is_new or seen.uid == uid, (mirror.uids(), box.uids())
            message = box.messages[uid]
            assert seen.flags == message.flags or is_new, (uid, seen, message)
            if mirror.condstore and seen.modseq:
                assert seen.modseq == message.modseq, (uid, seen, message)
        assert mirror.modseq <= self.model.modseq

    def _chosen(self, client: Client, places: frozenset[int], *, uid: bool) -> tuple[str, set[int]]:
        """A set for a command, and the UIDs it means; '' when the client knows of no message."""
        known = client.mirror.messages
        if not known or any(not seen.uid for seen in known):
            return "", set()
        picked = {place % len(known) for place in places}
        uids = {known[place].uid for place in picked}
        return spelt(uids if uid else {place + 1 for place in picked}), uids

    # ------------------------------------------------------------------ mailboxes

    @rule(number=who, name=names, qresync=st.booleans(), known=st.integers(0, 3))
    def select(self, number: int, name: str, qresync: bool, known: int) -> None:
        self.runner.run(self._select(number, name, qresync, known))

    async def _select(self, number: int, name: str, qresync: bool, known: int) -> None:
        client = await self._client(number)
        if name not in self.model.boxes:
            return
        await self._leave(number)
        if qresync and not client.qresync:
            assert (await self._say(client, "ENABLE QRESYNC")).startswith("OK")
            client.qresync = True
        box = client.box = self.model.boxes[name]
        client.mirror = Mirror(condstore=client.qresync)
        cache = self.caches.get((number, box.uidvalidity))
        if client.qresync and cache is not None and known:
            await self._come_back(client, name, cache, known)
        else:
            assert (await self._say(client, f"SELECT {name}")).startswith("OK")
        assert client.mirror.uidvalidity == box.uidvalidity
        assert client.mirror.modseq <= self.model.modseq
        await self._told(client)

    async def _leave(self, number: int) -> None:
        """UNSELECT, remembering what a QRESYNC client would."""
        client = self.clients[number]
        if client.box is None:
            return
        if client.idle:
            await self._done(client)
        mirror, box = client.mirror, client.box
        if client.qresync and all(seen.uid for seen in mirror.messages):
            self.caches[number, box.uidvalidity] = Cache(
                mirror.uidvalidity, mirror.modseq, mirror.messages
            )
        client.box, client.mirror = None, Mirror()
        await self._say(client, "UNSELECT")

    async def _come_back(self, client: Client, name: str, cache: Cache, known: int) -> None:
        """SELECT with QRESYNC; what was kept and what is told now must be all there is."""
        assert client.box is not None
        mirror, box = client.mirror, client.box
        kept = {seen.uid: seen for seen in cache.messages}
        below = max(kept, default=0)
        asked = {1: "", 2: f" {spelt(set(kept))}", 3: f" 1:{below}"}[known if kept else 1]
        if asked and cache.messages:
            seqs, uids = len(cache.messages), cache.messages[-1].uid
            asked += f" ({seqs} {uids})" if known == 3 else ""
        command = f"SELECT {name} (QRESYNC ({cache.uidvalidity} {cache.modseq}{asked}))"
        assert (await self._say(client, command)).startswith("OK")
        scope = {1: box.never(), 2: set(kept), 3: set(range(1, below + 1))}[known if kept else 1]
        must = box.vanished(cache.modseq) & scope
        may = must if cache.modseq >= box.floor else box.never() & scope
        assert must <= mirror.earlier <= may, (must, mirror.earlier, may)
        for seen in mirror.fetched:
            assert seen.modseq > cache.modseq, (seen, cache.modseq)
        if asked:
            last = below + 1
            await self._say(client, f"UID FETCH {last}:* (UID FLAGS MODSEQ)", holds=False)
        told = {seen.uid for seen in mirror.messages if seen.uid}
        rest = [kept[uid] for uid in sorted(set(kept) - mirror.earlier - told)]
        unknown = [at for at, seen in enumerate(mirror.messages) if not seen.uid]
        assert len(rest) == len(unknown), (rest, mirror.messages)
        for at, seen in zip(unknown, rest, strict=True):
            mirror.messages[at] = seen
        assert mirror.uids() == sorted(mirror.uids())

    @rule(number=who, name=names, to=names)
    def rename(self, number: int, name: str, to: str) -> None:
        self.runner.run(self._rename(number, name, to))

    async def _rename(self, number: int, name: str, to: str) -> None:
        model, client = self.model, await self._client(number)
        answer = await self._say(client, f"RENAME {name} {to}")
        there = any(box == name or box.startswith(f"{name}/") for box in model.boxes)
        possible = there and to not in model.boxes and to != "INBOX"
        possible = possible and not to.startswith(f"{name}/")
        assert answer.startswith("OK" if possible else "NO"), (answer, name, to)
        if possible:
            model.tick()
            await self._parents(to)
        if possible and name == "INBOX":
            model.relocate(model.boxes["INBOX"], await self._learn(to))
        elif possible:
            for old in sorted(model.boxes):
                if old == name or old.startswith(f"{name}/"):
                    model.boxes[to + old[len(name) :]] = model.boxes.pop(old)
        await self._told(client)

    async def _parents(self, name: str) -> None:
        """Those that were made on the way."""
        above = name.rpartition("/")[0]
        if above and above not in self.model.boxes:
            await self._learn(above)

    @rule(number=who, name=names)
    def create(self, number: int, name: str) -> None:
        self.runner.run(self._create(number, name))

    async def _create(self, number: int, name: str) -> None:
        client, old = await self._client(number), self.model.boxes
        answer = await self._say(client, f"CREATE {name}")
        assert answer.startswith("NO" if name in old else "OK"), answer
        if name not in old:
            self.model.tick()
            await self._parents(name)
            await self._learn(name)
        await self._told(client)

    @rule(number=who, name=names)
    def delete(self, number: int, name: str) -> None:
        self.runner.run(self._delete(number, name))

    async def _delete(self, number: int, name: str) -> None:
        client = await self._client(number)
        there = name in self.model.boxes and name != "INBOX"
        if there:
            if client.box is self.model.boxes[name]:
                await self._leave(number)
            self.model.tick()
            del self.model.boxes[name]
        answer = await self._say(client, f"DELETE {name}")
        assert answer.startswith("OK" if there else "NO"), answer
        await self._told(client)

    # ------------------------------------------------------------------ messages

    @rule(number=who, name=names, words=flags)
    def append(self, number: int, name: str, words: Flags) -> None:
        self.runner.run(self._append(number, name, words))

    async def _append(self, number: int, name: str, words: Flags) -> None:
        client = await self._client(number)
        listed = " ".join(sorted(words))
        command = f"APPEND {name} ({listed}) {{{len(MESSAGE)}+}}\r\n{MESSAGE}"
        expected = "NO [TRYCREATE]"
        if name in self.model.boxes:
            uid = self.model.append(name, words)
            expected = f"OK [APPENDUID {self.model.boxes[name].uidvalidity} {uid}]"
        answer = await self._say(client, command)
        assert answer.startswith(expected), answer
        await self._told(client)

    @rule(
        number=who, places=some, op=st.sampled_from(["+", "-", ""]), words=flags,
        uid=st.booleans(), silent=st.booleans(), since=st.none() | st.integers(0, 12),
    )  # fmt: skip
    def store_flags(
        self,
        number: int,
        places: frozenset[int],
        op: str,
        words: Flags,
        uid: bool,
        silent: bool,
        since: int | None,
    ) -> None:
        """``since``: so many modseqs ago."""
        self.runner.run(self._store(number, places, op, words, uid, silent, since))

    async def _store(
        self,
        number: int,
        places: frozenset[int],
        op: str,
        words: Flags,
        uid: bool,
        silent: bool,
        ago: int | None,
    ) -> None:
        client = await self._client(number)
        chosen, uids = self._chosen(client, places, uid=uid)
        if not chosen or client.box is None:
            return
        since = max(0, self.model.modseq - ago) if ago is not None else None
        condition = "" if since is None else f" (UNCHANGEDSINCE {since})"
        client.mirror.condstore |= since is not None
        failed = self.model.store(client.box, uids, op, words, since)
        listed = " ".join(sorted(words))
        verb = f"{'UID ' * uid}STORE {chosen}{condition}"
        if silent:  # the client knows what it asked for
            for seen in client.mirror.messages:
                if seen.uid in uids - failed and seen.flags is not None:
                    old = seen.flags
                    seen.flags = {"+": old | words, "-": old - words, "": words}[op]
        command = f"{verb} {op}FLAGS{'.SILENT' * silent} ({listed})"
        answer = await self._say(client, command, holds=not uid)
        assert answer.startswith("OK"), answer
        modified = answer.partition("[MODIFIED ")[2].partition("]")[0]
        known = {seen.uid: seq for seq, seen in enumerate(client.mirror.messages, 1)}
        wanted = failed if uid else {known[one] for one in failed}
        assert modified == spelt(wanted), (answer, wanted)
        if uid:
            await self._told(client)

    @rule(number=who, places=st.none() | some)
    def expunge(self, number: int, places: frozenset[int] | None) -> None:
        self.runner.run(self._expunge(number, places))

    async def _expunge(self, number: int, places: frozenset[int] | None) -> None:
        client = await self._client(number)
        chosen, uids = self._chosen(client, places or frozenset(), uid=True)
        if client.box is None or (places is not None and not chosen):
            return
        self.model.expunge(client.box, uids if places is not None else None)
        command = "EXPUNGE" if places is None else f"UID EXPUNGE {chosen}"
        assert (await self._say(client, command)).startswith("OK")
        await self._told(client)

    @rule(number=who, places=some, name=names, uid=st.booleans(), move=st.booleans())
    def copy(self, number: int, places: frozenset[int], name: str, uid: bool, move: bool) -> None:
        self.runner.run(self._copy(number, places, name, uid, move))

    async def _copy(
        self, number: int, places: frozenset[int], name: str, uid: bool, move: bool
    ) -> None:
        client = await self._client(number)
        chosen, uids = self._chosen(client, places, uid=uid)
        if not chosen or client.box is None:
            return
        to = self.model.boxes.get(name)
        verb = "UID " * uid + ("MOVE" if move else "COPY")
        if to is not None:
            self.model.copy(client.box, uids, to, move=move)
        answer = await self._say(client, f"{verb} {chosen} {name}")
        assert answer.startswith("OK" if to is not None else "NO [TRYCREATE]"), answer
        await self._told(client)

    # ------------------------------------------------------------------ hearing of it

    @rule(number=who)
    def noop(self, number: int) -> None:
        self.runner.run(self._noop(number))

    async def _noop(self, number: int) -> None:
        client = await self._client(number)
        assert (await self._say(client, "NOOP")).startswith("OK")
        await self._told(client)

    @rule(number=who)
    def idle(self, number: int) -> None:
        self.runner.run(self._idle(number))

    async def _idle(self, number: int) -> None:
        client = await self._client(number)
        if client.box is None or client.idle:
            return
        self._hear(client, await client.spoken.say("IDLE", until="+ "))
        client.idle = True
        await self._settle()

    @rule(number=who, places=some)
    def fetch(self, number: int, places: frozenset[int]) -> None:
        """In its answer nothing may go away."""
        self.runner.run(self._fetch(number, places))

    async def _fetch(self, number: int, places: frozenset[int]) -> None:
        client = await self._client(number)
        chosen, uids = self._chosen(client, places, uid=False)
        if not chosen or client.box is None:
            return
        client.mirror.fetched.clear()
        items = "(UID FLAGS MODSEQ)" if client.mirror.condstore else "(UID FLAGS)"
        answer = await self._say(client, f"FETCH {chosen} {items}", holds=True)
        there = uids & set(client.box.messages)
        assert answer.startswith("OK" if there == uids else "NO [EXPUNGEISSUED]"), answer
        assert there <= {seen.uid for seen in client.mirror.fetched}

    @rule(number=who, known=st.integers(1, 3))
    def drop(self, number: int, known: int) -> None:
        """The connection is lost; its client comes again and knows what it knew."""
        self.runner.run(self._drop(number, known))

    async def _drop(self, number: int, known: int) -> None:
        client = self.clients[number]
        mirror = client.mirror
        if client.box is not None and client.qresync and all(seen.uid for seen in mirror.messages):
            self.caches[number, mirror.uidvalidity] = Cache(
                mirror.uidvalidity, mirror.modseq, mirror.messages
            )
        await client.spoken.close()
        self.clients[number] = Client(await self.door.open(ANN))
        names = [name for name, box in self.model.boxes.items() if box is client.box]
        if names:
            await self._select(number, names[0], client.qresync, known)

    @rule(number=who, places=some, known=st.integers(1, 3))
    def slip(self, number: int, places: frozenset[int], known: int) -> None:
        """A session is lost that was told of its own change, but not yet of an expunge before."""
        self.runner.run(self._slip(number, places, known))

    async def _slip(self, number: int, places: frozenset[int], known: int) -> None:
        other = (number + 1) % SESSIONS
        await self._noop(other)
        await self._noop(number)
        await self._store(other, places, "+", frozenset({"\\Deleted"}), True, True, None)
        await self._noop(number)
        await self._expunge(other, None)
        await self._store(number, frozenset({0, 1, 2}), "+", frozenset({"$b"}), False, False, None)
        await self._drop(number, known)

    @rule()
    def prune(self) -> None:
        """What was expunged is forgotten, and so is when."""
        self.clock.time += 10
        self.runner.run(self.store.purge(self.clock.time, self.clock.time))
        self.model.prune()

    @invariant()
    def idlers_know(self) -> None:
        for client in self.clients:
            if client.idle:
                self.runner.run(self._told(client))


class OnDisk(Machine):
    """The same on SQLite, which may crash."""

    async def open_store(self, bus: LocalBus) -> Store:
        options = Options(pack_from=1)  # every mailbox is opened from its packed copy
        return await open_store(
            self._directory(), publish=bus.publish, clock=self.clock, options=options
        )

    def _directory(self) -> Path:
        return self.folder / str(self.stores)

    @precondition(lambda self: self.stores < 3)
    @rule()
    def crash(self) -> None:
        self.runner.run(self._crash())

    async def _crash(self) -> None:
        """Go on from what lies on the disk at this moment."""
        for number in range(SESSIONS):
            await self._leave(number)
        old, directory = self.store, self._directory()
        self.stores += 1
        shutil.copytree(
            directory, self._directory(), ignore=shutil.ignore_patterns("lock", "*-shm")
        )
        for client in self.clients:
            await client.spoken.close()
        with contextlib.suppress(OSError):
            await old.close()
        bus = LocalBus()
        self.store = await self.open_store(bus)
        self.door = Doorway(self.store, bus, self.clock, self.lane)
        self.clients = [Client(await self.door.open(ANN)) for _ in range(SESSIONS)]
        await self._select_all()
