"""A run's way into its archive and out of it: when it is archived, what stands against that, and when it goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.eligibility import archive_end, does_go, goes, run_end, stays_in_place
from media_analysis.deletion.selection import Amount, of_job
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.results import visible
from media_analysis.retention.explain.explanation import Barrier, BarrierScope, Blocker, Step, job_hold
from media_analysis.settings.archive import ArchiveSettings
from media_analysis.settings.cron import cron_trigger
from media_analysis.states import RetentionRule

_PROSPECTS: Final = text(f"""
    SELECT nullif(term.ends_at, 'infinity') AS ends_at, EXISTS (
        SELECT FROM media_files AS file WHERE file.job_id = :job_id AND {goes("file", at=":at", ends_at="term.ends_at")}
    ) OR EXISTS (
        SELECT FROM analysis_results AS result WHERE result.job_id = :job_id AND {visible("result", ":at")}
    ) AS anything, EXISTS (
        SELECT FROM media_files AS file WHERE file.job_id = :job_id
            AND {stays_in_place("file", ":at")}
    ) AS kept
    FROM (SELECT {archive_end(":job_id", ":run_end")} AS ends_at) AS term
""")  # noqa: S608 - fragments of ours
_PAST: Final = text("""
    SELECT segments.*, originals.*, task.* FROM (
        SELECT count(*) AS segments, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
        FROM media_files WHERE job_id = :job_id AND role = 'archive' AND state <> 'pending'
    ) AS segments, (
        SELECT count(*) AS originals, coalesce(sum(size_bytes), 0)::bigint AS original_bytes
        FROM archived_files WHERE job_id = :job_id
    ) AS originals LEFT JOIN LATERAL (
        SELECT kind::text, status::text, ended_at, error_code, error FROM archive_tasks
        WHERE job_id = :job_id ORDER BY id DESC LIMIT 1
    ) AS task ON true
""")


@dataclass(frozen=True, kw_only=True)
class ArchivalTerms:
    """When runs are archived, and how long they are kept."""

    after: timedelta
    kept_for: timedelta
    next_start: Callable[[datetime], datetime | None]
    """The first scheduled archiving at or after an instant; None where nothing is archived by schedule."""

    @classmethod
    def of(cls, archive: ArchiveSettings) -> Self:
        """Return what the settings say."""
        trigger = cron_trigger(archive.schedule)
        return cls(
            after=timedelta(days=archive.after_days),
            kept_for=timedelta(days=archive.delete_after_days),
            next_start=lambda after: trigger.get_next_fire_time(None, after) if archive.enabled else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivalFailure:
    """What became of the last archiving or restoring, where it failed."""

    kind: str
    """`archive` or `restore`."""
    at: datetime | None
    code: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunArchival:
    """Where a run is between its end and its deletion."""

    archived_at: datetime | None
    restored_at: datetime | None
    due_at: datetime | None = None
    """From when on it is to be archived; None where it is not, or is already."""
    starts_at: datetime | None = None
    """The scheduled archiving that takes it, unless something still blocks it then."""
    deletes_at: datetime | None
    """When it goes, its archive with it; None is never, or nobody can say yet."""
    reason: str | None
    """Why it is not to be archived, or not by itself."""
    blockers: Sequence[Blocker] = ()
    """What stands against archiving it now."""
    segments: Amount
    """The objects its archive consists of; a restored run keeps them."""
    originals: Amount
    """The files its archive has copies of, as they were."""
    failure: ArchivalFailure | None


def find_due(job: AnalysisJob, terms: ArchivalTerms) -> datetime | None:
    """Return from when on a run is to be archived; None while it is not over, and once it is archived or deleted."""
    over = job.status.is_over and job.archived_at is None and job.deleted_at is None
    if job.completed_at is None or not over:
        return None
    return (job.restored_at or job.completed_at) + terms.after


async def find_archiving(
    session: AsyncSession, file: MediaFile, job: AnalysisJob | None, terms: ArchivalTerms, now: datetime
) -> Sequence[Step]:
    """Return the step in which a file goes into the archive of its run, unless it ends before or something keeps it.

    What keeps one file of a run keeps all of them.
    """
    due_at = None if job is None else find_due(job, terms)
    starts_at = None if due_at is None else terms.next_start(max(due_at, now))
    if job is None or starts_at is None:
        return []
    of_run = await _find_prospects(session, job, terms, starts_at)
    kept = of_run.kept or job.is_held(starts_at)
    if kept or not does_go(file, at=starts_at, ends_at=of_run.ends_at):
        return []
    return [Step("archive", starts_at, RetentionRule.ARCHIVED)]


async def _find_prospects(session: AsyncSession, job: AnalysisJob, terms: ArchivalTerms, at: datetime) -> Row[Any]:
    asked = {"job_id": job.id, "at": at, "run_end": run_end(job, terms.kept_for)}
    return (await session.execute(_PROSPECTS, asked)).one()


async def explain_archival(
    session: AsyncSession, job: AnalysisJob, terms: ArchivalTerms, *, now: datetime
) -> RunArchival:
    """Say when a run goes into its archive and when it is deleted, or what stands against that."""
    past = (await session.execute(_PAST, {"job_id": job.id})).one()
    told = RunArchival(
        archived_at=job.archived_at,
        restored_at=job.restored_at,
        deletes_at=job.expires_at,
        reason="it is not over" if job.archived_at is None else "it is archived",
        segments=Amount(past.segments, past.size_bytes),
        originals=Amount(past.originals, past.original_bytes),
        failure=_failure(past),
    )
    due_at = find_due(job, terms)
    return told if due_at is None else await _foretell(session, job, terms, told, due_at=due_at, now=now)


async def _foretell(
    session: AsyncSession, job: AnalysisJob, terms: ArchivalTerms, told: RunArchival, *, due_at: datetime, now: datetime
) -> RunArchival:
    starts_at = terms.next_start(max(due_at, now))
    prospects = await _find_prospects(session, job, terms, starts_at or max(due_at, now))
    if not prospects.anything:
        return replace(told, reason="nothing of it is left to be archived then")
    return replace(
        told,
        due_at=due_at,
        starts_at=starts_at,
        deletes_at=prospects.ends_at,
        reason="nothing is archived by schedule; ask for it" if starts_at is None else None,
        blockers=await _list_blockers(session, job, now),
    )


async def _list_blockers(session: AsyncSession, job: AnalysisJob, now: datetime) -> Sequence[Blocker]:
    """Return holds and leases; a minimum retention is none, for the archive is kept as long."""
    held = job.is_held(now)
    of_run = [job_hold(job, job.held_until)] if held else []
    weighed = await of_job(job.id).weigh(session, now=now, with_trash=False)
    of_files = [
        Blocker(
            rule=Barrier(obstacle.rule.value),
            scope=BarrierScope.FILE,
            until=obstacle.until,
            reason=f"keeps {obstacle.files} of its files where they are",
        )
        for obstacle in weighed.obstacles
        if obstacle.rule in {RetentionRule.HOLD, RetentionRule.JOB_LEASE}
    ]
    return [*of_run, *(one for one in of_files if not (held and one.rule is Barrier.HOLD))]


def _failure(last: Any) -> ArchivalFailure | None:
    if last.status != "failed":
        return None
    return ArchivalFailure(kind=last.kind, at=last.ended_at, code=last.error_code, reason=last.error)
