"""Signatures over a message (RFC 6376 §3.5, §5): one a key, each independent of the others.

What is signed twice over is what mattered to whoever reads: a second From, Subject or
Content-Type put in front of a signed message breaks the signature (§8.15).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.policy.dkim.canon import Head
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


def names_to_sign(head: Head) -> list[bytes]:
    """The ``h=`` tag for a header."""
    present = [name for name, _ in head.fields]
    once = [name for name in SIGNED for _ in range(present.count(name))]
    return [name for name in OVERSIGNED for _ in range(present.count(name) + 1)] + once


def sign(head: bytes, body_hash: bytes, key: Key, *, now: float, form: Form = RELAXED) -> bytes:
    """The DKIM-Signature field with its CRLF, to be put in front of the message.

    ``head``: the header section, CRLF line ends. ``body_hash``: of ``canon.BodyHash`` in the
    same form. ``now`` in seconds since 1970.
    """
    fields = Head(head)
    names = names_to_sign(fields)
    tags = [
        *("v=1", f"a={key.algorithm.value}", f"c={form.tag}", f"d={key.domain}"),
        *(f"s={key.selector}", f"t={int(now)}"),
        *([f"x={int(now) + form.expire}"] if form.expire else []),
        "h=" + ":".join(name.decode("ascii") for name in names),
        "bh=" + base64.b64encode(body_hash).decode("ascii"),
    ]
    unsigned = fold("DKIM-Signature", tags)
    data = fields.canonical(names, b"dkim-signature", unsigned, relaxed=form.relaxed_header)
    return finished(unsigned, key.sign(data))


def finished(unsigned: bytes, signature: bytes) -> bytes:
    """The field with its signature and line end."""
    text = base64.b64encode(signature).decode("ascii")
    pieces = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return unsigned + "".join([f"\r\n\t{one}" for one in pieces]).encode("ascii") + b"\r\n"


def fold(name: str, tags: Sequence[str]) -> bytes:
    """A signature field up to and with ``b=``, folded at tags and at the colons of ``h=``."""
    lines = [f"{name}:"]
    for tag in [*(f"{tag};" for tag in tags), "b="]:
        first, *more = tag.split(":")
        for n, word in enumerate([first, *(f":{word}" for word in more)]):
            gap = " " if n == 0 else ""
            if len(lines[-1]) + len(gap) + len(word) > _LINE:
                lines.append(f"\t{word}")
            else:
                lines[-1] += gap + word
    return "\r\n".join(lines).encode("ascii")
