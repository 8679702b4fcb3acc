"""Holds and extensions of jobs: what they change of the job, of its files, its results, and what its archive holds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis import audit
from media_analysis.audit import Act
from media_analysis.db.ids import BLIND, change_in_order, chunks_of
from media_analysis.files import archived, protection
from media_analysis.files.models import MediaFile
from media_analysis.files.protection import Hold, hold_columns
from media_analysis.jobs.models import AnalysisJob, AnalysisResult
from media_analysis.jobs.results import is_visible


def hold_of(row: MediaFile | AnalysisJob) -> Hold | None:
    """Return the hold a file or a job carries itself, ended or not."""
    if row.held_until is None:
        return None
    return Hold(until=row.held_until, reason=row.hold_reason or "", by=row.held_by or "")


async def mark_job_held(session: AsyncSession, job_id: UUID, hold: Hold | None) -> int:
    """Set a locked job's hold and its copy on each of its files, or take them away; return how many files it has."""
    of_job = update(AnalysisJob).where(AnalysisJob.id == job_id).values(**hold_columns(hold))
    await session.execute(of_job, execution_options=BLIND)
    return await protection.mark_held_with_job(session, job_id, hold)


async def mark_job_extended(
    session: AsyncSession, job_id: UUID, expires_at: datetime | None, *, now: datetime
) -> Sequence[UUID]:
    """Date a locked job, its stored, living files and its results anew; return the ids of those files.

    The end is the job's own from now on, however long it was to be kept after its run.
    """
    of_job = update(AnalysisJob).where(AnalysisJob.id == job_id).values(expires_at=expires_at, lifetime_seconds=None)
    await session.execute(of_job, execution_options=BLIND)
    changed = await protection.mark_ending_with_job(session, job_id, expires_at, now=now)
    results = update(AnalysisResult).values(expires_at=expires_at)
    await change_in_order(session, results, AnalysisResult.id, AnalysisResult.job_id == job_id, is_visible(now))
    await archived.date_copies(session, job_id, expires_at)
    return changed


async def add_file_events(session: AsyncSession, act: Act, file_ids: Sequence[UUID]) -> None:
    """Tell of every file what was done to its job."""
    of_file = replace(act, details={"expires_at": act.details["expires_at"]})
    for chunk in chunks_of(file_ids):
        await audit.add_file_events(session, of_file, chunk)
