"""Deleted jobs that come back: nothing of a job lives while the job itself is deleted."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.errors import JobGone
from media_analysis.events.types import EventType
from media_analysis.jobs.events import add_event
from media_analysis.jobs.queries import raise_absent

# Against deletions and holds of these jobs, not against uploads into them; in one order, and before their files.
_LOCK: Final = "ORDER BY id FOR NO KEY UPDATE"
_LOCK_JOBS: Final = text(f"""
    SELECT id, deleted_at IS NOT NULL AND archived_at IS NOT NULL AS is_trashed_archive FROM analysis_jobs
    WHERE id = ANY(ARRAY(
        SELECT DISTINCT job_id FROM media_files
        WHERE id = ANY(CAST(:file_ids AS uuid[])) AND job_id IS NOT NULL
            AND owner = coalesce(CAST(:owner AS text), owner)
    )) {_LOCK}
""")  # noqa: S608 - constants
_LOCK_JOB: Final = text(f"""
    SELECT id, deleted_at, restorable_until, archived_at FROM analysis_jobs
    WHERE id = :id AND owner = coalesce(CAST(:owner AS text), owner) {_LOCK}
""")  # noqa: S608 - constants
_LOCK_ARCHIVE: Final = text("""
    SELECT id, state::text AS state FROM media_files WHERE job_id = :id AND role = 'archive' ORDER BY id FOR UPDATE
""")
_LOCK_WITH_ARCHIVES: Final = text("""
    SELECT id, state = 'trashed' AND role IS NOT DISTINCT FROM 'archive' AS is_trashed_segment FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) OR (job_id = ANY(CAST(:job_ids AS uuid[])) AND role = 'archive')
    ORDER BY id FOR UPDATE
""")
_COUNT_LOST: Final = text("""
    SELECT count(*) FROM archived_files AS copy
    WHERE copy.job_id = :id AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
        AND NOT EXISTS (SELECT FROM media_files AS segment WHERE segment.id = copy.archive_id)
""")
_BRING_BACK: Final = text("""
    UPDATE analysis_jobs SET deleted_at = NULL, deletion_reason = NULL, restorable_until = NULL,
        archived_at = CASE WHEN restorable_until IS NOT NULL THEN archived_at END,
        expires_at = CASE WHEN expires_at <= :now THEN :now + :otherwise ELSE expires_at END
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND deleted_at IS NOT NULL
    RETURNING id, owner, status::text
""").bindparams(bindparam("otherwise", type_=Interval))
_PUT_OFF: Final = text("""
    UPDATE analysis_jobs SET expires_at = :now + :otherwise
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND deleted_at IS NULL AND expires_at <= :now RETURNING id
""").bindparams(bindparam("otherwise", type_=Interval))
_DELETE_SUMMARIES: Final = text("DELETE FROM job_audit WHERE job_id = ANY(CAST(:job_ids AS uuid[]))")

# Those about files that are trash stay hidden until these come back.
_SHOW: Final = """
    UPDATE analysis_results SET published = true,
        expires_at = CASE WHEN expires_at <= :now THEN :now + :otherwise ELSE expires_at END
    WHERE id = ANY(ARRAY(
        SELECT result.id FROM analysis_results AS result
        JOIN analysis_jobs AS job ON job.id = result.job_id
        LEFT JOIN media_files AS file ON file.id = result.media_file_id
        WHERE {which} AND (NOT result.published OR result.expires_at <= :now) AND job.deleted_at IS NULL
            AND job.status NOT IN ('pending', 'running') AND file.state IS DISTINCT FROM 'trashed'
        ORDER BY result.id FOR UPDATE OF result
    ))
"""
_SHOW_OF_JOBS: Final = text(_SHOW.format(which="result.job_id = ANY(CAST(:ids AS uuid[]))")).bindparams(
    bindparam("otherwise", type_=Interval)
)
_SHOW_ABOUT_FILES: Final = text(_SHOW.format(which="result.media_file_id = ANY(CAST(:ids AS uuid[]))")).bindparams(
    bindparam("otherwise", type_=Interval)
)


async def lock_jobs_of(
    session: AsyncSession, file_ids: Sequence[UUID], *, owner: str | None
) -> tuple[Sequence[UUID], frozenset[UUID]]:
    """Lock the jobs of an owner's files about to be restored, then these files, in the order in which everybody locks.

    Returns the jobs' ids, and the segments in the trash that come back with them: an archived run and its archive
    come back as they go, together, whichever of its files is asked for.
    """
    rows = (await session.execute(_LOCK_JOBS, {"file_ids": list(file_ids), "owner": owner})).all()
    archived = [row.id for row in rows if row.is_trashed_archive]
    if not archived:
        return [row.id for row in rows], frozenset()
    locked = await session.execute(_LOCK_WITH_ARCHIVES, {"ids": list(file_ids), "job_ids": archived})
    return [row.id for row in rows], frozenset(row.id for row in locked if row.is_trashed_segment)


async def lock_restorable(session: AsyncSession, job_id: UUID, *, owner: str | None, now: datetime) -> Sequence[UUID]:
    """Lock a job that lives, or can be brought back; return the segments of its archive that are trash, locked too.

    Raises:
        JobNotFound, JobGone: there is none, its time in the trash is over, or its archive is gone.

    """
    row = (await session.execute(_LOCK_JOB, {"id": job_id, "owner": owner})).one_or_none()
    if row is None:
        await raise_absent(session, job_id, owner)
    if row.deleted_at is None:
        return ()
    if row.restorable_until is None or row.restorable_until <= now:
        raise JobGone(job_id, deleted_at=row.deleted_at)
    if row.archived_at is None:
        return ()
    segments = (await session.execute(_LOCK_ARCHIVE, {"id": job_id})).all()
    if (await session.execute(_COUNT_LOST, {"id": job_id})).scalar_one():
        raise JobGone(job_id, deleted_at=row.deleted_at)
    return [segment.id for segment in segments if segment.state == "trashed"]


async def bring_back(
    session: AsyncSession, job_ids: Sequence[UUID], *, actor: str, now: datetime, otherwise: timedelta
) -> None:
    """Bring back those of locked jobs that are deleted or over, with their results; a passed end is put off."""
    if not job_ids:
        return
    asked = {"job_ids": list(job_ids), "now": now, "otherwise": otherwise}
    over = (await session.scalars(_PUT_OFF, asked)).all()
    rows = (await session.execute(_BRING_BACK, asked)).all()
    back = [row.id for row in rows]
    if not over and not back:
        return
    await session.execute(_SHOW_OF_JOBS, {"ids": [*over, *back], "now": now, "otherwise": otherwise})
    await session.execute(_DELETE_SUMMARIES, {"job_ids": back})
    for row in rows:
        await add_event(session, row.id, EventType.JOB_RESTORED, {"status": row.status})
    acts = [Act(actor=actor, action=Action.RESTORED, owner=row.owner, job_id=row.id) for row in rows]
    await add_events(session, acts)


async def show_results(session: AsyncSession, file_ids: Sequence[UUID], *, now: datetime, otherwise: timedelta) -> None:
    """Show the results about files that were restored."""
    await session.execute(_SHOW_ABOUT_FILES, {"ids": list(file_ids), "now": now, "otherwise": otherwise})
