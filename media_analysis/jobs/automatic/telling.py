"""What ran by itself on a file, as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.automatic.models import AnalysisReason, AnalysisState, UploadAnalysis


@dataclass(frozen=True, kw_only=True, slots=True)
class AutomaticAnalysis:
    """One kind that runs by itself on a file: its job, or why there is none."""

    kind: str
    state: AnalysisState
    reason: AnalysisReason | None
    job_id: UUID | None
    """None where there is no job, or none yet."""
    at: datetime
    """When that was decided, or when it is looked at again."""


async def list_analyses(session: AsyncSession, file_id: UUID) -> Sequence[AutomaticAnalysis]:
    """Return what runs by itself on a file, by kind."""
    query = select(UploadAnalysis).where(UploadAnalysis.file_id == file_id).order_by(UploadAnalysis.kind)
    return [_told(row) for row in await session.scalars(query)]


def _told(row: UploadAnalysis) -> AutomaticAnalysis:
    return AutomaticAnalysis(
        kind=row.kind,
        state=row.state,
        reason=None if row.reason is None else AnalysisReason(row.reason),
        job_id=row.job_id if row.made else None,
        at=row.ended_at or row.due_at or row.created_at,
    )
