"""What becomes of jobs that are deleted, beside their files: results, events and rows, of many at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.deletion.tombstones import Order
from media_analysis.events.log import release_job_events
from media_analysis.events.types import EventType
from media_analysis.files.archived import delete_copies
from media_analysis.jobs.events import add_event_to_all
from media_analysis.jobs.result_deletion import take_results
from media_analysis.states import RetentionRule

END_SUMMARIES: Final = "DELETE FROM job_audit"
END_JOBS: Final = "DELETE FROM analysis_jobs"
_DELETE_SOURCES: Final = text("DELETE FROM job_sources WHERE job_id = ANY(CAST(:job_ids AS uuid[]))")
_LAST_EVENTS: Final = text("SELECT id, last_event FROM analysis_jobs WHERE id = ANY(CAST(:job_ids AS uuid[]))")
_DELETE: Final = text("DELETE FROM analysis_jobs WHERE id = ANY(CAST(:job_ids AS uuid[]))")
_MARK_DELETED: Final = text("""
    UPDATE analysis_jobs SET deleted_at = coalesce(deleted_at, :now), deletion_reason = :reason,
        restorable_until = :restorable_until, retry_at = NULL
    WHERE id = ANY(CAST(:job_ids AS uuid[])) RETURNING id, owner
""")
# A job that was trash and now goes for good has a summary already, of all that went then.
_SUMMARISE: Final = text("""
    INSERT INTO job_audit (job_id, owner, name, kind, folder_name, status, created_at, started_at, completed_at,
                           archived_at, expires_at, deleted_at, deleted_by, reason, files, size_bytes, stats)
    SELECT id, owner, name, kind, folder_name, status::text, created_at, started_at, completed_at,
           coalesce(archived_at, (SELECT max(at) FROM audit_events WHERE job_id = told.id AND action = 'archived')),
           expires_at, deleted_at, :deleted_by, :reason, told.files, told.size_bytes,
           CAST(told.stats AS jsonb) || jsonb_build_object(
               'duration_seconds', round(extract(epoch FROM completed_at - started_at), 3))
    FROM unnest(CAST(:job_ids AS uuid[]), CAST(:files AS bigint[]), CAST(:sizes AS bigint[]), CAST(:stats AS text[]))
        AS told(id, files, size_bytes, stats) JOIN analysis_jobs USING (id)
    ON CONFLICT (job_id) DO UPDATE SET deleted_by = excluded.deleted_by, reason = excluded.reason,
        archived_at = coalesce(job_audit.archived_at, excluded.archived_at),
        stats = job_audit.stats || jsonb_build_object('purged', excluded.stats)
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What stays of a run: how much of it went."""

    files: int = 0
    size_bytes: int = 0
    stats: Mapping[str, Any] = field(default_factory=dict)


async def close_jobs(
    session: AsyncSession,
    summaries: Mapping[UUID, Summary],
    order: Order,
    *,
    rule: RetentionRule,
    restorable_until: datetime | None,
    drop: bool = False,
) -> None:
    """Delete locked jobs that have no living files any more; until then they can be restored, with their results.

    The last event of each tells whoever watches; for good, the others go with the results. `drop` takes the rows too,
    which nobody can be watching: their summaries stay.
    """
    job_ids = list(summaries)
    if restorable_until is None:
        await session.execute(_DELETE_SOURCES, {"job_ids": job_ids})
    results = await take_results(session, "job_id", job_ids, for_good=restorable_until is None)
    reason = order.reason or ("requested" if rule is RetentionRule.REQUESTED else "expired")
    marked = {"job_ids": job_ids, "now": order.now, "reason": reason, "restorable_until": restorable_until}
    owners = {row.id: row.owner for row in await session.execute(_MARK_DELETED, marked)}
    await add_event_to_all(session, job_ids, EventType.JOB_DELETED, {"status": "deleted"})
    if restorable_until is None:
        await _purge(session, job_ids)
    strategy = {"strategy": "hard" if restorable_until is None else "soft"}
    stats = [{**one.stats, **strategy, "results": results.get(job_id, 0)} for job_id, one in summaries.items()]
    told = {
        "job_ids": job_ids,
        "deleted_by": order.actor,
        "reason": reason,
        "files": [one.files for one in summaries.values()],
        "sizes": [one.size_bytes for one in summaries.values()],
        "stats": [json.dumps(one) for one in stats],
    }
    await session.execute(_SUMMARISE, told)
    acts = [
        Act(
            actor=order.actor,
            action=Action.DELETED if restorable_until is None else Action.TRASHED,
            owner=owners[job_id],
            job_id=job_id,
            sweep_id=order.sweep_id,
            rule=rule,
            reason=order.reason,
            details={"files": one.files, "size_bytes": one.size_bytes, "results": results.get(job_id, 0)}
            | ({"secure": True} if order.secure else {}),
        )
        for job_id, one in summaries.items()
    ]
    await add_events(session, acts)
    if drop:
        await session.execute(_DELETE, {"job_ids": job_ids})


async def purge_jobs(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Let go of deleted, locked jobs for good: their time in the trash is over."""
    await take_results(session, "job_id", job_ids, for_good=True)
    await _purge(session, job_ids)
    ended = text("UPDATE analysis_jobs SET restorable_until = NULL WHERE id = ANY(CAST(:job_ids AS uuid[]))")
    await session.execute(ended, {"job_ids": list(job_ids)})


async def _purge(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    last = (await session.execute(_LAST_EVENTS, {"job_ids": list(job_ids)})).all()
    await release_job_events(session, [(row.id, row.last_event) for row in last])
    await delete_copies(session, job_ids)
