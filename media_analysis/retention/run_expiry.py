"""The ends of results and of whole runs, which have no bytes: what is over is taken batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.expiry import ArchiveExpiry, Ended
from media_analysis.db.database import Database
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.tombstones import Order
from media_analysis.failpoints import failpoint
from media_analysis.jobs.closing import Summary, close_jobs, purge_jobs
from media_analysis.jobs.result_deletion import (
    COUNT_DUE,
    DELETE_DUE,
    DELETE_HIDDEN,
    DUE_RESULTS,
    ENDED,
    HELD,
    HIDDEN_RESULTS,
)
from media_analysis.policy.decision import CategoryRules
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

BATCH: Final = 2_000

_START: Final = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
_NOBODY: Final = UUID(int=0)

_EMPTY: Final = """
    NOT EXISTS (SELECT FROM media_files AS file WHERE file.job_id = job.id)
    AND NOT EXISTS (SELECT FROM analysis_results AS result WHERE result.job_id = job.id)
"""
_OVER: Final = {
    RetentionRule.EXPLICIT_EXPIRY: ("job.expires_at", "job.expires_at <= :now"),
    RetentionRule.CATEGORY_LIFETIME: ("job.completed_at", "job.expires_at IS NULL AND job.completed_at <= :ended"),
}
_OVER_JOBS: Final = {
    rule: f"""
        SELECT job.id, {instant} AS instant FROM analysis_jobs AS job
        WHERE {over} AND ({instant}, job.id) > (:after_at, :after_id)
            AND job.category = CAST(:category AS category) AND {ENDED} AND {HELD} IS NOT TRUE AND {_EMPTY}
        ORDER BY {instant}, job.id LIMIT :limit
    """  # noqa: S608 - constants
    for rule, (instant, over) in _OVER.items()
}
LOCK_OVER: Final = {rule: text(f"{query} FOR UPDATE OF job SKIP LOCKED") for rule, query in _OVER_JOBS.items()}
"""Locks runs that are over, by the rule that says so."""
_COUNT_OVER: Final = {
    rule: text(f"SELECT count(*) FROM ({query}) AS over")  # noqa: S608 - constants
    for rule, query in _OVER_JOBS.items()
}
# Looked at again under the lock: an upload or a result may have come between the look and the lock.
_STILL_EMPTY: Final = text(f"""
    SELECT job.id, job.produced FROM analysis_jobs AS job WHERE job.id = ANY(CAST(:ids AS uuid[])) AND {_EMPTY}
""")  # noqa: S608 - constants

_NO_FILES: Final = "NOT EXISTS (SELECT FROM media_files AS file WHERE file.job_id = job.id)"
_TRASH: Final = f"""
    SELECT job.id FROM analysis_jobs AS job
    WHERE job.restorable_until <= :now AND job.category = CAST(:category AS category) AND {_NO_FILES}
    ORDER BY job.restorable_until LIMIT :limit
