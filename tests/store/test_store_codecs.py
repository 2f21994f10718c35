"""What goes into rows comes out the same."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.errors import Permanent
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Local, Peer, Recipient, Remote, Role, Sender
from pillarbox.store.blobs import codec
from pillarbox.store.sqlite.envelope import freeze, freeze_reply, thaw, thaw_reply
from support.storekit import envelope

words = st.text(max_size=12)
params = st.dictionaries(words, st.one_of(st.none(), words), max_size=2)
addresses = st.builds(Address, words, words)
routes = st.one_of(
    st.builds(Local, st.integers(0, 9), words, words, words), st.builds(Remote, words)
)
envelopes = st.builds(
    Envelope,
    st.builds(
        Sender,
        st.one_of(st.none(), addresses),
        st.one_of(st.none(), st.integers(0, 1 << 40)),
        st.sampled_from(["7BIT", "8BITMIME"]),
        st.booleans(),
        words,
        words,
        words,
        params,
    ),
    st.lists(
        st.builds(
            Recipient,
            addresses,
            st.lists(routes, max_size=3).map(tuple),
            st.frozensets(st.sampled_from(["NEVER", "DELAY"])),
            words,
            params,
        ),
        max_size=3,
    ).map(tuple),
    st.sampled_from(list(Role)),
    st.builds(Peer, words, st.integers(0, 65535), words, words, words, words),
    st.floats(0, 1e12),
    words,
)


@given(envelopes)
def test_envelopes(value: Envelope) -> None:
    frozen = freeze(value)
    assert frozen.isascii()
    assert thaw(frozen) == value


def test_bytes_that_were_no_text_survive_in_envelopes() -> None:
    value = replace(envelope("a\udcff@x.example"), id="\udc80")
    assert thaw(freeze(value)) == value


def test_rows_of_other_versions_can_be_read() -> None:
    frozen = json.loads(freeze(envelope("bob@x.example")))
    frozen["invented"] = 1
    frozen["peer"]["invented"] = 2
    frozen["sender"]["invented"] = 3
    frozen["recipients"][0]["invented"] = 4
    frozen["recipients"][0]["routes"][0][1]["invented"] = 5
    assert thaw(json.dumps(frozen)) == envelope("bob@x.example")


def test_replies() -> None:
    assert thaw_reply(freeze_reply(None)) is None
    reply = Reply(451, "4.1.1", 'läter "quoted"\udcff')
    assert thaw_reply(freeze_reply(reply)) == reply


@given(st.binary(max_size=3000), st.integers(1, 40))
def test_bodies(data: bytes, times: int) -> None:
    whole = data * times
    kind, kept = codec.encode(memoryview(whole))
    assert len(kept) <= len(whole)
    assert codec.decode(kind, kept, len(whole)) == whole


def test_compression_must_pay() -> None:
    assert codec.encode(b"a" * 100)[0] == codec.PLAIN
    assert codec.encode(random.Random(1).randbytes(5000))[0] == codec.PLAIN
    kind, kept = codec.encode(b"mail is text, text is mail\r\n" * 50)
    assert kind == codec.ZSTD
    assert len(kept) < 200


def test_damaged_bodies_are_noticed() -> None:
    kind, kept = codec.encode(b"mail is text, text is mail\r\n" * 50)
    with pytest.raises(Permanent):
        codec.decode(kind, kept[:-5], 1400)
    with pytest.raises(Permanent):
        codec.decode(kind, b"nonsense", 1400)
    with pytest.raises(Permanent):
        codec.decode(77, kept, 1400)


def test_many_bodies_at_once() -> None:
    bodies = [b"mail is text, text is mail\r\n" * n for n in range(40)]
    kinds, kept = zip(*[codec.encode(body) for body in bodies], strict=True)
    assert {codec.PLAIN, codec.ZSTD} == set(kinds)
    sizes = [len(body) for body in bodies]
    assert codec.decode_all(kinds, kept, sizes) == bodies
    assert codec.decode_all((codec.PLAIN, codec.ZSTD), (None, None), (5, 6)) == [None, None]
    assert codec.decode_all((), (), ()) == []
    for damaged in (kept[-1][:-5], b"nonsense"):
        with pytest.raises(Permanent):
            codec.decode_all(kinds, (*kept[:-1], damaged), sizes)
    with pytest.raises(Permanent):
        codec.decode_all((*kinds[:-1], 77), kept, sizes)
    with pytest.raises(Permanent):
        codec.decode_all(kinds, kept, [*sizes[:-1], sizes[-1] - 1])
