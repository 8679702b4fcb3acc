"""Jobs are found by the beginning or the end of their ids, also when only a summary of them is left."""

from uuid import UUID

from media_analysis.runtime import Runtime
from tests.conftest import execute
from tests.retention.jobs import add_job

LEAVE_A_SUMMARY = """
    INSERT INTO job_audit (job_id, owner, name, kind, folder_name, status, created_at, deleted_at, deleted_by, files,
                           size_bytes, stats)
    SELECT id, owner, name, kind, folder_name, status::text, created_at, now(), 'admin', 0, 0, '{}' FROM analysis_jobs
"""


async def test_a_deleted_job_is_found_as_a_living_one_is(runtime: Runtime, database: str) -> None:
    job_id = UUID(str(await add_job(database)))
    parts = (job_id.hex, job_id.hex[-8:], job_id.hex[:12])

    there = [await runtime.jobs.catalog.find(part, limit=2) for part in parts]
    await execute(database, LEAVE_A_SUMMARY, "DELETE FROM analysis_jobs")
    deleted = [await runtime.jobs.catalog.find(part, limit=2) for part in parts]

    assert there == deleted == [[job_id]] * 3
