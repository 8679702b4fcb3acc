"""What keeps the sources of jobs, and what asking for it costs, however many jobs wait for the same file."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.ending import hand_back_job
from media_analysis.jobs.control import NewJob, stop_job
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import list_users, require_job
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.claims import claim_job
from tests.conftest import StoreFile, execute, fetch
from tests.plans import count_rows_read

_AS_NEW: Final = [f"VACUUM FULL ANALYZE {table}" for table in ("analysis_jobs", "job_sources", "media_files")]
FEW: Final = 60
"""Rows that a job and its source may cost."""
# Four thousand jobs of one source, most of them over, beside two that tests end.
_CROWD: Final = """
    WITH made AS (
        INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
                                   created_at, pinned_until)
        SELECT id, 'alice', 'n', 'probe', (CASE WHEN number <= 3000 THEN 'failed' ELSE 'pending' END)::job_status,
            0, 0, 0, id::text, 'outputs', now(), now() + number * interval '1 second'
        FROM (SELECT number, uuidv7() AS id FROM generate_series(1, 4000) AS number) AS numbered
        RETURNING id, status, pinned_until
    )
    INSERT INTO job_sources (job_id, position, file_id, until)
    SELECT id, 0, (SELECT id FROM media_files), CASE WHEN status = 'pending' THEN pinned_until END FROM made
"""


async def create(runtime: Runtime, source: MediaFile, *, pins: bool = True) -> AnalysisJob:
    return await runtime.jobs.control.create(
        NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id], pins=pins)
    )


async def kept_until(database: str) -> datetime | None:
    until: datetime | None = (await fetch(database, "SELECT leased_until FROM media_files"))[0]["leased_until"]
    return until


async def _hand_back(session: AsyncSession, job: AnalysisJob, now: datetime) -> None:
    await hand_back_job(session, job, now, failure=None, delay=timedelta())


Act = Callable[[AsyncSession, AnalysisJob, datetime], Awaitable[object]]


@pytest.mark.parametrize("act", [stop_job, _hand_back], ids=["cancelled", "handed back"])
async def test_what_a_job_that_ends_costs_does_not_grow_with_those_that_wait_for_its_source(
    runtime: Runtime, settings: Settings, store_file: StoreFile, database: str, act: Act
) -> None:
    """By plans made for these tables, not those that earlier tests left on a connection or in the statistics."""
    source = await store_file(b"a source", ttl=3600)
    await execute(database, _CROWD, *_AS_NEW)
    created = await create(runtime, source)

    async with open_runtime(settings, database) as new, new.db.transaction() as session:
        job, now = await require_job(session, created.id, owner=None, lock=True)
        before = await count_rows_read(session)
        await act(session, job, now)
        ended = await count_rows_read(session)
        users = await list_users(session, source.id, now=now)
        asked = await count_rows_read(session)

    assert len(users) == 20
    assert ended - before < FEW
    assert asked - ended < FEW


async def test_a_source_is_kept_for_the_longest_of_its_jobs_until_that_one_ends(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file(b"a source", ttl=3600)
    jobs = [await create(runtime, source) for _ in range(3)]
    await create(runtime, source, pins=False)
    untils = [await kept_until(database)]

    for job in (jobs[0], jobs[2], jobs[1]):
        await runtime.jobs.control.cancel(job.id, owner=None)
        untils.append(await kept_until(database))

    assert untils == [jobs[2].pinned_until, jobs[2].pinned_until, jobs[1].pinned_until, None]


async def test_a_run_keeps_its_source_beyond_a_pin_that_is_shorter(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file(b"a source", ttl=3600)
    job = await create(runtime, source, pins=False)
    run = await claim_job(runtime, job.id, worker="w")
    assert run is not None

    running = await kept_until(database)
    renewed = await runtime.jobs.attempts.renew(job.id, fence=run.fence)
    later = await kept_until(database)
    await runtime.jobs.attempts.hand_back(job.id, fence=run.fence, failure=None, delay=timedelta())

    assert (running, later) == (run.leased_until, renewed)
    assert await kept_until(database) is None
    assert await fetch(database, "SELECT until FROM job_sources WHERE until IS NOT NULL") == []
