"""Names on disk: their modes, their links, and what threads do to them at the same time."""

import asyncio
import os
import stat
from datetime import date
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch, ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.errors.operations import NameRefused
from media_analysis.storage.copying import delete_copies
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import MARKER_NAME
from tests.storage.conftest import create, get, open_names, put

KEY = "uploads/2026-01-01/a.bin"


@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_modes_do_not_depend_on_the_umask(disk: DiskStore, umask: int) -> None:
    before = os.umask(umask)
    try:
        await put(disk, KEY)
    finally:
        os.umask(before)

    path = disk.root / KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]] == [0o755, 0o755]


async def test_a_name_that_a_bucket_has_and_no_disk_can_is_refused_in_words_and_is_absent(disk: DiskStore) -> None:
    await put(disk, "old/a")
    await put(disk, "old/folder/inside")
    long = f"old/{'x' * 256}"
    refused = {
        "old/a/b": "below another object",
        "old/folder": "a folder of other objects",
        long: "more bytes than the disk takes",
        f"{long}/b": "more bytes than the disk takes",
        ".media-analysis.part": "the store's own",
        "lost+found/a": "the store's own",
    }

    for make in (create, put):
        for key, reason in refused.items():
            with pytest.raises(NameRefused, match=reason):
                await make(disk, key)
    (said,) = await disk.put_many([("old/a/b", b"content")], leaving_bytes=0)

    assert isinstance(said, NameRefused)
    for key in (long, f"{long}/b", "old/a/b"):
        with pytest.raises(ObjectMissing):
            await disk.open(key, size_bytes=None)
    for overwrite in (False, True):
        assert (await disk.delete_many([long, f"{long}/b"], overwrite=overwrite)).failed == {}
        assert await delete_copies(disk, ["old/a/b", "old/folder", long], overwrite=overwrite) == {}
    assert await get(disk, "old/a") == await get(disk, "old/folder/inside")


async def test_what_has_a_name_too_long_for_a_place_in_quarantine_stays_where_it_is_and_the_rest_is_set_aside(
    disk: DiskStore,
) -> None:
    long, day = f"clips/{'x' * 255}", date(2026, 1, 1)
    for content in (b"first", b"second"):
        await put(disk, long, content)
        await put(disk, "clips/b", content)
        moved = await disk.set_aside([long, "clips/b"], day=day)

    assert moved == {"clips/b": ".quarantine/2026-01-01/clips/b.1"}
    assert await get(disk, long) == b"second"


async def test_an_object_beside_the_folders_that_cannot_be_deleted_is_not_taken_for_gone(disk: DiskStore) -> None:
    (disk.root / "film.mp4").mkdir()

    outcome = await disk.delete_many(["film.mp4"])

    assert (list(outcome.gone), outcome.failed) == ([], {"film.mp4": "EISDIR"})


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
async def test_a_symbolic_link_is_neither_written_read_nor_followed_by_deletion(
    disk: DiskStore, tmp_path: Path, target: str
) -> None:
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    (disk.root / "clips").mkdir()
    (disk.root / "clips" / "a.bin").symlink_to(tmp_path / target)

    with pytest.raises(StoreUnavailable):
        await create(disk, "clips/a.bin")
    with pytest.raises(ObjectDamaged):
        await disk.open("clips/a.bin", size_bytes=None)
    outcome = await disk.delete_many(["clips/a.bin"])

    assert list(outcome.gone) == ["clips/a.bin"]
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"
    assert not (tmp_path / "nowhere").exists()


async def test_deletion_does_not_enter_a_folder_that_became_a_link(disk: DiskStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.bin").write_bytes(b"not ours")
    (disk.root / "clips").symlink_to(elsewhere)

    outcome = await disk.delete_many(["clips/a.bin"])

    assert list(outcome.failed) == ["clips/a.bin"]
    assert (elsewhere / "a.bin").read_bytes() == b"not ours"


async def test_no_name_is_created_in_a_store_without_its_marker(disk: DiskStore) -> None:
    (disk.root / MARKER_NAME).unlink()

    with pytest.raises(MarkerMismatch):
        await create(disk, KEY)

    assert list(disk.root.iterdir()) == []


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_creation_ends_when_every_name_is_there_and_no_descriptor_is(
    disk: DiskStore, times: int
) -> None:
    keys = [f"clips/{number}.bin" for number in range(300)]

    creating = asyncio.create_task(disk.create_many(keys))
    for _ in range(times):
        await asyncio.sleep(0)
        creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating

    assert len(list((disk.root / "clips").iterdir())) == len(keys)
    assert open_names(disk.root) == []


async def test_putting_ends_with_all_of_it_there_even_if_it_is_cancelled(disk: DiskStore) -> None:
    objects = [(f"clips/{number}.bin", b"all") for number in range(100)]

    putting = asyncio.create_task(disk.put_many(objects, leaving_bytes=0))
    await asyncio.sleep(0)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert [disk.path_of(key).read_bytes() for key, _ in objects] == [b"all"] * len(objects)
    assert open_names(disk.root) == []


@pytest.mark.parametrize("times", [1, 3])
async def test_a_writer_cancelled_while_it_syncs_is_not_closed_under_its_thread(disk: DiskStore, times: int) -> None:
    content = os.urandom(3_000_000)
    writer = await create(disk, KEY)

    async def write_and_close() -> None:
        try:
            await writer.write(content)
            await writer.sync()
        finally:
            writer.close()

    writing = asyncio.create_task(write_and_close())
    for _ in range(times):
        await asyncio.sleep(0)
        writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert open_names(disk.root) == []
    assert (disk.root / KEY).read_bytes() == content


async def test_creating_and_deleting_in_one_folder_at_once_loses_nothing(disk: DiskStore) -> None:
    async def come_and_go(number: int) -> None:
        for turn in range(100):
            key = f"frames/same/{number}-{turn}.bin"
            (await create(disk, key)).close()
            assert list((await disk.delete_many([key])).gone) == [key]
        await put(disk, f"frames/same/{number}-kept.bin", b"kept")

    await asyncio.gather(*(come_and_go(number) for number in range(8)))

    kept = [await get(disk, f"frames/same/{number}-kept.bin") for number in range(8)]
    assert kept == [b"kept"] * 8
    assert len(list((disk.root / "frames/same").iterdir())) == 8
