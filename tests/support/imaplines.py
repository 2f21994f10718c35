"""One way to say each command of IMAP."""

from __future__ import annotations

LINES = {
    "ID": "NIL", "AUTHENTICATE": "PLAIN", "LOGIN": "a b", "ENABLE": "CONDSTORE", "SELECT": "x",
    "EXAMINE": "x", "CREATE": "x", "DELETE": "x", "RENAME": "x y", "SUBSCRIBE": "x",
    "UNSUBSCRIBE": "x", "LIST": '"" *', "LSUB": '"" *', "STATUS": "x (MESSAGES)",
    "APPEND": "x {3+}", "UID EXPUNGE": "1", "SEARCH": "ALL", "UID SEARCH": "ALL",
    "FETCH": "1 FLAGS", "UID FETCH": "1 FLAGS", "STORE": "1 FLAGS ()", "UID STORE": "1 FLAGS ()",
    "COPY": "1 x", "UID COPY": "1 x", "MOVE": "1 x", "UID MOVE": "1 x",
    "REPLACE": "1 x {3+}", "UID REPLACE": "1 x {3+}", "SORT": "(DATE) UTF-8 ALL",
    "UID SORT": "(DATE) UTF-8 ALL", "THREAD": "REFERENCES UTF-8 ALL",
    "UID THREAD": "REFERENCES UTF-8 ALL", "CANCELUPDATE": '"a"', "UIDBATCHES": "500",
    "FILTER": "SIEVE DELIVERY ALL", "UID FILTER": "SIEVE SCRIPT \"keep;\" ALL",
    "COMPRESS": "DEFLATE", "NOTIFY": "NONE", "ESEARCH": "ALL", "GETMETADATA": '"" /shared/x',
    "SETMETADATA": '"" (/shared/x NIL)', "SETACL": "x anyone lr", "DELETEACL": "x anyone",
    "GETACL": "x", "LISTRIGHTS": "x anyone", "MYRIGHTS": "x", "GETQUOTA": '""',
    "GETQUOTAROOT": "x", "SETQUOTA": '"" ()',
}  # fmt: skip


def line(name: str) -> bytes:
    """A command with the tag t; a literal it announces is not in it."""
    rest = LINES.get(name)
    return f"t {name} {rest}\r\n".encode() if rest else f"t {name}\r\n".encode()
