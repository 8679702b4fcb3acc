"""A batch of jobs to cancel is found by an index, whatever else waits or is over."""

from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy import text

from media_analysis.jobs.control import NewJob, cancel_batch
from media_analysis.jobs.queries import JobFilter
from media_analysis.runtime import Runtime
from tests.conftest import execute
from tests.plans import count_rows_read

# Three thousand jobs of bob that wait, and as many of alice that are over.
_CROWD: Final = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)
    SELECT id, CASE WHEN waits THEN 'bob' ELSE 'alice' END, 'n', 'probe',
        (CASE WHEN waits THEN 'pending' ELSE 'failed' END)::job_status, 0, 0, 0, id::text, 'outputs'
    FROM (SELECT number % 2 = 0 AS waits, uuidv7() AS id FROM generate_series(1, 6000) AS number) AS made
"""


class Undone(Exception):
    """Takes back what the planner was told, which other tests must not know."""


async def test_the_waiting_jobs_of_an_owner_are_found_among_those_of_others(runtime: Runtime, database: str) -> None:
    await execute(database, _CROWD)
    parameters = {"analyser": "a"}
    made = [
        (
            await runtime.jobs.control.create(
                NewJob(owner="alice", name="n", kind="external", source_file_ids=[], parameters=parameters)
            )
        ).id
        for _ in range(3)
    ]

    with suppress(Undone):
        async with runtime.db.transaction() as session:
            now = await runtime.db.now()
            await session.execute(text("ANALYZE analysis_jobs"))
            before = await count_rows_read(session)
            cancelled = await cancel_batch(session, JobFilter(owner="alice"), after=UUID(int=0), now=now)
            after = await count_rows_read(session)
            raise Undone

    assert cancelled == made
    assert after - before < 100
