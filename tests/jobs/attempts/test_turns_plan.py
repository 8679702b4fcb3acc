"""Choosing the next jobs asks indexes: what is read grows with the owners that wait, not with their jobs (law 7)."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import pytest
from sqlalchemy import TextClause

from media_analysis.jobs.attempts.turns import CHOOSE, CHOOSE_OF_OWNER
from tests.plans import Plan, planned

OWNERS: Final = 10
LINES: Final = "'{tiny,probe,external:words,external:sounds}'"
# One owner has nearly all of it, some of which waits for its next try; others wait elsewhere. As many run as workers
# have slots, however many wait: these are counted one by one. Without the triggers, which would count each of them.
_FILL: Final = """
    SET LOCAL session_replication_role = replica;
    INSERT INTO analysis_jobs (id, owner, name, kind, parameters, status, progress, priority, attempts, retry_at,
                               leased_until, begun_at, folder_name, category)
    SELECT uuidv7(), CASE WHEN number % {each} = 0 THEN 'o' || number / {each} ELSE 'many' END, 'n',
        CASE WHEN {external} THEN 'external' ELSE CASE WHEN number % 5 = 4 THEN 'frames' ELSE 'tiny' END END,
        jsonb_build_object('analyser', CASE WHEN number % 5 = 4 THEN 'faces' ELSE 'words' END),
        (CASE WHEN number % 400 = 2 AND number < 10000 THEN 'running'
            WHEN number % 400 < 200 AND {ended} THEN 'completed' ELSE 'pending' END)::job_status,
        0, number % 4, number % 4,
        CASE WHEN number % 4 = 3 THEN now() + interval '1 h' END,
        CASE WHEN number % 400 = 2 AND number < 10000 THEN now() + interval '1 h' END,
        CASE WHEN number % 400 < 200 AND {ended} THEN now() - make_interval(secs => number) END, '{name}' || number,
        'outputs'
    FROM generate_series(1, {jobs}) AS number
"""
OF_OTHERS: Final = {"that twenty were each of another owner": 20, "that many were each of another owner": 400}
KNOWN: Final = (
    "nothing",
    "that there was none",
    "that all were of another kind",
    *OF_OTHERS,
    "all",
)
# What tests before had, of which the database may have told itself something at any moment.
_FORGET: Final = "DELETE FROM pg_statistic WHERE starelid = 'analysis_jobs'::regclass"
_ASKED: Final = {"kinds": "text[]", "now": "timestamptz", "limit": "bigint", "lines": "bigint", "look": "bigint"}


async def explain_choice(
    connection: asyncpg.Connection, choice: TextClause, *, limit: int, owner: str | None = None
) -> Plan:
    """Return the plan of a choice as claims have it: a generic one, whatever statistics say of what waits."""
    values = {
        "kinds": LINES,
        "now": "now()",
        "limit": str(limit),
        "lines": str(limit),
        "look": str(2 * limit + 8),
        "owner": f"'{owner}'",
    }
    asked = _ASKED if owner is None else {**_ASKED, "owner": "text"}
    statement = choice.text
    for number, name in enumerate(asked, start=1):
        statement = statement.replace(f":{name}", f"${number}")
    return await planned(connection, statement, list(asked.values()), [values[name] for name in asked], plans="generic")


async def fill(
    connection: asyncpg.Connection, jobs: int, *, external: bool, ended: bool = False, each: int = 0
) -> None:
    about = {"external": external, "ended": ended, "name": f"{external}-{ended}-", "each": each or jobs // OWNERS}
    async with connection.transaction():
        for statement in _FILL.format(jobs=jobs, **about).split(";"):
            await connection.execute(statement)


def require_heads_only(plan: Plan, owners: int, *, limit: int) -> None:
    """Of each owner the heads of some lines and when it was served; of those that are served some jobs."""
    assert plan.read_whole == set()
    assert {"ix_analysis_jobs_lines", "ix_analysis_jobs_begun"} <= plan.indexes
    look = 2 * limit + 8
    assert plan.rows_read <= 60 + 8 * owners * limit + 2 * look * min(look, owners), plan.nodes


@pytest.mark.parametrize("kind", ["tiny", "external"])
@pytest.mark.parametrize("known", KNOWN)
async def test_a_claim_reads_the_heads_of_lines_at_twenty_thousand_jobs(database: str, known: str, kind: str) -> None:
    await require_few_rows(database, known, external=kind == "external", jobs=20_000)


@pytest.mark.large
async def test_a_claim_reads_the_heads_of_lines_at_a_million_jobs(database: str) -> None:
    await require_few_rows(database, "nothing", external=False, jobs=1_000_000)


async def require_few_rows(database: str, known: str, *, external: bool, jobs: int) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_FORGET)
        if known in OF_OTHERS:
            await fill(connection, OF_OTHERS[known], external=external, each=1)
            await connection.execute("VACUUM ANALYZE analysis_jobs")
            await connection.execute("DELETE FROM analysis_jobs")
        if known == "that all were of another kind":
            await fill(connection, 3_000, external=not external)
        if known in {"that there was none", "that all were of another kind"}:
            await connection.execute("VACUUM ANALYZE analysis_jobs")
        await fill(connection, jobs, external=external)
        await fill(connection, jobs // 10, external=external, ended=True)
        if known == "all":
            await connection.execute("ANALYZE analysis_jobs")
        for plan, owners, limit in await explain_all(connection):
            require_heads_only(plan, owners, limit=limit)
    finally:
        await connection.close()


async def explain_all(connection: asyncpg.Connection) -> Sequence[tuple[Plan, int, int]]:
    return [
        (plan, owners, limit)
        for limit in (1, 16)
        for plan, owners in (
            (await explain_choice(connection, CHOOSE, limit=limit), OWNERS + 1),
            (await explain_choice(connection, CHOOSE_OF_OWNER, limit=limit, owner="o3"), 1),
        )
    ]
