"""Archive tasks: worked off by whoever is there, each by one, and handed on when somebody dies or stops."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from media_analysis.archive import tasks
from media_analysis.archive.models import ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.archive.service import ArchiveService, Requested
from media_analysis.archive.tasks import MAX_ATTEMPTS, NewTask
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.archive.archived import archive, content_of, ended, make_run, restore
from tests.conftest import execute, fetch
from tests.worker.workers import until

FRAMES = "SELECT size_bytes FROM media_files WHERE category = 'frames' AND state = 'stored'"
PAST = "now() - interval '1 second'"


def with_terms(runtime: Runtime, **terms: Any) -> ArchiveService:
    asked = runtime.archives.requests
    return replace(asked, terms=replace(asked.terms, after=timedelta(), **terms))


async def test_several_processes_work_off_tasks_and_each_takes_others(
    runtime: Runtime, settings: Settings, database: str
) -> None:
    runs = [await make_run(runtime) for _ in range(6)]
    await with_terms(runtime).request_due()

    async with open_runtime(settings, database) as other:
        worked = await asyncio.gather(runtime.archives.execution.run_waiting(), other.archives.execution.run_waiting())

    assert sum(worked) == len(runs)
    rows = await fetch(database, "SELECT status::text, attempts FROM archive_tasks")
    assert [tuple(row) for row in rows] == [("completed", 1)] * len(runs)


async def test_asking_for_what_is_due_twice_asks_once(runtime: Runtime, database: str) -> None:
    await make_run(runtime)
    asked = with_terms(runtime)

    both = await asyncio.gather(asked.request_due(), asked.request_due())

    assert sum(one.runs for one in both) == 1
    assert len(await fetch(database, "SELECT FROM archive_tasks")) == 1
    await runtime.archives.execution.run_waiting()


async def test_the_budget_in_bytes_ends_a_scheduled_run_but_never_before_its_first(runtime: Runtime) -> None:
    for _ in range(3):
        await make_run(runtime)

    small = await with_terms(runtime, budget_bytes=1).request_due()
    rest = await with_terms(runtime).request_due()

    assert (small.runs, rest.runs) == (1, 2)
    await runtime.archives.execution.run_waiting()


async def test_what_a_scheduled_run_does_not_come_to_in_its_time_waits_for_the_next(
    runtime: Runtime, database: str
) -> None:
    await make_run(runtime)
    await with_terms(runtime, budget=timedelta(hours=1)).request_due()
    await execute(database, f"UPDATE archive_tasks SET claim_until = {PAST}")

    assert await runtime.archives.execution.run_waiting() == 0
    assert await with_terms(runtime).request_due() != Requested(0, 0)
    assert await runtime.archives.execution.run_waiting() == 1
    assert len(await fetch(database, "SELECT FROM archive_tasks")) == 1


async def test_a_task_whose_worker_died_is_taken_over_when_its_lease_ends(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    task = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    async with runtime.db.transaction() as session:
        assert await tasks.claim_task(session) is not None

    assert await runtime.archives.execution.run_waiting() == 0
    await execute(database, f"UPDATE archive_tasks SET leased_until = {PAST}")
    assert await runtime.archives.execution.run_waiting() == 1

    now = await ended(runtime, task)
    assert (now.status, now.attempts) == (ArchiveTaskStatus.COMPLETED, 2)


async def test_a_task_that_kills_whoever_takes_it_fails_in_the_end(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    task = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    await execute(
        database,
        f"UPDATE archive_tasks SET status = 'running', attempts = {MAX_ATTEMPTS}, leased_until = {PAST}",
    )

    await runtime.archives.execution.run_waiting()

    now = await ended(runtime, task)
    assert (now.status, now.error_code) == (ArchiveTaskStatus.FAILED, "too_many_attempts")
    assert (await runtime.jobs.catalog.get(run.id, owner=None))[0].archived_at is None


async def test_who_was_taken_over_changes_nothing_any_more(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    task = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    async with runtime.db.transaction() as session:
        silent = await tasks.claim_task(session)
    assert silent is not None
    await execute(database, f"UPDATE archive_tasks SET leased_until = {PAST}")
    await runtime.archives.execution.run_waiting()

    async with runtime.db.transaction() as session:
        told = await tasks.mark_progress(session, silent, stage="packing", done_bytes=1, total_bytes=2)

    assert not told
    assert (await ended(runtime, task)).status is ArchiveTaskStatus.COMPLETED


async def test_a_stopped_worker_hands_its_task_back_and_leaves_the_originals(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime, {f"{number}.bin": bytes([number]) * 3_000_000 for number in range(20)})
    await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")

    working = asyncio.create_task(runtime.archives.execution.run_waiting())
    begun = False
    while not (begun or working.done()):
        begun = bool(await fetch(database, "SELECT FROM archive_tasks WHERE stage = 'packing'"))
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working

    (row,) = await fetch(database, "SELECT status::text, leased_until <= now() AS free FROM archive_tasks")
    if row["status"] == "running":
        assert row["free"]
        for name, file in run.files.items():
            assert await content_of(runtime, file.id) == run.contents[name]
        assert await fetch(database, "SELECT FROM media_files WHERE category = 'archives'") == []
    await runtime.archives.execution.run_waiting()
    assert (await runtime.jobs.catalog.get(run.id, owner=None))[0].archived_at is not None


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_no_more_than_the_configured_number_run_at_once(
    runtime: Runtime, database: str, concurrency: int
) -> None:
    for _ in range(4):
        await make_run(runtime)
    await with_terms(runtime).request_due()
    seen = 0

    working = asyncio.create_task(replace(runtime.archives.execution, concurrency=concurrency).run_waiting())
    while not working.done():
        (row,) = await fetch(database, "SELECT count(*) AS many FROM archive_tasks WHERE status = 'running'")
        seen = max(seen, row["many"])

    assert await working == 4
    assert 1 <= seen <= concurrency


async def test_a_run_that_is_gone_fails_its_task_in_words(runtime: Runtime) -> None:
    asked = NewTask(
        job_id=UUID(int=7), owner="alice", kind=ArchiveTaskKind.RESTORE, trigger="request", requested_by="alice"
    )
    async with runtime.db.transaction() as session:
        task = await tasks.require_added(session, asked)

    await runtime.archives.execution.run_waiting()

    assert (await ended(runtime, task)).error_code == "job_not_found"


async def test_a_restoration_past_a_mark_is_noticed_as_an_upload_is(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime, {"frame-1.jpg": bytes(90_000), "frame-2.jpg": bytes(10_000)})
    await archive(runtime, run.id)
    await execute(
        database,
        "UPDATE category_policies SET high_water_bytes = 60000, low_water_bytes = 50000 WHERE category = 'frames'",
    )

    await restore(runtime, run.id)

    async def relieved() -> bool:
        return [row["size_bytes"] for row in await fetch(database, FRAMES)] == [10_000]

    await until(relieved)
