"""The breaker: what a sweep is about to take is weighed first; too much pauses it until somebody confirms."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple, Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.instance import Instance
from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import BREAKER_CAUSES, Observe, PauseFinding, add_pause, find_pause, tell
from media_analysis.deletion.selection import Amount
from media_analysis.retention.guard.clock import ClockService
from media_analysis.retention.guard.weighing import sum_due
from media_analysis.settings import storage as settings
from media_analysis.storage.category import Category

FEWEST_SWEEPS: Final = 5
"""From how many earlier sweeps a median says something."""
ALLOWANCE_PERCENT: Final = 110
ALLOWED_FOR: Final = timedelta(hours=24)
REMEMBERED_FOR: Final = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class BreakerLimits:
    """What a sweep may take without being asked."""

    share_percent: Mapping[Category, int | None]
    min_files: int
    """Below how many due files nothing is too much."""
    median_factor: int | None

    @classmethod
    def of(cls, chosen: settings.BreakerSettings) -> Self:
        """Return what the settings say."""
        return cls(
            share_percent={category: chosen.share_percent.of(category) for category in Category},
            min_files=chosen.min_files,
            median_factor=chosen.median_factor,
        )


class Excess(NamedTuple):
    """What a part is too much of."""

    whole: Amount
    """Of all owners: for administrators only (decision 22)."""
    percent: int
    """How much of it goes unasked."""


@dataclass(frozen=True)
class Breaker:
    """Keeps one category's sweep from running away."""

    db: Database
    clock: ClockService
    limits: BreakerLimits
    observe: Observe

    async def judge(self, session: AsyncSession, category: Category, *, now: datetime) -> str | None:
        """Return why a sweep of the category may not run, None if it may; writes nothing."""
        pause = await find_pause(session, category)
        if pause is not None:
            return pause.reason
        doubt = await self.clock.find_doubt(session)
        if doubt is not None:
            return doubt
        finding = await self._weigh(session, category, now=now)
        return None if finding is None else finding.reason

    async def trip(self, category: Category, *, now: datetime) -> str | None:
        """Return why the category is not swept, after pausing it if what is due is too much; None lets it run."""
        await self.clock.check()
        async with self.db.read_only() as session:
            pause = await find_pause(session, category)
            finding = None if pause is not None else await self._weigh(session, category, now=now)
        if pause is not None:
            return pause.reason
        return None if finding is None else await self._pause(category, finding, now=now)

    @retried
    async def _pause(self, category: Category, finding: PauseFinding, *, now: datetime) -> str | None:
        async with self.db.transaction() as session:
            # Of replicas that find the same at the same time the first one pauses, and the others see its pause.
            await session.execute(select(Instance.id).with_for_update())
            pause = await find_pause(session, category)
            if pause is not None:
                return pause.reason
            if await _is_allowed(session, category, finding.files, now=now):
                return None  # somebody confirmed while it was weighed
            pause = await add_pause(session, category, finding, by="breaker")
        self.observe(pause.cause)
        tell(pause)
        return pause.reason

    async def _weigh(self, session: AsyncSession, category: Category, *, now: datetime) -> PauseFinding | None:
        due = await sum_due(session, category, now=now)
        if due.files == 0 or due.files < self.limits.min_files:
            return None
        finding = await self._find_share(session, category, due) or await self._find_median(
            session, category, due, now=now
        )
        if finding is None or await _is_allowed(session, category, due.files, now=now):
            return None
        return finding

    async def _find_share(self, session: AsyncSession, category: Category, due: Amount) -> PauseFinding | None:
        excess = await self.find_excess(session, category, due)
        if excess is None:
            return None
        whole = excess.whole
        reason = (
            f"{due.files} of {whole.files} files, {due.size_bytes} of {whole.size_bytes} bytes, are due: "
            f"more than {excess.percent} % of the category"
        )
        return PauseFinding(cause=PauseCause.SHARE, reason=reason, files=due.files, size_bytes=due.size_bytes)

    async def find_excess(
        self, session: AsyncSession, category: Category, part: Amount, *, trash: bool = False
    ) -> Excess | None:
        """Return of what a part of a category's living files, or of its `trash`, is too much to go unasked."""
        percent = self.limits.share_percent.get(category)
        if percent is None or part.files < self.limits.min_files:
            return None
        whole = Amount._make((await session.execute(_TRASH if trash else _LIVING, {"category": category.value})).one())
        if not any(100 * some > percent * all_of_it for some, all_of_it in zip(part, whole, strict=True)):
            return None
        return Excess(whole, percent)

    async def _find_median(
        self, session: AsyncSession, category: Category, due: Amount, *, now: datetime
    ) -> PauseFinding | None:
        if self.limits.median_factor is None:
            return None
        rows = await session.scalars(_TAKEN_BEFORE, {"category": category.value, "since": now - REMEMBERED_FOR})
        taken = rows.all()
        if len(taken) < FEWEST_SWEEPS or due.files <= self.limits.median_factor * median(taken):
            return None
        return PauseFinding(
            cause=PauseCause.MEDIAN,
            reason=f"{due.files} files are due: more than {self.limits.median_factor} times the {median(taken):g} "
            f"that its last {len(taken)} sweeps took in the median",
            files=due.files,
            size_bytes=due.size_bytes,
        )


async def _is_allowed(session: AsyncSession, category: Category, files: int, *, now: datetime) -> bool:
    """Tell whether the last confirmation covers as many files, after what sweeps took on its strength."""
    asked = {
        "category": category.value,
        "since": now - ALLOWED_FOR,
        "causes": [cause.value for cause in BREAKER_CAUSES],
    }
    allowance = (await session.execute(_ALLOWANCE, asked)).one_or_none()
    return allowance is not None and 100 * (files + allowance.taken) <= ALLOWANCE_PERCENT * allowance.files


_LIVING: Final = text("""
    SELECT coalesce(sum(files - trashed_files), 0)::bigint, coalesce(sum(size_bytes - trashed_bytes), 0)::bigint
    FROM ledger WHERE category = CAST(:category AS category)
""")

_TRASH: Final = text("""
    SELECT coalesce(sum(trashed_files), 0)::bigint, coalesce(sum(trashed_bytes), 0)::bigint
    FROM ledger WHERE category = CAST(:category AS category)
""")

# With a trash a sweep throws away what fell due and purges what it threw away before: the larger part is what it took.
_SWEPT: Final = """
    SELECT started_at, greatest(
        CAST(categories -> CAST(:category AS text) ->> 'files_removed' AS bigint),
        CAST(categories -> CAST(:category AS text) ->> 'files_trashed' AS bigint)
    ) AS files
    FROM sweeps
    WHERE started_at >= :since AND ended_at IS NOT NULL AND NOT dry_run AND kind LIKE 'cleanup:%'
"""

_TAKEN_BEFORE: Final = text(f"""
    SELECT files FROM ({_SWEPT}) AS swept WHERE files > 0 ORDER BY started_at DESC LIMIT 10
""")  # noqa: S608 - constants

_ALLOWANCE: Final = text(f"""
    SELECT resumed.files, (
        SELECT coalesce(sum(files), 0)::bigint FROM ({_SWEPT}) AS swept WHERE started_at >= resumed.resumed_at
    ) AS taken
    FROM pauses AS resumed
    WHERE category = CAST(:category AS category) AND cause = ANY(CAST(:causes AS pause_cause[])) AND resumed_at > :since
    ORDER BY resumed_at DESC LIMIT 1
""")  # noqa: S608 - constants
