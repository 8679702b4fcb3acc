"""Deleting a whole job: its files, results and row go in one transaction, and a summary of them stays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import NOTHING, Amount, DeletionBatch, FileSelection, Obstacle, Weight, of_job
from media_analysis.errors import JobGone, JobHeld
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.jobs.archived import sum_archive
from media_analysis.jobs.closing import Summary, close_jobs
from media_analysis.jobs.control import stop_job
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import raise_absent
from media_analysis.states import RetentionRule, finite

_SUM_SOURCES: Final = text("""
    SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
    FROM media_files WHERE id = ANY(ARRAY(SELECT file_id FROM job_sources WHERE job_id = :job_id))
""")
# What a run under way brought is nobody's, and dropped; what hides with a file in the trash goes for good only.
_COUNT_RESULTS: Final = text("""
    SELECT count(*) FROM analysis_results WHERE job_id = :job_id AND (published OR :with_hidden)
""")
# Of a file that lives beside its copy the row itself is weighed.
_WEIGH_COPIES: Final = text("""
    SELECT count(*), max(min_retain_until) FROM archived_files AS copy
    WHERE job_id = :job_id AND min_retain_until > :now
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDeletion:
    """What goes, or went, with a job, what stays, and what stands against it."""

    job_id: UUID
    stops: bool
    """Whether the job waited or ran, and is cancelled first."""
    held_until: datetime | None
    """The hold of the job itself that stands against it."""
    files: Weight
    copies: Obstacle | None
    """The minimum retention of files that lie in its archive alone."""
    results: int
    sources: Amount
    """What the job analysed is not its own and stays."""
    restorable_until: datetime | None = None
    deleted_at: datetime | None = None
    """None of a rehearsal."""
    remaining: Amount | None = NOTHING
    """What of it is still to be removed: it takes long, the store refused, or deletion is paused; None is unknown."""

    @property
    def obstacles(self) -> Sequence[Obstacle]:
        """What stands against it, strongest first; a job that has no files can be held, too."""
        found = [*self.files.obstacles, *([] if self.copies is None else [self.copies])]
        if self.held_until is None or (found and found[0].rule is RetentionRule.HOLD):
            return found
        return [Obstacle(RetentionRule.HOLD, 0, finite(self.held_until)), *found]


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
        await raise_absent(session, job_id, owner)
    if job.deleted_at is not None and not (for_good and job.restorable_until is not None):
        raise JobGone(job_id, deleted_at=job.deleted_at, restorable_until=job.restorable_until)
    return job


async def lock_files(session: AsyncSession, job_id: UUID) -> None:
    """Lock the files and sources of a locked job in one order: who locks them in two never waits in a circle."""
    theirs = "SELECT id FROM media_files WHERE job_id = :job_id UNION SELECT file_id FROM job_sources"
    together = FileSelection(f"id = ANY(ARRAY({theirs} WHERE job_id = :job_id))", {"job_id": job_id})
    await together.lock(session)


async def weigh_job(session: AsyncSession, job: AnalysisJob, *, now: datetime, with_trash: bool) -> JobDeletion:
    """Say what a deletion of the job would take, changing nothing."""
    about = {"job_id": job.id}
    hidden = with_trash and job.status.is_over
    return JobDeletion(
        job_id=job.id,
        stops=not job.status.is_over,
        held_until=job.held_until if job.is_held(now) else None,
        files=await of_job(job.id).weigh(session, now=now, with_trash=with_trash),
        copies=await _weigh_copies(session, job, now),
        results=(await session.execute(_COUNT_RESULTS, {**about, "with_hidden": hidden})).scalar_one(),
        sources=Amount._make((await session.execute(_SUM_SOURCES, about)).one()),
    )


async def _weigh_copies(session: AsyncSession, job: AnalysisJob, now: datetime) -> Obstacle | None:
    if job.archived_at is None or job.deleted_at is not None:  # what was thrown away was weighed then
        return None
    files, until = (await session.execute(_WEIGH_COPIES, {"job_id": job.id, "now": now})).one()
    return Obstacle(RetentionRule.MINIMUM_RETENTION, files, until) if files else None


