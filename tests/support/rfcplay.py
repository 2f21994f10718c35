"""Plays the dialogues of `rfctext` with a real door over a memory store.

What a dialogue presumes is inferred from it: who logs in, which mailboxes there are (those it
names, unless it makes them or is told that there are none), how many messages (the largest number
it mentions). The rest stands in tests/transcripts/rfc, in a small language of set-up lines:

    @fresh                    nobody is logged in
    @nothing                  nothing is inferred but the login
    @messages 20 INBOX        so many messages are there
    @selected INBOX           the mailbox is selected (by default when a command needs one)
    STORE 2,4 +FLAGS (\\Seen)  any other line is a command of the client that must succeed
    @other COMMAND            the same by another session of the same user
    @2 COMMAND                said by the other session before the third command of the dialogue
    @idle 2 COMMAND           the same while that command, IDLE, is going on
    @user NAME PASSWORD       there is such an account too
    @ours 3000 3              what the RFC calls 3000 is 3 here
    @quota 7                  the account may have so many messages
    @storage 7                the account may have so many KiB
    @from Eric                who wrote all messages
    @owner mrc                it is about this user, whose INBOX has 18 messages
    @uids 4,6:8 INBOX         the messages have these UIDs
    @now 320162338            what the RFC calls so is HIGHESTMODSEQ now
    @valid 67890007           the same of UIDVALIDITY
    @special NAME \\USE        a mailbox has a special use, instead of the one that has it
    @early COMMAND            of the client, before the mailbox is selected
    @cut TAG                  what follows from this command on is another server's

The sizes of literals are counted anew, because pages and indentation spoil those that are printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pillarbox.auth.login import Options as LoginOptions
from pillarbox.mailbox.intake import whole
from pillarbox.model.account import Account
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.options import Options as ImapOptions
from pillarbox.store.api import Target
from support import rfcwords
from support.doors import Rooms, rooms
from support.rfctext import Example, Said
from support.rfcwords import Bound, Response

PATIENCE = 10
MOST = 1200
"""Messages that a mailbox is filled with at most."""
PASSWORD = "secret"
USER = "fred"
DOMAIN = "example.org"
_SELECTING = {"SELECT", "EXAMINE"}
_SELECTED = {
    "FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE", "CLOSE", "UNSELECT", "CHECK", "SORT",
    "THREAD", "REPLACE", "UID", "CANCELUPDATE", "UIDBATCHES",
}  # fmt: skip
_NAMING = {
    "SELECT", "EXAMINE", "STATUS", "DELETE", "RENAME", "APPEND", "COPY", "MOVE", "GETACL", "SETACL",
    "DELETEACL", "LISTRIGHTS", "MYRIGHTS", "GETQUOTAROOT", "GETMETADATA", "SETMETADATA", "UID",
    "REPLACE", "SUBSCRIBE",
}  # fmt: skip


@dataclass
class Command:
    """One command of the client: its line, in pieces where literals are between them."""

    tag: str
    name: str
    pieces: list[bytes]
    text: str
    said: list[Said] = field(default_factory=list)
    """What the server says before the client speaks again."""


def commands(said: Sequence[Said]) -> list[Command]:
    """A dialogue as commands and what they are answered."""
    found: list[Command] = []
    lines = list(said)
    while lines and lines[0].who == "S":
        lines.pop(0)
    while lines:
        line = lines.pop(0)
        if line.who == "S":
            found[-1].said.append(line)
            continue
        found.append(_command(line.text, lines))
    return found


def _command(text: str, lines: list[Said]) -> Command:
    pieces: list[bytes] = []
    whole_text = text
    while match := re.search(r"(~?)\{(\d+)(\+?)\}$", text):
        while lines and lines[0].who == "S" and lines[0].text.startswith("+"):
            lines.pop(0)
        if lines and lines[0].who == "S":  # refused before a single octet
            pieces.append(text.encode() + b"\r\n")
            text = ""
            break
        data, wanted = b"", int(match[2])
        while lines and lines[0].who == "C" and len(data) < wanted and not _resumes(lines[0].text):
            data += lines.pop(0).text.encode() + b"\r\n"
        rest = b""
        if len(data) > wanted and b"\r\n" not in data[wanted:-2]:
            data, rest = data[:wanted], data[wanted:-2]
        head = text[: match.start()].encode()
        pieces += [
            b"%s%s{%d%s}\r\n" % (head, match[1].encode(), len(data), match[3].encode()),
            data,
        ]
        text = rest.decode()
        if not rest and lines and lines[0].who == "C" and not re.match(r"\S+ [A-Z]", lines[0].text):
            text = lines.pop(0).text
            text = text if text.startswith(")") else " " + text  # lost with the indentation
        whole_text += " " + text
    pieces.append(text.encode() + b"\r\n")
    tag, _, rest_ = whole_text.partition(" ")
    return Command(tag, rest_.partition(" ")[0].upper(), pieces, whole_text)


def _resumes(text: str) -> bool:
    """A line that cannot be a message's: the command goes on."""
    return text == ")" or re.match(r"URL |.*\{\d+\+?\}$", text) is not None


