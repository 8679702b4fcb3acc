"""Deleting a whole job: its files, results and row go in one transaction, and a summary of them stays."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import JobGone, JobHeld, JobNotFound
from media_analysis.files.audit import Act, Action, add_events
from media_analysis.files.models import FOREVER, RetentionRule
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.retention.removal.condemned import Amount, Condemned, Haul, Weight, of_job

RESULTS_CHUNK: Final = 20_000
STOPPABLE: Final = frozenset({JobStatus.PENDING, JobStatus.RUNNING})

_SUM_SOURCES: Final = text("""
    SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
    FROM media_files WHERE id IN (SELECT file_id FROM job_sources WHERE job_id = :job_id)
""")
_COUNT_RESULTS: Final = text("SELECT count(*) FROM analysis_results WHERE job_id = :job_id")
_DELETE_RESULTS: Final = text("""
    DELETE FROM analysis_results WHERE id = ANY(ARRAY(
        SELECT id FROM analysis_results WHERE job_id = :job_id ORDER BY id LIMIT :limit FOR UPDATE
    )) RETURNING id
""")
_HIDE_RESULTS: Final = text("""
    UPDATE analysis_results SET published = false WHERE id = ANY(ARRAY(
        SELECT id FROM analysis_results WHERE job_id = :job_id AND published ORDER BY id LIMIT :limit FOR UPDATE
    )) RETURNING id
""")
_FORGET: Final = (
    text("DELETE FROM job_events WHERE job_id = :job_id"),
    text("DELETE FROM job_sources WHERE job_id = :job_id"),
)
_MARK_DELETED: Final = text("""
    UPDATE analysis_jobs SET deleted_at = coalesce(deleted_at, :now), deletion_reason = :reason,
        restorable_until = :restorable_until, pinned_until = NULL, retry_at = NULL
    WHERE id = :job_id
""")
# What was in the trash and goes for good has a summary already, of all that went then.
_SUMMARISE: Final = text("""
    INSERT INTO job_audit (job_id, owner, name, kind, folder_name, status, created_at, started_at, completed_at,
                           archived_at, expires_at, deleted_at, deleted_by, reason, files, size_bytes, stats)
    SELECT id, owner, name, kind, folder_name, status::text, created_at, started_at, completed_at,
           archived_at, expires_at, deleted_at, :deleted_by, :reason, :files, :size_bytes, CAST(:stats AS jsonb)
    FROM analysis_jobs WHERE id = :job_id
    ON CONFLICT (job_id) DO UPDATE SET deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by,
        reason = excluded.reason, stats = job_audit.stats || jsonb_build_object('purged', excluded.stats)
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRemoval:
    """What goes, or went, with a job, what stays, and what stands against it."""

    job_id: UUID
    stops: bool
    """Whether the job waited or ran, and is cancelled first."""
    held_until: datetime | None
    """The hold of the job itself that stands against it."""
    files: Weight
    results: int
    sources: Amount
    """What the job analysed is not its own and stays."""
    restorable_until: datetime | None = None
    deleted_at: datetime | None = None
    """None of a rehearsal."""


async def find_removable(
    session: AsyncSession, job_id: UUID, *, owner: str | None, for_good: bool, lock: bool
) -> AnalysisJob:
    """Return a job that can be deleted, one whose files are trash too if they are to go `for_good`.

    A lock keeps uploads from registering into it, and its run from writing.

    Raises:
        JobNotFound, JobGone: there is nothing to delete.

    """
    query = select(AnalysisJob).where(AnalysisJob.id == job_id)
    if owner is not None:
        query = query.where(AnalysisJob.owner == owner)
    job = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if job is None:
        raise JobNotFound(job_id)
    if job.deleted_at is not None and not (for_good and job.restorable_until is not None):
        raise JobGone(job_id, deleted_at=job.deleted_at, restorable_until=job.restorable_until)
    return job


