"""The one transaction in which an old archive becomes that of a run: job, archive, files and results, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind
from media_analysis.archive.tasks import NewTask, add_completed, count_attempts
from media_analysis.audit import Act, Action, add_events
from media_analysis.deletion.outbox import add_confirmed
from media_analysis.deletion.tombstones import add_past
from media_analysis.events.types import EventType
from media_analysis.files.archived import add_past_copies, date_segments, mark_segment
from media_analysis.imports.runs.content import Member, OldContents
from media_analysis.imports.runs.earlier import require_free
from media_analysis.imports.runs.facts import JobFacts
from media_analysis.imports.runs.outcomes import Refused
from media_analysis.jobs.adding import add_job, add_result_rows
from media_analysis.jobs.archived import mark_archived
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

RESULTS: Final = 200
MARK: Final = "adopted"
"""What the statistics of an archive that was imported say, so that later segments of the same run may join it."""

_ANY_TAKEN: Final = text("""
    SELECT asked.id FROM unnest(CAST(:ids AS uuid[])) AS asked(id)
    WHERE EXISTS (SELECT FROM media_files AS file WHERE file.id = asked.id)
        OR EXISTS (SELECT FROM tombstones AS stone WHERE stone.id = asked.id)
        OR EXISTS (SELECT FROM archived_files AS copy WHERE copy.file_id = asked.id)
    LIMIT 1
""")
_RESULT_TAKEN: Final = text(
    "SELECT id FROM analysis_results WHERE id = ANY(CAST(:ids AS uuid[])) AND job_id <> :job_id"
)
_RESULTS_KNOWN: Final = text("SELECT id FROM analysis_results WHERE id = ANY(CAST(:ids AS uuid[]))")
_SEGMENT_TAKEN: Final = text("""
    SELECT EXISTS (SELECT FROM media_files WHERE job_id = :job_id AND role = 'archive' AND ordinal >= :segment
        AND state <> 'pending')
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What an archive brings, beside what is read from its spools."""

    owner: str
    actor: str
    archived_at: datetime
    ends_at: datetime
    number: int
    """The number in its name: later archives of the run get higher ones."""
    stats: Mapping[str, Any]


async def find_job(
    session: AsyncSession, facts: JobFacts, segment: int, *, owner: str, lock: bool
) -> AnalysisJob | None:
    """Return the run that an earlier segment brought, None where the archive brings it itself.

    Raises:
        Refused: its id, its folder name or its place belongs to something else.

    """
    job = await session.get(AnalysisJob, facts.id, with_for_update=lock or None)
    if job is None or job.archived_at is None or job.deleted_at is not None or job.owner != owner:
        await require_free(session, facts.id, facts.folder_name)
        return None
    imported = select(func.count()).where(ArchiveTask.job_id == job.id, ArchiveTask.stats[MARK].as_boolean())
    if not (await session.execute(imported)).scalar_one():
        raise Refused(f"its id, {job.id}, is that of another job")
    taken = await session.execute(_SEGMENT_TAKEN, {"job_id": job.id, "segment": segment})
    if taken.scalar_one():
        raise Refused(f"its run, {job.id}, has this segment, {segment}, or a later one already")
    return job


async def add_run(session: AsyncSession, contents: OldContents, rows: Rows) -> AnalysisJob:
    """Add the run of an archive, or lock the one that an earlier segment brought.

    Raises:
        Refused: its id, its folder name or its place belongs to something else.

    """
    facts = contents.job
    known = await find_job(session, facts, contents.head.segment, owner=rows.owner, lock=True)
    if known is not None:
        return known
    return await add_job(
        session,
        contents.head.sources,
        **facts.model_dump(mode="python", exclude={"warnings", "produced"}),
        **facts.model_dump(mode="json", include={"warnings", "produced"}),
        owner=rows.owner,
        progress=1.0,
    )


async def add_contents(
    session: AsyncSession, job: AnalysisJob, archive_id: UUID, key: str, contents: OldContents, rows: Rows
) -> None:
    """Add all that belongs to a stored archive; the ledger knows it already.

    Raises:
        Refused: an id belongs to something else.

    """
    await mark_segment(session, archive_id, job_id=job.id, segment=contents.head.segment)
    await _add_files(session, job, archive_id, key, contents, rows)
    await _add_results(session, job, contents)
    ends_at = rows.ends_at if job.expires_at is None else max(rows.ends_at, job.expires_at)
    await mark_archived(session, job.id, archived_at=rows.archived_at, archive_id=archive_id, ends_at=ends_at)
    await date_segments(session, job.id, ends_at)
    await _add_task(session, job, archive_id, rows)
    await add_event(
        session, job.id, EventType.JOB_ARCHIVED, {"status": job.status.value, "archived": True, "imported": True}
    )
    act = Act(
        actor=rows.actor,
        action=Action.IMPORTED,
        owner=rows.owner,
        job_id=job.id,
        file_id=archive_id,
        details={"stats": dict(rows.stats)},
    )
    await add_events(session, [act])


async def _add_files(
    session: AsyncSession, job: AnalysisJob, archive_id: UUID, key: str, contents: OldContents, rows: Rows
) -> None:
    """Add the files' places, and a tombstone for each: whoever asks for one is told of the archive."""
    purge_id = await add_confirmed(session, at=rows.archived_at)
    for chunk in contents.chunks():
        ids = [member.file.id for member in chunk]
        taken = (await session.execute(_ANY_TAKEN, {"ids": ids})).scalar_one_or_none()
        if taken is not None:
            raise Refused(f"the id of its file {taken} is that of another file")
        copies = [_copy(member, job, archive_id) for member in chunk]
        await add_past_copies(session, copies)
        await add_past(session, [_stone(copy, key, rows, purge_id) for copy in copies])


