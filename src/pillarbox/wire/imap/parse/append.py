"""APPEND and REPLACE, which are read in pieces because their messages are not kept in memory.

::

    append         = "APPEND" SP mailbox 1*append-message           RFC 3502 §6.3.11, RFC 4466 §3
    append-message = [SP flag-list] [SP date-time] SP append-data
    append-data    = literal / literal8 / utf8 / "CATENATE" SP "(" parts ")"
    part           = "URL" SP astring / "TEXT" SP literal / utf8    RFC 4469 §5
    utf8           = "UTF8" SP "(" literal8 ")"                     RFC 6855 §4

The text between two message literals is a fragment. A fragment ends where the engine has read a
literal announcement or the end of the command; small literals within it (the mailbox's name, a
URL) are already in place. ``Fragment`` in, events out.
"""

from __future__ import annotations

import datetime
import enum

from pillarbox.model.flags import NO_FLAGS, FlagSet
from pillarbox.wire.imap.commands import AppendEnd, AppendStart, Replaced
from pillarbox.wire.imap.events import CatenateText, CatenateUrl
from pillarbox.wire.imap.framing import Announced
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.dates import date_time

Piece = AppendStart | AppendEnd | CatenateUrl | CatenateText


class _Place(enum.Enum):
    """Where in the grammar the next fragment begins."""

    NAME = "the mailbox"
    MESSAGES = "a message or the end"
    PARTS = "a part or the end of CATENATE"


class AppendReader:
    """The grammar of one APPEND or REPLACE; lives as long as the command."""

    __slots__ = ("_index", "_mailbox", "_parts", "_place", "_replaces", "_tag", "_utf8", "_verb")

    def __init__(self, tag: str, verb: str) -> None:
        """``verb``: APPEND, REPLACE or UID REPLACE."""
        self._tag = tag
        self._verb = verb
        self._place = _Place.NAME
        self._mailbox = ""
        self._replaces: Replaced | None = None
        self._index = 0
        self._parts = 0
        self._utf8 = False
        """The parenthesis of ``UTF8 (`` is open."""

    def read(self, cur: Cursor, announced: Announced | None) -> list[Piece] | None:
        """Read a fragment up to ``announced`` (None: up to the end of the command).

        None: the literal is a small one and belongs to the fragment; come again with more.
        Raises Bad. The cursor's text begins behind the verb or behind the last message literal.
        """
        mark = self._place, self._index, self._parts, self._utf8
        pieces: list[Piece] = []
        if self._place is _Place.NAME and not self._read_name(cur, announced):
            return None
        while True:
            if self._utf8 and not pieces:
                cur.expect(")")
                self._utf8 = False
            if self._place is _Place.PARTS:
                ended = self._read_parts(cur, announced, pieces)
            else:
                ended = self._read_message(cur, announced, pieces)
            if ended is None:
                self._place, self._index, self._parts, self._utf8 = mark
                return None
            if ended:
                return pieces

    def _read_name(self, cur: Cursor, announced: Announced | None) -> bool:
        """What precedes the first message; False when it ends in a literal of its own."""
        cur.space()
        if self._verb != "APPEND":
            number = 0 if cur.take("*") else cur.nz_number()  # RFC 8508 §3.1
            self._replaces = Replaced(self._verb == "UID REPLACE", number)
            cur.space()
        if cur.at_end() and announced is not None:
            return False
        self._mailbox = cur.mailbox()
        self._place = _Place.MESSAGES
        if cur.at_end():
            raise Bad("Missing message")
        return True

    def _read_message(
        self, cur: Cursor, announced: Announced | None, pieces: list[Piece]
    ) -> bool | None:
        """One append-message, or the end. True: the fragment is used up."""
        if cur.at_end():
            if announced is not None:
                raise Bad("Expected a space")
            pieces.append(AppendEnd(self._tag))
            return True
        if self._index:
            cur.need("MULTIAPPEND")
            if self._replaces is not None:
                raise Bad("REPLACE takes one message")  # RFC 8508 §3.1
            if self._index >= cur.limits.messages:
                raise Bad("Too many messages", "LIMIT", "NO")
        cur.space()
        flags, date = self._read_options(cur)
        start = AppendStart(
            self._tag, self._mailbox, flags, date, 0, True,
            index=self._index, replaces=self._replaces,
        )  # fmt: skip
        self._index += 1
        pieces.append(start)
        if cur.peek() not in ("", "~"):
            word = cur.word()
            if word == "CATENATE":
                cur.need("CATENATE")
                cur.space()
                cur.open()
                start.catenate = True
                self._place, self._parts = _Place.PARTS, 0
                return False
            if word != "UTF8":
                raise Bad("Expected a message")
            self._open_utf8(cur, start)
        self._announce(cur, start, announced)
        return True

    @staticmethod
    def _read_options(cur: Cursor) -> tuple[FlagSet, datetime.datetime | None]:
        flags, date = NO_FLAGS, None
        if cur.peek() == "(":
            flags = cur.flags()
            cur.space()
        if cur.peek() == '"':
            date = date_time(cur)
            cur.space()
        return flags, date

    def _open_utf8(self, cur: Cursor, piece: AppendStart | CatenateText) -> None:
        cur.need("UTF8=ACCEPT")
        cur.space()
        cur.expect("(")
        if cur.peek() != "~":
            raise Bad("Expected a literal8")
        piece.utf8 = self._utf8 = True

    def _announce(
        self, cur: Cursor, piece: AppendStart | CatenateText, announced: Announced | None
    ) -> None:
        """The message literal is announced here; its octets are not in the text."""
        if cur.peek() == "~":
            cur.pos += 1
            if not piece.utf8:
                cur.need("BINARY")  # RFC 3516 §4.4
        if announced is None or not cur.at_end():
            raise Bad("Expected a literal")
        piece.size, piece.sync, piece.binary = announced.size, announced.sync, announced.binary

    def _read_parts(
        self, cur: Cursor, announced: Announced | None, pieces: list[Piece]
    ) -> bool | None:
        """Parts of CATENATE up to a literal, or to the closing parenthesis (False)."""
        while True:
            if self._parts and cur.close():
                self._place = _Place.MESSAGES
                return False
            if self._parts:
                cur.space()
            self._parts += 1
            word = cur.word()
            if word == "UTF8":
                text = CatenateText(self._tag, 0, True)
                self._open_utf8(cur, text)
                self._announce(cur, text, announced)
                pieces.append(text)
                return True
            cur.space()
            if word == "TEXT":
                text = CatenateText(self._tag, 0, True)
                self._announce(cur, text, announced)
                pieces.append(text)
                return True
            if word != "URL":
                raise Bad("Expected TEXT or URL")
            if cur.at_end() and announced is not None:
                return None
            pieces.append(CatenateUrl(self._tag, cur.astring()))
