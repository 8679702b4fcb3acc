"""Archiving one run: packed in one pass, made durable, read back whole, and only then put in the originals' place."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import select
from uuid_utils.compat import uuid7

from media_analysis.archive import inventory
from media_analysis.archive.committing import Commit, Segment
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.inventory import RunContents
from media_analysis.archive.models import ArchiveTask
from media_analysis.archive.packing import Share, digest, pack, prove, segment_of
from media_analysis.archive.planning import plan_segment
from media_analysis.archive.progress import Sink, TaskProgress
from media_analysis.archive.proof import require_found
from media_analysis.archive.tasks import count_attempts
from media_analysis.db.database import Database
from media_analysis.deletion.deleter import Deleter
from media_analysis.errors import ArchiveDamaged, ObjectMissing, RunChanged
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile
from media_analysis.files.transitions import mark_hashed
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import PendingUploads, UploadProtocol
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import require_job
from media_analysis.storage.category import Category
from media_analysis.storage.keys import archive_key
from media_analysis.storage.store import ObjectStore, ObjectWriter

OVERHEAD_BYTES: Final = 2_048
"""What a member takes beside its bytes, at most: header, padding, frame."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Archiver:
    """Archives runs; whatever breaks off leaves the originals as they were, and at most an abandoned upload."""

    db: Database
    store: ObjectStore
    protocol: UploadProtocol
    deleter: Deleter
    kept_for: timedelta
    """How long a run is kept after it has ended."""
    compression: Compression
    """What stays free of the archives' disk."""

    async def run(self, task: ArchiveTask, progress: TaskProgress, *, retry: int = 0) -> None:
        """Archive the run of a claimed task; each `retry` writes under a name of its own.

        Raises:
            JobNotFound, JobGone, JobArchived, JobNotEnded, JobHeld, NothingToArchive: it may not be, or need not.
            RunChanged, ObjectMissing, ArchiveDamaged: the run changed meanwhile, or something is not as its row says.
            QuotaPassed, DiskReserveReached, DiskFull: there is no room.
            StoreUnavailable, DatabaseUnavailable: try again later.

        """
        began = time.monotonic()
        await self.deleter.store.require_marker()
        job, contents = await self._take_stock(task)
        failpoint("archive.planned")
        try:
            await self._prove_chain(job.id, contents, progress)
        except (ObjectMissing, ArchiveDamaged) as error:  # all it held lives, or was deleted since
            log.warning("archive.rewritten", job_id=str(job.id), reason=str(error))
            job, contents = await self._take_stock(task, rewrite=True)
        if not contents.writes:
            stats = {"files": 0, "size_bytes": 0, "packed_bytes": 0, "seconds": round(time.monotonic() - began, 3)}
            await self._commit(task, contents, None, stats)
            return
        registration = await self._register_as(job, contents, retry)
        await self.protocol.require_disk_room(registration.key, registration.reserved_bytes)
        async with self.protocol.pending() as uploads:
            await uploads.register(registration)
            failpoint("archive.registered")
            segment, shares = await self._write(uploads, job, contents, registration, progress)
            with segment.found:
                stats = _stats(contents, segment, shares, time.monotonic() - began)
                await self._commit(task, contents, segment, stats)

    async def _take_stock(self, task: ArchiveTask, *, rewrite: bool = False) -> tuple[AnalysisJob, RunContents]:
        async with self.db.read_only() as session:
            job, now = await require_job(session, task.job_id, owner=None)
            await inventory.require_archivable(session, job, now=now)
            contents = await inventory.take_stock(session, job, now=now, kept_for=self.kept_for, rewrite=rewrite)
            unhashed = await inventory.list_unhashed(session, contents)
        for (
            file_id,
            key,
            size_bytes,
        ) in unhashed:  # imported and never read: the manifest, which is first, needs it
            sha256 = await asyncio.to_thread(digest, self.store, key, size_bytes=size_bytes)
            async with self.db.transaction() as session:
                await mark_hashed(session, [(file_id, size_bytes, sha256)])
        return job, contents

    async def _prove_chain(self, job_id: UUID, contents: RunContents, progress: TaskProgress) -> None:
        """Read the segments that stay of an archive again, for what they hold is about to lose its original."""
        if contents.rewrite:
            return
        async with self.db.read_only() as session:
            query = select(MediaFile).where(MediaFile.job_id == job_id, MediaFile.role == "archive")
            segments = (await session.scalars(query.order_by(MediaFile.ordinal))).all()
        for segment in segments:
            progress.begin("proving")
            proving = partial(prove, segment_of(self.store, segment.key, size_bytes=segment.size_bytes), progress)
            with await progress.run(proving) as found:
                await self._require_known(segment.id, found)

    async def _require_known(self, archive_id: UUID, found: Any) -> None:
        async with self.db.read_only() as session:
            await require_found(session, archive_id, found)

    async def _register_as(self, job: AnalysisJob, contents: RunContents, retry: int) -> Registration:
        async with self.db.read_only() as session:
            number = await count_attempts(session, job.id) - 1
        suffix = self.compression.suffix
        # Bytes of an attempt may still have to be unlinked: two attempts never share a name.
        numbered = [f"{number}-{retry}" if retry else str(number)] if number or retry else []
        name = ".".join([job.folder_name, *numbered, suffix])
        return Registration(
            id=uuid7(),
            owner=job.owner,
            category=Category.ARCHIVES,
            key=archive_key(name, day=datetime.now(UTC)),
            filename=name,
            media_type=self.compression.media_type,
            job_id=job.id,
            reserved_bytes=contents.size_bytes + (contents.files + 4) * OVERHEAD_BYTES,
        )

    async def _write(
        self,
        uploads: PendingUploads,
        job: AnalysisJob,
        contents: RunContents,
        registration: Registration,
        progress: TaskProgress,
    ) -> tuple[Segment, Mapping[str, Share]]:
        async with self.db.read_only() as session:
            now, rewrite = contents.now, contents.rewrite
            if contents != await inventory.take_stock(session, job, now=now, kept_for=self.kept_for, rewrite=rewrite):
                raise RunChanged(job.id)
            plan = await plan_segment(session, job, contents, self.compression)
        with closing(plan):
            progress.total_bytes = 2 * contents.size_bytes
            progress.begin("packing")

            async def fill(writer: ObjectWriter) -> Mapping[str, Share]:
                sink = Sink(writer, progress)
                shares = await progress.run(lambda: pack(plan, self.store, sink, progress))
                failpoint("archive.packed")
                return shares

            written, shares = await uploads.write(registration, fill, Expiry(at=contents.ends_at))
        failpoint("archive.synced")
        opened = segment_of(self.store, registration.key, size_bytes=written.size_bytes)
        progress.stage = "proving"
        found = await progress.run(lambda: prove(opened, progress))
        failpoint("archive.proven")
        return Segment(written=written, found=found), shares

    async def _commit(
        self, task: ArchiveTask, contents: RunContents, segment: Segment | None, stats: dict[str, Any]
    ) -> None:
        purges = await Commit(self.db, self.kept_for).run(task, contents, segment, stats)
        await self.deleter.purge_entries(purges)
        failpoint("archive.purged")


def _stats(contents: RunContents, segment: Segment, shares: Mapping[str, Share], seconds: float) -> dict[str, Any]:
    return {
        "files": contents.files,
        "results": contents.results,
        "size_bytes": contents.size_bytes,
        "packed_bytes": segment.written.size_bytes,
        "media_types": {kind: asdict(share) for kind, share in sorted(shares.items())},
        "seconds": round(seconds, 3),
    }
