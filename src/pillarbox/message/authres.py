"""Authentication-Results (RFC 8601): written, read, and taken out where it is forged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from pillarbox.message import compose, header
from pillarbox.model.verdict import Finding

FIELD = "Authentication-Results"
NAME = b"authentication-results"
LONGEST = 8192
"""Octets of a field that are read."""
MOST = 100
"""Results of a field that are read."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~@-]+\Z")
_UNFIT = re.compile(r"[^\x20-\x7e]")
_LONGEST_VALUE = 320
_SPACE = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s();"=]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PAREN = re.compile(r"\\.|[()]", re.DOTALL)


class _Sign(Enum):
    """What stands between words. The same character in a quoted string is only a word."""

    END = ";"
    IS = "="


def text(server: str, findings: Sequence[Finding]) -> str:
    """The value of the field on one line, from the authserv-id on; all printable US-ASCII."""
    if not findings:
        return f"{server}; none"
    return "; ".join([server, *map(_result, findings)])


def field(server: str, findings: Sequence[Finding]) -> bytes:
    """The whole field, folded, with its line end."""
    return compose.raw_field(FIELD, text(server, findings).encode("ascii"))


def _result(finding: Finding) -> str:
    words = [f"{finding.method}={finding.result}"]
    if finding.reason:
        words.append(f"reason={_quoted(finding.reason)}")
    words += [f"{name}={_value(value)}" for name, value in finding.properties]
    return " ".join(words)


def _value(value: str) -> str:
    return value if _TOKEN.match(value) else _quoted(value)


def _quoted(value: str) -> str:
    fit = _UNFIT.sub("?", value[:_LONGEST_VALUE])
    return '"' + re.sub(r'(["\\])', r"\\\1", fit) + '"'


def server_of(value: str) -> tuple[str, str] | None:
    """The authserv-id (lower-case) and the version that a field claims ('1' where it says none);
    None when the field makes no sense."""
    words = _words(value)
    if not words or isinstance(words[0], _Sign):
        return None
    version = words[1] if len(words) > 1 else _Sign.END
    return words[0].lower(), "1" if isinstance(version, _Sign) else version


def without_forged(head: bytes, server: str) -> bytes:
    """The header without the fields that claim to be ours (§5), whatever their spelling, and
    those of a version that nobody knows. The same object when there is none."""
    kept, at = [], 0
    for one in header.section(head, 0, len(head), header.NO_LIMIT, header.NO_LIMIT).fields:
        if one.name == NAME and _forged(header.value(head, one), server.lower()):
            kept.append(head[at : one.start])
            at = one.end
    return b"".join([*kept, head[at:]]) if at else head


def _forged(value: bytes, server: str) -> bool:
    decoded = value[:LONGEST].decode("utf-8", "replace")
    claimed = server_of(decoded)
    if claimed is None or claimed[1] != "1":
        return True
    return claimed[0] == server


def read(value: str) -> tuple[Finding, ...]:
    """The results of a field, whoever wrote it; what makes no sense is left out."""
    found: list[Finding] = []
    results: list[list[str | _Sign]] = [[]]
    for word in _words(value):
        if word is _Sign.END:
            results.append([])
        else:
            results[-1].append(word)
    for words in results[1 : MOST + 1]:
        pairs = [
            (name.lower(), said)
            for name, sign, said in zip(words, words[1:], words[2:], strict=False)
            if sign is _Sign.IS and isinstance(name, str) and isinstance(said, str)
        ]
        if not pairs:
            continue
        (method, result), rest = pairs[0], pairs[1:]
        reason = next((said for name, said in rest if name == "reason"), "")
        properties = tuple((name, said) for name, said in rest if "." in name)
        found.append(Finding(method.partition("/")[0], result.lower(), reason, properties))
    return tuple(found)


def _words(value: str) -> list[str | _Sign]:
    """Words and what stands between them; comments are gone, quoted strings are their content."""
    words: list[str | _Sign] = []
    value, at = value[:LONGEST], 0
    while at < len(value):
        space = _SPACE.match(value, at)
        at = space.end() if space else at
        if at >= len(value):
            break
        if value[at] == "(":
            at = _comment_end(value, at)
        elif value[at] in ";=":
            words.append(_Sign(value[at]))
            at += 1
        else:
            word = _WORD.match(value, at)
            if word is None:  # a stray quote or parenthesis
                at += 1
                continue
            words.append(word[2] if word[1] is None else _ESCAPED.sub(r"\1", word[1]))
            at = word.end()
    return words


def _comment_end(value: str, at: int) -> int:
    depth = 0
    for paren in _PAREN.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(paren[0], 0)
        if not depth and paren[0] == ")":
            return paren.end()
    return len(value)
