"""Tasks as rows: asked for, claimed on a lease by one process at a time, renewed with their progress, and ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.errors import ArchiveTaskUnderWay

END_TASKS: Final = "DELETE FROM archive_tasks"
LEASE: Final = timedelta(minutes=1)
"""How long a task is its claimer's without a word of progress."""
MAX_ATTEMPTS: Final = 5
"""After so many claims that ended without a word, such as kills for want of memory, a task has failed."""

_ADD = text("""
    INSERT INTO archive_tasks (id, job_id, owner, kind, file_id, trigger, requested_by, claim_until, total_bytes)
    VALUES (:id, :job_id, :owner, CAST(:kind AS archive_task_kind), :file_id, :trigger, :requested_by,
        :claim_until, :total_bytes)
    ON CONFLICT (job_id) WHERE status IN ('pending', 'running') DO NOTHING RETURNING id
""")
_CLAIM = text("""
    UPDATE archive_tasks SET status = 'running', attempts = attempts + 1, leased_until = now() + :lease,
        started_at = coalesce(started_at, now()), stage = NULL, done_bytes = 0
    WHERE id = (
        SELECT id FROM archive_tasks
        WHERE (status = 'pending' AND coalesce(claim_until > now(), true))
            OR (status = 'running' AND leased_until <= now())
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""").bindparams(bindparam("lease", type_=Interval))
_RENEW = text("""
    UPDATE archive_tasks SET leased_until = now() + :lease, stage = :stage, done_bytes = :done_bytes,
        total_bytes = :total_bytes
    WHERE id = :id AND attempts = :attempts AND status = 'running' RETURNING id
""").bindparams(bindparam("lease", type_=Interval))
_END = text("""
    UPDATE archive_tasks SET status = CAST(:status AS archive_task_status), ended_at = clock_timestamp(),
        leased_until = NULL, archive_id = :archive_id, error_code = :error_code, error = :error, stats = :stats,
        stage = NULL, done_bytes = CASE WHEN :status = 'completed' THEN total_bytes ELSE done_bytes END
    WHERE id = :id AND attempts = :attempts AND status = 'running' RETURNING id
""").bindparams(bindparam("stats", type_=ArchiveTask.stats.type))
_HAND_BACK = text("""
    UPDATE archive_tasks SET leased_until = now()
    WHERE id = :id AND attempts = :attempts AND status = 'running'
""")
_COUNT_ATTEMPTS = text("""
    SELECT coalesce(sum(attempts), 0)::bigint FROM archive_tasks WHERE job_id = :job_id AND kind = 'archive'
""")
_DELETE_LAPSED = text("DELETE FROM archive_tasks WHERE status = 'pending' AND claim_until <= now()")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTask:
    """Who wants what done to which run."""

    job_id: UUID
    owner: str
    kind: ArchiveTaskKind
    trigger: str
    requested_by: str
    file_id: UUID | None = None
    claim_until: datetime | None = None
    total_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEnding:
    """How a task ended."""

    status: ArchiveTaskStatus
    archive_id: UUID | None = None
    error_code: str | None = None
    error: str | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)


async def add_task(session: AsyncSession, asked: NewTask) -> UUID | None:
    """Add a task and return its id; None where the run has an open one."""
    values = {name: getattr(asked, name) for name in NewTask.__slots__} | {"id": uuid7(), "kind": asked.kind.value}
    added: UUID | None = (await session.execute(_ADD, values)).scalar_one_or_none()
    return added


async def require_added(session: AsyncSession, asked: NewTask) -> ArchiveTask:
    """Add a task and return it.

    Raises:
        ArchiveTaskUnderWay: the run has an open one.

    """
    added = await add_task(session, asked)
    if added is None:
        known = await get_open_task(session, asked.job_id)
        task_id, kind = (asked.job_id, asked.kind) if known is None else (known.id, known.kind)
        raise ArchiveTaskUnderWay(asked.job_id, task_id=task_id, kind=kind.value)
    return await session.get_one(ArchiveTask, added)


