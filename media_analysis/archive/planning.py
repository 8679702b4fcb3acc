"""A segment before its first byte: its manifest, which comes first, and the keys of what follows, both in spools."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, BinaryIO, Final, cast
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive import inventory
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead, ManifestWriter, manifest_name
from media_analysis.archive.format.names import Names
from media_analysis.archive.inventory import PAGE, RunContents
from media_analysis.archive.progress import spool
from media_analysis.files.archived import ArchivedFile
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import list_sources
from media_analysis.jobs.results import visible

_FACTS: Final = (
    "id",
    "owner",
    "name",
    "kind",
    "parameters",
    "status",
    "priority",
    "attempts",
    "error_code",
    "error",
    "folder_name",
    "category",
    "warnings",
    "produced",
)
_INSTANTS: Final = ("created_at", "started_at", "completed_at")
_RESULTS: Final = text(f"""
    SELECT id, kind, category::text, media_file_id, created_at, expires_at, data FROM analysis_results AS result
    WHERE job_id = :job_id AND {visible("result")} ORDER BY id
""")  # noqa: S608 - fragments of ours
_EVENTS: Final = text("SELECT number, at, kind, data FROM job_events WHERE job_id = :job_id ORDER BY number")


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentPlan:
    """What a segment is made of."""

    manifest_name: str
    folder_name: str
    compression: Compression
    packed_at: datetime
    manifest: IO[bytes]
    keys: IO[bytes]
    """The key of each file, in the manifest's order, a line each."""

    def close(self) -> None:
        self.manifest.close()
        self.keys.close()


async def plan_segment(
    session: AsyncSession, job: AnalysisJob, contents: RunContents, compression: Compression
) -> SegmentPlan:
    """Write down what a segment will hold, in one snapshot."""
    plan = SegmentPlan(
        manifest_name=manifest_name(contents.segment),
        folder_name=job.folder_name,
        compression=compression,
        packed_at=contents.now,
        manifest=spool(),
        keys=spool(),
    )
    try:
        await _write_down(session, job, contents, plan)
    except BaseException:
        plan.close()
        raise
    return plan


async def _write_down(session: AsyncSession, job: AnalysisJob, contents: RunContents, plan: SegmentPlan) -> None:
    writer = ManifestWriter(cast("BinaryIO", plan.manifest))
    sources = (await list_sources(session, [job.id])).get(job.id, ())
    writer.begin(_head(job, contents, plan.compression, sources))
    names = Names(await _taken(session, job.id, contents))
    async for page in inventory.read_files(session, contents):
        for row in page:
            writer.add_file(_entry(row, names))
            plan.keys.write(row.key.encode() + b"\n")
    async for result in _read(session, _RESULTS, {"job_id": job.id, "now": contents.now}):
        writer.add_result(result)
    async for event in _read(session, _EVENTS, {"job_id": job.id}):
        writer.add_event(event)
    writer.end()


def _head(job: AnalysisJob, contents: RunContents, compression: Compression, sources: Any) -> ManifestHead:
    return ManifestHead(
        folder_name=job.folder_name,
        segment=contents.segment,
        compression=compression.value,
        packed_at=contents.now,
        files=contents.files,
        size_bytes=contents.size_bytes,
        job=_facts(job),
        sources=list(sources),
    )


def _facts(job: AnalysisJob) -> Mapping[str, Any]:
    instants = {name: getattr(job, name) for name in _INSTANTS}
    told = {name: None if at is None else at.isoformat() for name, at in instants.items()}
    labels = {"labels": job.labels} if job.labels else {}
    return {**{name: _plain(getattr(job, name)) for name in _FACTS}, **labels, **told}


async def _taken(session: AsyncSession, job_id: UUID, contents: RunContents) -> list[str]:
    """Return the names that earlier segments use: all of a chain opens into one folder."""
    if contents.rewrite:
        return []
    return list(await session.scalars(select(ArchivedFile.name).where(ArchivedFile.job_id == job_id)))


def _entry(row: Any, names: Names) -> ManifestFile:
    return ManifestFile(
        id=row.id,
        name=names.choose(row.category, row.filename),
        filename=row.filename,
        category=row.category,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        parent_id=row.parent_id,
        role=row.role,
        ordinal=row.ordinal,
        instant_seconds=row.instant_seconds,
        created_at=row.created_at,
        stored_at=row.stored_at,
        expires_at=row.expires_at,
        expiry_explicit=row.expiry_explicit,
        min_retain_until=row.min_retain_until,
        labels=row.labels,
    )


async def _read(session: AsyncSession, query: Any, asked: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    rows = await session.stream(query, dict(asked), execution_options={"yield_per": PAGE})
    async for row in rows.mappings():
        yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