class Line:
    """A connection that is read response by response."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.count = 0

    async def response(self) -> str:
        """The next response, literals inside it as strings."""
        text = ""
        while True:
            line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
            assert line, f"the connection ended after {text!r}"
            text += line.decode("utf-8", "replace").rstrip("\r\n")
            match = re.search(r"~?\{(\d+)\}$", text)
            if not match:
                return text
            data = await asyncio.wait_for(self.reader.readexactly(int(match[1])), PATIENCE)
            quoted = data.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
            text = f'{text[: match.start()]}"{quoted}"'

    async def ok(self, command: str) -> list[str]:
        """A command that must succeed."""
        self.count += 1
        tag = f"given{self.count}"
        self.writer.write(f"{tag} {command}\r\n".encode())
        heard = []
        while True:
            heard.append(await self.response())
            if heard[-1].startswith("+"):
                self.writer.write(b"\r\n")
            if heard[-1].startswith(tag):
                assert heard[-1].startswith(f"{tag} OK"), f"set-up: {command}: {heard[-1]}"
                return heard

    async def send(self, pieces: list[bytes], bound: Bound) -> str:
        """A command; what the server says instead of asking for a literal."""
        for place, piece in enumerate(pieces):
            literal = place and re.search(rb"\{\d+(\+?)\}\r\n$", pieces[place - 1])
            if literal and not literal[1]:
                asked = await self.response()
                if not asked.startswith("+"):
                    return asked
            self.writer.write(piece if literal else bound.applied(piece.decode()).encode())
        return ""


@dataclass
class Stage:
    """One dialogue being played."""

    house: Rooms
    port: int
    account: Account
    line: Line
    bound: Bound = field(default_factory=Bound)
    other: Line | None = None
    author: str = "Jones"

    async def connect(self, *, login: bool) -> Line:
        """A connection, logged in or not."""
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
        await line.response()
        if login:
            await line.ok(f"LOGIN {self.account.address} {PASSWORD}")
        return line

    async def fill(self, name: str, uids: Sequence[int]) -> None:
        """These messages are in a mailbox."""
        store = self.house.store
        box = await store.mailbox_by_name(self.account.id, name)
        assert box is not None, name
        now = int(self.house.clock.now())
        target = [Target(self.account.id, box.id, internaldate=now)]
        for number in range(1, max(uids, default=0) + 1):
            text = (
                f"From: Jones <jones{number}@example.org>\r\nTo: fred@example.org\r\nSubject: "
                f"number {number}\r\nDate: Mon, 7 Feb 1994 21:52:{number % 60:02} -0800\r\n"
                f"Message-ID: <{number}@example.org>\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
            )
            message = await whole(store, text.replace("Jones", self.author).encode())
            await store.accept(message, target)
        gone = NumSet.of(sorted(set(range(1, max(uids, default=0))) - set(uids)))
        if gone:
            await store.expunge(self.account.id, box.id, gone, only_deleted=False)

    async def elsewhere(self, command: str) -> None:
        """What another session of the user does."""
        if self.other is None:
            self.other = await self.connect(login=True)
            await self.other.ok("SELECT INBOX")
        await self.other.ok(command.replace("\\n", "\r\n"))


async def play(example: Example, given: Sequence[str], directory: Path) -> list[str]:
    """Play it; what differs, one line each."""
    spoken = commands(example.said)
    for line in given:
        if line.startswith("@cut "):
            places = [place for place, one in enumerate(spoken) if one.tag == line.split(" ")[1]]
            spoken = spoken[: places[0]]
    login = LoginOptions(cleartext_on_loopback=True)
    async with rooms(directory, domain=DOMAIN, login=login) as house:
        account = await house.account(USER, PASSWORD)
        for command in spoken:
            await _users(house, command)
        for line in given:
            if line.startswith("@user "):
                await house.account(*line.split(" ", 2)[1:])
        options = ImapOptions(login_failures=50, jmap_url="https://example.org/jmap")
        port = await house.imap(options=options)
        stage = Stage(house, port, account, None)  # type: ignore[arg-type]
        stage.bound.ours.update(_numbered(example))
        for line in given:
            if line.startswith("@ours "):
                _, theirs, ours = line.split(" ", 2)
                stage.bound.names[theirs] = ours
            elif line.startswith("@from "):
                stage.author = line.split(" ", 1)[1]
            elif line.startswith("@owner "):
                owner = await house.store.account_by_address(f"{line.split(' ')[1]}@{DOMAIN}")
                assert owner is not None
                stage.account = owner
                await stage.fill("INBOX", range(1, 19))
        entering = {"LOGIN", "AUTHENTICATE", "STARTTLS"}
        fresh = "@fresh" in given or any(one.name in entering for one in spoken)
        stage.line = await stage.connect(login=not fresh)
        try:
            if not fresh:
                if example.name.startswith("9051 "):
                    await stage.line.ok("ENABLE IMAP4rev2")
                await _furnish(stage, example, spoken, given)
            return await _played(stage, spoken, given)
        finally:
            stage.line.writer.close()
            if stage.other is not None:
                stage.other.writer.close()


async def _users(house: Rooms, command: Command) -> None:
    if command.name in {"SETACL", "DELETEACL", "LISTRIGHTS"}:
        name = _argument(command.text, 3).lower().lstrip("-")
        if re.fullmatch(r"\w+", name) and name not in {USER, "anyone"}:
            with contextlib.suppress(AssertionError):  # there already
                await house.account(name, PASSWORD)
        return
    match = re.match(r'\S+ LOGIN "?([\w.@-]+)"? "?(\S+?)"?$', command.text, re.IGNORECASE)
    if match and match[1] != USER and any(f"{command.tag} OK" in one.text for one in command.said):
        name = match[1].partition("@")[0].lower()
        await house.account(name, match[2])


async def _furnish(
    stage: Stage, example: Example, spoken: list[Command], given: Sequence[str]
) -> None:
    inferred = "@nothing" not in given
    if inferred:
        for name in _mailboxes(example, spoken):
            await stage.house.store.create_mailbox(stage.account.id, name)
        for line in _listed(example):
            await stage.line.ok(line)
    filled = False
    for line in given:
        if line.startswith("@messages "):
            _, many, name = line.split(" ", 2)
            await stage.fill(name, range(1, int(many) + 1))
            filled = True
        elif line.startswith("@uids "):
            _, numbers, name = line.split(" ", 2)
            await stage.fill(name, _set(numbers))
            filled = True
        elif line.startswith("@special "):
            await _special(stage, re.findall(r'"[^"]*"|\S+', line)[1:])
    if inferred and not filled:
        count = _most(example) or 25 * _needs_selected(spoken)
        uids = _uids(example) or range(1, count + 1)
        await stage.fill(_first_selected(spoken), uids)
    chosen = [line.split(" ", 1)[1] for line in given if line.startswith("@selected ")]
    if not chosen and inferred and _needs_selected(spoken):
        chosen = ["INBOX"]
    for line in given:
        if line.startswith("@early "):
            await stage.line.ok(line.split(" ", 1)[1])
    if chosen:
        await stage.line.ok(f'SELECT "{chosen[0]}"')
    if chosen and inferred:
        for numbers in _expunged(spoken):
            await stage.line.ok(f"STORE {numbers} +FLAGS.SILENT (\\Deleted)")
    for line in given:
        if line.startswith("@other "):
            await stage.elsewhere(line.split(" ", 1)[1])
        elif line.startswith(("@now ", "@valid ")):
            box = await stage.house.store.mailbox_by_name(stage.account.id, "INBOX")
            assert box is not None
            ours = box.highest_modseq if line.startswith("@now ") else box.uidvalidity
            stage.bound.names[line.split(" ")[1]] = str(ours)
        elif line.startswith(("@quota ", "@storage ")):
            limit = int(line.split(" ")[1])
            storage = line.startswith("@storage ")
            limits = replace(
                stage.account,
                quota=limit * 1024 if storage else 0,
                max_messages=0 if storage else limit,
            )
            assert await stage.house.store.change_account(limits) is None
        elif not line.startswith("@"):
            await stage.line.ok(line.replace("\\n", "\r\n"))


def _set(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


async def _special(stage: Stage, words: list[str]) -> None:
    store, owner = stage.house.store, stage.account.id
    for name, use in zip(words[::2], words[1::2], strict=True):
        for box in await store.mailboxes(owner):
            if use in box.special_use:
                await stage.line.ok(f'SETMETADATA "{box.name}" (/private/specialuse NIL)')
        use = use.replace("\\", "\\\\")
        await stage.line.ok(f'SETMETADATA "{rfcwords.plain(name)}" (/private/specialuse "{use}")')


def _first_selected(spoken: list[Command]) -> str:
    for command in spoken:
        if command.name in _SELECTING:
            name = _argument(command.text, 2)
            return "INBOX" if name.upper() == "INBOX" else name
    return "INBOX"


def _argument(text: str, place: int) -> str:
    found = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text)
    return rfcwords.plain(found[place]) if len(found) > place else ""


def _mailboxes(example: Example, spoken: list[Command]) -> list[str]:
    """Names that a dialogue presumes."""
    made, names = set(), []
    for command in spoken:
        agreed = any(one.text.startswith(f"{command.tag} OK") for one in command.said)
        name = _argument(command.text, 2).rstrip("/")
        if command.name == "CREATE":
            made.add(name)
        elif command.name in _NAMING and agreed:
            if command.name in {"COPY", "MOVE", "REPLACE", "UID"}:
                at = 5 if command.name == "UID" else 4
                name = _argument(command.text, at - 1)
                if command.name == "UID" and _argument(command.text, 2).upper() not in {
                    "COPY", "MOVE", "REPLACE"
                }:  # fmt: skip
                    continue
            if command.name == "RENAME":
                made.add(_argument(command.text, 3))
            names.append(name)
    for one in example.said:
        if one.who == "S" and re.match(r"\* (LIST|LSUB) ", one.text):
            response = rfcwords.untagged(one.text[2:])
            if not response.key[2] & {"\\nonexistent", "\\noselect"}:  # type: ignore[operator]
                names.append(str(response.key[1]))
    return [
        name
        for name in dict.fromkeys(names)
        if name
        and not any(f"{name}/".startswith(f"{one}/") for one in made)
        and not re.search(r'[(%*{"]', name)
        and name.upper() != "INBOX"
    ]


def _most(example: Example) -> int:
    """The largest message number of a dialogue."""
    most = 0
    for one in example.said:
        if one.who == "S":
            match = re.match(r"\* (\d+) (EXISTS|FETCH|EXPUNGE)\b", one.text)
            if match:
                most = max(most, int(match[1]) + (match[2] == "EXPUNGE") * 4)
        else:
            match = re.match(r"\S+ (?:FETCH|STORE|COPY|MOVE|REPLACE|SEARCH) ([\d,:]+)", one.text)
            for number in re.findall(r"\d+", match[1]) if match else []:
                most = max(most, int(number))
    return min(most, MOST)


def _listed(example: Example) -> list[str]:
    """What makes the mailboxes of a LIST response so."""
    lines, names, bare = [], [], []
    for one in example.said:
        if one.who != "S" or not re.match(r"\* (LIST|LSUB) ", one.text):
            continue
        response = rfcwords.untagged(one.text[2:])
        name, attributes = str(response.key[1]), frozenset(map(str, response.key[2]))  # type: ignore[call-overload]
        names.append(name)
        if response.kind == "LSUB" or "\\subscribed" in attributes:
            lines.append(f'SUBSCRIBE "{name}"')
        if "\\haschildren" in attributes:
            lines.append(f'CREATE "{name}/child"')
        if attributes & {"\\noselect", "\\nonexistent"}:
            bare.append(name)
    lines += [f'DELETE "{name}"' for name in bare if any(n.startswith(f"{name}/") for n in names)]
    return list(dict.fromkeys(lines))


def _expunged(spoken: list[Command]) -> list[str]:
    """Messages that the first EXPUNGE finds deleted."""
    for command in spoken:
        if command.name == "EXPUNGE" or " UID EXPUNGE " in command.text.upper():
            gone: list[int] = []
            for one in command.said:
                match = re.match(r"\* (\d+) EXPUNGE", one.text)
                if match:  # as it was numbered before the others went
                    number = int(match[1])
                    for earlier in sorted(gone):
                        number += earlier <= number
                    gone.append(number)
            return [",".join(map(str, gone))] if gone else []
    return []


def _pairs(example: Example) -> dict[int, int]:
    """Message numbers and UIDs that the RFC shows side by side."""
    pairs: dict[int, int] = {}
    for one in example.said:
        match = re.match(r"\* (\d+) FETCH .*\bUID (\d+)", one.text)
        if match and one.who == "S":
            pairs.setdefault(int(match[1]), int(match[2]))
    return pairs


def _uids(example: Example) -> list[int]:
    """UIDs of all messages, as printed; none where they are not, or are too many to make."""
    pairs = _pairs(example)
    if not pairs or max(pairs.values()) > MOST:
        return []
    most = max(_most(example), *pairs)
    found: list[int] = []
    for number in range(most, 0, -1):
        found.append(pairs.get(number, found[-1] - 1 if found else max(pairs.values()) + most))
    return found[::-1] if found[-1] > 0 and found == sorted(set(found), reverse=True) else []


def _numbered(example: Example) -> dict[str, str]:
    """UIDs too large to make are ours that count from 1."""
    if _uids(example):
        return {}
    return {str(uid): str(number) for number, uid in _pairs(example).items()}


def _needs_selected(spoken: list[Command]) -> bool:
    for command in spoken:
        if command.name in _SELECTING:
            return False
        if command.name in _SELECTED:
            return True
    return False


async def _played(stage: Stage, spoken: list[Command], given: Sequence[str]) -> list[str]:
    wrong: list[str] = []
    waiting: list[Command] = []
    for place, command in enumerate(spoken):
        for line in given:
            if line.startswith(f"@{place} "):
                await stage.elsewhere(line.split(" ", 1)[1])
        if command.text == "DONE":
            command.tag = ""
        early = await stage.line.send(command.pieces, stage.bound)
        if command.tag:
            waiting.append(command)
        if command.said:
            idle = [one.split(" ", 2)[2] for one in given if one.startswith(f"@idle {place} ")]
            wrong += await _heard(stage, waiting, command.said, early, idle)
        if command.name == "STARTTLS":
            trusted = ssl.create_default_context(cafile=str(stage.house.ca))
            await stage.line.writer.start_tls(trusted, server_hostname="localhost")
    return wrong


async def _heard(
    stage: Stage, waiting: list[Command], expected: list[Said], early: str, idle: list[str]
) -> list[str]:
    """Read what is due, and compare."""
    tags = [one.tag for one in waiting]
    due = [one.text for one in expected if one.text.partition(" ")[0] in tags]
    asks = sum(1 for one in expected if one.text.startswith("+"))
    heard = [early] if early else []

    def missing() -> bool:
        answered = {one.partition(" ")[0] for one in heard}
        plus = sum(1 for one in heard if one.startswith("+"))
        return any(one.partition(" ")[0] not in answered for one in due) or plus < asks

    while missing():
        try:
            heard.append(await stage.line.response())
        except (TimeoutError, AssertionError) as why:
            return [f"silence ({why}) after {heard} where {due} is due"]
    for command in idle:
        await stage.elsewhere(command)
    if idle:  # what is told while the client idles has no end but the number of words
        told = [one.text.split(" ")[-1] for one in expected if one.text.startswith("* ")]
        pairs = zip(["", *told], told, strict=False)
        wanted = sum(1 for before, one in pairs if (before, one) != ("EXPUNGE", "EXISTS"))
        while sum(1 for one in heard if one.endswith(("EXISTS", "EXPUNGE"))) < wanted:
            heard.append(await stage.line.response())
    answered = {one.partition(" ")[0] for one in due}
    waiting[:] = [one for one in waiting if one.tag not in answered]
    return _compared(stage.bound, [one.text for one in expected], heard)


def _compared(bound: Bound, expected: list[str], heard: list[str]) -> list[str]:
    wrong = []
    elided = any(not re.match(r"\*|\+|\S+ (OK|NO|BAD)\b", one) for one in expected)
    expected, heard = _expunges_first(expected), _expunges_first(heard)
    ours = {one.partition(" ")[0]: one.partition(" ")[2] for one in heard if one[:2] != "* "}
    said = [rfcwords.untagged(one[2:]) for one in heard if one.startswith("* ")]
    for place, text in enumerate(expected):
        first, _, rest = text.partition(" ")
        after = place and "EXPUNGE" in expected[place - 1]
        if after and re.match(r"\* \d+ EXISTS", text):
            continue  # says again what EXPUNGE said already (RFC 9051 §7.5.1)
        if first == "*":
            wrong += _one(bound, rfcwords.untagged(rest), said)
        elif first in ours and first != "+":
            condition, code = rfcwords.tagged(rest)
            got, got_code = rfcwords.tagged(ours[first])
            if condition != got or (code and code != got_code):
                wrong.append(f"printed: {text}   said: {first} {ours[first]}")
            else:
                bound.learn(rfcwords.words(rest), rfcwords.words(ours[first]))
    surprising = [one for one in said if one.kind in {"EXPUNGE", "VANISHED", "BYE"}]
    if elided:
        return wrong
    return wrong + [f"not printed: {' '.join(one.words)}" for one in surprising]


def _expunges_first(lines: list[str]) -> list[str]:
    """EXPUNGE responses with the numbers that the messages had before the first of them: in which
    order they are said is the server's to choose."""
    gone: list[int] = []
    found = []
    for line in lines:
        match = re.match(r"\* (\d+) EXPUNGE", line)
        if match:
            number = int(match[1])
            for earlier in sorted(gone):
                number += earlier <= number
            gone.append(number)
            line = f"* {number} EXPUNGE"
        found.append(line)
    return found


def _one(bound: Bound, printed: Response, said: list[Response]) -> list[str]:
    for place, one in enumerate(said):
        if rfcwords.same(printed, one):
            bound.learn(printed.words, one.words)
            del said[place]
            return []
    if printed.optional:
        return []
    close = [" ".join(one.words) for one in said if one.kind == printed.kind]
    return [f"printed: {' '.join(printed.words)}   said: {close[:3]}"]
