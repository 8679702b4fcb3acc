"""Bytes by day: what falls due, what came in, and the fold that keeps the days few."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.storage.category import Category

TRAILING_DAYS: Final = 28
FOLD_FROM: Final = 500
"""Fewer rows than that beyond one per hour are not worth a fold."""
FOLD_LIMIT: Final = 50_000


class DueSum(NamedTuple):
    """Files of one category that fall due on one day, or never while `due_on` is None."""

    category: Category
    stored_on: date | None
    """Told only of categories it was asked for, where the category decides the end."""
    due_on: date | None
    dated: bool
    """Somebody gave them their end, or they lie in the trash."""
    files: int
    size_bytes: int


class Leaving(NamedTuple):
    """What falls due within some hours of what is stored now: up to the full hour after them."""

    hours: int
    before: datetime
    files: int
    size_bytes: int


class CategoryHistory(NamedTuple):
    """What one category holds, and what came in over the trailing days and today."""

    category: Category
    today: date
    used_bytes: int
    trashed_bytes: int = 0
    span_days: int = 0
    """Over how many full days `past_*` is the sum; 0 before the first full day has passed."""
    past_files: int = 0
    past_bytes: int = 0
    today_files: int = 0
    today_bytes: int = 0


_ACCOUNTS = text("""
    WITH clock AS (
        SELECT (coalesce(CAST(:now AS timestamptz), now()) AT TIME ZONE 'UTC')::date AS today
    ), ingest AS (
        SELECT category,
            sum(files) FILTER (WHERE day < today) AS past_files,
            sum(size_bytes) FILTER (WHERE day < today) AS past_bytes,
            sum(files) FILTER (WHERE day = today) AS today_files,
            sum(size_bytes) FILTER (WHERE day = today) AS today_bytes
        FROM ledger_days, clock WHERE day BETWEEN today - CAST(:trailing AS int) AND today GROUP BY category
    ), trash AS (
        SELECT category, sum(trashed_bytes) AS size_bytes FROM ledger
        WHERE CAST(:with_trash AS boolean) AND trashed_bytes <> 0 GROUP BY category
    )
    SELECT category, today, usage.size_bytes, coalesce(trash.size_bytes, 0)::bigint,
        coalesce(least(today - (SELECT min(day) FROM ledger_days), CAST(:trailing AS int)), 0),
        coalesce(past_files, 0)::bigint, coalesce(past_bytes, 0)::bigint,
        coalesce(today_files, 0)::bigint, coalesce(today_bytes, 0)::bigint
    FROM category_usage AS usage CROSS JOIN clock
    LEFT JOIN ingest USING (category) LEFT JOIN trash USING (category)
    ORDER BY category
""")

_DUE = text("""
    SELECT category, CASE WHEN category = ANY(CAST(:told AS category[])) THEN stored_on END AS stored_on,
        CASE WHEN due_on < :today THEN :today ELSE due_on END AS due_on,
        stored_on IS NULL AS dated, sum(files)::bigint, sum(size_bytes)::bigint
    FROM due_days WHERE due_on < :before OR (stored_on IS NOT NULL AND category = ANY(CAST(:told AS category[])))
    GROUP BY 1, 2, 3, 4 HAVING sum(files) <> 0 OR sum(size_bytes) <> 0
    ORDER BY 3
""")

_LEAVING = text("""
    WITH spans AS MATERIALIZED (
        SELECT hours, before, (before AT TIME ZONE 'UTC')::date AS day,
            extract(hour FROM before AT TIME ZONE 'UTC')::smallint AS hour
        FROM unnest(CAST(:hours AS int[])) AS hours, LATERAL (
            SELECT date_trunc('hour', coalesce(CAST(:now AS timestamptz), now()), 'UTC')
                + make_interval(hours => hours + 1) AS before
        ) AS ends
    ), due AS MATERIALIZED (
        SELECT due_on, due_hour, sum(files) AS files, sum(size_bytes) AS size_bytes FROM due_days
        WHERE category = ANY(CAST(:categories AS category[])) AND due_on <= (SELECT max(day) FROM spans) GROUP BY 1, 2
    )
    SELECT hours, before, coalesce(sum(files), 0)::bigint, coalesce(sum(size_bytes), 0)::bigint
    FROM spans LEFT JOIN due ON (due_on, due_hour) < (day, hour) GROUP BY hours, before ORDER BY hours
""")

# Of rows, never of files: what is counted here is what a fold would take away.
_COUNT_FOLDABLE = text("""
    SELECT coalesce(sum(deltas - 1), 0)::bigint
    FROM (SELECT count(*) AS deltas FROM due_days GROUP BY category, stored_on, due_on, due_hour) AS days
""")

# A fold beside another one passes over its rows, so neither waits; writers only ever add rows.
_FOLD = text("""
    WITH taken AS MATERIALIZED (
        SELECT id FROM due_days ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ), old AS (
        DELETE FROM due_days USING taken WHERE due_days.id = taken.id
        RETURNING due_days.category, due_days.stored_on, due_days.due_on, due_days.due_hour, due_days.files,
            due_days.size_bytes
    ), folded AS (
        INSERT INTO due_days (category, stored_on, due_on, due_hour, files, size_bytes)
        SELECT category, stored_on, due_on, due_hour, sum(files), sum(size_bytes) FROM old
        GROUP BY category, stored_on, due_on, due_hour HAVING sum(files) <> 0 OR sum(size_bytes) <> 0
        RETURNING id
    )
    SELECT (SELECT count(*) FROM old) - (SELECT count(*) FROM folded)
""")


async def list_accounts(session: AsyncSession, *, now: datetime | None, with_trash: bool) -> Sequence[CategoryHistory]:
    """Return what every category holds and took in; `now` defaults to the database's clock."""
    rows = await session.execute(_ACCOUNTS, {"now": now, "trailing": TRAILING_DAYS, "with_trash": with_trash})
    return [CategoryHistory(Category(name), *facts) for name, *facts in rows]


async def list_due_sums(
    session: AsyncSession, *, today: date, before: date, told: Sequence[Category] = ()
) -> Sequence[DueSum]:
    """Return what falls due before a day, what is overdue as due today, earliest first.

    Of the categories in `told` it says when files were stored, and also tells those that fall due later or never.
    """
    rows = await session.execute(_DUE, {"today": today, "before": before, "told": [kind.value for kind in told]})
    return [DueSum(Category(name), *facts) for name, *facts in rows]


async def list_leaving(
    session: AsyncSession, *, hours: Sequence[int], categories: Sequence[Category], now: datetime | None
) -> Sequence[Leaving]:
    """Return what falls due within so many hours each, what is overdue, and what the trash holds so long, included."""
    asked = {"hours": list(hours), "categories": [kind.value for kind in categories], "now": now}
    return [Leaving(*row) for row in await session.execute(_LEAVING, asked)]


async def fold_due_days(session: AsyncSession, *, at_least: int = FOLD_FROM, most: int = FOLD_LIMIT) -> int:
    """Add up what transactions wrote about the same hours, oldest first, and return how many rows that saved.

    Sums stay what they are at every moment, whoever writes, reads or folds meanwhile. Does nothing while there
    are fewer than `at_least` rows to be saved.
    """
    if (await session.execute(_COUNT_FOLDABLE)).scalar_one() < at_least:
        return 0
    saved: int = (await session.execute(_FOLD, {"most": most})).scalar_one()
    return saved
