"""A database or a disk that is away for a while costs a task time, and neither its run nor its end."""

import asyncio
from dataclasses import replace

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from tests.archive.archived import archive, archived_content, content_of, ended, make_run
from tests.archive.interrupting import work_while
from tests.conftest import execute, fetch
from tests.files.conftest import eventually

CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""Ends every connection of the service, as a restart of PostgreSQL does."""


async def test_an_archive_goes_on_after_its_connections_were_cut(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, requested_by="test")

    await work_while(runtime, lambda: execute(database, CUT))

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)
    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]


async def test_a_restore_goes_on_after_its_connections_were_cut(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    asked = await runtime.archives.requests.request_restore(run.id, owner=None, requested_by="test")

    await work_while(runtime, lambda: execute(database, CUT))

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_an_archive_waits_for_a_disk_that_is_mounted_again(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, requested_by="test")
    marker = runtime.store.root / MARKER_NAME
    elsewhere = marker.rename(runtime.store.root.with_name("elsewhere"))
    waits = "SELECT FROM archive_tasks WHERE stage = 'retrying' AND status = 'running'"

    working = asyncio.create_task(replace(runtime.archives.execution, pauses=(0.05,) * 300).run_waiting())
    await eventually(lambda: told(database, waits))
    elsewhere.rename(marker)
    await working

    task = await ended(runtime, asked)
    assert (task.status, task.attempts, task.error_code) == (ArchiveTaskStatus.COMPLETED, 1, None)


async def told(database: str, query: str) -> bool:
    return bool(await fetch(database, query))


async def test_an_archive_whose_disk_stays_away_fails_in_words_and_leaves_the_originals(runtime: Runtime) -> None:
    run = await make_run(runtime)
    asked = await runtime.archives.requests.request_archive(run.id, owner=None, requested_by="test")
    marker = runtime.store.root / MARKER_NAME
    elsewhere = marker.rename(runtime.store.root.with_name("elsewhere"))

    await replace(runtime.archives.execution, pauses=(0.0, 0.0)).run_waiting()
    elsewhere.rename(marker)

    task = await ended(runtime, asked)
    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "marker_mismatch")
    assert "marker is missing" in str(task.error)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]