async def lock_files(session: AsyncSession, job_id: UUID) -> None:
    """Lock the files and sources of a locked job in one order: who locks them in two never waits in a circle."""
    theirs = "SELECT id FROM media_files WHERE job_id = :job_id UNION SELECT file_id FROM job_sources"
    together = Condemned(f"id = ANY(ARRAY({theirs} WHERE job_id = :job_id))", {"job_id": job_id})
    await together.lock(session)


async def weigh_job(session: AsyncSession, job: AnalysisJob, *, now: datetime, with_trash: bool) -> JobRemoval:
    """Say what a deletion of the job would take, changing nothing."""
    about = {"job_id": job.id}
    held = job.held_until is not None and job.held_until > now
    return JobRemoval(
        job_id=job.id,
        stops=job.status in STOPPABLE,
        held_until=job.held_until if held else None,
        files=await of_job(job.id).weigh(session, now=now, with_trash=with_trash),
        results=(await session.execute(_COUNT_RESULTS, about)).scalar_one(),
        sources=Amount._make((await session.execute(_SUM_SOURCES, about)).one()),
    )


def require_unprotected(weighed: JobRemoval) -> None:
    """Return if nothing stands against the removal.

    Raises:
        JobHeld: the job is held, or some of its files are protected.

    """
    if weighed.held_until is not None:
        held = sum(obstacle.files for obstacle in weighed.files.obstacles if obstacle.rule is RetentionRule.HOLD)
        until = None if weighed.held_until == FOREVER else weighed.held_until
        raise JobHeld(weighed.job_id, held_files=held, rule=RetentionRule.HOLD.value, until=until)
    if weighed.files.obstacles:
        strongest = weighed.files.obstacles[0]
        raise JobHeld(weighed.job_id, held_files=strongest.files, rule=strongest.rule.value, until=strongest.until)


async def take_job(session: AsyncSession, job: AnalysisJob, weighed: JobRemoval, haul: Haul) -> None:
    """Delete a locked job that nothing protects and that does not run, with all that was weighed."""
    order, about = haul.order, {"job_id": job.id}
    ends_at = None if haul.kept_for is None else order.now + haul.kept_for
    reason = order.reason or ("requested" if haul.rule is RetentionRule.REQUESTED else "expired")
    await haul.take(session, of_job(job.id))
    await _take_results(session, job.id, for_good=ends_at is None)
    if ends_at is None:
        for statement in _FORGET:
            await session.execute(statement, about)
    await add_event(session, job.id, "status", {"status": "deleted"})
    await session.execute(_MARK_DELETED, {**about, "now": order.now, "reason": reason, "restorable_until": ends_at})
    await _summarise(session, job, weighed, haul)
    await haul.settle(session)


async def _take_results(session: AsyncSession, job_id: UUID, *, for_good: bool) -> None:
    statement = _DELETE_RESULTS if for_good else _HIDE_RESULTS
    taken = RESULTS_CHUNK
    while taken == RESULTS_CHUNK:
        taken = len((await session.execute(statement, {"job_id": job_id, "limit": RESULTS_CHUNK})).all())


async def _summarise(session: AsyncSession, job: AnalysisJob, weighed: JobRemoval, haul: Haul) -> None:
    order, total = haul.order, weighed.files.total
    stats = {
        "categories": {kind.value: amount._asdict() for kind, amount in weighed.files.categories.items()},
        "results": weighed.results,
        "stopped": weighed.stops,
        "strategy": "hard" if haul.kept_for is None else "soft",
        "secure": order.secure,
    }
    amounts = {"files": total.files, "size_bytes": total.size_bytes}
    told = {"job_id": job.id, "deleted_by": order.requested_by, "reason": order.reason, "stats": json.dumps(stats)}
    await session.execute(_SUMMARISE, told | amounts)
    act = Act(
        actor=order.requested_by,
        action=Action.DELETED if haul.kept_for is None else Action.TRASHED,
        owner=job.owner,
        job_id=job.id,
        sweep_id=order.sweep_id,
        rule=haul.rule,
        reason=order.reason,
        details={**amounts, "results": weighed.results} | ({"secure": True} if order.secure else {}),
    )
    await add_events(session, [act])
