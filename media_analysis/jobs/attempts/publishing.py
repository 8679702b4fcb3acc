"""The end of a run in the database: its staged products are stored and its results published, all at once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from media_analysis.db.driver import Executes
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.transitions import STORE_PRODUCT
from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.storage.category import Category

CHUNK: Final = 10_000
"""Products one statement stores: a hundred thousand at once would pass the statement timeout."""

# What nobody finished writing, and temp files, stay pending and are discarded.
_SETTLE = text(f"""
    WITH asked AS (
        SELECT id, reserved_bytes FROM media_files
        WHERE job_id = :job_id AND job_fence = :fence AND role IS NOT NULL AND state = 'pending'
            AND sha256 IS NOT NULL AND category <> 'temp'
        ORDER BY id LIMIT :limit FOR UPDATE
    ), job AS (
        SELECT labels, held_until, coalesce(expires_at, now() + make_interval(secs => lifetime_seconds)) AS ends_at
        FROM analysis_jobs WHERE id = :job_id
    ), timed AS (
        SELECT asked.id, asked.reserved_bytes, now() AS stored_at, job.ends_at IS NOT NULL AS explicit,
            job.held_until AS job_held_until,
            nullif(coalesce(job.labels, '{{}}') || coalesce(file.labels, '{{}}'), '{{}}') AS labels,
            coalesce(job.ends_at, now() + make_interval(secs => policy.lifetime_seconds)) AS ends_at,
            now() + make_interval(secs => policy.minimum_seconds) AS minimum_ends_at
        FROM asked JOIN media_files AS file USING (id) CROSS JOIN job
        LEFT JOIN category_policies AS policy ON policy.category = file.category
    ), moved AS (
        {STORE_PRODUCT}
    )
    {ledger.SUM_MOVED}
""")  # noqa: S608 - fragments of ours

_PUBLISH = text("""
    UPDATE analysis_results AS result SET published = true,
        expires_at = coalesce(job.expires_at, now() + make_interval(secs => coalesce(
            job.lifetime_seconds, (SELECT lifetime_seconds FROM category_policies WHERE category = result.category)
        )))
    FROM unnest(CAST(:job_ids AS uuid[]), CAST(:fences AS bigint[])) AS run(job_id, fence)
    JOIN analysis_jobs AS job ON job.id = run.job_id
    WHERE result.job_id = run.job_id AND result.job_fence = run.fence
""")

_ADD_RESULTS = text("""
    INSERT INTO analysis_results (id, owner, job_id, job_fence, published, media_file_id, kind, data, category)
    SELECT id, owner, job_id, job_fence, false, media_file_id, kind, CAST(data AS jsonb), category FROM unnest(
        CAST(:ids AS uuid[]), CAST(:owners AS text[]), CAST(:job_ids AS uuid[]), CAST(:fences AS bigint[]),
        CAST(:file_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:data AS text[]), CAST(:categories AS category[])
    ) AS asked(id, owner, job_id, job_fence, media_file_id, kind, data, category)
""")

_DISCARD_RESULTS = text("""
    DELETE FROM analysis_results
    WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND job_fence IS NOT NULL AND NOT published
""")


class RunResult(NamedTuple):
    """A result, whose it is, and of which run."""

    owner: str
    job_id: UUID
    fence: int
    result: NewResult


async def settle_products(session: Executes, job_id: UUID, *, fence: int) -> dict[Account, Movement]:
    """Store all staged products of a locked job's run; return what the ledger, the last to be locked, has to be told.

    They end with the job where it has an end, else as their categories say, and have its labels: where a product has a
    key already, its own value stays.
    """
    asked, moved = {"job_id": job_id, "fence": fence, "limit": CHUNK}, list[Any]()
    while rows := list(await session.execute(_SETTLE, asked)):
        moved += rows
    return ledger.sum_movements(
        (
            Account(row.owner, Category(row.category)),
            Movement.arriving(row.files, row.size_bytes, reserved_bytes=row.reserved_bytes),
        )
        for row in moved
    )


async def add_results(session: Executes, results: Sequence[RunResult]) -> None:
    """Add results of runs, hidden as yet."""
    asked = {
        "ids": [uuid7() for _ in results],
        "owners": [one.owner for one in results],
        "job_ids": [one.job_id for one in results],
        "fences": [one.fence for one in results],
        "file_ids": [one.result.file_id for one in results],
        "kinds": [one.result.kind for one in results],
        "data": [json.dumps(one.result.data) for one in results],
        "categories": [one.result.category.value for one in results],
    }
    await session.execute(_ADD_RESULTS, asked)


async def publish_results(session: Executes, fences: Mapping[UUID, int]) -> None:
    """Show the results of runs, by job and fence, and drop those of runs before them."""
    await session.execute(_PUBLISH, {"job_ids": list(fences), "fences": list(fences.values())})
    if again := [job_id for job_id, fence in fences.items() if fence > 1]:
        await discard_results(session, again)


async def discard_results(session: Executes, job_ids: Sequence[UUID]) -> None:
    """Drop what runs of jobs that did not complete left."""
    await session.execute(_DISCARD_RESULTS, {"job_ids": job_ids})
