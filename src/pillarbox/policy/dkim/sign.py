"""Signatures over a message (RFC 6376 §3.5, §5): one a key, each independent of the others.

What is signed twice over is what mattered to whoever reads: a second From, Subject or
Content-Type put in front of a signed message breaks the signature (§8.15).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pillarbox.message import header
from pillarbox.policy.dkim.canon import relaxed_field, simple_field
from pillarbox.policy.dkim.keys import Key

OVERSIGNED = (
    *(b"from", b"to", b"cc", b"subject", b"date", b"reply-to", b"message-id"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)
"""Signed once more than they occur: none can be added."""
SIGNED = (
    *(b"sender", b"in-reply-to", b"references", b"content-id", b"content-description"),
    *(b"resent-date", b"resent-from", b"resent-sender", b"resent-to", b"resent-cc"),
    *(b"resent-message-id", b"list-id", b"list-help", b"list-unsubscribe", b"list-subscribe"),
    *(b"list-unsubscribe-post", b"list-post", b"list-owner", b"list-archive", b"auto-submitted"),
)
"""Signed as often as they occur (§5.4.1)."""

_LINE = 72


@dataclass(frozen=True, slots=True)
class Form:
    """How a signature is made. ``expire``: seconds it is good for, 0 for ever."""

    relaxed_header: bool = True
    relaxed_body: bool = True
    expire: int = 0

    @property
    def tag(self) -> str:
        """``c=`` (§3.5)."""
        names = {True: "relaxed", False: "simple"}
        return f"{names[self.relaxed_header]}/{names[self.relaxed_body]}"


RELAXED = Form()


def names_to_sign(fields: Iterable[header.Field]) -> list[bytes]:
    """The ``h=`` tag for a header."""
    present = [field.name for field in fields]
    once = [name for name in SIGNED for _ in range(present.count(name))]
    return [name for name in OVERSIGNED for _ in range(present.count(name) + 1)] + once


def canonical_header(
    head: bytes, names: Sequence[bytes], signature: bytes, *, relaxed: bool
) -> bytes:
    """What the hash is over (§3.7): the named fields, each name taking the next one from the
    bottom (§5.4.2), then the signature field itself with an empty ``b=`` and no line end.
    """
    waiting: dict[bytes, list[bytes]] = {}
    for field in header.section(head, 0, len(head)).fields:
        waiting.setdefault(field.name, []).append(head[field.start : field.end])
    out = []
    for name in names:
        found = waiting.get(name)
        if found:  # a name that does not occur counts as nothing (§5.4)
            raw = found.pop()
            out.append(relaxed_field(name, raw) if relaxed else simple_field(raw))
    own = relaxed_field(b"dkim-signature", signature) if relaxed else simple_field(signature)
    return b"".join([one + b"\r\n" for one in out]) + own


def sign(head: bytes, body_hash: bytes, key: Key, *, now: float, form: Form = RELAXED) -> bytes:
    """The DKIM-Signature field with its CRLF, to be put in front of the message.

    ``head``: the header section, CRLF line ends. ``body_hash``: of ``canon.BodyHash`` in the
    same form. ``now`` in seconds since 1970.
    """
    names = names_to_sign(header.section(head, 0, len(head)).fields)
    tags = [
        *("v=1", f"a={key.algorithm.value}", f"c={form.tag}", f"d={key.domain}"),
        *(f"s={key.selector}", f"t={int(now)}"),
        *([f"x={int(now) + form.expire}"] if form.expire else []),
        "h=" + ":".join(name.decode("ascii") for name in names),
        "bh=" + base64.b64encode(body_hash).decode("ascii"),
    ]
    unsigned = _fold(tags)
    data = canonical_header(head, names, unsigned, relaxed=form.relaxed_header)
    signature = base64.b64encode(key.sign(data)).decode("ascii")
    pieces = [signature[at : at + _LINE] for at in range(0, len(signature), _LINE)]
    return unsigned + "".join([f"\r\n\t{one}" for one in pieces]).encode("ascii") + b"\r\n"


def _fold(tags: Sequence[str]) -> bytes:
    """The field up to and with ``b=``, folded at tags and at the colons of ``h=``."""
    lines = ["DKIM-Signature:"]
    for tag in [*(f"{tag};" for tag in tags), "b="]:
        first, *more = tag.split(":")
        for n, word in enumerate([first, *(f":{word}" for word in more)]):
            gap = " " if n == 0 else ""
            if len(lines[-1]) + len(gap) + len(word) > _LINE:
                lines.append(f"\t{word}")
            else:
                lines[-1] += gap + word
    return "\r\n".join(lines).encode("ascii")
