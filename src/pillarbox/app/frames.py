"""How calls and answers look on the control socket.

Everything is a frame: four octets of length, big-endian, and a JSON object. A frame may announce
octets that follow it raw (``octets``).

    caller  {"protocol": 1, "operation": …, "arguments": {…}, "octets": N} and N octets
    house   {"kind": "data", "octets": n} and n octets, any number of times, then one of
            {"kind": "result", "value": {…}}
            {"kind": "error", "error": "Misuse", "message": …, "hint": …}

One connection carries any number of calls, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

from pillarbox.base.errors import Misuse, Permanent, PillarboxError, Temporary

PROTOCOL = 1
MAX_FRAME = 64 << 20
"""Octets of JSON. The other side is the operator, so this only bounds accidents."""

_LENGTH = struct.Struct("!I")
_ERRORS = {kind.__name__: kind for kind in (Misuse, Temporary, Permanent)}

Frame = dict[str, Any]


class Cut(ConnectionError):
    """What came is no frame, or only part of one: the connection is of no more use."""


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the socket."""
    text = json.dumps(frame, separators=(",", ":")).encode()
    if len(text) > MAX_FRAME:
        raise Misuse("too much for one call")
    return _LENGTH.pack(len(text)) + text


async def receive(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame, None at a clean end. Raises Cut."""
    try:
        head = await reader.readexactly(_LENGTH.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Cut("cut off in a frame") from None
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise Cut(f"a frame of {length} octets")
    try:
        frame = json.loads(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        raise Cut("cut off in a frame") from None
    except ValueError as error:
        raise Cut(f"not JSON: {error}") from None
    if not isinstance(frame, dict):
        raise Cut("not a JSON object")
    return frame


def octets(frame: Frame) -> int:
    """How many raw octets follow a frame. Raises Cut."""
    size = frame.get("octets", 0)
    if not isinstance(size, int) or size < 0:
        raise Cut("octets must be a number")
    return size


def error_frame(error: BaseException) -> Frame:
    """What went wrong. Of errors that nobody meant for a person, the log has the details."""
    if isinstance(error, PillarboxError):
        kind = next((n for n, known in _ERRORS.items() if isinstance(error, known)), "Temporary")
        return {"kind": "error", "error": kind, "message": str(error), "hint": error.hint}
    return {
        "kind": "error",
        "error": "Temporary",
        "message": f"the server failed: {type(error).__name__}: {error}",
        "hint": "its log says where",
    }


def raised(frame: Frame) -> PillarboxError:
    """The error that a frame tells of, to be raised on this side."""
    kind = _ERRORS.get(str(frame.get("error")), Temporary)
    return kind(str(frame.get("message", "")), hint=str(frame.get("hint", "")))
