"""Files whose bytes went into the archive of their run: where they are now, until when, and what ended that."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.jobs.models import AnalysisJob, JobAudit
from media_analysis.retention.explain.explanation import (
    Circumstances,
    Explanation,
    RetentionState,
    explain_deleted,
    explain_living,
)
from media_analysis.retention.explain.places import ArchivePlace
from media_analysis.retention.explain.queries import DeletedFile, LivingFile
from media_analysis.states import FileState, RetentionRule


@dataclass(frozen=True, slots=True)
class ArchivedCopy:
    """A file's copy in the archive of its run, and who ended that, if somebody did."""

    segment: MediaFile | None
    job: AnalysisJob | None
    end: "ArchiveEnd | None"


@dataclass(frozen=True, slots=True)
class ArchiveEnd:
    """When an archive went, with its run or alone, by whom, and why."""

    at: datetime
    by: str
    reason: str | None


async def get_copy(session: AsyncSession, stone: Tombstone) -> ArchivedCopy | None:
    """Return the copy of a file that was archived, None if it was not."""
    if stone.rule is not RetentionRule.ARCHIVED or stone.job_id is None:
        return None
    query = (
        select(ArchivedFile.archive_id, MediaFile, AnalysisJob)
        .join(AnalysisJob, AnalysisJob.id == ArchivedFile.job_id)
        .outerjoin(MediaFile, MediaFile.id == ArchivedFile.archive_id)
        .where(ArchivedFile.file_id == stone.id)
    )
    row = (await session.execute(query)).one_or_none()
    archive_id, segment, job = (None, None, None) if row is None else row
    if segment is not None and job is not None and job.deleted_at is None:
        return ArchivedCopy(segment, job, None)
    return ArchivedCopy(segment, job, await _find_end(session, stone.job_id, archive_id))


async def _find_end(session: AsyncSession, job_id: UUID, archive_id: UUID | None) -> ArchiveEnd | None:
    run = await session.get(JobAudit, job_id)
    if run is not None:
        return ArchiveEnd(run.deleted_at, run.deleted_by, run.reason)
    stone = None if archive_id is None else await session.get(Tombstone, archive_id)
    return None if stone is None else ArchiveEnd(stone.deleted_at, stone.requested_by, stone.reason)


def explain_archived(found: DeletedFile, copy: ArchivedCopy, about: Circumstances) -> Explanation:
    """Explain a file by the archive that has its content: what becomes of the archive becomes of it."""
    told = replace(explain_deleted(found, about.next_tick), archive=_place(found, copy))
    if copy.segment is None:
        return told
    of_archive = explain_living(LivingFile(copy.segment, copy.job, found.now), about)
    trashed = copy.segment.state is FileState.TRASHED
    return replace(
        told,
        state=RetentionState.TRASHED if trashed else RetentionState.ARCHIVED,
        action=of_archive.action,
        at=of_archive.at,
        swept_at=of_archive.swept_at,
        policy_version=of_archive.policy_version,
        blockers=[*told.blockers, *of_archive.blockers],
        next_steps=of_archive.next_steps,
    )


def _place(found: DeletedFile, copy: ArchivedCopy) -> ArchivePlace | None:
    stone, segment, end = found.stone, copy.segment, copy.end
    if stone.job_id is None:
        return None
    living = segment is not None and segment.state is FileState.STORED and end is None
    ends_at = None if segment is None else segment.expires_at
    return ArchivePlace(
        job_id=stone.job_id,
        file_id=stone.id,
        archive_id=None if segment is None else segment.id,
        archived_at=stone.deleted_at,
        available=living and (ends_at is None or ends_at > found.now),
        kept_until=ends_at if segment is None or segment.state is FileState.STORED else segment.trash_ends_at,
        gone_at=None if end is None else end.at,
        gone_by=None if end is None else end.by,
        gone_reason=None if end is None else end.reason,
    )
