"""The claim asks an index, never the table, whatever the planner knows of its parameters (design law 7)."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from media_analysis.db.database import Database
from media_analysis.deletion import due
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import as_new

_FILL = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
                             stored_at, expires_at, expiry_explicit, due_at)
    SELECT gen_random_uuid(), 'owner' || number % 100,
        CASE WHEN number % 4 = 0 THEN 'temp' ELSE 'uploads' END::category,
        'stored', 'uploads/' || number, 'a', 'text/plain', 1, 0, '\\x00', now(), moment, true, moment
    FROM (
        SELECT number,
            now() + CASE WHEN number <= {due} THEN -1 ELSE 1 END * interval '1 second' * number AS moment
        FROM generate_series(1, {rows}) AS number
    ) AS numbered
"""
_FORGET = "DELETE FROM pg_statistic WHERE starelid = 'media_files'::regclass"
"""What other tests let the table be known by."""
_ARGUMENTS = {
    "category": "'uploads'",
    "now": "now()",
    "after_at": "'0001-01-01 00:00+00'",
    "after_id": "'00000000-0000-0000-0000-000000000000'",
    "limit": "1000",
}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


async def explain_claim(db: Database, plans: str, *, only_pending: bool) -> list[dict[str, Any]]:
    """Return the nodes of the plan, custom or generic, that a connection of the service would follow."""
    compiled = due.DUE[only_pending, True].compile(dialect=db.engine.dialect)
    arguments = ", ".join(_ARGUMENTS[name] for name in compiled.positiontup or ())
    async with db.engine.connect() as connection:
        await connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = force_{plans}_plan")
        await connection.exec_driver_sql(f"PREPARE claim AS {compiled}")
        told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE claim({arguments})")).scalar_one()
        await connection.exec_driver_sql("DEALLOCATE claim")
    return list(nodes(told[0]["Plan"]))


def require_index_only_in_order(plan: list[dict[str, Any]], *, only_pending: bool = False) -> None:
    kinds = {node["Node Type"] for node in plan}
    indexes = {node["Index Name"] for node in plan if "Index Name" in node}
    assert indexes == {"ix_media_files_pending" if only_pending else "ix_media_files_due"}, plan
    assert not kinds & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, plan


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services without the oracle: these rows have no objects."""
    async with open_runtime(settings, database) as opened:
        yield opened


@pytest.mark.parametrize("only_pending", [False, True], ids=["all", "pending"])
@pytest.mark.parametrize("plans", ["custom", "generic"])
@pytest.mark.parametrize("due", [100, 10_000])
async def test_the_claim_uses_the_due_index_at_ten_thousand_rows(
    runtime: Runtime, database: str, due: int, plans: str, *, only_pending: bool
) -> None:
    await execute(database, _FILL.format(rows=10_000, due=due), as_new("media_files"))

    require_index_only_in_order(
        await explain_claim(runtime.db, plans, only_pending=only_pending), only_pending=only_pending
    )


async def test_the_claim_uses_the_due_index_before_the_table_was_ever_analyzed(runtime: Runtime, database: str) -> None:
    await execute(database, "TRUNCATE media_files", _FORGET, _FILL.format(rows=10_000, due=100))

    for plans in ("custom", "generic"):
        require_index_only_in_order(await explain_claim(runtime.db, plans, only_pending=False))


@pytest.mark.large
@pytest.mark.parametrize("due", [10_000, 1_000_000])
async def test_the_claim_uses_the_due_index_at_a_million_rows(runtime: Runtime, database: str, due: int) -> None:
    await execute(database, _FILL.format(rows=1_000_000, due=due), as_new("media_files"))

    for plans in ("custom", "generic"):
        require_index_only_in_order(await explain_claim(runtime.db, plans, only_pending=False))
