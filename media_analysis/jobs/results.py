"""Finding results: by job, kind, file, when they were made, and what they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import is_living, living
from media_analysis.db.database import Database, clock
from media_analysis.db.ids import made_between
from media_analysis.errors import ResultNotFound
from media_analysis.jobs.models import AnalysisResult

# What a document is asked to hold decides between the indexes: a plan made for any document would take the wrong one.
_PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")


@dataclass(frozen=True, kw_only=True)
class ResultFilter:
    """Which results a list shows; None means any."""

    owner: str | None = None
    job_id: UUID | None = None
    kind: str | None = None
    file_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    contains: Mapping[str, Any] | None = None
    """What its document holds, as PostgreSQL's `@>` has it."""

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (AnalysisResult.owner, self.owner),
                (AnalysisResult.job_id, self.job_id),
                (AnalysisResult.kind, self.kind),
                (AnalysisResult.media_file_id, self.file_id),
            )
            if value is not None
        ]
        if self.contains:
            wanted.append(AnalysisResult.data.bool_op("@>")(dict(self.contains)))
        made = made_between(AnalysisResult.id, AnalysisResult.created_at, self.created_after, self.created_before)
        return wanted + made


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some results, newest first, and where the next page begins."""

    results: Sequence[AnalysisResult]
    next_before: UUID | None


@dataclass(frozen=True)
class ResultService:
    """What an owner may see of results; `owner=None` is an administrator's view of all."""

    db: Database

    async def get(self, result_id: UUID, *, owner: str | None, now: datetime | None = None) -> AnalysisResult:
        """Return a result.

        Raises:
            ResultNotFound: unknown, somebody else's, expired, or its job has not completed.

        """

        async def read() -> AnalysisResult:
            async with self.db.read_only() as session:
                return await require_result(session, result_id, owner=owner, now=now)

        return await self.db.retry(read)

    async def list(
        self, wanted: ResultFilter, *, before: UUID | None, limit: int, now: datetime | None = None
    ) -> ResultPage:
        """Return one page of results, newest first."""

        async def read() -> Sequence[AnalysisResult]:
            async with self.db.read_only() as session:
                if wanted.contains:
                    await session.execute(_PLAN_ANEW)
                query = select_results(wanted, before=before, limit=limit + 1, now=now)
                return (await session.scalars(query)).all()

        results = await self.db.retry(read)
        more = len(results) > limit
        return ResultPage(results[:limit], results[limit - 1].id if more else None)


def is_visible(now: datetime | None) -> ColumnElement[bool]:
    """Return whether anybody may see a result: its job has completed, and it has not expired."""
    return AnalysisResult.published & is_living(AnalysisResult.expires_at, clock(now))


def visible(result: str, at: str = ":now") -> str:
    """Return the same as text, of rows known by this name."""
    return f"{result}.published AND {living(f'{result}.expires_at', at)}"


def select_results(
    wanted: ResultFilter, *, before: UUID | None, limit: int, now: datetime | None = None
) -> Select[AnalysisResult]:
    """Return the query of a page of visible results, newest first."""
    query = select(AnalysisResult).where(*wanted.conditions(), is_visible(now))
    if before is not None:
        query = query.where(AnalysisResult.id < before)
    return query.order_by(AnalysisResult.id.desc()).limit(limit)


async def require_result(
    session: AsyncSession, result_id: UUID, *, owner: str | None, now: datetime | None = None, lock: bool = False
) -> AnalysisResult:
    """Return a visible result.

    Raises:
        ResultNotFound: there is none for this owner.

    """
    query = select(AnalysisResult).where(AnalysisResult.id == result_id, is_visible(now))
    if owner is not None:
        query = query.where(AnalysisResult.owner == owner)
    if lock:
        query = query.with_for_update()
    result = (await session.scalars(query)).one_or_none()
    if result is None:
        raise ResultNotFound(result_id)
    return result
