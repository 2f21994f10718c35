"""What a delivery report says that somebody else wrote (RFC 3464): bytes in, failures out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.message import header
from pillarbox.message.octets import Readable, readable
from pillarbox.message.scan import scan

_STATUS = re.compile(rb"\d\.\d{1,3}\.\d{1,3}")
_REPORTS = {(b"message", b"delivery-status"), (b"message", b"global-delivery-status")}
_MOST = 100
"""Recipients of one report that are looked at."""
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient whose mail finally failed: the status code (RFC 3463) and the words, '' where
    the report has none."""

    status: str
    text: str = ""


def failures(data: Readable) -> list[Failure]:
    """Those that a message reports; [] when it is no report, or one of other things."""
    octets = readable(data)
    for part in scan(octets).root.walk():
        if part.type == b"message" and part.subtype in {
            b"delivery-status",
            b"global-delivery-status",
        }:
            return _groups(bytes(octets[part.body_start : part.body_end]))
    return []


def _groups(body: bytes) -> list[Failure]:
    """RFC 3464 §2.3: a group of fields a recipient, after that of the message."""
    found = []
    for group in re.split(rb"\r?\n(?:\r?\n)+", body.strip())[1 : _MOST + 1]:
        fields = group + b"\r\n\r\n"
        action = (header.first(fields, b"action") or b"").strip().lower()
        status = _STATUS.search(header.first(fields, b"status") or b"")
        if action == b"failed" and status is not None:
            words = (header.first(fields, b"diagnostic-code") or b"").partition(b";")[2]
            text = words.strip().decode("utf-8", "replace")[:_LONGEST]
            found.append(Failure(status[0].decode("ascii"), text))
    return found
