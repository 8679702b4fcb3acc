"""Archives in a store of their own: every object in its store, and nothing gone while either is away."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch, ObjectMissing
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.quarantine import folder_of_day
from tests.disks import disk_of
from tests.storage.conftest import create, get, open_names, put

ARCHIVE = "archives/2026/01/run.tar.gz"
UPLOAD = "uploads/2026-01-01/a.bin"
DAY = date(2026, 1, 31)


def roots(pair: PairedStore) -> tuple[Path, Path]:
    return disk_of(pair.main).root, disk_of(pair.archives).root


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_every_object_lies_in_its_store_and_is_read_from_there(pair: PairedStore) -> None:
    await put(pair, ARCHIVE, b"packed")
    objects = [(UPLOAD, b"plain"), ("archives/2026/01/b", b""), ("clips/c", b"c")]
    hashes = await pair.put_many(objects, leaving_bytes=0)

    assert hashes == [sha256(content).digest() for _, content in objects]
    assert [names(root) for root in roots(pair)] == [
        [MARKER_NAME, "clips/c", UPLOAD],
        [MARKER_NAME, "archives/2026/01/b", ARCHIVE],
    ]
    assert [await get(pair, key) for key in (ARCHIVE, UPLOAD, "clips/c")] == [b"packed", b"plain", b"c"]
    assert pair.where(ARCHIVE) == str(roots(pair)[1] / ARCHIVE)


async def test_answers_come_in_the_order_of_what_was_asked(pair: PairedStore) -> None:
    sizes = {ARCHIVE: 5, UPLOAD: 3, "archives/x": 2}
    writers = [await create(pair, key) for key in sizes]
    await pair.write_many([(writer, bytes(sizes[writer.key])) for writer in writers])

    entries = await pair.look_up([UPLOAD, ARCHIVE, "clips/none", "archives/x"])

    assert [entry and entry.size_bytes for entry in entries] == [3, 5, None, 2]


async def test_only_archives_share_the_medium_of_archives(pair: PairedStore) -> None:
    assert list(pair.categories_beside(ARCHIVE)) == [Category.ARCHIVES]
    assert set(pair.categories_beside("")) == set(Category) - {Category.ARCHIVES}


@pytest.mark.parametrize("overwrite", [False, True])
async def test_originals_stay_while_the_store_of_their_archives_is_away(pair: PairedStore, *, overwrite: bool) -> None:
    await put(pair, UPLOAD, b"original")
    (roots(pair)[1] / MARKER_NAME).unlink()

    with pytest.raises(MarkerMismatch):
        await pair.delete_many([UPLOAD], overwrite=overwrite)
    with pytest.raises(MarkerMismatch):
        await pair.set_aside([UPLOAD], day=DAY)

    assert await get(pair, UPLOAD) == b"original"


async def test_deletion_takes_objects_from_both(pair: PairedStore) -> None:
    for key in (ARCHIVE, UPLOAD):
        await put(pair, key)

    outcome = await pair.delete_many([ARCHIVE, UPLOAD])

    assert (list(outcome.gone), outcome.failed) == ([ARCHIVE, UPLOAD], {})
    assert [names(root) for root in roots(pair)] == [[MARKER_NAME], [MARKER_NAME]]


async def test_names_made_in_one_are_let_go_of_when_the_other_is_away(pair: PairedStore) -> None:
    (roots(pair)[1] / MARKER_NAME).unlink()

    with pytest.raises(MarkerMismatch):
        await pair.create_many([UPLOAD, ARCHIVE])

    assert open_names(roots(pair)[0]) == []


async def test_what_lies_in_the_wrong_store_is_found_there_and_nowhere_read(pair: PairedStore) -> None:
    left = roots(pair)[0] / ARCHIVE
    left.parent.mkdir(parents=True)
    left.write_bytes(b"packed")
    await put(pair, UPLOAD)

    found = [entry async for batch in pair.walk(10) for entry in batch]

    assert {entry.name: entry.is_misplaced for entry in found} == {ARCHIVE: True, UPLOAD: False}
    with pytest.raises(ObjectMissing):
        await pair.open(ARCHIVE, size_bytes=None)


async def test_what_was_set_aside_ends_in_both(pair: PairedStore) -> None:
    for key in (ARCHIVE, UPLOAD):
        await put(pair, key)
    moved = await pair.set_aside([ARCHIVE, UPLOAD], day=DAY)

    days = await pair.list_quarantine_days()
    places = [entry.name async for batch in pair.walk_quarantine(DAY, 10) for entry in batch]
    outcome = await pair.delete_set_aside(places)
    await pair.end_quarantine_day(DAY)

    assert moved == {key: f"{folder_of_day(DAY)}/{key}" for key in (ARCHIVE, UPLOAD)}
    assert (days, sorted(places)) == ([DAY], sorted(moved.values()))
    assert (sorted(outcome.gone), outcome.failed) == (sorted(places), {})
    assert await pair.list_quarantine_days() == []
