"""What a run is made of: the claim, its sources, what it brings or why it failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import text

from media_analysis.db.driver import Executes
from media_analysis.jobs.status import JobStatus
from media_analysis.states import FileState
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptSource:
    """A source as a run finds it."""

    position: int
    file_id: UUID
    key: str
    filename: str
    media_type: str
    size_bytes: int
    sha256: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A claim of a job: what is to be done, and the fence its writes carry."""

    job_id: UUID
    owner: str
    kind: str
    parameters: Mapping[str, Any]
    folder_name: str
    fence: int
    attempt: int
    """From 1."""
    lease: timedelta
    """After how long without a sign of life another worker may take the job over."""
    leased_until: datetime
    sources: Sequence[AttemptSource]
    trace: str | None = None
    """Where in which trace the job was asked for (W3C `traceparent`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a run ended without an outcome."""

    code: str
    detail: str

    def document(self) -> dict[str, str]:
        """Return it as clients see it."""
        return {"code": self.code, "detail": self.detail}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewResult:
    """A document of a run; `file_id` is the source it is about."""

    kind: str
    data: Mapping[str, Any]
    file_id: UUID | None = None
    category: Category = Category.OUTPUTS


class FoundJob(Protocol):
    """A row of a job, whoever read it."""

    @property
    def id(self) -> UUID: ...
    @property
    def status(self) -> str: ...
    @property
    def pinned_until(self) -> datetime | None: ...


WORKER_LOST: Final = "worker_lost"
SOURCE_EXPIRED: Final = "source_expired"
SOURCE_GONE: Final = "source_gone"

_SOURCES = text("""
    SELECT source.job_id, source.position, source.file_id, file.state::text AS state, file.key, file.filename,
        file.media_type, file.size_bytes, file.sha256, file.expires_at
    FROM job_sources AS source LEFT JOIN media_files AS file ON file.id = source.file_id
    WHERE source.job_id = ANY(CAST(:job_ids AS uuid[])) ORDER BY source.job_id, source.position
""")


async def find_sources(
    session: Executes, jobs: Sequence[FoundJob], now: datetime
) -> Mapping[UUID, Sequence[AttemptSource] | Failure]:
    """Return the sources of locked jobs, of each in order, or why one cannot run.

    What a job pinned, or ran on, may have expired.
    """
    rows: dict[UUID, list[Any]] = {job.id: [] for job in jobs}
    for row in await session.execute(_SOURCES, {"job_ids": list(rows)}):
        rows[row.job_id].append(row)
    return {job.id: _sources_of(job, rows[job.id], now) for job in jobs}


def _sources_of(job: FoundJob, rows: Sequence[Any], now: datetime) -> Sequence[AttemptSource] | Failure:
    pinned = job.status == JobStatus.RUNNING or (job.pinned_until is not None and job.pinned_until > now)
    for row in rows:
        if row.state != FileState.STORED:
            return Failure(code=SOURCE_GONE, detail=f"source {row.file_id} was deleted before the job ran")
        if row.expires_at is not None and row.expires_at <= now and not pinned:
            return Failure(code=SOURCE_EXPIRED, detail=f"source {row.file_id} expired before the job ran")
    return [
        AttemptSource(
            position=row.position,
            file_id=row.file_id,
            key=row.key,
            filename=row.filename,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
        )
        for row in rows
    ]
