"""Answering at a million rows: stats, the forecast and a policy preview, against a bare `SELECT count(*)`."""

import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg

from media_analysis.policy.decision import Policy
from media_analysis.retention.forecast.days import fold_due_days
from media_analysis.retention.forecast.request import ForecastRequest
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import COLUMNS, FILE_BYTES, OWNERS, Stage, settle, timed

CHUNK = 20_000
Question = Callable[[], Awaitable[object]]
TRIED = {Category.FRAMES: timedelta(days=5), Category.OUTPUTS: timedelta(days=90)}

# Every category's files are spread over its lifetime, those of an indefinite one over a year; every tenth is dated.
PLANT = f"""
    INSERT INTO media_files ({", ".join(COLUMNS)})
    SELECT gen_random_uuid(), 'owner-' || number % {OWNERS}, category, 'stored', category || '/bench/' || number,
        'file.bin', 'application/octet-stream', {FILE_BYTES}, 0, decode(repeat('00', 32), 'hex'), made, made,
        ends_at, dated, ends_at
    FROM (
        SELECT *, CASE WHEN dated THEN now() + random() * interval '60 days'
            ELSE made + make_interval(secs => lifetime_seconds) END AS ends_at
        FROM (
            SELECT number, category, lifetime_seconds, number % 10 = 0 AS dated,
                now() - random() * coalesce(make_interval(secs => lifetime_seconds), interval '365 days') AS made
            FROM generate_series($1::int, $2::int) AS series(number)
            JOIN category_policies ON category = (enum_range(NULL::category))[1 + number % 7]
        ) AS aged
    ) AS timed
"""
COUNT = """
    INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes)
        SELECT owner, category, count(*), sum(size_bytes), 0 FROM media_files GROUP BY 1, 2;
    UPDATE category_usage SET size_bytes = told.size_bytes
        FROM (SELECT category, sum(size_bytes) AS size_bytes FROM ledger GROUP BY 1) AS told
        WHERE category_usage.category = told.category;
    INSERT INTO ledger_days
        SELECT (stored_at AT TIME ZONE 'UTC')::date, category, count(*), sum(size_bytes) FROM media_files GROUP BY 1, 2;
"""


async def retention(stage: Stage, *, files: int, rounds: int) -> dict[str, Any]:
    """Ask every question in turn, `rounds` times, before and after the days were folded."""
    pool = await asyncpg.create_pool(stage.url, min_size=1, max_size=2)
    try:
        await plant(pool, files)
        await settle(stage.url)
        unfolded = await pool.fetchval("SELECT count(*) FROM due_days")
        before = await ask({"forecast": lambda: stage.runtime.retention.forecast.forecast(ForecastRequest())}, rounds)
        fold_seconds = await timed(lambda: fold(stage))
        await settle(stage.url)
        medians = await ask(questions(stage, pool) | await previews(stage), rounds)
        folded = await pool.fetchval("SELECT count(*) FROM due_days")
    finally:
        await pool.close()
    bare = medians["select_count"]
    return {
        "files": files,
        "milliseconds": medians,
        "ratio_to_select_count": {name: found / bare for name, found in medians.items() if name != "select_count"},
        "due_days": {"rows_unfolded": unfolded, "rows_folded": folded, "fold_milliseconds": fold_seconds * 1000},
        "forecast_unfolded_milliseconds": before["forecast"],
    }


def questions(stage: Stage, pool: asyncpg.Pool) -> dict[str, Question]:
    """Return what is measured, by name."""
    forecast = stage.runtime.retention.forecast.forecast
    return {
        "select_count": lambda: pool.fetchval("SELECT count(*) FROM media_files"),
        "stats": lambda: stage.runtime.retention.status.stats(owner=None),
        "forecast": lambda: forecast(ForecastRequest()),
        "forecast_what_if": lambda: forecast(ForecastRequest(lifetimes=TRIED)),
        "forecast_year": lambda: forecast(ForecastRequest(days=366, lifetimes=TRIED)),
    }


async def previews(stage: Stage) -> dict[str, Question]:
    """Return previews of two other lifetimes, and of another one in every category, which must read every file."""
    policy = (await stage.runtime.retention.policies.in_force()).policy
    some = with_lifetimes(policy, TRIED)
    every = with_lifetimes(policy, dict.fromkeys(Category, timedelta(days=45)))
    return {
        "preview_two_lifetimes": lambda: stage.runtime.retention.policies.preview(some),
        "preview_every_lifetime": lambda: stage.runtime.retention.policies.preview(every),
    }


def with_lifetimes(policy: Policy, lifetimes: Mapping[Category, timedelta]) -> Policy:
    changed = {category: replace(policy.of(category), lifetime=lifetime) for category, lifetime in lifetimes.items()}
    return Policy({**policy.rules, **changed})


async def ask(asked: dict[str, Question], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of every question; the first round only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds + 1):
        for name, question in asked.items():
            seconds[name].append(await timed(question))
    return {name: 1000 * statistics.median(runs[1:]) for name, runs in seconds.items()}


async def plant(pool: asyncpg.Pool, files: int) -> None:
    """Insert stored files of all categories, as many transactions write them, with all that is counted of them."""
    for first in range(0, files, CHUNK):
        await pool.execute(PLANT, first, min(first + CHUNK, files) - 1)
    await pool.execute(COUNT)


async def fold(stage: Stage) -> None:
    """Fold the days as a sweep does at its end, until nothing is left to fold."""
    saved = 1
    while saved:
        async with stage.runtime.db.transaction() as session:
            saved = await fold_due_days(session, at_least=1)