def _copy(member: Member, job: AnalysisJob, archive_id: UUID) -> dict[str, Any]:
    file = member.file
    same = ("name", "filename", "size_bytes", "sha256", "parent_id", "role", "ordinal", "instant_seconds", "labels")
    dates = ("created_at", "stored_at", "expires_at", "expiry_explicit", "min_retain_until")
    return {
        **{name: getattr(file, name) for name in (*same, *dates)},
        "file_id": file.id,
        "archive_id": archive_id,
        "job_id": job.id,
        "owner": job.owner,
        "category": Category(file.category),
        "media_type": member.media_type,
        "frame_offset": member.frame_offset,
        "skip_bytes": member.skip_bytes,
    }


def _stone(copy: Mapping[str, Any], key: str, rows: Rows, purge_id: UUID) -> dict[str, Any]:
    same = ("owner", "category", "filename", "media_type", "job_id", "parent_id", "size_bytes", "sha256", "labels")
    dates = ("created_at", "expires_at", "min_retain_until")
    return {
        **{name: copy[name] for name in (*same, *dates)},
        "id": copy["file_id"],
        "state": FileState.STORED,
        "key": f"{key}/{copy['name']}",
        "deleted_at": rows.archived_at,
        "rule": RetentionRule.ARCHIVED,
        "reason": "imported",
        "requested_by": rows.actor,
        "purge_id": purge_id,
    }


async def _add_results(session: AsyncSession, job: AnalysisJob, contents: OldContents) -> None:
    """Add the results that no earlier segment brought; each segment has all there were when it was packed."""
    pending: list[dict[str, Any]] = []
    for result in contents.read_results():
        pending.append({**result.model_dump(), "owner": job.owner, "job_id": job.id, "published": True})
        if len(pending) == RESULTS:
            await _insert_results(session, job.id, pending)
            pending = []
    if pending:
        await _insert_results(session, job.id, pending)


async def _insert_results(session: AsyncSession, job_id: UUID, results: Sequence[Mapping[str, Any]]) -> None:
    ids = [result["id"] for result in results]
    taken = (await session.scalars(_RESULT_TAKEN, {"ids": ids, "job_id": job_id})).first()
    if taken is not None or len(set(ids)) != len(ids):
        raise Refused(f"the id of its result {taken or ids[0]} is that of another result")
    known = set(await session.scalars(_RESULTS_KNOWN, {"ids": ids}))
    await add_result_rows(session, [result for result in results if result["id"] not in known])


async def _add_task(session: AsyncSession, job: AnalysisJob, archive_id: UUID, rows: Rows) -> None:
    """Remember the archiving as if it had been asked for here; names of later archives count its attempts."""
    attempts = max(1, rows.number + 1 - await count_attempts(session, job.id))
    asked = NewTask(
        job_id=job.id,
        owner=job.owner,
        kind=ArchiveTaskKind.ARCHIVE,
        trigger="cli",
        requested_by=rows.actor,
        total_bytes=2 * int(rows.stats["size_bytes"]),
    )
    stats = {**rows.stats, MARK: True}
    await add_completed(session, asked, attempts=attempts, archive_id=archive_id, stats=stats)
