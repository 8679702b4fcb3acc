"""The ends of archived runs, and of archives that hold copies of what was deleted since their run was restored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.eligibility import archivable
from media_analysis.columns import living
from media_analysis.db.database import Database, retried
from media_analysis.deletion import tombstones
from media_analysis.deletion.decisions import decide_each
from media_analysis.deletion.pauses import require_running
from media_analysis.deletion.selection import Amount, DeletionBatch, FileSelection, of_job
from media_analysis.deletion.tombstones import Claim, FilesByRule, Freed, Order
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.archived import date_segments, delete_copies
from media_analysis.files.ledger import Moved
from media_analysis.jobs import deletion
from media_analysis.jobs.archived import put_off
from media_analysis.jobs.closing import purge_jobs
from media_analysis.jobs.models import AnalysisJob
from media_analysis.policy.in_force import require_policy
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

BATCH: Final = 200
_NOTHING: Final = Amount()
_START: Final = datetime.fromisoformat("0001-01-01T00:00:00+00:00")

_OVER: Final = """
    SELECT job.id, job.expires_at FROM analysis_jobs AS job
    WHERE job.archived_at IS NOT NULL AND job.deleted_at IS NULL AND job.expires_at <= :now
        AND (job.expires_at, job.id) > (:after_at, :after_id) AND job.held_until > :now IS NOT TRUE
    ORDER BY job.expires_at, job.id LIMIT :limit
"""
_LIST_OVER: Final = text(_OVER)
_COUNT_OVER: Final = text(f"SELECT count(*) FROM ({_OVER}) AS over")  # noqa: S608 - constants
_LOCK_OVER: Final = text("""
    SELECT id FROM analysis_jobs
    WHERE id = :id AND archived_at IS NOT NULL AND deleted_at IS NULL AND expires_at <= :now
    FOR UPDATE SKIP LOCKED
""")
# A file that came back alone lives as long as it says of itself, and its run, whose files it is one of, as long.
_KEPT: Final = text(f"""
    SELECT count(*) AS files, nullif(max(coalesce(expires_at, 'infinity')), 'infinity') AS ends_at
    FROM media_files
    WHERE job_id = :id AND state = 'stored' AND role IS DISTINCT FROM 'archive' AND {living("expires_at")}
        AND (expiry_explicit OR {archivable("media_files")})
""")  # noqa: S608 - fragments of ours
# Runs that were restored are few; only their archives can hold what was deleted by itself.
_STALE: Final = """
    EXISTS (
        SELECT FROM archived_files AS copy WHERE copy.job_id = job.id
            AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
    )
"""
_LIST_STALE: Final = text(f"""
    SELECT job.id FROM analysis_jobs AS job
    WHERE job.restored_at IS NOT NULL AND job.archived_at IS NULL AND job.deleted_at IS NULL
        AND job.id > :after AND {_STALE}
    ORDER BY job.id LIMIT :limit
""")  # noqa: S608 - constants
_LOCK_STALE: Final = text(f"""
    SELECT job.id FROM analysis_jobs AS job WHERE job.id = :id AND job.archived_at IS NULL AND {_STALE} FOR UPDATE
""")  # noqa: S608 - constants
# Whoever archives or restores a run has its segments locked, so a claimer who has them locked sees how it stands.
_BOUND: Final = text("""
    SELECT segment.id FROM media_files AS segment JOIN analysis_jobs AS job ON job.id = segment.job_id
    WHERE segment.id = ANY(CAST(:ids AS uuid[])) AND segment.role = 'archive'
        AND job.archived_at IS NOT NULL AND (job.deleted_at IS NULL OR job.restorable_until IS NOT NULL)
""")
_LIST_TRASH: Final = text("""
    SELECT id, restorable_until FROM analysis_jobs
    WHERE archived_at IS NOT NULL AND restorable_until <= :now AND (restorable_until, id) > (:after_at, :after_id)
    ORDER BY restorable_until, id LIMIT :limit
""")
_LOCK_TRASH: Final = text("""
    SELECT id FROM analysis_jobs WHERE id = :id AND archived_at IS NOT NULL AND restorable_until <= :now
    FOR UPDATE SKIP LOCKED