"""  # noqa: S608 - constants
_LOCK_TRASH: Final = text(f"{_TRASH} FOR UPDATE OF job SKIP LOCKED")
_PARTS: Final = (DUE_RESULTS, HIDDEN_RESULTS, *_OVER_JOBS.values(), _TRASH)
FIND_OVER: Final = text(
    "SELECT " + " OR ".join(f"(SELECT id FROM ({part}) AS part) IS NOT NULL" for part in _PARTS)  # noqa: S608 - constants
).bindparams(bindparam("grace", type_=Interval), limit=1)
"""Whether anything of a category is over; scalars, for in EXISTS the planner forgets in which order to look."""


class EndedRecords(NamedTuple):
    """Results and runs that went, or would."""

    results: int = 0
    jobs: int = 0

    def plus(self, other: "EndedRecords") -> "EndedRecords":
        return EndedRecords(self.results + other.results, self.jobs + other.jobs)


@dataclass(frozen=True)
class RunExpiry:
    """Takes results whose time is over, and runs of which nothing is left.

    A run ends at the end it was given, or with its category's lifetime; but not while a file of it is there, in the
    trash too, nor a result. Nothing that its job's hold keeps goes. Several at once never take the same.
    """

    db: Database
    strategy: Strategy
    batch_size: int = BATCH

    def _grace(self, category: Category) -> timedelta:
        """Return how long expired results, which nobody sees, can still come back with a restored run."""
        return self.strategy.kept_when_swept(category) or timedelta()

    @property
    def _archives(self) -> ArchiveExpiry:
        return ArchiveExpiry(self.db, self.strategy.kept_when_swept(Category.ARCHIVES))

    async def take(self, category: Category, order: Order, rules: CategoryRules) -> EndedRecords:
        """Take what is over in one category.

        Raises:
            DatabaseUnavailable: it broke off between two batches.

        """
        if not await self._is_any_over(category, rules, now=order.now):
            return EndedRecords()
        results = await self._delete_due(category, order.now) + await self._delete_hidden(category, order.now)
        jobs = await self._close_over(RetentionRule.EXPLICIT_EXPIRY, category, order, order.now)
        if rules.lifetime is not None:
            ended = order.now - rules.lifetime
            jobs += await self._close_over(RetentionRule.CATEGORY_LIFETIME, category, order, ended)
        await self._purge(category, order.now)
        return EndedRecords(results, jobs)

    async def end_archived(self, order: Order) -> Ended:
        """End archived runs whose time, in the trash too, is over, and archives that hold what was deleted.

        Raises:
            DeletionPaused: somebody has to confirm first.

        """
        archives = self._archives
        ended = await archives.end_over(order)
        purged = await archives.purge_over(order)
        return replace(ended, purges=[*ended.purges, *purged, *await archives.delete_stale(order)])

    async def count(
        self, session: AsyncSession, category: Category, rules: CategoryRules, *, now: datetime
    ) -> EndedRecords:
        """Count what `take` would take at once; a run whose last file or result goes now is over with the next."""
        asked = {**_first(category, now), "limit": None}
        results: int = (await session.execute(COUNT_DUE, {**asked, "grace": self._grace(category)})).scalar_one()
        jobs: int = (await session.execute(_COUNT_OVER[RetentionRule.EXPLICIT_EXPIRY], asked)).scalar_one()
        if rules.lifetime is not None:
            ended = {**asked, "ended": now - rules.lifetime}
            jobs += (await session.execute(_COUNT_OVER[RetentionRule.CATEGORY_LIFETIME], ended)).scalar_one()
        if category is Category.ARCHIVES:
            jobs += await self._archives.count_over(session, now=now)
        return EndedRecords(results, jobs)

    async def _is_any_over(self, category: Category, rules: CategoryRules, *, now: datetime) -> bool:
        """Look before anything is locked: mostly nothing is over."""
        ended = None if rules.lifetime is None else now - rules.lifetime
        asked = {**_first(category, now), "grace": self._grace(category), "ended": ended}
        async with self.db.read_only() as session:
            return bool((await session.execute(FIND_OVER, asked)).scalar_one())

    async def _delete_due(self, category: Category, now: datetime) -> int:
        deleted, asked = 0, {**_first(category, now), "grace": self._grace(category), "limit": self.batch_size}
        while True:
            async with self.db.transaction() as session:
                gone = (await session.execute(DELETE_DUE, asked)).all()
                if gone:
                    failpoint("expiry.deleting")
            deleted += len(gone)
            if len(gone) < self.batch_size:
                return deleted
            asked |= {"after_at": gone[0].expires_at, "after_id": gone[0].id}

    async def _delete_hidden(self, category: Category, now: datetime) -> int:
        deleted, asked = 0, {"category": category.value, "now": now, "limit": self.batch_size}
        while True:
            async with self.db.transaction() as session:
                gone = len((await session.execute(DELETE_HIDDEN, asked)).all())
            deleted += gone
            if gone < self.batch_size:
                return deleted

    async def _close_over(self, rule: RetentionRule, category: Category, order: Order, ended: datetime) -> int:
        drop = self.strategy.kept_when_swept(category) is None
        closed, asked = 0, {**_first(category, order.now), "ended": ended, "limit": self.batch_size}
        while True:
            async with self.db.transaction() as session:
                over = (await session.execute(LOCK_OVER[rule], asked)).all()
                closed += await _close(session, [job.id for job in over], order, rule, drop=drop)
            if len(over) < self.batch_size:
                return closed
            asked |= {"after_at": over[-1].instant, "after_id": over[-1].id}

    async def _purge(self, category: Category, now: datetime) -> None:
        asked = {"category": category.value, "now": now, "limit": self.batch_size}
        while True:
            async with self.db.transaction() as session:
                ids: Sequence[UUID] = (await session.scalars(_LOCK_TRASH, asked)).all()
                if ids:
                    await purge_jobs(session, ids)
                    failpoint("expiry.purging")
            if len(ids) < self.batch_size:
                return


async def _close(session: AsyncSession, ids: Sequence[UUID], order: Order, rule: RetentionRule, *, drop: bool) -> int:
    if not ids:
        return 0
    rows = (await session.execute(_STILL_EMPTY, {"ids": list(ids)})).all()
    summaries = {job_id: _summarise(produced) for job_id, produced in rows}
    if summaries:
        await close_jobs(session, summaries, order, rule=rule, restorable_until=None, drop=drop)
        failpoint("expiry.closing")
    return len(summaries)


def _summarise(produced: dict[str, dict[str, int]]) -> Summary:
    return Summary(
        files=sum(amount["files"] for amount in produced.values()),
        size_bytes=sum(amount["size_bytes"] for amount in produced.values()),
        stats={"categories": produced},
    )


def _first(category: Category, now: datetime) -> dict[str, object]:
    return {"category": category.value, "now": now, "after_at": _START, "after_id": _NOBODY}