def require_unprotected(weighed: JobDeletion) -> None:
    """Return if nothing stands against the removal.

    Raises:
        JobHeld: the job is held, or some of its files are protected.

    """
    if weighed.obstacles:
        strongest = weighed.obstacles[0]
        raise JobHeld(weighed.job_id, held_files=strongest.files, rule=strongest.rule.value, until=strongest.until)


async def take_job(
    session: AsyncSession, job: AnalysisJob, weighed: JobDeletion, batch: DeletionBatch
) -> Sequence[UUID]:
    """Delete a locked job that nothing protects and that does not run, with all that was weighed.

    Returns the outbox entries whose bytes go once the transaction is committed.
    """
    freed = await batch.take(session, of_job(job.id))
    total = weighed.files.total
    stats: dict[str, Any] = {
        "categories": {kind.value: amount._asdict() for kind, amount in weighed.files.categories.items()},
        "stopped": weighed.stops,
        "secure": batch.order.secure,
    }
    if job.archived_at is not None:
        stats["archive"] = await sum_archive(session, job.id)
    summary = Summary(files=total.files, size_bytes=total.size_bytes, stats=stats)
    ends_at = None if batch.kept_for is None else batch.order.now + batch.kept_for
    # Whoever watches a job that was just stopped still has to be told by its row.
    drop = batch.kept_for is None and not weighed.stops
    await close_jobs(session, {job.id: summary}, batch.order, rule=batch.rule, restorable_until=ends_at, drop=drop)
    await ledger.move(session, freed.moved)
    return freed.purges


@dataclass(frozen=True)
class JobDeletionService:
    """Deletes jobs with all that is theirs; `owner=None` is an administrator."""

    db: Database
    deleter: Deleter

    async def preview(
        self, job_id: UUID, asked: DeletionRequest, *, owner: str | None, now: datetime | None = None
    ) -> JobDeletion:
        """Say what a deletion would take, what would stay, and what stands against it; nothing changes.

        Raises:
            JobNotFound, JobGone: there is nothing to delete.

        """
        now = now or await self.db.now()
        async with self.db.read_only() as session:
            job = await find_removable(session, job_id, owner=owner, for_good=asked.for_good, lock=False)
            return await self._weigh(session, job, asked, now)

    @retried
    async def delete(
        self, job_id: UUID, asked: DeletionRequest, *, owner: str | None, now: datetime | None = None
    ) -> JobDeletion:
        """Delete a job, its files and its results; a job that waits or runs is cancelled by the same transaction.

        Its sources stay. The bytes go after the commit; what a crash leaves of them is on the outbox.

        Raises:
            JobNotFound, JobGone, JobHeld: there is nothing to delete, or it may not go.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        began = time.monotonic()
        await self.deleter.store.require_marker()
        now = now or await self.db.now()
        async with self.db.transaction() as session:
            job = await find_removable(session, job_id, owner=owner, for_good=asked.for_good, lock=True)
            kept_for = self.deleter.strategy.kept_for(asked)
            batch = await self.deleter.begin(session, asked, now=now, kept_for=kept_for)
            await lock_files(session, job_id)
            weighed = await self._weigh(session, job, asked, now)
            require_unprotected(weighed)
            if weighed.stops:
                await stop_job(session, job, now)
            purges = await take_job(session, job, weighed, batch)
            failpoint("job.deleting")
        failpoint("job.deleted")
        remaining = await self.deleter.purge_for_answer(purges, since=began)
        return replace(weighed, deleted_at=now, remaining=remaining)

    async def _weigh(
        self, session: AsyncSession, job: AnalysisJob, asked: DeletionRequest, now: datetime
    ) -> JobDeletion:
        kept_for = self.deleter.strategy.kept_for(asked)
        weighed = await weigh_job(session, job, now=now, with_trash=kept_for is None)
        return replace(weighed, restorable_until=None if kept_for is None else now + kept_for)
