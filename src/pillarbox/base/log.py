"""Structured events: one line an event, in logfmt or JSON, through the standard library.

``log.info("imap.login", user=user, result="ok")`` becomes
``2026-11-23T15:05:00.123Z info imap.login user="ann@example.org" result=ok conn=1hxk…``.

Values come from strangers, so the promise of this module is that no value can forge anything: not
a second line, not another field, not a terminal escape. What is not plainly harmless is quoted,
and inside quotes every character that is not printable is escaped.

Fields of the call come before bound fields, so that an event begins the same way wherever it is
logged; ``auth`` below relies on it, and programs outside the house rely on ``auth``.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal, TextIO

#: Characters of one value that are kept; the rest of a longer one becomes an ellipsis.
MAX_VALUE: Final = 1024
MAX_TRACEBACK: Final = 16384
#: Quoted even where it need not be, so that a filter has one form to look for.
ALWAYS_QUOTED: Final = frozenset({"user"})

_ROOT: Final = "pillarbox"
_bare: Final = re.compile(r"[A-Za-z0-9_.:/@+,%~\[\]<>-]+\Z").match
_key: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z").match
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

Fields = Mapping[str, object]


class Logger:
    """A named source of events with bound fields. Immutable and cheap to ``bind``.

    A filtered event costs one level check (and its arguments).
    """

    __slots__ = ("_enabled", "_fields", "_std")

    def __init__(self, name: str, **fields: object) -> None:
        self._std = logging.getLogger(f"{_ROOT}.{name}")
        self._enabled = self._std.isEnabledFor
        self._fields = fields

    def bind(self, **fields: object) -> Logger:
        """The same logger with more fields on every event, for a connection or a message."""
        bound = object.__new__(Logger)
        bound._std = self._std
        bound._enabled = self._enabled
        bound._fields = {**self._fields, **fields}
        return bound

    def debug(self, event: str, /, **fields: object) -> None:
        """For whoever looks for a fault; may be many a command."""
        if self._enabled(logging.DEBUG):
            self._emit(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """What an operator counts: connections, logins, messages."""
        if self._enabled(logging.INFO):
            self._emit(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Something refused or given up that an operator may want to act on."""
        if self._enabled(logging.WARNING):
            self._emit(logging.WARNING, event, fields)

    def error(self, event: str, /, *, exc: BaseException | None = None, **fields: object) -> None:
        """A bug or a broken hand. With ``exc`` its traceback goes along, on the same line."""
        if self._enabled(logging.ERROR):
            self._emit(logging.ERROR, event, fields, exc)

    def _emit(
        self, level: int, event: str, fields: Fields, exc: BaseException | None = None
    ) -> None:
        info = (type(exc), exc, exc.__traceback__) if exc is not None else None
        # A record of our own: Logger.log would walk the stack for a file name nobody prints.
        record = logging.LogRecord(self._std.name, level, "", 0, event, None, info)
        record.fields = {**fields, **self._fields} if self._fields else fields
        self._std.handle(record)


def auth(
    log: Logger,
    *,
    ok: bool,
    proto: str,
    user: str,
    mech: str,
    ip: str,
    **more: object,
) -> None:
    """Log the outcome of a login: the one event that programs outside rely on.

    ``auth result=fail proto=imap user="x" mech=PLAIN ip=192.0.2.7 …``, at level warning if it
    failed and info if not. These five fields, their order and their quoting do not change:
    ``packaging/fail2ban/pillarbox.conf`` matches them. ``user`` and ``mech`` are as the client
    sent them; ``ip`` is the peer's address, empty for a local socket.
    """
    emit = log.info if ok else log.warning
    result = "ok" if ok else "fail"
    emit("auth", result=result, proto=proto, user=user, mech=mech, ip=ip, **more)


def quote(text: str, limit: int = MAX_VALUE) -> str:
    """``text`` in double quotes, so that nothing in it can end them, the line or the terminal.

    ``\\`` and ``"`` are preceded by a backslash; what ``str.isprintable`` calls unprintable
    (controls, line and paragraph separators, bidirectional overrides, lone surrogates) becomes
    ``\\n``, ``\\x1b``, ``\\u202e``.
    """
    if len(text) > limit:
        text = text[:limit] + "…"
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join([_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in text])
    return f'"{text}"'


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=512)
def _safe_key(key: str) -> str:
    """Keys are ours and few; a library's may be anything."""
    return key if _key(key) is not None else "invalid_key"


def _logfmt(key: str, value: object) -> str:
    text = _text(value)
    key = _safe_key(key)
    if len(text) <= MAX_VALUE and key not in ALWAYS_QUOTED and _bare(text):
        return f"{key}={text}"
    return f"{key}={quote(text, MAX_TRACEBACK if key == 'traceback' else MAX_VALUE)}"


def _fields_of(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """Event name and fields of our record, or of one from a library; None values left out."""
    fields: Fields | None = getattr(record, "fields", None)
    if fields is None:
        event, fields = "log", {"logger": record.name, "msg": record.getMessage()}
    else:
        event = record.msg
    found = {key: value for key, value in fields.items() if value is not None}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        found["error"] = f"{type(error).__name__}: {error}"
        found["traceback"] = "".join(traceback.format_exception(error))
    return event, found


class _Stamp:
    """RFC 3339 in UTC with milliseconds; formats a second once."""

    def __init__(self) -> None:
        self._cached = (0, "1970-01-01T00:00:00")

    def __call__(self, created: float) -> str:
        second = int(created)
        if self._cached[0] != second:
            self._cached = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._cached[1]}.{int((created - second) * 1000):03d}Z"


class LogfmtFormatter(logging.Formatter):
    """``ts level event key=value …``; without ``ts`` where the journal adds its own."""

    def __init__(self, *, stamped: bool = True) -> None:
        super().__init__()
        self._stamp: Callable[[float], str] | None = _Stamp() if stamped else None

    def format(self, record: logging.LogRecord) -> str:
        event, fields = _fields_of(record)
        parts = [record.levelname.lower(), event if _bare(event) else quote(event)]
        if self._stamp is not None:
            parts.insert(0, self._stamp(record.created))
        parts += [_logfmt(key, value) for key, value in fields.items()]
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """``{"ts":…,"level":…,"event":…,…}`` in ASCII; values that are not JSON become text."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = _Stamp()

    def format(self, record: logging.LogRecord) -> str:
        event, fields = _fields_of(record)
        line: dict[str, object] = {
            "ts": self._stamp(record.created),
            "level": record.levelname.lower(),
            "event": event,
        }
        for key, value in fields.items():
            limit = MAX_TRACEBACK if key == "traceback" else MAX_VALUE
            if not isinstance(value, (bool, int, float)):
                value = _text(value)
                if len(value) > limit:
                    value = value[:limit] + "…"
            line.setdefault(key, value)
        return json.dumps(line, separators=(",", ":"))


def configure(
    stream: TextIO,
    *,
    form: Literal["logfmt", "json"] = "logfmt",
    level: str = "info",
    stamped: bool = True,
) -> logging.Handler:
    """Send all events of the house, and the warnings of its libraries, to ``stream``.

    For the program's entry point only. Returns the handler, so that a caller can remove it.
    """
    # What every record would be told of the process and its threads, and no line says.
    logging.logProcesses = logging.logThreads = logging.logMultiprocessing = False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else LogfmtFormatter(stamped=stamped))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.getLogger(_ROOT).setLevel(level.upper())
    return handler


def set_level(level: str) -> None:
    """Show events from this level on: debug, info, warning or error. As ``configure``, for the
    program's entry point."""
    logging.getLogger(_ROOT).setLevel(level.upper())
