"""Archives on a disk of their own: every object on its disk, and nothing done while either disk is away."""

from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from media_analysis.errors import MarkerMismatch, ObjectMissing, StoreUnavailable
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import MARKER_NAME, Marker, adopt_archives, read_marker
from media_analysis.storage.places import Places
from media_analysis.storage.unlinking import FEW
from media_analysis.storage.walk import QUARANTINE, look_up
from tests.storage.conftest import get, put

ARCHIVE = "archives/2026/01/run.tar.gz"
UPLOAD = "uploads/2026-01-01/a.bin"
STORE, DISK = Path("/store"), Path("/disk")


def archives_of(store: DiskStore) -> Path:
    assert store.places.archives is not None
    return store.places.archives


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("key", "root"),
    [(ARCHIVE, DISK), (UPLOAD, STORE), ("archives", STORE), ("archives.bin", STORE), ("clips/archives/a.bin", STORE)],
)
def test_only_what_lies_in_the_folder_archives_has_the_other_root(key: str, root: Path) -> None:
    together, apart = Places(STORE), Places(STORE, DISK)

    assert apart.path_of(key) == root / key
    assert together.path_of(key) == STORE / key


def test_keys_of_one_disk_are_passed_on_as_they_are() -> None:
    mixed, uploads = [ARCHIVE, UPLOAD], [UPLOAD]

    assert Places(STORE).by_root(mixed)[0][1] is mixed
    assert Places(STORE, DISK).by_root(uploads)[0][1] is uploads
    assert Places(STORE, DISK).by_root(mixed) == [(STORE, [UPLOAD]), (DISK, [ARCHIVE])]
    assert Places(STORE, DISK).by_root([]) == [(STORE, [])]


async def test_every_object_lies_on_its_disk_and_is_read_from_there(two_disks: DiskStore) -> None:
    await put(two_disks, ARCHIVE, b"packed")
    await put(two_disks, UPLOAD, b"plain")

    assert names(two_disks.root) == [MARKER_NAME, UPLOAD]
    assert names(archives_of(two_disks)) == [MARKER_NAME, ARCHIVE]
    assert two_disks.path_of(ARCHIVE).read_bytes() == b"packed"
    assert (await get(two_disks, ARCHIVE), await get(two_disks, UPLOAD)) == (b"packed", b"plain")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("count", [1, FEW])
async def test_deletion_takes_objects_from_both_disks_with_their_folders(
    two_disks: DiskStore, count: int, *, overwrite: bool
) -> None:
    keys = [f"{folder}/{number}.bin" for number in range(count) for folder in ("archives/2026/01", "clips", "temp/x")]
    for key in keys:
        await put(two_disks, key)

    outcome = await two_disks.delete_many(keys, overwrite=overwrite)

    assert (list(outcome.gone), outcome.failed) == (keys, {})
    left = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in two_disks.places.roots]
    assert left == [{MARKER_NAME, "clips", "temp"}, {MARKER_NAME, "archives"}]


async def test_what_cannot_go_from_one_disk_is_named_and_the_other_disk_is_cleared(two_disks: DiskStore) -> None:
    await put(two_disks, UPLOAD)
    two_disks.path_of(ARCHIVE).mkdir(parents=True)

    outcome = await two_disks.delete_many([ARCHIVE, UPLOAD])

    assert (list(outcome.gone), outcome.failed) == ([UPLOAD], {ARCHIVE: "EISDIR"})


@pytest.mark.parametrize("away", ["the store", "the archives"])
async def test_nothing_is_stored_deleted_or_moved_while_a_disk_is_away(
    two_disks: DiskStore, tmp_path: Path, away: str
) -> None:
    for key in (ARCHIVE, UPLOAD):
        await put(two_disks, key)
    root, kept = (two_disks.root, ARCHIVE) if away == "the store" else (archives_of(two_disks), UPLOAD)
    root.rename(tmp_path / "unmounted")
    root.mkdir()

    with pytest.raises(MarkerMismatch):
        await two_disks.require_marker()
    with pytest.raises(MarkerMismatch):
        await two_disks.create_many(["clips/new.bin"])
    with pytest.raises(MarkerMismatch):
        await two_disks.set_aside([kept], day=date(2026, 1, 31))
    for overwrite in (False, True):
        with pytest.raises(MarkerMismatch):
            await two_disks.delete_many([ARCHIVE if away == "the archives" else UPLOAD], overwrite=overwrite)

    assert list(root.iterdir()) == []
    assert two_disks.path_of(kept).exists()


@pytest.mark.parametrize("overwrite", [False, True])
async def test_originals_stay_while_the_disk_of_their_archives_is_away(
    two_disks: DiskStore, *, overwrite: bool
) -> None:
    await put(two_disks, UPLOAD, b"original")
    (archives_of(two_disks) / MARKER_NAME).unlink()

    with pytest.raises(MarkerMismatch, match="its archives' marker is missing; is the volume mounted"):
        await two_disks.delete_many([UPLOAD], overwrite=overwrite)

    assert await get(two_disks, UPLOAD) == b"original"


async def test_a_disk_of_archives_of_another_database_is_refused(two_disks: DiskStore) -> None:
    (archives_of(two_disks) / MARKER_NAME).unlink()
    adopt_archives(archives_of(two_disks), uuid4(), fresh=True)

    with pytest.raises(MarkerMismatch, match="its archives' marker names another database"):
        await two_disks.create_many([UPLOAD])


async def test_objects_are_set_aside_on_their_own_disk(two_disks: DiskStore) -> None:
    for key in (ARCHIVE, UPLOAD):
        await put(two_disks, key)

    moved = await two_disks.set_aside([ARCHIVE, UPLOAD], day=date(2026, 1, 31))

    place = f"{QUARANTINE}/2026-01-31"
    assert moved == {ARCHIVE: f"{place}/{ARCHIVE}", UPLOAD: f"{place}/{UPLOAD}"}
    assert names(archives_of(two_disks)) == [MARKER_NAME, f"{place}/{ARCHIVE}"]
    assert names(two_disks.root) == [MARKER_NAME, f"{place}/{UPLOAD}"]


async def test_archives_left_in_the_store_are_missing(two_disks: DiskStore) -> None:
    left = two_disks.root / ARCHIVE
    left.parent.mkdir(parents=True)
    left.write_bytes(b"packed")

    with pytest.raises(ObjectMissing):
        await two_disks.open(ARCHIVE, size_bytes=None)
    assert look_up(two_disks.places, [ARCHIVE]) == [None]


async def test_the_capacity_is_that_of_the_disk_the_key_lies_on(two_disks: DiskStore) -> None:
    archives_of(two_disks).rename(archives_of(two_disks).with_name("unmounted"))

    here = await two_disks.capacity()
    beside = await two_disks.capacity(UPLOAD)

    assert here.total_bytes == beside.total_bytes
    with pytest.raises(StoreUnavailable):
        await two_disks.capacity(ARCHIVE)


def test_an_absent_root_of_archives_is_made_and_marked_for_a_database_without_any(tmp_path: Path) -> None:
    root, ours = tmp_path / "far" / "archives", UUID(int=1)

    adopt_archives(root, ours, fresh=True)
    adopt_archives(root, ours, fresh=False)

    assert read_marker(root) == Marker(ours)


def test_a_root_without_the_marker_of_known_archives_is_refused_and_not_made(tmp_path: Path) -> None:
    root = tmp_path / "archives"

    with pytest.raises(MarkerMismatch, match=f"move the store's folder archives into it, and copy .* {MARKER_NAME}"):
        adopt_archives(root, UUID(int=1), fresh=False)

    assert not root.exists()
