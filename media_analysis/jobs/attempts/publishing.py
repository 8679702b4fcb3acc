"""The end of a run in the database: its staged products are stored and its results published, all at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.transitions import STORE_PRODUCT

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
        SELECT held_until, coalesce(expires_at, now() + make_interval(secs => lifetime_seconds)) AS ends_at
        FROM analysis_jobs WHERE id = :job_id
    ), timed AS (
        SELECT asked.id, asked.reserved_bytes, now() AS stored_at, job.ends_at IS NOT NULL AS explicit,
            job.held_until AS job_held_until,
            coalesce(job.ends_at, now() + make_interval(secs => policy.lifetime_seconds)) AS ends_at,
            now() + make_interval(secs => policy.minimum_seconds) AS minimum_ends_at
        FROM asked JOIN media_files AS file USING (id) CROSS JOIN job
        LEFT JOIN category_policies AS policy ON policy.category = file.category
    ), moved AS (
        {STORE_PRODUCT}
    )
    {ledger.SUM_MOVED}
""").columns(category=CATEGORY)  # noqa: S608 - fragments of ours

_PUBLISH = text("""
    UPDATE analysis_results AS result SET published = true,
        expires_at = coalesce(job.expires_at, now() + make_interval(secs => coalesce(
            job.lifetime_seconds, (SELECT lifetime_seconds FROM category_policies WHERE category = result.category)
        )))
    FROM unnest(CAST(:job_ids AS uuid[]), CAST(:fences AS bigint[])) AS run(job_id, fence)
    JOIN analysis_jobs AS job ON job.id = run.job_id
    WHERE result.job_id = run.job_id AND result.job_fence = run.fence
""")

_DISCARD_RESULTS = text("""
    DELETE FROM analysis_results
    WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND job_fence IS NOT NULL AND NOT published
""")


async def settle_products(session: AsyncSession, job_id: UUID, *, fence: int) -> dict[Account, Movement]:
    """Store all staged products of a locked job's run; return what the ledger, the last to be locked, has to be told.

    They end with the job where it has an end, else as their categories say.
    """
    asked, moved = {"job_id": job_id, "fence": fence, "limit": CHUNK}, list[Row[Any]]()
    while rows := (await session.execute(_SETTLE, asked)).all():
        moved += rows
    return ledger.sum_movements(
        (
            Account(row.owner, row.category),
            Movement.arriving(row.files, row.size_bytes, reserved_bytes=row.reserved_bytes),
        )
        for row in moved
    )


async def publish_results(session: AsyncSession, fences: Mapping[UUID, int]) -> None:
    """Show the results of runs, by job and fence, and drop those of runs before them."""
    await session.execute(_PUBLISH, {"job_ids": list(fences), "fences": list(fences.values())})
    if again := [job_id for job_id, fence in fences.items() if fence > 1]:
        await discard_results(session, again)


async def discard_results(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Drop what runs of jobs that did not complete left."""
    await session.execute(_DISCARD_RESULTS, {"job_ids": job_ids})