""")
_RUNS_OF: Final = text("""
    SELECT DISTINCT job_id FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) AND role = 'archive'
""")
# Whoever restores one of them has it locked, finds its segments gone, and says so.
_LOCK_UNRESTORABLE: Final = text("""
    SELECT id FROM analysis_jobs
    WHERE archived_at IS NOT NULL AND restorable_until IS NOT NULL AND id = ANY(CAST(:ids AS uuid[]))
    ORDER BY id FOR UPDATE SKIP LOCKED
""")
_JOBS_OF_COPIES: Final = text("""
    SELECT DISTINCT job_id FROM archived_files WHERE file_id = ANY(CAST(:ids AS uuid[])) ORDER BY job_id
""")


async def list_bound(session: AsyncSession, file_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return those of locked files that are archives of archived runs, in the trash or not: they go with their runs."""
    return frozenset((await session.scalars(_BOUND, {"ids": list(file_ids)})).all())


async def delete_with_runs(
    session: AsyncSession, files_by_rule: FilesByRule, order: Order, *, category: Category
) -> tuple[Sequence[Claim], list[Moved]]:
    """Write tombstones; deleted runs whose archives are among the files go for good, for nothing could come back."""
    ids = [file.id for files in files_by_rule.values() for file in files]
    archives = ids if category is Category.ARCHIVES else []
    runs = (await session.scalars(_RUNS_OF, {"ids": archives})).all() if archives else ()
    claims, freed = await tombstones.write_tombstones(session, files_by_rule, order, category=category)
    if runs and (job_ids := (await session.scalars(_LOCK_UNRESTORABLE, {"ids": list(runs)})).all()):
        await purge_jobs(session, job_ids)
    return claims, freed


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended: runs, what of them is trash now, and the outbox entries of the bytes that go."""

    runs: int = 0
    trashed: Amount = _NOTHING
    purges: Sequence[UUID] = ()

    def plus(self, other: "Ended") -> "Ended":
        return Ended(self.runs + other.runs, self.trashed.plus(other.trashed), [*self.purges, *other.purges])


@dataclass(frozen=True)
class ArchiveExpiry:
    """Ends archived runs at their end, each with its archive, its results and its row in one transaction."""

    db: Database
    trash: timedelta | None = None
    """How long an archive that goes with its run can still be restored; None is not at all."""

    async def end_over(self, order: Order) -> Ended:
        """End archived runs whose end has come, and put off that of those with a file that lives on.

        Raises:
            DeletionPaused: somebody has to confirm first.

        """
        ended, after = Ended(), (_START, UUID(int=0))
        while True:
            asked = {"now": order.now, "after_at": after[0], "after_id": after[1], "limit": BATCH}
            async with self.db.read_only() as session:
                over = (await session.execute(_LIST_OVER, asked)).all()
            for row in over:
                ended = ended.plus(await self._end(row.id, order))
            if len(over) < BATCH:
                return ended
            after = (over[-1].expires_at, over[-1].id)

    async def purge_over(self, order: Order) -> Sequence[UUID]:
        """End the time in the trash of archived runs, each with its archive; return the outbox entries.

        Raises:
            DeletionPaused: somebody has to confirm first.

        """
        purges, after = list[UUID](), (_START, UUID(int=0))
        while True:
            asked = {"now": order.now, "after_at": after[0], "after_id": after[1], "limit": BATCH}
            async with self.db.read_only() as session:
                over = (await session.execute(_LIST_TRASH, asked)).all()
            for row in over:
                purges += await self._purge(row.id, order)
            if len(over) < BATCH:
                return purges
            after = (over[-1].restorable_until, over[-1].id)

    @retried
    async def _purge(self, job_id: UUID, order: Order) -> Sequence[UUID]:
        async with self.db.transaction() as session:
            await require_running(session, Category.ARCHIVES)
            if (await session.scalars(_LOCK_TRASH, {"id": job_id, "now": order.now})).one_or_none() is None:
                return ()  # restored or deleted for good meanwhile, or somebody else ends it
            await deletion.lock_files(session, job_id)
            if (await of_job(job_id).weigh(session, now=order.now, with_trash=True)).obstacles:
                return ()  # a hold keeps it in the trash
            freed = await self._write_tombstones(session, job_id, order)
            await purge_jobs(session, [job_id])
            await ledger.move(session, freed.moved)
            failpoint("archive.trash_purging")
        failpoint("archive.trash_purged")
        return freed.purges

    async def _write_tombstones(self, session: AsyncSession, job_id: UUID, order: Order) -> Freed:
        policy, freed = await require_policy(session), Freed()
        async for page in of_job(job_id).read(session, [FileState.STORED, FileState.TRASHED]):
            for category, group in groupby(page, key=lambda file: file[0]):
                decided = decide_each([facts for _, facts in group], policy.of(category), order.now, trash=False)
                claims, moved = await tombstones.write_tombstones(session, decided.deleted, order, category=category)
                freed = freed.plus(Freed([claim.purge_id for claim in claims], moved))
        return freed

    async def count_over(self, session: AsyncSession, *, now: datetime) -> int:
        """Count the archived runs that `end_over` would end."""
        asked = {"now": now, "after_at": _START, "after_id": UUID(int=0), "limit": None}
        counted: int = (await session.execute(_COUNT_OVER, asked)).scalar_one()
        return counted

    async def delete_stale(self, order: Order) -> Sequence[UUID]:
        """Let go of archives of restored runs that hold copies of deleted files; return the outbox entries.

        The runs lose nothing: what lives of them has its own bytes again.
        """
        purges, after = list[UUID](), UUID(int=0)
        while True:
            async with self.db.read_only() as session:
                found = (await session.scalars(_LIST_STALE, {"after": after, "limit": BATCH})).all()
            for job_id in found:
                purges += await self.delete_archive_of(job_id, order)
            if len(found) < BATCH:
                return purges
            after = found[-1]

    async def delete_copies_of(self, file_ids: Sequence[UUID], order: Order) -> Sequence[UUID]:
        """Let go of archives of restored runs that hold copies of files just deleted; return the outbox entries."""
        async with self.db.read_only() as session:
            job_ids = (await session.scalars(_JOBS_OF_COPIES, {"ids": list(file_ids)})).all()
        return [purge for job_id in job_ids for purge in await self.delete_archive_of(job_id, order)]

    @retried
    async def delete_archive_of(self, job_id: UUID, order: Order) -> Sequence[UUID]:
        """Let go of the archive of one restored run, if it holds a copy of something deleted."""
        async with self.db.transaction() as session:
            if (await session.scalars(_LOCK_STALE, {"id": job_id})).one_or_none() is None:
                return ()
            segments = FileSelection("job_id = :id AND role = 'archive'", {"id": job_id})
            await segments.lock(session)
            freed = await segments.write_tombstones(session, RetentionRule.ARCHIVED, order)
            await delete_copies(session, [job_id])
            await ledger.move(session, freed.moved)
            failpoint("archive.deleting")
        failpoint("archive.deleted")
        return freed.purges

    @retried
    async def _end(self, job_id: UUID, order: Order) -> Ended:
        async with self.db.transaction() as session:
            await require_running(session, Category.ARCHIVES)
            if (await session.scalars(_LOCK_OVER, {"id": job_id, "now": order.now})).one_or_none() is None:
                return Ended()  # extended, deleted or restored meanwhile, or somebody else ends it
            job = await session.get_one(AnalysisJob, job_id)
            await deletion.lock_files(session, job_id)
            kept = (await session.execute(_KEPT, {"id": job_id, "now": order.now})).one()
            if kept.files:
                await put_off(session, job_id, kept.ends_at)
                await date_segments(session, job_id, kept.ends_at)
                return Ended()
            weighed = await deletion.weigh_job(session, job, now=order.now, with_trash=self.trash is None)
            if weighed.obstacles:
                return Ended()
            batch = DeletionBatch(order, self.trash, RetentionRule.EXPLICIT_EXPIRY)
            purges = await deletion.take_job(session, job, weighed, batch)
            failpoint("archive.ending")
        failpoint("archive.ended")
        return Ended(1, _NOTHING if self.trash is None else weighed.files.total, purges)
