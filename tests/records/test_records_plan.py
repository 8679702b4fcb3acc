"""Ending a batch of records reads that batch by an index, however many there are, and in the end all are gone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from media_analysis.db.ids import first_id
from media_analysis.records.kinds import KINDS
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute, fetch
from tests.plans import Explain, Plan, _nodes, as_new

ROWS: Final = 5_000
BATCH: Final = 100
_ID: Final = "('01000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid"
_AT: Final = "'2020-01-01Z'::timestamptz + n * interval '1 s'"
PLANTED: Final = {
    "tombstones": (
        "id, owner, category, state, key, filename, media_type, created_at, deleted_at, rule, requested_by, purge_id",
        f"gen_random_uuid(), 'a', 'temp', 'stored', 'k', 'f', 't', {_AT}, {_AT}, 'requested', 'a', {_ID}",
    ),
    "purges": (
        "id, tombstone_ids, claimed_at, confirmed_at, attempts, secure",
        f"{_ID}, '{{}}', {_AT}, {_AT}, 1, false",
    ),
    "audit": ("id, at, actor, action, file_id", f"{_ID}, {_AT}, 'a', 'deleted', {_ID}"),
    "jobs": (
        "job_id, owner, name, kind, folder_name, status, created_at, deleted_at, deleted_by, files, size_bytes, stats",
        f"gen_random_uuid(), 'a', 'n', 'probe', 'f', 'completed', {_AT}, {_AT}, 'a', 1, 1, '{{}}'",
    ),
    "sweeps": (
        "id, kind, trigger, requested_by, dry_run, status, started_at, files, size_bytes, errors",
        f"{_ID}, 'cleanup:temp', 'api', 'a', false, 'completed', {_AT}, n % 2, 1, 0",
    ),
    "idempotency_keys": ("owner, key, file_id, fingerprint, expires_at", f"'a', n::text, {_ID}, '', {_AT}"),
    "plan_files": (
        "plan_id, file_id, category, version, size_bytes, rule",
        "'01000000-0000-7000-8000-000000000001', gen_random_uuid(), 'temp', 1, 1, 'explicit_expiry'",
    ),
    "archive_tasks": (
        "id, job_id, owner, kind, status, trigger, requested_by, ended_at",
        f"{_ID}, gen_random_uuid(), 'a', 'archive', 'completed', 'cli', 'a', {_AT}",
    ),
    "sessions": ("id, owner, role, token_hash, expires_at", f"{_ID}, 'a', 'user', sha256(n::text::bytea), {_AT}"),
    "notices": ("id, topic, created_at, attempts", f"{_ID}, 'expiry:' || n, {_AT}, 1"),
    "pauses": (
        "id, cause, reason, files, size_bytes, paused_at, paused_by, resumed_at",
        f"{_ID}, 'operator', 'r', 0, 0, {_AT}, 'a', {_AT}",
    ),
    "scrubs": ("id, started_at, ended_at, files, size_bytes, problems", f"{_ID}, {_AT}, {_AT}, 0, 0, 0"),
    "ledger_days": ("day, category, files, size_bytes", "'2000-01-01'::date + n::int, 'temp', 1, 1"),
}
"""By kind, the columns and values of records long over; `n` counts them."""
PLAN: Final = f"""
    INSERT INTO plans (id, hash, policy_version, created_at, created_by, expires_at, files, size_bytes)
    SELECT {_ID}, 'h', 'v', {_AT}, 'a', {_AT}, 1, 1 FROM generate_series(1, 1) AS n
"""
BY_NAME: Final = {kind.name: kind for kind in KINDS}
STAY: Final = {"scrubs": 1}
"""The last round of the scrub says when the next one is due."""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over thousands of records of every kind; no oracle, for nothing lies behind them."""
    async with open_runtime(settings, database) as opened:
        tables = {name: BY_NAME[name].table for name in PLANTED}
        await execute(
            database,
            PLAN,
            *(
                f"INSERT INTO {tables[name]} ({columns}) SELECT {values} FROM generate_series(1, {ROWS}) AS n"
                for name, (columns, values) in PLANTED.items()
            ),
            as_new(*tables.values()),
        )
        yield opened


async def plan_of(runtime: Runtime, name: str, asked: dict[str, Any]) -> Plan:
    """Return the plan of ending one batch, which is taken back."""
    ending = BY_NAME[name].ending
    chosen = {parameter: asked[parameter] for parameter in ending.compile().params}
    async with runtime.db.engine.connect() as connection:
        await connection.execute(text("SET LOCAL media_analysis.ends_records = 'on'"))
        told = (await connection.execute(Explain(ending.bindparams(**chosen)))).scalar_one()
    return Plan(list(_nodes(told[0]["Plan"])))


async def test_a_batch_reads_no_more_than_itself_and_in_the_end_all_are_gone(runtime: Runtime, database: str) -> None:
    now = await runtime.db.now()
    start = {"at": now - timedelta(days=36_500), "id": first_id(now - timedelta(days=36_500))}
    asked = {"before": now, "newest": first_id(now), "limit": BATCH, **start}

    plans = {name: await plan_of(runtime, name, asked) for name in PLANTED}
    ended = await runtime.records.end()
    left = {name: len(await fetch(database, f"SELECT FROM {BY_NAME[name].table}")) for name in PLANTED}

    # What is looked up for each of the batch: its purge, its copies, its file; and the rows themselves, twice.
    read = {name: plan.rows_read for name, plan in plans.items() if plan.rows_read > 5 * BATCH}
    assert read == {}
    assert {name: ended[name] for name in PLANTED} | {"sweeps": ended["sweeps"] + ended["idle_sweeps"]} == {
        name: ROWS - STAY.get(name, 0) for name in PLANTED
    }
    assert ended["idle_sweeps"] == ROWS // 2
    assert {name: rows for name, rows in left.items() if rows and name != "audit"} == STAY
    assert left["audit"] == 1, "the policy in force"
