"""From octets in some charset to text, always.

The order is: the declared charset, UTF-8, windows-1252. Nothing is guessed from statistics: on
the short texts of mail, guessing is wrong too often. What mail calls a charset is mapped to what
Python calls a codec; supersets are taken where senders use them under the smaller name (GB 18030
for GB 2312, windows-1252 for ISO 8859-1), as the WHATWG Encoding Standard does.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_NAME = re.compile(r"[a-z0-9][a-z0-9_.:+-]{0,63}")
_CODE_PAGE = re.compile(r"(?:x-|cs)?(?:cp|windows|win|ibm|ms)[-_]?(\d{3,5})")
_ISO_8859 = re.compile(r"(?:x-)?iso[-_]?8859[-_]?(\d{1,2})(?:[-_:][ie]|[-_:]\d{4})?")

_ALIASES = {
    "ansi": "cp1252",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "cn-big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "chinese": "gb18030",
    "cn-gb": "gb18030",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "hz-gb-2312": "hz",
    "euc-kr": "cp949",
    "ks_c_5601": "cp949",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601-1989": "cp949",
    "ksc_5601": "cp949",
    "ksc5601": "cp949",
    "x-windows-949": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "macintosh": "mac_roman",
    "mac": "mac_roman",
    "x-mac-roman": "mac_roman",
    "x-mac-ce": "mac_latin2",
    "x-mac-centraleurroman": "mac_latin2",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-greek": "mac_greek",
    "x-mac-icelandic": "mac_iceland",
    "x-mac-turkish": "mac_turkish",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "x-eucjp": "euc_jp",
    "tis-620": "cp874",
    "unicode-1-1-utf-7": "utf_7",
    "unicode-1-1-utf-8": "utf_8",
    "utf8mb4": "utf_8",
    "x-utf-8": "utf_8",
}
# Written for other ends than mail; idna and punycode are also slow on long input.
_NOT_CHARSETS = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
# Names for "some octets" say nothing, and US-ASCII with the eighth bit set is a lie: both go on
# to UTF-8. (ISO 2022-CN has no codec in Python and ends there too.)
_UNSPECIFIED = frozenset({"ascii", "646"})
_ISO_8859_SUPERSETS = {1: "cp1252", 9: "cp1254", 11: "cp874"}


@lru_cache(maxsize=512)
def codec(name: bytes) -> str | None:
    """The Python codec for a charset name from mail; None if unknown or meaningless."""
    text = name.decode("ascii", "replace").strip(" \t\r\n\"'").lower()
    if not _NAME.fullmatch(text):
        return None
    wanted = _ALIASES.get(text)
    if wanted is None and (page := _CODE_PAGE.fullmatch(text)):
        wanted = "cp" + page[1]
    if wanted is None and (iso := _ISO_8859.fullmatch(text)):
        number = int(iso[1])
        wanted = _ISO_8859_SUPERSETS.get(number, f"iso8859_{number}")
    try:
        found = codecs.lookup(wanted or text).name
    except (LookupError, ValueError):
        return None
    return found if found not in _NOT_CHARSETS | _UNSPECIFIED and _makes_text(found) else None


def _makes_text(name: str) -> bool:
    """False for the codecs from bytes to bytes (base64, zlib)."""
    try:
        b"a".decode(name)
    except UnicodeError:
        pass  # it would, of other octets
    except LookupError:
        return False
    return True


def decode(data: bytes, declared: bytes | None = None) -> str:
    """Text of ``data``; total.

    A few broken octets under a charset that otherwise fits become U+FFFD rather than turning the
    whole text into windows-1252.
    """
    name = codec(declared) if declared else None
    if name is None and data.isascii():
        return data.decode("ascii")
    for candidate in (name, "utf_8") if name and name != "utf-8" else ("utf_8",):
        try:
            return _whole(data.decode(candidate), candidate)
        except UnicodeError:
            pass
    if name is not None:
        text = _replacing(data, name)
        if text.count("\ufffd") * 10 <= len(text):
            return text
    return data.decode("cp1252", "replace")


def _replacing(data: bytes, name: str) -> str:
    try:
        return _whole(data.decode(name, "replace"), name)
    except UnicodeError:  # a codec that knows only strict
        return "\ufffd"


def _whole(text: str, name: str) -> str:
    """UTF-7 lets half a surrogate pair through, which no UTF-8 can hold."""
    if name != "utf-7":
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def decode_raw(data: bytes, hint: bytes | None = None) -> str:
    """Text of header bytes that declare no charset: UTF-8 (RFC 6532 §3.2), else the hint's.

    ``hint`` is the charset of the body beside which the header stands; old mailers that put raw
    octets in a header wrote both in the same charset.
    """
    try:
        return data.decode("utf-8")
    except UnicodeError:
        return decode(data, hint)
