"""The parameters of MAIL and RCPT, one small function a keyword.

A parser takes the value (None when the keyword came without ``=``) and the fields gathered so
far for ``Sender`` or ``Recipient``; it adds its own or raises Malformed. A keyword is known only
where its extension is offered (``offer``), so the rest is 555 by absence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pillarbox.wire.smtp import xtext
from pillarbox.wire.smtp.grammar import Malformed, parse_mailbox
from pillarbox.wire.smtp.options import Extension

Fields = dict[str, Any]
"""Keyword arguments for the value to be made; ``params`` holds what it has no field for."""
Parser = Callable[[str | None, Fields], None]

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_VALUE = re.compile(r"[!-<>-~\x80-\U0010ffff]+\Z")
_DIGITS = re.compile(r"[0-9]{1,20}\Z")
_BY = re.compile(r"([+-]?)([0-9]{1,9});([NR])T?\Z")
_PRIORITY = re.compile(r"-?[0-9]\Z")
_SECONDS = re.compile(r"[0-9]{1,9}\Z")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]+)?"
    r"(Z|[+-][0-2][0-9]:[0-5][0-9])\Z"
)
_ADDR_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+\Z")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})

MAX_ENVID = 100  # RFC 3461 §4.4
MAX_ORCPT = 500  # RFC 3461 §4.2


def parse_params(text: str, known: Mapping[str, Parser], fields: Fields) -> str:
    """Judge every parameter in ``text``; '' or the first keyword that is not known.

    Each parameter may appear once (RFC 3461 §4.5, RFC 1870 §6, RFC 6710 §4.1 say so for
    theirs; no other is defined to repeat). Raises Malformed.
    """
    seen = set()
    for item in text.split(" "):
        if not item:
            continue
        keyword, equals, value = item.partition("=")
        if _KEYWORD.match(keyword) is None:
            raise Malformed("Malformed parameter")
        if equals and _VALUE.match(value) is None:
            raise Malformed(f"Malformed value of {keyword}")
        keyword = keyword.upper()
        parser = known.get(keyword)
        if parser is None:
            return keyword
        if keyword in seen:
            raise Malformed(f"{keyword} given twice")
        seen.add(keyword)
        parser(value if equals else None, fields)
    return ""


def _flag(value: str | None, keyword: str) -> None:
    if value is not None:
        raise Malformed(f"{keyword} takes no value")


def _keep(fields: Fields, keyword: str, value: str | None) -> None:
    fields.setdefault("params", {})[keyword] = value


def _size(value: str | None, fields: Fields) -> None:  # RFC 1870 §4
    if value is None or _DIGITS.match(value) is None:
        raise Malformed("SIZE needs a number")
    fields["size"] = int(value)


def _body(value: str | None, fields: Fields) -> None:  # RFC 6152 §3
    body = (value or "").upper()
    if body not in ("7BIT", "8BITMIME"):
        raise Malformed("BODY is 7BIT or 8BITMIME")
    fields["body"] = body


def _body_binary(value: str | None, fields: Fields) -> None:  # RFC 3030 §3
    if value is not None and value.upper() == "BINARYMIME":
        fields["body"] = "BINARYMIME"
    else:
        _body(value, fields)


def _smtputf8(value: str | None, fields: Fields) -> None:  # RFC 6531 §3.4
    _flag(value, "SMTPUTF8")
    fields["smtputf8"] = True


def _ret(value: str | None, fields: Fields) -> None:  # RFC 3461 §4.3
    ret = (value or "").upper()
    if ret not in ("FULL", "HDRS"):
        raise Malformed("RET is FULL or HDRS")
    fields["ret"] = ret


def _envid(value: str | None, fields: Fields) -> None:  # RFC 3461 §4.4
    envid = xtext.decode(value or "")
    if not value or len(value) > MAX_ENVID or not envid or not envid.isprintable():
        raise Malformed("Malformed ENVID")
    fields["envid"] = envid


def _auth(value: str | None, fields: Fields) -> None:  # RFC 4954 §5
    auth = xtext.decode(value or "")
    if not auth or (auth != "<>" and parse_mailbox(auth) is None):
        raise Malformed("AUTH is an address or <>")
    fields["auth"] = auth


def _by(value: str | None, fields: Fields) -> None:  # RFC 2852 §4
    match = _BY.match((value or "").upper())
    if match is None:
        raise Malformed("Malformed BY")
    sign, seconds, mode = match.groups()
    if mode == "R" and (sign == "-" or int(seconds) == 0):
        raise Malformed("BY has passed already")  # RFC 2852 §4.1.2
    _keep(fields, "BY", value)


def _hold(keyword: str, grammar: re.Pattern[str]) -> Parser:  # RFC 4865 §4
    def parse(value: str | None, fields: Fields) -> None:
        if grammar.match((value or "").upper()) is None:
            raise Malformed(f"Malformed {keyword}")
        if {"HOLDFOR", "HOLDUNTIL"} & fields.get("params", {}).keys():
            raise Malformed("HOLDFOR and HOLDUNTIL exclude each other")
        _keep(fields, keyword, value)

    return parse


def _priority(value: str | None, fields: Fields) -> None:  # RFC 6710 §3
    if _PRIORITY.match(value or "") is None:
        raise Malformed("MT-PRIORITY is -9 to 9")
    _keep(fields, "MT-PRIORITY", value)


def _requiretls(value: str | None, fields: Fields) -> None:  # RFC 8689 §2
    _flag(value, "REQUIRETLS")
    _keep(fields, "REQUIRETLS", None)


def _notify(value: str | None, fields: Fields) -> None:  # RFC 3461 §4.1
    wanted = frozenset((value or "").upper().split(","))
    if wanted != {"NEVER"} and not wanted <= _NOTIFY:
        raise Malformed("NOTIFY is NEVER or a list of SUCCESS, FAILURE, DELAY")
    fields["notify"] = wanted


def _orcpt(value: str | None, fields: Fields) -> None:  # RFC 3461 §4.2, RFC 6533 §3
    kind, semicolon, coded = (value or "").partition(";")
    if not semicolon or len(value or "") > MAX_ORCPT or _ADDR_TYPE.match(kind) is None:
        raise Malformed("Malformed ORCPT")
    plain = xtext.decode_unitext(coded) if kind.lower() == "utf-8" else xtext.decode(coded)
    if not plain or any(c < " " or c == "\x7f" for c in plain):
        raise Malformed("Malformed ORCPT")
    fields["orcpt"] = f"{kind};{plain}"


SIZE: Mapping[str, Parser] = {"SIZE": _size}
AUTH: Mapping[str, Parser] = {"AUTH": _auth}
DELIVERBY: Mapping[str, Parser] = {"BY": _by}
FUTURERELEASE: Mapping[str, Parser] = {
    "HOLDFOR": _hold("HOLDFOR", _SECONDS),
    "HOLDUNTIL": _hold("HOLDUNTIL", _DATE_TIME),
}
MT_PRIORITY: Mapping[str, Parser] = {"MT-PRIORITY": _priority}

OF_MAIL: Mapping[Extension, Mapping[str, Parser]] = {
    Extension.EIGHTBITMIME: {"BODY": _body},
    Extension.BINARYMIME: {"BODY": _body_binary},  # after 8BITMIME: it widens BODY
    Extension.SMTPUTF8: {"SMTPUTF8": _smtputf8},
    Extension.DSN: {"RET": _ret, "ENVID": _envid},
    Extension.REQUIRETLS: {"REQUIRETLS": _requiretls},
}
OF_RCPT: Mapping[Extension, Mapping[str, Parser]] = {
    Extension.DSN: {"NOTIFY": _notify, "ORCPT": _orcpt},
}
