"""Analysers elsewhere, in any language: they claim `external` jobs and write under a fence, like workers do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from media_analysis.db.database import Database, retried
from media_analysis.deletion.discarding import DiscardService
from media_analysis.errors import FenceLost, InvalidRequest, SourceUnusable
from media_analysis.failpoints import failpoint
from media_analysis.files.damage import open_tracked
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.jobs.attempts.attempt import Attempt, Failure, NewResult
from media_analysis.jobs.attempts.claiming import ClaimService
from media_analysis.jobs.attempts.ending import row_of
from media_analysis.jobs.attempts.execution import AttemptOptions
from media_analysis.jobs.attempts.service import AttemptService, require_attempt
from media_analysis.jobs.attempts.turns import EXTERNAL, line_of
from media_analysis.jobs.models import AnalysisJob, AnalysisResult, JobSource, JobStatus
from media_analysis.jobs.queries import require_job
from media_analysis.storage.store import ObjectReader, ObjectStore

_SOURCE = (
    select(MediaFile)
    .join(JobSource, JobSource.file_id == MediaFile.id)
    .where(JobSource.job_id == bindparam("job_id"), JobSource.position == bindparam("position"))
)


@dataclass(frozen=True)
class ExternalService:
    """What an analyser may do with a job it claimed; `owner=None` is an administrator, who may claim everybody's.

    Everything but a claim names the fence the claim gave, and is refused with `FenceLost` once the run is over.
    """

    db: Database
    store: ObjectStore
    claims: ClaimService
    runs: AttemptService
    uploads: UploadService
    discards: DiscardService
    options: AttemptOptions

    async def claim(
        self, analysers: Sequence[str], *, owner: str | None, worker: str, now: datetime | None = None
    ) -> Attempt | None:
        """Start a run of the job for one of these analysers whose turn it is; None where nothing waits."""
        claim = await self.claims.claim(list(map(line_of, analysers)), owner=owner, worker=worker, now=now)
        return claim.attempts[0] if claim.attempts else None

    async def heartbeat(
        self,
        job_id: UUID,
        *,
        fence: int,
        owner: str | None,
        progress: float | None = None,
        stage: str = "analysing",
        done: int | None = None,
        total: int | None = None,
    ) -> datetime:
        """Keep the run for another lease, and tell how far it is; return when the lease ends.

        Raises:
            JobNotFound, JobGone, FenceLost: there is no such run any more.

        """
        await self._require(job_id, owner)
        if progress is not None:
            await self.runs.tell_progress(job_id, fence=fence, share=progress, stage=stage, done=done, total=total)
        return await self.runs.renew(job_id, fence=fence)

    async def open_source(
        self, job_id: UUID, position: int, *, fence: int, owner: str | None
    ) -> tuple[MediaFile, ObjectReader]:
        """Open a leased source's bytes, also if it expired after the run began.

        Raises:
            JobNotFound, JobGone, FenceLost: there is no such run any more.
            InvalidRequest: the job has no source there.
            ObjectMissing, ObjectDamaged: the store does not hold it.

        """
        job = await self._require(job_id, owner)
        if job.fence != fence or job.status is not JobStatus.RUNNING:
            raise FenceLost(job_id)
        async with self.db.read_only() as session:
            source = (await session.execute(_SOURCE, {"job_id": job_id, "position": position})).scalar_one_or_none()
        if source is None:
            raise InvalidRequest("position", "the job has no such source")
        return source, await open_tracked(self.db, self.store, source)

    async def add_product(
        self, job_id: UUID, product: Upload, body: Body, *, source: UUID | None, owner: str | None
    ) -> MediaFile:
        """Stage a derived file; it is kept once the job completes, and discarded if it does not.

        Raises:
            JobNotFound, JobGone, FenceLost, PlaceTaken: the run may not add it.
            SourceUnusable: it is said to derive from what is no source of the job.
            UploadTooLarge, QuotaReached, …: as for any upload.

        """
        job = await self._require(job_id, owner)
        if source is not None and source not in await self._source_ids(job_id):
            raise SourceUnusable(source, why="is no source of the job")
        mine = replace(product, owner=job.owner, job_id=job_id, parent_id=source, run=job.folder_name)
        return await self.uploads.store_file(mine, body)

    @retried
    async def put_result(self, job_id: UUID, result: NewResult, *, fence: int, owner: str | None) -> None:
        """Write a result, in place of an earlier one of its kind and source; it shows once the job completes.

        Raises:
            JobNotFound, JobGone, FenceLost: there is no such run any more.
            SourceUnusable: it is said to be about what is no source of the job.

        """
        await self._require(job_id, owner)
        if result.file_id is not None and result.file_id not in await self._source_ids(job_id):
            raise SourceUnusable(result.file_id, why="is no source of the job")
        async with self.db.transaction() as session:
            job, _ = await require_attempt(session, job_id, fence)
            await session.execute(_upsert(job, result))
            failpoint("external.putting")

    async def finish(self, job_id: UUID, *, fence: int, owner: str | None) -> None:
        """Complete the job: what was staged and put shows, all at once.

        Raises:
            JobNotFound, JobGone, FenceLost: there is no such run any more.

        """
        await self._require(job_id, owner)
        ended = await self.runs.complete(job_id, fence=fence)
        if ended.has_leftovers:
            await self.discards.discard(job_id)
        for category in ended.stored:
            await self.uploads.room.notice(category)

    async def fail(self, job_id: UUID, failure: Failure, *, fence: int, owner: str | None, may_pass: bool) -> None:
        """End the run without an outcome: for good, or, if it may pass and attempts are left, to be tried again.

        Raises:
            JobNotFound, JobGone, FenceLost: there is no such run any more.

        """
        job = await self._require(job_id, owner)
        if may_pass and job.attempts < self.runs.max_attempts:
            delay: timedelta = self.options.delay(job.attempts)
            await self.runs.hand_back(job_id, fence=fence, failure=failure, delay=delay)
        else:
            await self.runs.fail(job_id, fence=fence, failure=failure)
        await self.discards.discard(job_id)

    async def _require(self, job_id: UUID, owner: str | None) -> AnalysisJob:
        async with self.db.read_only() as session:
            job, _ = await require_job(session, job_id, owner=owner)
        if job.kind != EXTERNAL:
            raise FenceLost(job_id)  # nobody elsewhere ever held a fence of it
        return job

    async def _source_ids(self, job_id: UUID) -> frozenset[UUID]:
        async with self.db.read_only() as session:
            return frozenset(await session.scalars(select(JobSource.file_id).where(JobSource.job_id == job_id)))


def _upsert(job: AnalysisJob, result: NewResult) -> Any:
    statement = insert(AnalysisResult).values(**row_of(job.owner, job.id, job.fence, result))
    return statement.on_conflict_do_update(
        index_elements=["job_id", "job_fence", "kind", "media_file_id"],
        index_where=text("job_fence IS NOT NULL"),
        set_={"data": statement.excluded.data, "created_at": func.now()},
    )
