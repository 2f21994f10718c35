"""Large bodies: staged, placed, removed, and never left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.base.ids import SeededRng
from pillarbox.store.api import Target
from pillarbox.store.blobs.files import FileBodies, FileContent
from pillarbox.store.blobs.inline import BytesContent
from support.storekit import ALL, Kit, open_kit


def found(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


@pytest.fixture
def bodies(tmp_path: Path) -> FileBodies:
    made = FileBodies(tmp_path / "blobs", 100, SeededRng(1))
    made.prepare()
    return made


async def staged(bodies: FileBodies, size: int, expected: int = 0) -> BytesContent | FileContent:
    staging = bodies.stage(expected)
    for _ in range(size):
        staging.write(b"f")
    content = await staging.finish()
    staging.discard()  # a caller's finally: the content is not its own any more
    return content


async def test_small_ones_never_touch_the_disk(bodies: FileBodies, tmp_path: Path) -> None:
    for size, expected in ((0, 0), (100, 0), (100, 100), (50, 1000)):
        content = await staged(bodies, size, expected)
        assert isinstance(content, BytesContent)
        assert bytes(content.view()) == b"f" * size
        assert found(tmp_path) == []


@pytest.mark.parametrize("size", [0, 50, 100, 101, 9 << 20])
@pytest.mark.parametrize("expected", [0, 1000])
async def test_what_comes_to_the_front_at_the_end(
    bodies: FileBodies, tmp_path: Path, size: int, expected: int
) -> None:
    staging = bodies.stage(expected)
    staging.write(b"f" * size)
    content = await staging.finish(b"front\r\n")
    assert content.size == size + 7
    assert bytes(content.view()) == b"front\r\n" + b"f" * size
    assert len(found(tmp_path)) == (size > 100)
    content.discard()
    assert found(tmp_path) == []


async def test_no_room_for_the_front(bodies: FileBodies, tmp_path: Path) -> None:
    staging = bodies.stage(0)
    staging.write(b"f" * 101)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sendfile", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(Temporary):
            await staging.finish(b"front\r\n")
    staging.discard()
    assert found(tmp_path) == []


async def test_a_file_is_placed_once(bodies: FileBodies, tmp_path: Path) -> None:
    content = await staged(bodies, 101)
    assert isinstance(content, FileContent)
    assert len(found(tmp_path)) == 1
    name = bodies.place(content)
    assert found(tmp_path) == [f"blobs/{name}"]
    assert bodies.place(content) == name
    assert bodies.read(name, 0, 1000) == bytes(content.view()) == b"f" * 101
    assert bodies.read(name, 99, 1000) == b"ff"
    other = await staged(bodies, 101)
    assert isinstance(other, FileContent)
    twin = bodies.place(other)
    assert twin != name  # equal bytes, two files
    bodies.remove([name, "00/unknown"])
    assert found(tmp_path) == [f"blobs/{twin}"]
    with pytest.raises(Permanent):
        bodies.read(name, 0, 1)


async def test_discarding(bodies: FileBodies, tmp_path: Path) -> None:
    for place in (False, True):
        content = await staged(bodies, 200)
        assert isinstance(content, FileContent)
        if place:
            bodies.place(content)
        view = content.view()
        content.discard()
        content.discard()
        assert found(tmp_path) == []
        assert bytes(view) == b"f" * 200  # whoever still reads may finish


async def test_a_held_file_waits_for_the_verdict(bodies: FileBodies, tmp_path: Path) -> None:
    for taken in (True, False):
        content = await staged(bodies, 200)
        assert isinstance(content, FileContent)
        content.hold()
        content.discard()
        assert len(found(tmp_path)) == 1
        content.settle(taken)
        assert len(found(tmp_path)) == int(taken)
        content.discard()
        assert len(found(tmp_path)) == int(taken)
        content.path.unlink(missing_ok=True)


async def test_giving_up_while_writing(bodies: FileBodies, tmp_path: Path) -> None:
    staging = bodies.stage(0)
    staging.write(b"x" * 300)
    assert len(found(tmp_path)) == 1
    staging.discard()
    staging.discard()
    assert found(tmp_path) == []


async def test_a_disk_that_refuses(bodies: FileBodies, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "staging").rmdir()
    with pytest.raises(Temporary):
        bodies.stage(1000)
    staging = bodies.stage(0)
    staging.write(b"x" * 100)
    with pytest.raises(Temporary):
        staging.write(b"x")
    staging.discard()
    bodies.prepare()
    content = await staged(bodies, 500)
    assert isinstance(content, FileContent)
    content.path.unlink()
    with pytest.raises(Temporary):
        bodies.place(content)


async def test_sweeping(bodies: FileBodies, tmp_path: Path) -> None:
    names = []
    for size in (200, 300, 400):
        content = await staged(bodies, size)
        assert isinstance(content, FileContent)
        names.append(bodies.place(content))
    await staged(bodies, 500)
    assert len(found(tmp_path)) == 4
    bodies.prepare()
    assert len(found(tmp_path)) == 3
    assert bodies.sweep({names[0], names[2]}) == 1
    assert found(tmp_path) == sorted(f"blobs/{name}" for name in (names[0], names[2]))


async def large(kit: Kit) -> int:
    box = await kit.box(await kit.account())
    return (await kit.put(box, body=b"L" * 30_000)).blob


async def test_opening_clears_what_no_row_names(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    blob = await large(kit)
    blobs = tmp_path / "blobs"
    (kept,) = found(blobs)
    await kit.message(b"s" * 9000)  # staged and forgotten
    (blobs / "ab" / "cd-orphan").write_bytes(b"orphan")
    await kit.store.close()
    assert len(found(blobs)) == 3
    again = await open_kit("sqlite", tmp_path)
    assert found(blobs) == [kept]
    assert await again.store.read(blob) == b"L" * 30_000
    await again.store.close()


async def test_the_last_reference_takes_the_file_along(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    target = Target(ann.id, inbox.id)
    await kit.store.accept(await kit.message(b"L" * 30_000), [target, target])
    await kit.store.copy(ann.id, inbox.id, ALL, ann.id, junk.id)
    blobs = tmp_path / "blobs"
    assert len(found(blobs)) == 1
    await kit.store.expunge(ann.id, inbox.id, None, only_deleted=False)
    await kit.store.purge(kit.clock.time + 1, 0)
    await asyncio.sleep(0.01)
    assert len(found(blobs)) == 1
    await kit.store.expunge(ann.id, junk.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time + 1, 0) == 30_000
    await kit.store.close()  # removals are finished before it returns
    assert found(blobs) == []


async def test_a_refused_file_is_the_callers(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    ann = await kit.account(quota=10)
    inbox = await kit.box(ann)
    message = await kit.message(b"L" * 30_000)
    await kit.store.accept(message, [Target(ann.id, inbox.id)])
    assert len(found(tmp_path / "blobs")) == 1
    message.content.discard()
    assert found(tmp_path / "blobs") == []
    await kit.store.close()


class Foreign:
    """A Content that the store did not make."""

    size = 20_000

    def view(self) -> memoryview:
        return memoryview(b"F" * self.size)

    def discard(self) -> None:
        """Nothing here."""


async def test_foreign_contents_are_kept_too(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    ann = await kit.account()
    inbox = await kit.box(ann)
    message = await kit.message()
    message.content = Foreign()
    (done,) = await kit.store.accept(message, [Target(ann.id, inbox.id)])
    assert await kit.store.read(done.blob) == b"F" * 20_000  # type: ignore[union-attr]
    (refused,) = await kit.store.accept(message, [Target(ann.id, 999)])
    assert refused
    await kit.store.close()
    assert len(found(tmp_path / "blobs")) == 1
