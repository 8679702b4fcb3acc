"""As it is shipped, what goes can come back for a day; scratch, and what is deleted for good, goes at once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import FileGone
from media_analysis.runtime import Runtime
from media_analysis.settings import load_settings
from media_analysis.storage.category import SCRATCH, Category
from tests.conftest import StoreFile, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import CONTENT, Plant, request, sweep
from tests.retention.explain.test_explain import explain, steps

DAY = timedelta(hours=24)
PLAIN = DeletionRequest(actor="alice")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that nobody told how to delete."""
    return {name: value for name, value in environment.items() if name != "DELETION_STRATEGY"}


async def living(database: str) -> dict[str, str]:
    rows = await fetch(database, "SELECT category::text, state::text FROM media_files")
    return {row["category"]: row["state"] for row in rows}


async def test_what_falls_due_is_trash_for_a_day_but_scratch_goes_at_once(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    for category in (Category.UPLOADS, Category.OUTPUTS, *sorted(SCRATCH)):
        await plant(1, category=category)

    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True))
    first = await sweep(runtime)
    after = await living(database)
    last = await sweep(runtime, now=first.started_at + DAY)

    assert (first.files, first.files_trashed, first.bytes_trashed) == (2, 2, 2 * len(CONTENT))
    assert (rehearsed.files, rehearsed.files_trashed) == (2, 2)
    assert after == {"uploads": "trashed", "outputs": "trashed"}
    assert (last.files, await living(database), objects(disk_of(runtime.store).root)) == (2, {}, [])


@pytest.mark.parametrize("category", sorted(SCRATCH))
async def test_what_somebody_deletes_of_scratch_goes_at_once_unless_they_ask_for_the_trash(
    runtime: Runtime, store_file: StoreFile, category: Category
) -> None:
    plain, wished = [await store_file(category=category) for _ in range(2)]

    told = await runtime.retention.file_deletions.preview(plain.id, PLAIN, owner="alice")
    gone = await runtime.retention.file_deletions.delete(plain.id, PLAIN, owner="alice")
    trashed = await runtime.retention.file_deletions.delete(wished.id, replace(PLAIN, soft=True), owner="alice")

    assert (told.restorable_until, gone.restorable_until, trashed.kept_for) == (None, None, DAY)
    with pytest.raises(FileGone):
        await runtime.retention.trash.restore(plain.id, owner="alice", actor="alice")
    assert (await runtime.retention.trash.restore(wished.id, owner="alice", actor="alice")).id == wished.id


@pytest.mark.parametrize("hard", [False, True])
async def test_what_somebody_deletes_can_come_back_for_a_day_unless_they_say_for_good(
    runtime: Runtime, store_file: StoreFile, *, hard: bool
) -> None:
    file = await store_file()

    gone = await runtime.retention.file_deletions.delete(file.id, replace(PLAIN, hard=hard), owner="alice")

    assert gone.kept_for == (None if hard else DAY)
    assert len(objects(disk_of(runtime.store).root)) == (0 if hard else 1)


@pytest.mark.parametrize(
    ("source", "derived", "kept_for"),
    [
        (Category.UPLOADS, Category.CLIPS, DAY),
        (Category.CLIPS, Category.FRAMES, DAY),
        (Category.CLIPS, Category.TEMP, None),
    ],
)
async def test_a_family_comes_back_as_a_whole_unless_all_of_it_is_scratch(
    runtime: Runtime,
    store_file: StoreFile,
    database: str,
    source: Category,
    derived: Category,
    kept_for: timedelta | None,
) -> None:
    parent = await store_file(category=source)
    await store_file(category=derived, parent_id=parent.id)

    told = await runtime.retention.file_deletions.preview(parent.id, PLAIN, owner="alice")
    gone = await runtime.retention.file_deletions.delete(parent.id, PLAIN, owner="alice")

    assert (told.kept_for, gone.kept_for) == (kept_for, kept_for)
    assert set((await living(database)).values()) == ({"trashed"} if kept_for else set())


async def test_explanations_tell_scratch_that_nobody_can_restore_it(runtime: Runtime, store_file: StoreFile) -> None:
    upload, clip = await store_file(ttl=3600), await store_file(ttl=3600, category=Category.CLIPS)

    kept, scratch = await explain(runtime, upload.id), await explain(runtime, clip.id)

    assert kept.swept_at is not None
    assert (kept.action, steps(kept)[-1]) == ("trash", ("purge", kept.swept_at + DAY))
    assert (scratch.action, steps(scratch)[-1]) == ("delete", ("purge", scratch.swept_at))


@pytest.mark.parametrize(
    ("chosen", "sweeps", "requests"),
    [
        ({}, DAY, DAY),
        ({"DELETION_STRATEGY": "hard"}, None, None),
        ({"STORAGE_CLEANUP_USE_TRASH": "false"}, None, DAY),
        ({"DELETION_STRATEGY": "hard", "STORAGE_CLEANUP_USE_TRASH": "true"}, DAY, None),
    ],
)
def test_sweeps_do_as_requests_unless_told_otherwise(
    chosen: dict[str, str], sweeps: timedelta | None, requests: timedelta | None
) -> None:
    settings = load_settings(environ=chosen).settings
    strategy = Strategy.of(settings.deletion, use_trash=settings.storage.cleanup.use_trash)

    assert (strategy.sweeps, strategy.requests, strategy.on_demand) == (sweeps, requests, DAY)
