"""Which runs are to be archived: found by index, the longest over first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.eligibility import archivable, archive_end, goes, stays_in_place
from media_analysis.jobs.results import visible
from media_analysis.settings.archive import ArchiveSettings

BATCH: Final = 500

_RUN_END: Final = "coalesce(job.expires_at, coalesce(job.restored_at, job.completed_at) + :kept_for)"
_GOES: Final = goes("file", at=":now", ends_at=archive_end("job.id", _RUN_END))

# What a hold or a lease keeps where it is, is asked about again the next time. Each look at a run's files is a query
# of its own with a limit: of EXISTS the planner may make a hash of all files there are.
_DUE: Final = text(f"""
    SELECT job.id, job.owner, job.folder_name, coalesce(job.restored_at, job.completed_at) AS ended_at, (
        SELECT coalesce(sum(size_bytes), 0)::bigint FROM media_files AS file
        WHERE file.job_id = job.id AND {archivable("file")}
    ) AS size_bytes
    FROM analysis_jobs AS job
    WHERE job.completed_at IS NOT NULL AND job.archived_at IS NULL AND job.deleted_at IS NULL
        AND coalesce(job.restored_at, job.completed_at) <= CAST(:now AS timestamptz) - :after
        AND (coalesce(job.restored_at, job.completed_at), job.id) > (:after_at, :after_id)
        AND job.status NOT IN ('pending', 'running') AND coalesce(job.held_until <= :now, true)
        AND (
            SELECT true FROM media_files AS file WHERE file.job_id = job.id AND {stays_in_place("file", ":now")} LIMIT 1
        ) IS NULL
        AND coalesce((
            SELECT true FROM media_files AS file WHERE file.job_id = job.id AND {_GOES} LIMIT 1
        ), (
            SELECT true FROM analysis_results AS result WHERE result.job_id = job.id AND {visible("result")} LIMIT 1
        ), false)
    ORDER BY coalesce(job.restored_at, job.completed_at), job.id LIMIT :limit
""").bindparams(bindparam("after", type_=Interval), bindparam("kept_for", type_=Interval))  # noqa: S608 - fragments of ours


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveTerms:
    """When runs are archived, how long they are kept, and how much one scheduled run does."""

    after: timedelta
    kept_for: timedelta
    budget: timedelta | None = None
    budget_bytes: int | None = None

    @classmethod
    def of(cls, archive: ArchiveSettings) -> Self:
        """Return what the settings say."""
        return cls(
            after=timedelta(days=archive.after_days),
            kept_for=timedelta(days=archive.delete_after_days),
            budget=None if archive.budget_seconds is None else timedelta(seconds=archive.budget_seconds),
            budget_bytes=archive.budget_bytes,
        )


class RunPosition(NamedTuple):
    """Where a run stands among those that have ended."""

    ended_at: datetime
    id: UUID


START: Final = RunPosition(datetime.fromisoformat("0001-01-01T00:00:00+00:00"), UUID(int=0))


class DueRun(NamedTuple):
    """A run whose time has come, and the bytes of its files before they are packed."""

    id: UUID
    owner: str
    folder_name: str
    ended_at: datetime
    size_bytes: int

    @property
    def position(self) -> RunPosition:
        return RunPosition(self.ended_at, self.id)


async def list_due(
    session: AsyncSession, terms: ArchiveTerms, *, now: datetime, after: RunPosition = START, limit: int
) -> Sequence[DueRun]:
    """Return runs behind a position whose time to be archived has come; what is held, or has nothing left, has none."""
    asked = {"now": now, "after": terms.after, "kept_for": terms.kept_for, "limit": limit}
    rows = await session.execute(_DUE, {**asked, "after_at": after.ended_at, "after_id": after.id})
    return [DueRun._make(row) for row in rows]
