"""The one transaction in which staged copies become the files they were, under their own ids (promise 20)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive import tasks
from media_analysis.archive.models import ArchiveTask, ArchiveTaskStatus
from media_analysis.archive.tasks import TaskEnding
from media_analysis.audit import Act, Action, add_events
from media_analysis.columns import CATEGORY, living
from media_analysis.db.database import Database
from media_analysis.db.ids import chunks_of
from media_analysis.deletion import tombstones
from media_analysis.errors import BytesStillGoing, JobNotArchived, RunChanged
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.transitions import STORE_COPY
from media_analysis.files.upload.pending import lock_pending
from media_analysis.jobs.archived import mark_restored
from media_analysis.jobs.deletion import lock_files
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import require_job

CHUNK: Final = 5_000

# Bytes of the originals that are still to go would otherwise belong to no tombstone.
_COUNT_GOING: Final = text("""
    SELECT count(*) FROM tombstones AS stone JOIN purges ON purges.id = stone.purge_id
    WHERE stone.id = ANY(CAST(:ids AS uuid[])) AND purges.confirmed_at IS NULL
""")
# A fresh lifetime: the category's, from now on; only an end somebody asked for and that is still to come stays.
# What comes back alone goes with its run at the latest, unless somebody asks for more then.
_BRING_BACK: Final = text(f"""
    WITH pairs AS (
        SELECT * FROM unnest(CAST(:staged AS uuid[]), CAST(:ids AS uuid[])) AS pairs(staged_id, file_id)
    ), timed AS (
        SELECT pairs.staged_id AS id, copy.file_id, copy.job_id, copy.parent_id, copy.role, copy.ordinal,
            copy.instant_seconds, copy.labels, copy.size_bytes, copy.sha256, copy.created_at, file.reserved_bytes,
            now() AS stored_at, copy.min_retain_until AS minimum_ends_at, job.held_until AS job_held_until,
            copy.expiry_explicit AND {living("copy.expires_at", "now()")} AS explicit,
            CASE WHEN copy.expiry_explicit AND {living("copy.expires_at", "now()")} THEN copy.expires_at
                ELSE nullif(least(
                    coalesce(now() + make_interval(secs => policy.lifetime_seconds), 'infinity'),
                    CASE WHEN :alone THEN coalesce(job.expires_at, 'infinity') ELSE 'infinity' END
                ), 'infinity') END AS ends_at
        FROM pairs JOIN archived_files AS copy USING (file_id) JOIN media_files AS file ON file.id = pairs.staged_id
        JOIN analysis_jobs AS job ON job.id = copy.job_id
        LEFT JOIN category_policies AS policy ON policy.category = copy.category
        WHERE copy.job_id = :job_id AND file.state = 'pending' AND file.owner = copy.owner
    ), moved AS (
        {STORE_COPY}
    )
    {ledger.SUM_MOVED}
""").columns(category=CATEGORY)  # noqa: S608 - fragments of ours


@dataclass(frozen=True, slots=True)
class Returned:
    """A copy whose bytes are durable under an id of its own, and the file it is of."""

    staged_id: UUID
    file_id: UUID


async def bring_back(
    db: Database, task: ArchiveTask, copies: Sequence[Returned], *, kept_for: Any, stats: dict[str, Any]
) -> None:
    """Make the copies the files they are of, all at once, and the run active again unless one file was asked for.

    Raises:
        JobGone, JobNotArchived, RunChanged: the run, or the task, is no longer what it was.
        BytesStillGoing: bytes of the originals could not be removed yet.

    """
    async with db.transaction() as session:
        job, _ = await require_job(session, task.job_id, owner=None, lock=True)
        if job.archived_at is None:
            raise JobNotArchived(job.id)
        await lock_files(session, job.id)
        moved: list[tuple[Account, Movement]] = []
        for chunk in chunks_of(copies, CHUNK):
            moved += await _bring_back(session, job, chunk, alone=task.file_id is not None)
        if task.file_id is None:
            await mark_restored(session, job.id, kept_for=kept_for)
            await add_event(session, job.id, EventType.JOB_RESTORED, {"status": job.status.value, "archived": False})
        act = Act(
            actor=task.requested_by,
            action=Action.UNARCHIVED,
            owner=job.owner,
            job_id=job.id,
            file_id=task.file_id,
            details={"stats": stats},
        )
        await add_events(session, [act])
        if not await tasks.mark_ended(session, task, TaskEnding(status=ArchiveTaskStatus.COMPLETED, stats=stats)):
            raise RunChanged(job.id)
        await ledger.move(session, moved)
        failpoint("unarchive.committing")
    failpoint("unarchive.committed")


async def _bring_back(
    session: AsyncSession, job: AnalysisJob, copies: Sequence[Returned], *, alone: bool
) -> Sequence[tuple[Account, Movement]]:
    about = {"staged": [copy.staged_id for copy in copies], "ids": [copy.file_id for copy in copies]}
    locked = await lock_pending(session, about["staged"])
    going = (await session.execute(_COUNT_GOING, {"ids": about["ids"]})).scalar_one()
    if going:
        raise BytesStillGoing(job.id, files=going)
    await tombstones.take_back(session, about["ids"], spare_ids=about["staged"])
    rows = (await session.execute(_BRING_BACK, {**about, "job_id": job.id, "alone": alone})).all()
    if len(locked) != len(copies) or sum(row.files for row in rows) != len(copies):
        raise RunChanged(job.id)
    return [
        (Account(row.owner, row.category), Movement(row.files, row.size_bytes, -row.reserved_bytes)) for row in rows
    ]
