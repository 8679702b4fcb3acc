"""A database or a disk that is away for a while costs a task time, and neither its run nor its end."""

import asyncio
from dataclasses import dataclass, replace

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from tests.archive.archived import add_file, archive, archived_content, content_of, ended, make_run, restore
from tests.archive.days import sweep
from tests.archive.interrupting import CUT, Meanwhile, work_while
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.files.conftest import eventually


async def test_an_archive_goes_on_after_its_connections_were_cut(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")

    await work_while(runtime, lambda: execute(database, CUT))

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)
    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]


async def test_a_restore_goes_on_after_its_connections_were_cut(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    asked = await runtime.archives.requests.request_restore(run.id, owner=None, actor="test")

    await work_while(runtime, lambda: execute(database, CUT))

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_an_archive_waits_for_a_disk_that_is_mounted_again(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    marker = disk_of(runtime.store).root / MARKER_NAME
    elsewhere = marker.rename(disk_of(runtime.store).root.with_name("elsewhere"))
    waits = "SELECT FROM archive_tasks WHERE stage = 'retrying' AND status = 'running'"

    working = asyncio.create_task(replace(runtime.archives.execution, pauses=(0.05,) * 300).run_waiting())
    await eventually(lambda: told(database, waits))
    elsewhere.rename(marker)
    await working

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)


async def told(database: str, query: str) -> bool:
    return bool(await fetch(database, query))


async def test_a_later_archive_has_no_name_that_a_failed_one_had(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    away = path.with_name("away")

    async def cut_and_hide() -> None:
        await execute(database, CUT)
        path.rename(away)

    await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    await work_while(runtime, cut_and_hide)  # two tries, each under a name of its own
    away.rename(path)
    # What a power cut leaves: the bytes are gone, and that they are is not written down.
    going = "tombstone_ids = ARRAY(SELECT id FROM tombstones WHERE purge_id = purges.id)"
    await execute(database, f"UPDATE purges SET confirmed_at = NULL, due_at = now(), {going}")

    assert (await archive(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED
    await sweep(runtime, Category.ARCHIVES)

    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]


async def test_a_second_archive_has_no_name_that_a_second_try_had(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    await work_while(runtime, lambda: execute(database, CUT))
    await restore(runtime, run.id)
    await add_file(runtime, run, "new.txt", b"new")

    assert (await archive(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED


async def test_a_run_whose_old_segment_is_damaged_is_archived_anew(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)
    (segment,) = await fetch(database, "SELECT key FROM media_files WHERE role = 'archive'")
    path = disk_of(runtime.store).path_of(segment["key"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])

    assert (await archive(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED

    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]
    assert len(await fetch(database, "SELECT FROM media_files WHERE role = 'archive'")) == 1


@dataclass(frozen=True)
class LateUpload(UploadTransactions):
    """A registrar before whose first archive another file is uploaded: between the look at a run and its manifest."""

    upload: Meanwhile | None = None

    async def register(self, asked: Registration) -> bool:
        if asked.category is Category.ARCHIVES and self.upload is not None:
            upload = self.upload
            object.__setattr__(self, "upload", None)
            await upload()
        return await super().register(asked)


async def test_a_file_that_comes_before_the_manifest_is_written_is_archived_too(runtime: Runtime) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    late = LateUpload(
        runtime.db,
        runtime.store,
        runtime.upload_transactions.lease_seconds,
        JOBS_OF_UPLOADS,
        upload=lambda: add_file(runtime, run, "late.txt", b"late"),
    )
    execution = runtime.archives.execution

    await replace(
        execution, archiver=replace(execution.archiver, protocol=replace(runtime.uploads, transactions=late))
    ).run_waiting()
    await late.close()

    assert (await ended(runtime, asked)).status is ArchiveTaskStatus.COMPLETED
    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]


async def test_an_archive_whose_disk_stays_away_fails_in_words_and_leaves_the_originals(runtime: Runtime) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    marker = disk_of(runtime.store).root / MARKER_NAME
    elsewhere = marker.rename(disk_of(runtime.store).root.with_name("elsewhere"))

    await replace(runtime.archives.execution, pauses=(0.0, 0.0)).run_waiting()
    elsewhere.rename(marker)

    task = await ended(runtime, asked)
    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "marker_mismatch")
    assert "marker is missing" in str(task.error)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]
