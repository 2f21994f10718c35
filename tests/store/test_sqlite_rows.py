"""Bodies are unfolded by threads, ahead of whoever reads them."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from pillarbox.base.errors import Permanent
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Column, Target
from pillarbox.store.sqlite.store import DATABASE
from support.storekit import ALL, Kit, open_kit

COLUMNS = (Column.BODY, Column.UID, Column.PREVIEW)


def body(number: int) -> bytes:
    """Some pack well, some not at all; some lie in files (``storekit.INLINE``)."""
    return b"%d words in a line\r\n" % number * (number * 7 % 300)


async def filled(kit: Kit, count: int) -> Mailbox:
    box = await kit.box(await kit.account())
    messages = [await kit.message(body(n)) for n in range(1, count + 1)]
    target = Target(box.account, box.id)
    await kit.store.append_many([(message, target) for message in messages])
    return box


async def test_bodies_come_in_order_and_in_bounded_batches(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    box = await filled(kit, 600)
    batches = [batch async for batch in kit.store.rows(box.account, box.id, ALL, COLUMNS)]
    inline = [len(body(n)) <= 4096 for n in range(1, 601)]
    assert [row for batch in batches for row in batch] == [
        (body(n) if here else None, n, "pré") for n, here in enumerate(inline, 1)
    ]
    octets = [sum(len(row[0] or b"") for row in batch) for batch in batches]  # type: ignore[arg-type,misc]
    assert len(octets) > 1
    assert max(octets) < 384 * 1024 + 100 * 4096
    await kit.store.close()


async def test_whoever_stops_in_between_leaves_nothing_behind(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    box = await filled(kit, 600)
    rows = kit.store.rows(box.account, box.id, ALL, COLUMNS)
    first = await anext(rows)
    await rows.aclose()  # type: ignore[attr-defined]
    assert first[0] == (body(1), 1, "pré")
    again = [
        row async for batch in kit.store.rows(box.account, box.id, ALL, COLUMNS) for row in batch
    ]
    assert len(again) == 600
    await kit.store.close()


async def test_a_damaged_body_is_told_after_those_before_it(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    box = await filled(kit, 600)
    await kit.store.close()
    db = apsw.Connection(str(tmp_path / DATABASE))
    db.execute(
        "UPDATE body SET data = substr(data, 1, 12) WHERE blob ="
        " (SELECT blob FROM msg JOIN blob ON blob.id = msg.blob WHERE codec = 1 AND uid > 560)"
    )
    db.close()
    kit = await open_kit("sqlite", tmp_path)
    seen: list[object] = []

    async def read() -> None:
        async for batch in kit.store.rows(box.account, box.id, ALL, COLUMNS):
            seen.extend(batch)

    with pytest.raises(Permanent):
        await read()
    assert 0 < len(seen) <= 560
    await kit.store.close()
