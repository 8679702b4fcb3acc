"""What of a run goes into its archive, until when that is kept, and what stands against it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.eligibility import archive_end, goes, run_end
from media_analysis.deletion.selection import FileSelection, of_job
from media_analysis.errors import JobArchived, JobHeld, JobNotEnded, NothingToArchive
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.results import visible
from media_analysis.states import RetentionRule, finite

PAGE: Final = 1_000

_GOES: Final = f"media_files.job_id = :job_id AND {goes('media_files', at=':now', ends_at=':ends_at')}"
_NEW: Final = f"{_GOES} AND NOT EXISTS (SELECT FROM archived_files AS copy WHERE copy.file_id = media_files.id)"
_END: Final = text(f"SELECT nullif({archive_end(':job_id', ':run_end')}, 'infinity')")
_SUM: Final = """
    SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes,
        coalesce(sum(octet_length(key)), 0)::bigint AS key_bytes
    FROM media_files WHERE {goes}
"""
_READ: Final = """
    SELECT id, key, category::text, filename, media_type, size_bytes, sha256, parent_id, role, ordinal,
        instant_seconds, created_at, stored_at, expires_at, expiry_explicit, min_retain_until, labels
    FROM media_files WHERE {goes} ORDER BY category, ordinal, id
"""
_UNHASHED: Final = text(f"""
    SELECT id, key, size_bytes FROM media_files WHERE {_GOES} AND sha256 IS NULL ORDER BY id
""")  # noqa: S608 - constants
_STALE: Final = text(f"""
    SELECT EXISTS (
        SELECT FROM archived_files AS copy
        WHERE copy.job_id = :job_id AND copy.archive_id IS DISTINCT FROM CAST(:archive_id AS uuid)
            AND (NOT EXISTS (SELECT FROM media_files WHERE media_files.id = copy.file_id AND {_GOES})
                OR NOT EXISTS (SELECT FROM media_files AS segment
                    WHERE segment.id = copy.archive_id AND segment.state = 'stored'))
    )
""")  # noqa: S608 - constants
_RESULTS: Final = text(f"""
    SELECT count(*) FROM analysis_results AS result WHERE job_id = :job_id AND {visible("result")}
""")  # noqa: S608 - fragments of ours
_SEGMENTS: Final = text("""
    SELECT coalesce(max(ordinal), -1) + 1 FROM media_files
    WHERE job_id = :job_id AND role = 'archive' AND state <> 'pending'
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContents:
    """What is to be packed: all of a run, or what its archive has no copy of yet."""

    job_id: UUID
    now: datetime
    ends_at: datetime | None
    """When the archive goes; None is never."""
    rewrite: bool
    """Whether the archive there is holds something that is gone, and is replaced."""
    segment: int
    files: int
    size_bytes: int
    results: int

    @property
    def values(self) -> Mapping[str, Any]:
        return {"job_id": self.job_id, "now": self.now, "ends_at": self.ends_at}

    @property
    def packed(self) -> FileSelection:
        """Return the files that are packed."""
        return FileSelection(_GOES if self.rewrite else _NEW, self.values)

    @property
    def going(self) -> FileSelection:
        """Return the files that leave the store for the archive, packed now or earlier."""
        return FileSelection(_GOES, self.values)

    @property
    def writes(self) -> bool:
        """Whether there is a segment to write: the first one, or one with something new."""
        return self.segment == 0 or self.rewrite or self.files > 0


async def require_archivable(session: AsyncSession, job: AnalysisJob, *, now: datetime) -> None:
    """Return if nothing stands against archiving a run.

    Raises:
        JobArchived, JobNotEnded: it is archived already, or not over.
        JobHeld: a hold or a lease keeps it, or one of its files, where it is.

    """
    if job.archived_at is not None:
        raise JobArchived(job.id)
    if not job.status.is_over:
        raise JobNotEnded(job.id, status=job.status.value)
    if job.is_held(now):
        raise JobHeld(job.id, held_files=0, rule=RetentionRule.HOLD.value, until=finite(job.held_until))
    weighed = await of_job(job.id).weigh(session, now=now, with_trash=False)
    for obstacle in weighed.obstacles:
        if obstacle.rule is not RetentionRule.MINIMUM_RETENTION:  # the archive is kept for as long
            raise JobHeld(job.id, held_files=obstacle.files, rule=obstacle.rule.value, until=obstacle.until)


async def take_stock(
    session: AsyncSession, job: AnalysisJob, *, now: datetime, kept_for: timedelta, rewrite: bool = False
) -> RunContents:
    """Say what of a run is to be packed; `kept_for` is how long a run is kept after it has ended.

    All of it is packed again if its archive holds what is gone, or to `rewrite` one that is no good any more.

    Raises:
        NothingToArchive: it has neither files that can be archived nor results.

    """
    asked = {"job_id": job.id, "run_end": run_end(job, kept_for)}
    ends_at: datetime | None = (await session.execute(_END, asked)).scalar_one()
    about = {"job_id": job.id, "now": now, "ends_at": ends_at}
    rewrite = rewrite or bool((await session.execute(_STALE, {**about, "archive_id": None})).scalar_one())
    going = (await session.execute(text(_SUM.format(goes=_GOES)), about)).one()
    packed = going if rewrite else (await session.execute(text(_SUM.format(goes=_NEW)), about)).one()
    results = (await session.execute(_RESULTS, {"job_id": job.id, "now": now})).scalar_one()
    if not going.files and not results:
        raise NothingToArchive(job.id)
    segment = (await session.execute(_SEGMENTS, {"job_id": job.id})).scalar_one()
    return RunContents(
        job_id=job.id,
        now=now,
        ends_at=ends_at,
        rewrite=rewrite,
        segment=segment,
        files=packed.files,
        size_bytes=packed.size_bytes,
        results=results,
    )


async def is_stale(session: AsyncSession, contents: RunContents, *, beside: UUID | None) -> bool:
    """Say whether an archive, `beside` its newest segment, has copies of what the run no longer has."""
    asked = {**contents.values, "archive_id": beside}
    return bool((await session.execute(_STALE, asked)).scalar_one())


async def read_files(session: AsyncSession, contents: RunContents) -> AsyncIterator[Sequence[Any]]:
    """Yield the rows of what is to be packed, a page at a time, by category and in time order."""
    packed = contents.packed
    rows = await session.stream(
        text(_READ.format(goes=packed.condition)), dict(packed.values), execution_options={"yield_per": PAGE}
    )
    async for page in rows.partitions(PAGE):
        yield page


async def list_unhashed(session: AsyncSession, contents: RunContents) -> Sequence[tuple[UUID, str, int]]:
    """Return ids, keys and sizes of files that were imported and never read."""
    return [(row.id, row.key, row.size_bytes) for row in await session.execute(_UNHASHED, contents.values)]
