"""Picking the next entry asks an index: what it reads grows with the owners that wait, not with their jobs (law 7)."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import uuid4

import asyncpg
import pytest

from media_analysis.worker.entries import PICK
from tests.plans import Plan, planned

OWNERS: Final = 10
# One owner has nearly all of it: a quarter was tried and waits for its next try, the most urgent among it.
_FILL: Final = """
    INSERT INTO queue.pgqueuer (entrypoint, status, priority, headers, attempts, execute_after)
    SELECT 'tiny', 'queued'::queue.pgqueuer_status, number % 4, '{{"owner": "many"}}',
        CASE WHEN number % 4 = 3 THEN 1 ELSE 0 END,
        now() + CASE WHEN number % 4 = 3 THEN interval '1 h' ELSE interval '0' END
    FROM generate_series(1, {waiting}) AS number
    UNION ALL
    SELECT 'tiny', 'queued', 0, jsonb_build_object('owner', 'o' || number), 0, now()
    FROM generate_series(2, {owners}) AS number
"""
_ASKED: Final = ("'{tiny,probe,frames}'", f"'{uuid4()}'", "'15 s'")


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


async def explain_pick(connection: asyncpg.Connection, plans: str) -> Plan:
    return await planned(connection, PICK, ("text[]", "uuid", "interval"), _ASKED, plans=plans)


def require_heads_only(plan: Plan, owners: int) -> None:
    """Some rows are read of each owner: the head of each line, its turn, and the entry that is taken."""
    assert plan.read_whole <= {"queue_turns"}, "which is empty"
    assert "ix_pgqueuer_lines" in plan.indexes
    assert plan.rows_read <= 6 * owners, plan.nodes


async def fill(connection: asyncpg.Connection, waiting: int, *after: str) -> None:
    await connection.execute(_FILL.format(waiting=waiting, owners=OWNERS))
    for statement in after:
        await connection.execute(statement)


async def explain_all(connection: asyncpg.Connection) -> Sequence[Plan]:
    return [await explain_pick(connection, plans) for plans in ("custom", "generic")]


@pytest.mark.parametrize("known", ["nothing", "that it was empty", "all"])
async def test_a_pick_reads_the_heads_of_lines_at_twenty_thousand_entries(
    connection: asyncpg.Connection, known: str
) -> None:
    await connection.execute("VACUUM ANALYZE" if known == "that it was empty" else "SELECT 1")
    await fill(connection, 20_000, *(["ANALYZE queue.pgqueuer"] if known == "all" else []))

    for plan in await explain_all(connection):
        require_heads_only(plan, OWNERS)


@pytest.mark.large
async def test_a_pick_reads_the_heads_of_lines_at_a_million_entries(connection: asyncpg.Connection) -> None:
    await fill(connection, 1_000_000)

    for plan in await explain_all(connection):
        require_heads_only(plan, OWNERS)