async def get_open_task(session: AsyncSession, job_id: UUID) -> ArchiveTask | None:
    """Return the task of a run that has not ended."""
    query = select(ArchiveTask).where(
        ArchiveTask.job_id == job_id, ArchiveTask.status.in_([ArchiveTaskStatus.PENDING, ArchiveTaskStatus.RUNNING])
    )
    return (await session.scalars(query)).one_or_none()


async def get_last_task(session: AsyncSession, job_id: UUID) -> ArchiveTask | None:
    """Return the latest task of a run, ended or not."""
    query = select(ArchiveTask).where(ArchiveTask.job_id == job_id).order_by(ArchiveTask.id.desc()).limit(1)
    return (await session.scalars(query)).one_or_none()


async def count_attempts(session: AsyncSession, job_id: UUID) -> int:
    """Return how often somebody began to archive a run; each attempt has a name of its own, never used twice."""
    attempts: int = (await session.execute(_COUNT_ATTEMPTS, {"job_id": job_id})).scalar_one()
    return attempts


async def claim_task(session: AsyncSession) -> ArchiveTask | None:
    """Take over the eldest task that waits, or whose claimer fell silent; several at once never take the same."""
    claimed = (await session.execute(_CLAIM, {"lease": LEASE})).scalar_one_or_none()
    return None if claimed is None else await session.get_one(ArchiveTask, claimed)


async def mark_progress(
    session: AsyncSession, task: ArchiveTask, *, stage: str, done_bytes: int, total_bytes: int
) -> bool:
    """Renew a claim with its progress; False when somebody else has taken it over."""
    told = {"id": task.id, "attempts": task.attempts, "lease": LEASE, "stage": stage}
    renewed = await session.execute(_RENEW, {**told, "done_bytes": done_bytes, "total_bytes": total_bytes})
    return renewed.one_or_none() is not None


async def is_completed(session: AsyncSession, task: ArchiveTask) -> bool:
    """Say whether a task ended well under this very claim."""
    query = select(ArchiveTask.status).where(ArchiveTask.id == task.id, ArchiveTask.attempts == task.attempts)
    return await session.scalar(query) is ArchiveTaskStatus.COMPLETED


async def mark_ended(session: AsyncSession, task: ArchiveTask, ending: TaskEnding) -> bool:
    """End a claimed task; False when somebody else has taken it over, whose claim then stands."""
    told = {
        "id": task.id,
        "attempts": task.attempts,
        "status": ending.status.value,
        "archive_id": ending.archive_id,
        "error_code": ending.error_code,
        "error": ending.error,
        "stats": dict(ending.stats),
    }
    return (await session.execute(_END, told)).one_or_none() is not None


async def delete_lapsed(session: AsyncSession) -> None:
    """Let go of tasks of a scheduled run that ended before it came to them; the next one asks for them anew."""
    await session.execute(_DELETE_LAPSED)


async def mark_handed_back(session: AsyncSession, task: ArchiveTask) -> None:
    """Give a claimed task back, for the next one to begin at once."""
    await session.execute(_HAND_BACK, {"id": task.id, "attempts": task.attempts})


async def get_task(session: AsyncSession, task_id: UUID) -> ArchiveTask | None:
    """Return one task."""
    return await session.get(ArchiveTask, task_id)


async def add_completed(
    session: AsyncSession, asked: NewTask, *, attempts: int, archive_id: UUID, stats: Mapping[str, Any]
) -> None:
    """Remember archiving that was done elsewhere as if it had been asked for, and had ended well, here."""
    task = ArchiveTask(
        **{name: getattr(asked, name) for name in NewTask.__slots__},
        id=uuid7(),
        status=ArchiveTaskStatus.COMPLETED,
        attempts=attempts,
        started_at=func.now(),
        ended_at=func.now(),
        done_bytes=asked.total_bytes,
        archive_id=archive_id,
        stats=stats,
    )
    session.add(task)
    await session.flush()
