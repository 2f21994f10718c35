"""The server's side of the milter protocol, version 6 and down to 2: octets, no sockets.

There is no RFC; the protocol is what libmilter speaks: packets of a length (32 bits, big-endian),
a letter, and data in which strings end in NUL. A filter says in the negotiation which steps it
does not want, and we obey. It may add fields and quarantine; other changes to a message are
offered, because many filters do not start without, and come out as ``Unheeded``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

MAX_PACKET = 1 << 20
"""Octets of a packet from the filter."""
CHUNK = 65_535
"""Octets of the body in one packet, at most."""
VERSION = 6

_ACTIONS = 0xFF
"""SMFIF_*: add fields, change the body, add and delete recipients, change fields, quarantine,
change the sender, add recipients with parameters."""
_CHANGES = {
    b"m": "to change a header field",
    b"b": "to replace the body",
    b"+": "to add a recipient",
    b"2": "to add a recipient",
    b"-": "to remove a recipient",
    b"e": "to change the sender",
}

# SMFIP_*: steps left out (NO_*) and steps without an answer (NR_*).
_STEPS = {
    "connect": (0x01, 0x1000),
    "helo": (0x02, 0x2000),
    "mail": (0x04, 0x4000),
    "rcpt": (0x08, 0x8000),
    "body": (0x10, 0x80000),
    "header": (0x20, 0x80),
    "eoh": (0x40, 0x40000),
    "data": (0x200, 0x10000),
}
_SKIP = 0x400
_LEADING_SPACE = 0x100000
_OFFERED = sum(no | nr for no, nr in _STEPS.values()) | _SKIP | _LEADING_SPACE


class Decision(Enum):
    """What a filter says; the value is its letter (SMFIR_*)."""

    CONTINUE = b"c"
    ACCEPT = b"a"
    DISCARD = b"d"
    REJECT = b"r"
    TEMPFAIL = b"t"
    REPLY = b"y"
    """A reply of its own: ``Answer.text``."""
    SKIP = b"s"
    """Of this body it has seen enough."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``text``: of REPLY, such as "550 5.7.1 no"."""

    decision: Decision
    text: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """A header field that the filter wants in the message; ``value`` may be folded."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The filter wants the message out of the way; ``reason`` is its own."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unheeded:
    """Something that the filter wants and does not get; ``wish`` completes "it wanted"."""

    wish: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """The negotiation is over; ``version`` is what both speak."""

    version: int


@dataclass(frozen=True, slots=True)
class Fault:
    """The filter speaks nonsense: hang up."""

    text: str


Event = Answer | Added | Quarantined | Unheeded | Agreed | Fault

_DECISIONS = {decision.value: decision for decision in Decision}


class Client:
    """One connection. Methods give octets to send; ``feed`` gives what the filter said."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._protocol = 0
        self._agreed = False
        self._broken = False

    # ------------------------------------------------------------------ from the filter

    def feed(self, data: bytes) -> list[Event]:
        """Events in order. After a ``Fault`` nothing more."""
        if self._broken:
            return []
        self._buffer += data
        return list(self._packets())

    def _packets(self) -> Iterator[Event]:
        while len(self._buffer) >= 4 and not self._broken:
            (length,) = struct.unpack_from("!I", self._buffer)
            if not 1 <= length <= MAX_PACKET:
                self._broken = True
                yield Fault(f"a packet of {length} octets")
                return
            if len(self._buffer) < 4 + length:
                return
            letter, data = bytes(self._buffer[4:5]), bytes(self._buffer[5 : 4 + length])
            del self._buffer[: 4 + length]
            event = self._event(letter, data)
            if isinstance(event, Fault):
                self._broken = True
            if event is not None:
                yield event

    def _event(self, letter: bytes, data: bytes) -> Event | None:
        if letter == b"O":
            return self._negotiated(data)
        if not self._agreed:
            return Fault("an answer before the negotiation")
        if letter == b"y":
            return Answer(Decision.REPLY, _text(data))
        if letter in _DECISIONS:
            return Answer(_DECISIONS[letter])
        if letter == b"q":
            return Quarantined(_text(data))
        if letter in {b"h", b"i"}:
            return self._added(data[4:] if letter == b"i" else data)
        if letter in _CHANGES:
            return Unheeded(_CHANGES[letter])
        if letter == b"p":
            return None  # it works on it
        return Fault(f"it wants {letter!r}, which was not agreed")

    def _negotiated(self, data: bytes) -> Event:
        if self._agreed or len(data) < 12:
            return Fault("a bad negotiation")
        version, actions, protocol = struct.unpack_from("!III", data)
        if not 2 <= version <= VERSION:
            return Fault(f"version {version}")
        if actions & ~_ACTIONS:
            return Fault("it wants to change more than we let it")
        if protocol & ~_OFFERED:
            return Fault("it wants steps that were not offered")
        self._agreed, self._protocol = True, protocol
        return Agreed(version)

    def _added(self, data: bytes) -> Event:
        name, _, rest = data.partition(b"\0")
        value = rest.partition(b"\0")[0]
        if not name or not all(33 <= octet <= 126 and octet != 58 for octet in name):
            return Fault("it adds a field without a name")
        return Added(name, value)

    # ------------------------------------------------------------------ to the filter

    def wants(self, step: str) -> bool:
        """Whether a step is to be told: connect, helo, mail, rcpt, data, header, eoh, body."""
        return not self._protocol & _STEPS[step][0]

    def answers(self, step: str) -> bool:
        """Whether an answer follows once it is told."""
        return not self._protocol & _STEPS[step][1]

    @property
    def leading_space(self) -> bool:
        """Values of fields are told with the space before them."""
        return bool(self._protocol & _LEADING_SPACE)

    def negotiate(self) -> bytes:
        """The first packet."""
        return _packet(b"O", struct.pack("!III", VERSION, _ACTIONS, _OFFERED))

    def macros(self, step: bytes, values: Mapping[str, str]) -> bytes:
        """Names and values for the step with this letter (C, H, M, R, T, E)."""
        strings = [text for name, value in values.items() if value for text in (name, value)]
        return _packet(b"D", step + _strings(strings)) if strings else b""

    def connect(self, name: str, ip: str, port: int) -> bytes:
        """Who is there: a name (or the address in brackets) and the address."""
        family = b"6" if ":" in ip else b"4"
        address = f"IPv6:{ip}" if family == b"6" else ip
        data = _string(name) + family + struct.pack("!H", port) + _string(address)
        return _packet(b"C", data)

    def helo(self, name: str) -> bytes:
        return _packet(b"H", _string(name))

    def mail(self, sender: str, *parameters: str) -> bytes:
        """``sender`` without brackets, '' for the null sender."""
        return _packet(b"M", _strings([f"<{sender}>", *parameters]))

    def rcpt(self, recipient: str, *parameters: str) -> bytes:
        return _packet(b"R", _strings([f"<{recipient}>", *parameters]))

    def data(self) -> bytes:
        return _packet(b"T", b"")

    def header(self, name: bytes, value: bytes) -> bytes:
        """A field; line ends within ``value`` are told as LF."""
        value = value.replace(b"\r\n", b"\n").replace(b"\0", b"")
        return _packet(b"L", name + b"\0" + value + b"\0")

    def end_of_header(self) -> bytes:
        return _packet(b"N", b"")

    def body(self, chunk: bytes) -> bytes:
        """At most ``CHUNK`` octets."""
        return _packet(b"B", chunk)

    def end(self) -> bytes:
        """The message is complete: what the filter wants comes now, then its answer."""
        return _packet(b"E", b"")

    def quit(self) -> bytes:
        return _packet(b"Q", b"")


def _packet(letter: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data) + 1) + letter + data


def _string(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-8", "replace") + b"\0"


def _strings(texts: Sequence[str]) -> bytes:
    return b"".join(map(_string, texts))


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")
