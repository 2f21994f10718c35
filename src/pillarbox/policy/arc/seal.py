"""Adding a set to a message that is passed on (RFC 8617 §5.1)."""

from __future__ import annotations

import base64

from pillarbox.policy.arc.sets import MESSAGE, MOST, Set, read_seal, read_sets
from pillarbox.policy.arc.verify import Verdict, sealed
from pillarbox.policy.dkim.canon import Head
from pillarbox.policy.dkim.keys import Key
from pillarbox.policy.dkim.sign import OVERSIGNED, SIGNED, finished, fold
from pillarbox.policy.dkim.tags import Malformed


def seal(
    head: bytes, body_hash: bytes, key: Key, *, results: str, status: Verdict, now: float
) -> bytes:
    """The three fields to put in front; b'' where nothing may be added.

    ``head``: the header section as it will leave, CRLF line ends. ``body_hash``: of the body in
    relaxed form. ``results``: our own Authentication-Results, from the authserv-id on, printable
    and on one line. ``status``: what validating the chain brought. ``now``: seconds since 1970.
    """
    fields = Head(head)
    try:
        sets = read_sets(fields)
        if sets and read_seal(fields.fields[sets[-1].seal][1]).status == "fail":
            return b""  # §5.1 step 2
    except Malformed:
        return b""  # no number can be given to a set on top of that
    if sets and status is Verdict.NONE:
        return b""  # nobody validated what is there
    instance = len(sets) + 1
    if instance > MOST:
        return b""
    by = (f"a={key.algorithm.value}", f"d={key.domain}", f"s={key.selector}", f"t={int(now)}")
    names = _names(fields)
    first = f"ARC-Authentication-Results: i={instance}; {results}\r\n".encode()
    second = fold(
        "ARC-Message-Signature",
        [
            *(f"i={instance}", *by[:1], "c=relaxed/relaxed", *by[1:]),
            "h=" + ":".join(name.decode("ascii") for name in names),
            "bh=" + base64.b64encode(body_hash).decode("ascii"),
        ],
    )
    second = finished(second, key.sign(fields.canonical(names, MESSAGE, second, relaxed=True)))
    third = fold("ARC-Seal", [f"i={instance}", *by, f"cv={status.value}"])
    if status is Verdict.FAIL:  # §5.1.2: as if ours were the only one
        data = sealed(Head(third + b"\r\n" + second + first), [Set(instance, 2, 1, 0)], third)
    else:
        whole = Head(third + b"\r\n" + second + first + head)
        data = sealed(whole, read_sets(whole), third)
    return finished(third, key.sign(data)) + second + first


def _names(fields: Head) -> list[bytes]:
    """What DKIM would sign, and the DKIM signatures (§4.1.2)."""
    present = [name for name, _ in fields.fields]
    once = [name for name in (*SIGNED, b"dkim-signature") for _ in range(present.count(name))]
    return [name for name in OVERSIGNED for _ in range(present.count(name) + 1)] + once
